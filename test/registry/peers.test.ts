import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { get } from 'node:http'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { addIdentity } from '../../src/trust/index.ts'
import { digestOf, fresh, layerType, made, manifestType, configType, Registry, type Made } from './conformance/client.ts'
import { until } from '../node/lab.ts'
import { Site } from './site.ts'

const never = new AbortController().signal

function trusts(site: Site, name: string, other: Site): void {
  addIdentity(site.root, name, other.node.did)
  site.node.reloadTrust()
  site.live?.rulesChanged()
}

/** Pushes an image with one layer of a size; returns the manifest and the layer. */
async function pushed(
  site: Site,
  name: string,
  tag: string,
  layerBytes: number
): Promise<{ readonly manifest: Made; readonly layer: Buffer }> {
  const registry = new Registry(site.url)
  const layer = fresh(layerBytes)
  const config = await registry.described(name, Buffer.from('{"os":"linux"}'), configType)
  const manifest = made({
    schemaVersion: 2,
    mediaType: manifestType,
    config,
    layers: [await registry.described(name, layer, layerType)]
  })
  await registry.mustPut(name, manifest, tag)
  return { manifest, layer }
}

describe('an artifact of a peer', () => {
  it('REG-10 REG-20: is served under its identity’s name, and what is not here is fetched while the client waits', async () => {
    await using alice = await Site.open('alice', { net: true })
    await using bob = await Site.open('bob', { net: true, flags: { fetchMaxBytes: 1000 } })
    const { manifest, layer } = await pushed(alice, 'app', 'v1', 12 * 1024 * 1024)
    trusts(bob, 'alice', alice)
    const registry = new Registry(bob.url)
    expect((await registry.ask('GET', '/v2/alice/app/manifests/v1')).status).toBe(404)
    await bob.live?.dial(alice.live?.host.addresses()[0] ?? '', never)
    await until(async () => expect(await registry.tags('alice/app')).toEqual(['v1']))
    const pulled = await registry.ask('GET', '/v2/alice/app/manifests/v1')
    expect(pulled.body.equals(manifest.bytes)).toBe(true)
    expect((await registry.ask('GET', '/v2/app/manifests/v1')).status).toBe(404)
    // too large to be fetched by itself
    expect(bob.node.blobs.has(digestOf(layer) as never)).toBe(false)
    const [one, two] = await Promise.all([
      registry.ask('GET', `/v2/alice/app/blobs/${digestOf(layer)}`),
      registry.ask('GET', `/v2/alice/app/blobs/${digestOf(layer)}`, { headers: { range: 'bytes=5000000-5000099' } })
    ])
    expect([one.status, one.body.equals(layer)]).toEqual([200, true])
    expect([two.status, two.body.equals(layer.subarray(5_000_000, 5_000_100))]).toEqual([206, true])
    await bob.node.blobs.partEnded(digestOf(layer) as never)
    expect(bob.node.blobs.has(digestOf(layer) as never)).toBe(true)
    expect(bob.notices).toEqual([])
  })

  it('REG-11: bytes reach the client before all of the blob has come', async () => {
    await using alice = await Site.open('alice', { net: true })
    await using bob = await Site.open('bob', { net: true, flags: { fetchMaxBytes: 1000 } })
    const { layer } = await pushed(alice, 'app', 'v1', 64 * 1024 * 1024)
    trusts(bob, 'alice', alice)
    await bob.live?.dial(alice.live?.host.addresses()[0] ?? '', never)
    const registry = new Registry(bob.url)
    await until(async () => expect(await registry.tags('alice/app')).toEqual(['v1']))
    expect((await registry.ask('GET', '/v2/alice/app/manifests/v1')).status).toBe(200)
    const request = get(`${bob.url}/v2/alice/app/blobs/${digestOf(layer)}`)
    const [response] = (await once(request, 'response')) as [import('node:http').IncomingMessage]
    await once(response, 'readable')
    expect(bob.node.blobs.has(digestOf(layer) as never)).toBe(false)
    const parts: Buffer[] = []
    for await (const part of response as AsyncIterable<Buffer>) parts.push(part)
    expect(Buffer.concat(parts).equals(layer)).toBe(true)
  })

  it('REG-12: what nobody has is answered with 503 and says why; a peer that comes later serves it', async () => {
    await using alice = await Site.open('alice', { net: true })
    await using bob = await Site.open('bob', { net: true, flags: { fetchMaxBytes: 1000 } })
    const { layer } = await pushed(alice, 'app', 'v1', 2 * 1024 * 1024)
    trusts(bob, 'alice', alice)
    await bob.live?.dial(alice.live?.host.addresses()[0] ?? '', never)
    const [peer] = bob.live?.host.peers() ?? []
    const registry = new Registry(bob.url)
    await until(async () => expect(await registry.tags('alice/app')).toEqual(['v1']))
    expect((await registry.ask('GET', '/v2/alice/app/manifests/v1')).status).toBe(200)
    await bob.live?.host.hangUp(peer?.peerId ?? '')
    await until(() => expect(bob.live?.host.peers()).toEqual([]))
    const path = `/v2/alice/app/blobs/${digestOf(layer)}`
    const answer = await registry.ask('GET', path)
    expect([answer.status, answer.headers['retry-after']]).toEqual([503, '10'])
    expect(JSON.parse(answer.body.toString())).toMatchObject({
      errors: [{ code: 'BLOB_UNKNOWN', message: expect.stringContaining('no peer is connected') as string }]
    })
    await bob.live?.dial(alice.live?.host.addresses()[0] ?? '', never)
    expect((await registry.ask('GET', path)).body.equals(layer)).toBe(true)
  })

  it('REG-13: is visible as the rules let it in: relayed and kept ones are, held and refused ones are not found', async () => {
    await using alice = await Site.open('alice', { net: true })
    await using bob = await Site.open('bob', { net: true })
    const repositories = ['relayed', 'kept', 'held', 'refused']
    const digests = new Map<string, Made>()
    for (const name of repositories) digests.set(name, (await pushed(alice, name, 'v1', 100)).manifest)
    writeFileSync(
      join(bob.root, 'trust.yaml'),
      `apiVersion: rejoin/v1
kind: TrustPolicy
name: lab
version: 2
keys: { alice: { did: "${alice.node.did}" } }
identities: { alice: { keys: [alice] } }
rules:
  - { id: k, when: 'event.path == "kept"', verdict: keep }
  - { id: h, when: 'event.path == "held"', verdict: hold }
  - { id: r, when: 'event.path == "refused"', verdict: refuse }
default: relay
`
    )
    bob.node.reloadTrust()
    await bob.live?.dial(alice.live?.host.addresses()[0] ?? '', never)
    const registry = new Registry(bob.url)
    const status = async (name: string, reference: string): Promise<number> =>
      (await registry.ask('GET', `/v2/alice/${name}/manifests/${reference}`)).status
    await until(async () => expect(await status('relayed', 'v1')).toBe(200))
    await until(async () => expect(await status('kept', 'v1')).toBe(200))
    for (const name of ['held', 'refused']) {
      expect(await status(name, 'v1')).toBe(404)
      expect(await status(name, digests.get(name)?.digest ?? '')).toBe(404)
      expect((await registry.ask('GET', `/v2/alice/${name}/tags/list`)).status).toBe(404)
    }
    const catalog = JSON.parse((await registry.ask('GET', '/v2/_catalog')).body.toString()) as object
    expect(catalog).toEqual({ repositories: ['alice/kept', 'alice/relayed'] })
    const kept = JSON.parse(digests.get('kept')?.bytes.toString() ?? '{}') as {
      readonly layers: readonly [{ readonly digest: string }]
    }
    expect((await registry.ask('GET', `/v2/alice/kept/blobs/${kept.layers[0].digest}`)).status).toBe(200)
    expect(bob.node.blobs.placeOf(kept.layers[0].digest as never)).toBe('private')
  })
})
