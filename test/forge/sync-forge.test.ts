import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { codeOf } from '../../src/core/index.ts'
import { runAnyVerb } from '../../src/cli/any-verb.ts'
import { forgeStatus } from '../../src/forge/index.ts'
import { readForgeState } from '../../src/forge/forge-state.ts'
import { readOutbox } from '../../src/forge/outbox.ts'
import { DockerRegistry } from '../registry/docker-registry.ts'
import { Site } from '../registry/site.ts'
import { digestAt, Followed, push } from './followed.ts'

const never = new AbortController().signal

/** Adds rules to the trust file of a site, and lets them come into force. */
async function rule({ site }: Followed, yaml: string): Promise<void> {
  const path = join(site.root, 'trust.yaml')
  writeFileSync(path, readFileSync(path, 'utf8').replace(/version: (\d+)/, (_, n) => `version: ${Number(n) + 1}`) + yaml)
  site.node.reloadTrust()
  await site.node.settled()
}

describe('pulling from a forge', () => {
  it('FORGE-4 FORGE-5 FORGE-7 takes whole artifacts with what refers to them, says where they were seen, and asks once for what is unchanged', async () => {
    await using forge = await Site.open('forge')
    const image = await push(forge.url, 'apps/web', 'v1', 'one')
    await push(forge.url, 'apps/web', 'sbom', 'about one', image)
    await push(forge.url, 'other/web', 'v1', 'not followed')
    await using followed = await Followed.open(forge.url, { pull: ['apps/web:v1'], push: [] })
    const first = await followed.sync()
    expect(first).toMatchObject({ complete: true, taken: 2, refused: 0, sent: 0 })
    const { site } = followed
    expect(await digestAt(site.url, 'apps/web', 'v1')).toBe(image.digest)
    const answer = await fetch(`${site.url}/v2/apps/web/referrers/${image.digest}`)
    expect(((await answer.json()) as { manifests: unknown[] }).manifests).toHaveLength(1)
    expect(await (await fetch(`${site.url}/v2/apps/web/blobs/${image.layer}`)).text()).toBe('one')
    const events = site.events()
    expect(events.map(({ type }) => type)).toEqual(['forge.seen', 'forge.seen'])
    expect(events[0]?.data).toMatchObject({ forge: forge.url, repository: 'apps/web', tag: 'v1', digest: image.digest })
    expect(await digestAt(site.url, 'other/web', 'v1')).toBeNull()
    const again = await followed.sync()
    expect(again).toMatchObject({ complete: true, taken: 0, requests: 1 })
    expect(site.events()).toHaveLength(2)
    expect(await site.faults()).toEqual([])
  })

  it('FORGE-3 judges by the rules, with the forge as an identity of its own; what they refuse or hold is not taken', async () => {
    await using forge = await Site.open('forge')
    const good = await push(forge.url, 'apps/good', 'v1', 'good')
    const bad = await push(forge.url, 'apps/bad', 'v1', 'bad text')
    const odd = await push(forge.url, 'apps/odd', 'v1', 'odd text')
    await using followed = await Followed.open(forge.url)
    await rule(
      followed,
      `rules:
  - {id: good, when: 'signer.name == "forge" && signer.roles.exists(r, r == "forge") && event.path == "apps/good"', verdict: relay}
  - {id: bad, when: 'event.path == "apps/bad"', verdict: refuse}
default: hold
`
    )
    const { site } = followed
    expect(await followed.sync()).toMatchObject({ taken: 1, refused: 2 })
    expect(await digestAt(site.url, 'apps/good', 'v1')).toBe(good.digest)
    for (const [name, { digest, layer }] of [['apps/bad', bad] as const, ['apps/odd', odd] as const]) {
      expect(await digestAt(site.url, name, 'v1')).toBeNull()
      expect([site.node.blobs.has(digest as never), site.node.blobs.has(layer as never)]).toEqual([false, false])
    }
    const seen = readForgeState(site.root, new URL(forge.url).host).seen
    expect(seen.get('apps/bad')?.get('v1')).toMatchObject({ verdict: 'refuse', rule: 'bad' })
    expect(seen.get('apps/odd')?.get('v1')).toMatchObject({ verdict: 'hold' })
  })

  it('FORGE-15 CLI-12 lists what is held for a person to decide about, whose word goes before the rules as long as it is that digest', async () => {
    await using forge = await Site.open('forge')
    const odd = await push(forge.url, 'apps/odd', 'v1', 'odd')
    await push(forge.url, 'apps/bad', 'v1', 'bad')
    await using followed = await Followed.open(forge.url)
    const { site } = followed
    await rule(followed, `rules: [{id: look, when: 'event.path.startsWith("apps/")', verdict: hold}]\n`)
    expect(await followed.sync()).toMatchObject({ taken: 0, refused: 2 })
    const triage = async (args: object): Promise<readonly Readonly<Record<string, unknown>>[]> =>
      (await Array.fromAsync(runAnyVerb(site.node, site.live, 'triage', args, never))) as never
    const reference = `${forge.url}/apps/odd:v1`
    expect(await triage({})).toMatchObject([
      {
        kind: 'held',
        forge: forge.url,
        reference: `${forge.url}/apps/bad:v1`,
        author: 'forge',
        type: 'forge.seen',
        waits: 'person'
      },
      { kind: 'held', reference, subject: odd.digest, repository: 'apps/odd:v1', since: expect.any(String) as string }
    ])
    expect(forgeStatus(site.node)).toMatchObject([{ held: 2 }])
    expect(await followed.sync()).toMatchObject({ taken: 0, requests: 3 })
    expect(await triage({ action: 'accept', events: [reference], because: 'looked at' })).toMatchObject([
      { kind: 'decision', action: 'accept', reference, before: 'hold', waits: 'forge' }
    ])
    await triage({ action: 'refuse', events: [`docker://${forge.host}/apps/bad:v1`] })
    expect(await triage({})).toEqual([])
    expect(await followed.sync()).toMatchObject({ taken: 1, refused: 0 })
    expect(await digestAt(site.url, 'apps/odd', 'v1')).toBe(odd.digest)
    const seen = readForgeState(site.root, forge.host).seen.get('apps/odd')?.get('v1')
    expect(seen).toMatchObject({ verdict: 'relay', rule: 'person' })
    // another digest is another question
    await push(forge.url, 'apps/bad', 'v1', 'better')
    expect(await followed.sync()).toMatchObject({ taken: 0, refused: 1 })
    expect(await triage({})).toMatchObject([{ repository: 'apps/bad:v1' }])
    const code = async (args: object): Promise<unknown> => await triage(args).catch(codeOf)
    expect(await code({ action: 'accept', events: [`${forge.url}/apps/none:v1`] })).toBe('E_NOT_FOUND')
    expect(await code({ action: 'accept', events: [`${forge.url}/apps/bad:v1`], keep: true })).toBe('E_USAGE')
    // words that name nothing at a forge are events
    expect(await code({ action: 'accept', events: ['nobody/3'], keep: true })).toBe('E_NOT_FOUND')
  })

  it('FORGE-8 takes a tag away that went at the forge, and leaves one that was set here since', async () => {
    await using forge = await Site.open('forge')
    await push(forge.url, 'apps/web', 'gone', 'one')
    await push(forge.url, 'apps/web', 'mine', 'two')
    await using followed = await Followed.open(forge.url, { push: [] })
    await followed.sync()
    const { site } = followed
    const mine = await push(site.url, 'apps/web', 'mine', 'three')
    for (const tag of ['gone', 'mine']) await fetch(`${forge.url}/v2/apps/web/manifests/${tag}`, { method: 'DELETE' })
    await followed.sync()
    expect(await digestAt(site.url, 'apps/web', 'gone')).toBeNull()
    expect(await digestAt(site.url, 'apps/web', 'mine')).toBe(mine.digest)
    expect(await followed.sync()).toMatchObject({ taken: 0 })
  })
})

describe('pushing to a forge', () => {
  it('FORGE-9 FORGE-12 CLI-14 REG-40 keeps what waits in files while the forge is away, and sends it in the order of the log', async () => {
    await using forge = await DockerRegistry.open()
    const retention = { pins: [], rules: [{ repositories: 'apps/**', keepTags: 1 }] }
    await using followed = await Followed.open(forge.url, {}, { flags: { retention } })
    await followed.sync()
    const { site } = followed
    await forge.stop()
    const one = await push(site.url, 'apps/web', 'v1', 'one')
    await push(site.url, 'apps/web', 'v2', 'two')
    await push(site.url, 'elsewhere/web', 'v1', 'not pushed back')
    expect(await followed.sync().catch(codeOf)).toBe('E_UNREACHABLE')
    expect(readOutbox(site.root).map(({ tag }) => tag)).toEqual(['v1', 'v2'])
    // rules of retention let nothing go that waits; what was deleted before it could be sent holds nothing up
    const brief = await push(site.url, 'apps/web', 'brief', 'deleted soon')
    await fetch(`${site.url}/v2/apps/web/manifests/${brief.digest}`, { method: 'DELETE' })
    const gc = { olderThan: '0s' }
    const [swept] = (await Array.fromAsync(runAnyVerb(site.node, site.live, 'gc', gc, never))).slice(-1)
    expect(swept).toMatchObject({ artifacts: 0 })
    expect([site.node.blobs.has(brief.digest as never), site.node.blobs.has(one.digest as never)]).toEqual([false, true])
    const away = readForgeState(site.root, new URL(forge.url).host)
    expect(away.awaySince).toBeDefined()
    await site.down()
    await site.up()
    await forge.start()
    expect(await followed.sync()).toMatchObject({ complete: true, sent: 3, taken: 0, waiting: 0 })
    expect(await digestAt(forge.url, 'apps/web', 'v1')).toBe(one.digest)
    expect(await digestAt(forge.url, 'apps/web', 'brief')).toBeNull()
    expect(await digestAt(forge.url, 'elsewhere/web', 'v1')).toBeNull()
    expect(readForgeState(site.root, new URL(forge.url).host).awaySince).toBeUndefined()
    expect(await followed.sync()).toMatchObject({ complete: true, sent: 0, taken: 0 })
  })

  it('FORGE-11 lists what refers to a subject under its fallback tag, where the registry knows no referrers', async () => {
    await using forge = await DockerRegistry.open()
    await using followed = await Followed.open(forge.url, { pull: [] })
    const { site } = followed
    const image = await push(site.url, 'apps/web', 'v1', 'one')
    const first = await push(site.url, 'apps/web', 's1', 'first', image)
    const second = await push(site.url, 'apps/web', 's2', 'second', image)
    expect(await followed.sync()).toMatchObject({ complete: true, sent: 3 })
    const list = await fetch(`${forge.url}/v2/apps/web/manifests/${image.digest.replace(':', '-')}`, {
      headers: { accept: 'application/vnd.oci.image.index.v1+json' }
    })
    const { manifests } = (await list.json()) as { readonly manifests: readonly { readonly digest: string }[] }
    expect(manifests.map(({ digest }) => digest)).toEqual([first.digest, second.digest])
    // and another site finds them there
    await using other = await Followed.open(forge.url, { pull: ['apps/web:v1'], push: [] })
    expect(await other.sync()).toMatchObject({ taken: 3 })
  })

  it.each(['show', 'forge', 'site'] as const)(
    'FORGE-10 a tag that moved on both sides, with onConflict: %s',
    async (onConflict) => {
      await using forge = await Site.open('forge')
      await push(forge.url, 'apps/web', 'v1', 'before')
      await using followed = await Followed.open(forge.url, { onConflict })
      await followed.sync()
      const { site } = followed
      const here = await push(site.url, 'apps/web', 'v1', 'moved here')
      const there = await push(forge.url, 'apps/web', 'v1', 'moved there')
      const result = await followed.sync()
      expect(result).toMatchObject({ conflicts: onConflict === 'show' ? 1 : 0, complete: onConflict !== 'show' })
      const [site1, forge1] = [await digestAt(site.url, 'apps/web', 'v1'), await digestAt(forge.url, 'apps/web', 'v1')]
      if (onConflict === 'show') expect([site1, forge1]).toEqual([here.digest, there.digest])
      if (onConflict === 'forge') expect([site1, forge1]).toEqual([there.digest, there.digest])
      if (onConflict === 'site') expect([site1, forge1]).toEqual([here.digest, here.digest])
      // neither is lost
      for (const { digest } of [here, there]) expect(await digestAt(site.url, 'apps/web', digest)).toBe(digest)
      const before = site.events().length
      expect(await followed.sync()).toMatchObject({ taken: 0, sent: 0 })
      expect(site.events()).toHaveLength(before)
    }
  )
})
