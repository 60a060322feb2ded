import { describe, expect, it } from 'vitest'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Digest, parseDigest } from '../../src/core/index.ts'
import { addClosure } from '../../src/node/blob-moves.ts'
import { type RetentionConfig, runVerb } from '../../src/node/index.ts'
import { lettingGo, type Retained } from '../../src/node/retention.ts'
import { digestOf, expectFault, fresh, type Made, Registry } from './conformance/client.ts'
import { Site } from './site.ts'

const never = new AbortController().signal
type Records = readonly Readonly<Record<string, unknown>>[]

async function gc(site: Site, args: object = {}): Promise<Records> {
  const found: Readonly<Record<string, unknown>>[] = []
  for await (const record of runVerb(site.node, site.live, 'gc', { olderThan: '0s', ...args }, never)) found.push(record as never)
  return found
}

const layerOf = ({ bytes }: Made): string =>
  (JSON.parse(bytes.toString()) as { readonly layers: readonly [{ readonly digest: string }] }).layers[0].digest
const has = (site: Site, digest: string): boolean => site.node.blobs.has(parseDigest(digest))

describe('rejoin gc', () => {
  it('REG-40 CLI-17: takes what was deleted and what nothing names; events and everything else stay', async () => {
    await using site = await Site.open('gc')
    const registry = new Registry(site.url)
    const [stays, goes] = [await registry.pushed('team/app', 'v1'), await registry.pushed('team/app', 'v2')]
    const orphan = await registry.blob('team/app', fresh())
    const child = await registry.pushed('team/multi')
    const index = await registry.ask('PUT', '/v2/team/multi/manifests/all', {
      headers: { 'content-type': 'application/vnd.oci.image.index.v1+json' },
      body: JSON.stringify({
        schemaVersion: 2,
        mediaType: 'application/vnd.oci.image.index.v1+json',
        manifests: [child.descriptor]
      })
    })
    expect(index.status).toBe(201)
    await registry.ask('DELETE', `/v2/team/app/manifests/${goes.digest}`)
    const events = site.events().length
    const planned = (await gc(site, { dryRun: true })).at(-1)
    expect(planned).toMatchObject({ dryRun: true, artifacts: 0, blobs: 4, waiting: 0 })
    expect(has(site, goes.digest)).toBe(true)
    expect((await gc(site, { olderThan: '1h' })).at(-1)).toMatchObject({ blobs: 0, waiting: 4 })
    expect((await gc(site)).at(-1)).toMatchObject({ dryRun: false, blobs: planned?.['blobs'], bytes: planned?.['bytes'] })
    for (const gone of [goes.digest, layerOf(goes), orphan]) expect(has(site, gone)).toBe(false)
    for (const kept of [stays.digest, layerOf(stays), child.digest, layerOf(child)]) expect(has(site, kept)).toBe(true)
    expect(site.events()).toHaveLength(events)
    expect((await registry.ask('GET', '/v2/team/app/manifests/v1')).status).toBe(200)
    expect((await registry.ask('GET', '/v2/team/multi/manifests/all')).status).toBe(200)
    expect((await gc(site)).at(-1)).toMatchObject({ blobs: 0 })
    expect(await site.faults()).toEqual([])
  })

  it('REG-40: keeps documents that are in no repository, and all of an artifact however many blobs others need', async () => {
    await using site = await Site.open('gc')
    const file = join(site.root, 'tmp/notes.txt')
    writeFileSync(file, 'what changed')
    const args = { files: [file], options: { type: 'text/plain' } }
    for await (const record of runVerb(site.node, site.live, 'publish', args, never)) expect(record.kind).toBe('result')
    expect((await gc(site)).at(-1)).toMatchObject({ blobs: 0, kept: 3 })
    expect(has(site, digestOf('what changed'))).toBe(true)
    const image = await new Registry(site.url).pushed('team/app', 'v1')
    const others = Array.from({ length: 100_000 }, (_, i) => `sha256:${String(i).padStart(64, '0')}` as Digest)
    const found = new Set(others)
    await addClosure(site.node.blobs, parseDigest(image.digest), found)
    expect(found.has(parseDigest(layerOf(image)))).toBe(true)
  })

  it('REG-41 REG-42: keeps as many tags as the rule says, what is pinned, and what refers to what is kept', async () => {
    const retention: RetentionConfig = { pins: ['team/*:v0'], rules: [{ repositories: 'team/**', keepTags: 2 }] }
    await using site = await Site.open('gc', { flags: { retention } })
    const registry = new Registry(site.url)
    const images: Made[] = []
    for (const tag of ['v0', 'v1', 'v2', 'v3', 'v4']) images.push(await registry.pushed('team/app', tag))
    const other = await registry.pushed('else/app', 'v1')
    const sbom = await registry.referrer('team/app', (images[4] as Made).descriptor, 'application/vnd.example.sbom')
    await registry.mustPut('team/app', sbom)
    const lost = await registry.referrer('team/app', (images[1] as Made).descriptor, 'application/vnd.example.sbom')
    await registry.mustPut('team/app', lost)
    const records = await gc(site)
    expect(records.filter(({ kind }) => kind === 'artifact').map(({ digest, reason }) => [digest, reason])).toEqual(
      expect.arrayContaining([
        [images[1]?.digest, 'tags'],
        [images[2]?.digest, 'tags'],
        [lost.digest, 'tags']
      ])
    )
    expect(images.map(({ digest }) => has(site, digest))).toEqual([true, false, false, true, true])
    expect([has(site, sbom.digest), has(site, lost.digest), has(site, other.digest)]).toEqual([true, false, true])
    // let go for good, as far as clients see
    for (const reference of ['v1', images[1]?.digest ?? '', lost.digest])
      expectFault(await registry.ask('GET', `/v2/team/app/manifests/${reference}`), [404], 'MANIFEST_UNKNOWN')
    expect(await registry.tags('team/app')).toEqual(['v0', 'v3', 'v4'])
    expect(await registry.referrers('team/app', images[1]?.digest ?? '')).toEqual([])
    // it is not fetched by itself any more
    expect(site.node.blobs.dropped.has(parseDigest(images[1]?.digest ?? ''))).toBe(true)
  })

  it('REG-41: rules by age and size', () => {
    const dayMs = 86_400_000
    const hlcOf = (ms: number): string => `${ms.toString(16).padStart(12, '0')}0000`
    const one = (n: number, ageDays: number, sizeBytes: number): Retained => ({
      repository: 'a/b',
      digest: parseDigest(`sha256:${String(n).padStart(64, '0')}`),
      hlc: hlcOf(1000 * dayMs - ageDays * dayMs),
      tags: [],
      sizeBytes
    })
    const all = [one(1, 1, 600), one(2, 5, 600), one(3, 20, 100)]
    const gone = (rule: object, pins: readonly string[] = []): readonly string[] =>
      lettingGo(all, { pins, rules: [{ repositories: 'a/**', ...rule }] }, 1000 * dayMs).map(
        ({ digest, reason }) => `${Number(digest.slice(7))} ${reason}`
      )
    expect(gone({ keepFor: '10d' })).toEqual(['3 age'])
    expect(gone({ maxBytes: '1KiB' })).toEqual(['2 size', '3 size'])
    expect(gone({ keepFor: '10d', maxBytes: '1KiB' })).toEqual(['3 age', '2 size'])
    expect(gone({ keepFor: '1d' }, [all[2]?.digest ?? ''])).toEqual(['1 age', '2 age'])
    expect(gone({})).toEqual([])
    expect(lettingGo(all, { pins: [], rules: [{ repositories: 'c/**', keepTags: 0 }] }, 0)).toEqual([])
  })
})
