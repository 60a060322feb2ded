import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { codeOf, type Digest } from '../../src/core/index.ts'
import { readForgeState, type SeenTag, writeForgeState } from '../../src/forge/forge-state.ts'
import { areReferrersDue } from '../../src/forge/referrers.ts'
import { forgeVerb } from '../../src/forge/index.ts'
import { runVerb } from '../../src/node/index.ts'
import { addIdentity } from '../../src/trust/index.ts'
import { indexType, made, Registry } from '../registry/conformance/client.ts'
import { DockerRegistry } from '../registry/docker-registry.ts'
import { Site } from '../registry/site.ts'
import { CountingProxy } from './counting-proxy.ts'
import { digestAt, Followed, push } from './followed.ts'

const never = new AbortController().signal
let docker: DockerRegistry
beforeAll(async () => {
  docker = await DockerRegistry.open({ isInMemory: true })
})
afterAll(async () => await docker[Symbol.asyncDispose]())

describe('what a sync costs', () => {
  it('FORGE-7: at a node of ours one request, whatever is followed; a moved tag and a late signature cost what they need', async () => {
    await using forge = await Site.open('forge')
    await using proxy = await CountingProxy.open(forge.url)
    const images = await Promise.all(['v1', 'v2', 'v3'].map(async (tag) => await push(forge.url, 'apps/web', tag, tag)))
    await using followed = await Followed.open(proxy.url, { pull: ['apps/web:v*'], push: [] })
    expect(await followed.sync()).toMatchObject({ taken: 3, complete: true })
    // one config, the same for all three
    expect(proxy.take()).toEqual({ 'GET tags 200': 1, 'GET manifests 200': 3, 'GET blobs 200': 4 })
    expect(await followed.sync()).toMatchObject({ taken: 0, requests: 1 })
    expect(proxy.passed).toMatchObject([{ status: 304, bytes: 0 }])
    proxy.take()
    // signed after it was pulled, and the signature signed
    const signature = await push(forge.url, 'apps/web', 'sig', 'signature', images[0])
    await push(forge.url, 'apps/web', 'sig2', 'about the signature', signature)
    expect(await followed.sync()).toMatchObject({ taken: 2, refused: 0 })
    expect(proxy.take()).toEqual({ 'GET tags 200': 1, 'GET manifests 200': 2, 'GET blobs 200': 2 })
    const moved = await push(forge.url, 'apps/web', 'v2', 'moved')
    expect(await followed.sync()).toMatchObject({ taken: 1 })
    expect(proxy.take()).toEqual({ 'GET tags 200': 1, 'GET manifests 200': 1, 'GET blobs 200': 1 })
    expect(await digestAt(followed.site.url, 'apps/web', 'v2')).toBe(moved.digest)
    // a go for one tag takes away no others
    const once = async (url: string): Promise<readonly object[]> => {
      const args = { action: 'once' as const, url: `docker://${new URL(url).host}/apps/web:v1` }
      return await Array.fromAsync(forgeVerb({ node: followed.site.node, live: undefined, args, signal: never }))
    }
    expect(await once(proxy.url)).toMatchObject([{ kind: 'result', complete: true }])
    expect(await digestAt(followed.site.url, 'apps/web', 'v3')).toBe(images[2]?.digest)
    // FORGE-3: one that nobody let in is not even asked
    expect(await once(forge.url).catch(codeOf)).toBe('E_REFUSED')
    const args = { action: 'add', name: 'other', key: `${forge.url}/` }
    for await (const record of runVerb(followed.site.node, undefined, 'trust', args, never))
      expect(record).toMatchObject({
        identities: expect.arrayContaining([{ name: 'other', keys: [], roles: ['forge'], forge: forge.url }]) as object
      })
    expect(await once(forge.url)).toMatchObject([{ kind: 'result', complete: true }])
  })

  it('FORGE-7: asks ever more rarely what refers to a tag, where the forge has no list with digests, and between a minute and a day', async () => {
    const [startMs, dayMs] = [Date.parse('2026-11-28T00:00:00Z'), 86_400_000]
    const iso = (ms: number): string => new Date(ms).toISOString()
    let seen: SeenTag = { digest: `sha256:${'0'.repeat(64)}` as Digest, verdict: 'relay', rule: 'x', since: iso(startMs) }
    const asked: number[] = []
    for (let ms = startMs; ms <= startMs + 4 * dayMs; ms += 60_000) {
      if (!areReferrersDue(seen, ms)) continue
      asked.push((ms - startMs) / 60_000)
      seen = { ...seen, asked: iso(ms) }
    }
    expect(asked).toEqual([0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 3488, 4928])
    // found so at a node that is followed by the name of one tag
    await using forge = await Site.open('forge')
    const image = await push(forge.url, 'apps/web', 'v1', 'one')
    await using followed = await Followed.open(forge.url, { pull: ['apps/web:v1'], push: [] })
    await followed.sync()
    await push(forge.url, 'apps/web', 'sig', 'signature', image)
    expect(await followed.sync()).toMatchObject({ taken: 0, requests: 1 })
    const { root } = followed.site
    const state = readForgeState(root, forge.host)
    const [since, before] = [iso(Date.now() - 3 * 60_000), iso(Date.now() - 2 * 60_000)]
    const known = state.seen.get('apps/web')?.get('v1') as SeenTag
    writeForgeState(root, forge.host, {
      ...state,
      seen: new Map([['apps/web', new Map([['v1', { ...known, since, asked: before }]])]])
    })
    expect(await followed.sync()).toMatchObject({ taken: 1 })
  })

  it('FORGE-10: a tag that is set here while the forge is read is not overwritten', async () => {
    await using forge = await Site.open('forge')
    await using proxy = await CountingProxy.open(forge.url)
    const there = await push(forge.url, 'apps/web', 'v1', 'there')
    await push(forge.url, 'apps/web', 'v2', 'two')
    await using followed = await Followed.open(proxy.url)
    const { site } = followed
    const here: string[] = []
    proxy.before = async (method, path) => {
      if (method !== 'GET' || !path.includes('/blobs/') || here.length > 0) return
      here.push('')
      here.push((await push(site.url, 'apps/web', 'v1', 'set here meanwhile')).digest)
    }
    // both that v1 came, and that it is not overwritten there
    expect(await followed.sync()).toMatchObject({ taken: 2, complete: false, waiting: 1 })
    expect([await digestAt(site.url, 'apps/web', 'v1'), await digestAt(forge.url, 'apps/web', 'v1')]).toEqual([
      here[1],
      there.digest
    ])
    expect(await digestAt(site.url, 'apps/web', there.digest)).toBe(there.digest)
    expect(await followed.sync()).toMatchObject({ conflicts: 1, waiting: 1 })
    expect(await digestAt(site.url, 'apps/web', 'v1')).toBe(here[1])
  })

  it('a sync that is begun while another is under way takes nothing twice', async () => {
    await using forge = await Site.open('forge')
    for (const tag of ['v1', 'v2', 'v3']) await push(forge.url, 'apps/web', tag, tag)
    await using followed = await Followed.open(forge.url)
    const results = await Promise.all([followed.sync(), followed.sync()])
    expect(results.map(({ taken }) => taken)).toEqual([3, 0])
    expect(followed.site.events()).toHaveLength(3)
  })

  it('FORGE-7: at any other registry one for the list and one for each followed tag, without a body', async () => {
    await using proxy = await CountingProxy.open(docker.url)
    for (const tag of ['v1', 'v2', 'w3']) await push(docker.url, 'cost/web', tag, tag)
    await using followed = await Followed.open(proxy.url, { pull: ['cost/web:v*'], push: [] })
    expect(await followed.sync()).toMatchObject({ taken: 2, complete: true })
    // it has no referrers API, and no tag that stands for it: asked once
    expect(proxy.take()).toEqual({
      'GET tags 200': 1,
      'HEAD manifests 200': 2,
      'GET manifests 200': 2,
      'GET blobs 200': 3,
      'GET referrers 404': 1
    })
    expect(await followed.sync()).toMatchObject({ taken: 0, requests: 3 })
    expect(proxy.take()).toEqual({ 'GET tags 200': 1, 'HEAD manifests 200': 2 })
  })

  it('FORGE-8: an answer that is no answer takes no tag away', async () => {
    await using proxy = await CountingProxy.open(docker.url)
    const { digest } = await push(docker.url, 'kept/web', 'v1', 'kept')
    await using followed = await Followed.open(proxy.url, { pull: ['kept/web:v1'], push: [] })
    await followed.sync()
    for (const status of [403, 500]) {
      proxy.breaks = () => status
      expect(await followed.sync()).toMatchObject({ complete: false, faults: [expect.stringContaining('kept/web') as string] })
    }
    proxy.breaks = () => 503
    expect(await followed.sync().catch(codeOf)).toBe('E_UNREACHABLE')
    expect(await digestAt(followed.site.url, 'kept/web', 'v1')).toBe(digest)
  })

  it('FORGE-6: two nodes that follow one forge and each other fetch nothing twice: one after the other, and both at once', async () => {
    await using proxy = await CountingProxy.open(docker.url)
    const tags = ['v1', 'v2', 'v3', 'v4', 'v5', 'v6', 'v7', 'v8']
    for (const tag of tags) await push(docker.url, 'both/web', tag, `text of ${tag}`)
    const setting = { pull: ['both/web'], push: [] }
    await using one = await Followed.open(proxy.url, setting, { net: true })
    await using two = await Followed.open(proxy.url, setting, { net: true })
    for (const [a, b] of [[one.site, two.site] as const, [two.site, one.site] as const]) {
      addIdentity(a.root, 'other', b.node.did)
      a.node.reloadTrust()
      a.live?.rulesChanged()
    }
    await two.site.live?.dial(one.site.live?.host.addresses()[0] ?? '', never)
    expect(await one.sync()).toMatchObject({ taken: 8 })
    expect(proxy.take()).toMatchObject({ 'GET manifests 200': 8, 'GET blobs 200': 9 })
    expect(await two.sync()).toMatchObject({ taken: 8, complete: true })
    // not a byte of a manifest or blob
    expect(proxy.take()).toEqual({ 'GET tags 200': 1, 'HEAD manifests 200': 8, 'GET referrers 404': 1 })
    for (const tag of tags) await push(docker.url, 'both/web', `x${tag}`, `other text of ${tag}`)
    await Promise.all([one.sync(), two.sync()])
    // where they meet they may both fetch one
    const counts = proxy.take()
    for (const kind of ['manifests', 'blobs']) {
      expect(counts[`GET ${kind} 200`]).toBeGreaterThanOrEqual(tags.length)
      expect(counts[`GET ${kind} 200`]).toBeLessThan(tags.length + 4)
    }
    for (const { site } of [one, two])
      for (const tag of tags) expect(await digestAt(site.url, 'both/web', `x${tag}`)).not.toBeNull()
  })

  it('FORGE-6: a pull that broke in the middle goes on with what is missing, and asks for nothing twice', async () => {
    await using proxy = await CountingProxy.open(docker.url)
    const registry = new Registry(docker.url)
    for (const tag of ['v1', 'v2']) await push(docker.url, 'half/web', tag, tag)
    const parts = [await registry.pushed('half/web'), await registry.pushed('half/web')]
    const index = made({ schemaVersion: 2, mediaType: indexType, manifests: parts.map(({ descriptor }) => descriptor) })
    await registry.mustPut('half/web', index, 'v3')
    await push(docker.url, 'half/web', 'v4', 'v4')
    await using followed = await Followed.open(proxy.url, { pull: ['half/web'], push: [] })
    // the forge dies with the third of the four blobs that the index needs
    let blobs = 0
    proxy.breaks = (method, path) => method === 'GET' && path.includes('/blobs/') && ++blobs > 5
    expect(await followed.sync().catch(codeOf)).toBe('E_UNREACHABLE')
    const first = proxy.take()
    expect(first).toMatchObject({ 'GET manifests 200': 5, 'GET blobs 200': 5 })
    proxy.breaks = () => false
    expect(await followed.sync()).toMatchObject({ complete: true, taken: 2 })
    const second = proxy.take()
    // the index itself, v4's manifest, two blobs of the index and one of v4
    expect([second['GET manifests 200'], second['GET blobs 200']]).toEqual([2, 3])
    expect(await digestAt(followed.site.url, 'half/web', 'v4')).not.toBeNull()
    expect(await followed.site.faults()).toEqual([])
  })
})
