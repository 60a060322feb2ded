import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { runVerb } from '../../src/node/index.ts'
import { until } from '../node/lab.ts'
import { type Made, Registry } from './conformance/client.ts'
import { Site } from './site.ts'

const never = new AbortController().signal

interface Conflict {
  readonly kind: string
  readonly repository: string
  readonly tag: string
  readonly winner: { readonly digest: string; readonly author: string }
  readonly losers: readonly { readonly digest: string; readonly author: string }[]
}

/** Puts one trust file in force at several nodes: an identity for each, and what is delegated. */
function trustEachOther(sites: Readonly<Record<string, Site>>, delegations: readonly string[]): void {
  const names = Object.entries(sites)
  const text = `apiVersion: rejoin/v1
kind: TrustPolicy
name: lab
version: 2
keys:
${names.map(([name, site]) => `  ${name}: {did: "${site.node.did}"}`).join('\n')}
identities:
${names.map(([name]) => `  ${name}: {keys: [${name}]}`).join('\n')}
${delegations.length === 0 ? '' : `delegations:\n${delegations.map((one) => `  - ${one}`).join('\n')}`}
`
  for (const [, site] of names) {
    writeFileSync(join(site.root, 'trust.yaml'), text)
    site.node.reloadTrust()
    site.live?.rulesChanged()
  }
}

async function conflicts(site: Site): Promise<readonly Conflict[]> {
  for await (const record of runVerb(site.node, site.live, 'status', {}, never))
    return (record as unknown as { readonly conflicts: readonly Conflict[] }).conflicts
  return []
}

async function meet(one: Site, other: Site): Promise<void> {
  await one.live?.dial(other.live?.host.addresses()[0] ?? '', never)
}

async function digestAt(site: Site, name: string, tag: string): Promise<string | undefined> {
  const { headers } = await new Registry(site.url).ask('HEAD', `/v2/${name}/manifests/${tag}`)
  return headers['docker-content-digest'] as string | undefined
}

async function push(site: Site, name: string, tag: string): Promise<Made> {
  return await new Registry(site.url).pushed(name, tag)
}

describe('one tag, set on both sides of a partition', () => {
  it('REG-21 REG-22 REG-23 CLI-16: has the same winner everywhere; the loser is listed and reachable until somebody settles it', async () => {
    await using alice = await Site.open('alice', { net: true })
    await using bob = await Site.open('bob', { net: true })
    await using carol = await Site.open('carol', { net: true })
    const sites = { alice, bob, carol }
    trustEachOther(sites, ['{ from: root, to: alice, paths: ["apps/**"] }', '{ from: root, to: bob, paths: ["apps/**"] }'])
    const first = await push(alice, 'apps/web', 'v1')
    const second = await push(bob, 'apps/web', 'v1')
    expect(await conflicts(alice)).toEqual([])
    await meet(alice, bob)
    await meet(carol, bob)
    await meet(carol, alice)
    for (const site of Object.values(sites)) {
      await until(async () => expect(await conflicts(site)).toHaveLength(1))
      expect(await digestAt(site, 'apps/web', 'v1')).toBe(second.digest)
      expect(await digestAt(site, 'apps/web', first.digest)).toBe(first.digest)
      expect(await conflicts(site)).toMatchObject([
        {
          kind: 'tag',
          repository: 'apps/web',
          tag: 'v1',
          winner: { digest: second.digest, author: 'bob' },
          losers: [{ digest: first.digest, author: 'alice' }]
        }
      ])
    }
    await new Registry(alice.url).mustPut('apps/web', first, 'v1')
    const said = alice.events().at(-1)
    expect(said).toMatchObject({ type: 'tag.moved', data: { tag: 'v1', digest: first.digest, replaces: [`${bob.node.log}/1`] } })
    for (const site of Object.values(sites)) {
      await until(async () => expect(await conflicts(site)).toEqual([]))
      expect(await digestAt(site, 'apps/web', 'v1')).toBe(first.digest)
    }
  })

  it('REG-22: a writer to whom the repository is delegated goes before one who set the tag later', async () => {
    await using alice = await Site.open('alice', { net: true })
    await using bob = await Site.open('bob', { net: true })
    const sites = { alice, bob }
    trustEachOther(sites, [
      '{ from: root, to: alice, paths: ["apps/**"] }',
      '{ from: root, to: bob, paths: ["**"], types: ["tag.moved"] }'
    ])
    const first = await push(alice, 'apps/web', 'v1')
    const later = await push(bob, 'apps/web', 'v1')
    await meet(bob, alice)
    await until(async () => expect(await digestAt(bob, 'apps/web', 'v1')).toBe(first.digest))
    expect(await conflicts(bob)).toMatchObject([{ winner: { author: 'alice' }, losers: [{ digest: later.digest }] }])
    expect(await digestAt(bob, 'apps/web', later.digest)).toBe(later.digest)
  })

  it('REG-24: nothing can be pushed to, or deleted from, another writer’s repository', async () => {
    await using alice = await Site.open('alice', { net: true })
    await using bob = await Site.open('bob', { net: true })
    trustEachOther({ alice, bob }, [])
    const manifest = await push(alice, 'app', 'v1')
    await meet(bob, alice)
    await until(async () => expect(await digestAt(bob, 'alice/app', 'v1')).toBe(manifest.digest))
    const registry = new Registry(bob.url)
    const image = await registry.image('mine')
    for (const answer of [
      await registry.put('alice/app', image, 'v2'),
      await registry.ask('DELETE', '/v2/alice/app/manifests/v1')
    ]) {
      expect(answer.status).toBe(403)
      expect(JSON.parse(answer.body.toString())).toMatchObject({ errors: [{ code: 'DENIED' }] })
    }
    // the same words at home are free
    expect((await new Registry(alice.url).ask('GET', '/v2/app/manifests/v1')).status).toBe(200)
  })
})
