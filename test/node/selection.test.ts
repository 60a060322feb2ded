import { mkdirSync, writeFileSync } from 'node:fs'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Digest, digestOf, utf8 } from '../../src/core/index.ts'
import { fill, type MediumExport, type Node, publish, runVerb } from '../../src/node/index.ts'
import { Folder, planExport } from '../../src/replica/index.ts'
import { verifyFolder } from '../../src/store/index.ts'
import { all, checked, exported, folder, imported, never, nodeNamed, type Said, say } from './media-lab.ts'

const choose = (more: Partial<MediumExport['selection']>, rest: Partial<MediumExport> = {}): MediumExport => ({
  ...rest,
  selection: { ...all.selection, ...more }
})

/** Makes an OCI layout of one image for two platforms. */
function layout(): { readonly path: string; readonly index: Digest; readonly arm: Digest; readonly armLayer: Digest } {
  const path = folder()
  mkdirSync(join(path, 'blobs/sha256'), { recursive: true })
  const put = (bytes: Uint8Array): { readonly digest: Digest; readonly size: number } => {
    const digest = digestOf(bytes)
    writeFileSync(join(path, 'blobs', digest.replace(':', '/')), bytes)
    return { digest, size: bytes.length }
  }
  const manifest = 'application/vnd.oci.image.manifest.v1+json'
  const layerOf = new Map<string, Digest>()
  const manifests = ['amd64', 'arm64'].map((architecture) => {
    const layer = put(randomBytes(2000))
    layerOf.set(architecture, layer.digest)
    const config = put(utf8(JSON.stringify({ architecture, os: 'linux' })))
    const image = {
      schemaVersion: 2,
      mediaType: manifest,
      config: { mediaType: 'application/vnd.oci.image.config.v1+json', ...config },
      layers: [{ mediaType: 'application/vnd.oci.image.layer.v1.tar', ...layer }]
    }
    return { mediaType: manifest, ...put(utf8(JSON.stringify(image))), platform: { os: 'linux', architecture } }
  })
  const type = 'application/vnd.oci.image.index.v1+json'
  const index = put(utf8(JSON.stringify({ schemaVersion: 2, mediaType: type, manifests })))
  writeFileSync(join(path, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}')
  writeFileSync(join(path, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [{ mediaType: type, ...index }] }))
  return { path, index: index.digest, arm: manifests[1]?.digest as Digest, armLayer: layerOf.get('arm64') as Digest }
}

async function verb(node: Node, name: string, args: object): Promise<Said> {
  const records = (await Array.fromAsync(runVerb(node, undefined, name, args, never))) as unknown as readonly Said[]
  return records.at(-1) as Said
}

async function publishLayout(node: Node, path: string): Promise<void> {
  for await (const record of publish(node, [path], { repository: 'apps/multi', tag: 'v1' }) as AsyncIterable<Said>)
    if (record['kind'] === 'error') throw new Error(JSON.stringify(record))
}

describe('a selection', () => {
  test('carries what fits with all that refers to it, and the rest as hashes that still verify (SELECT-1, SELECT-2, SELECT-3)', async () => {
    const a = await nodeNamed('a')
    const web = await say(a, 'web', { repository: 'apps/web' })
    const sbom = await say(a, 'sbom of web', { subject: web })
    const signature = await say(a, 'signature of the sbom', { subject: sbom })
    const other = await say(a, 'other', { repository: 'apps/other' })
    const aboutOther = await say(a, 'about other', { subject: other })
    const path = join(folder(), 'x.tar')
    const options = choose({ repositories: ['apps/web'] })
    const plan = await exported(a, path, { ...options, dryRun: true })
    const artifacts = plan.filter(({ kind }) => kind === 'artifact')
    expect(artifacts.map(({ digest, why }) => [digest, why])).toEqual([
      [web, 'repository apps/web'],
      [sbom, `it refers to ${web}`],
      [signature, `it refers to ${sbom}`]
    ])
    expect(plan.find(({ kind }) => kind === 'log')).toMatchObject({ chosen: 4, withheld: 2 })
    const result = (await exported(a, path, options)).at(-1)
    expect(result).toMatchObject({ complete: true, artifacts: 3, events: 4, withheld: 2, blobs: artifacts.length * 2 + 1 })
    expect((await checked(path)).result).toMatchObject({ complete: true, events: 4, withheld: 2 })
    const b = await nodeNamed('b', [a])
    expect((await imported(b, path)).result).toMatchObject({ complete: true, events: 4, missing: 0 })
    for (const digest of [web, sbom, signature]) expect(b.blobs.has(digest as Digest)).toBe(true)
    for (const digest of [other, aboutOther]) expect(b.blobs.has(digest as Digest)).toBe(false)
    expect(b.store.listHeads().find(({ log }) => log === a.log)?.size).toBe(6)
    await exported(a, path)
    expect((await imported(b, path)).result).toMatchObject({ complete: true, events: 2, blobs: 4 })
    expect(b.blobs.has(aboutOther as Digest)).toBe(true)
  })

  test('of one platform keeps the index byte for byte, and says what it left out (SELECT-4, SELECT-5)', async () => {
    const a = await nodeNamed('a')
    const { path: image, index, arm, armLayer } = layout()
    await publishLayout(a, image)
    const sbom = await say(a, 'sbom of the arm image', { subject: arm })
    const path = join(folder(), 'x.tar')
    const result = (await exported(a, path, choose({ platforms: ['linux/amd64'], repositories: ['apps/*'] }))).at(-1)
    expect(result).toMatchObject({ complete: true, omitted: 3, missing: 0 })
    expect((await checked(path)).result).toMatchObject({ complete: true, missing: 0, omitted: 1 })
    const b = await nodeNamed('b', [a])
    expect((await imported(b, path)).result).toMatchObject({ complete: true, missing: 0, omitted: 1, bad: 0 })
    expect([index, arm, armLayer, sbom].map((digest) => b.blobs.has(digest as Digest))).toEqual([true, false, false, true])
    await exported(a, path)
    expect((await imported(b, path)).result).toMatchObject({ complete: true, omitted: 0, blobs: 3 })
  })

  test('that does not fit is cut at whole artifacts, and the plan says what is left (SELECT-6)', async () => {
    const a = await nodeNamed('a')
    const first = await say(a, randomBytes(20_000), { type: 'application/octet-stream' })
    const note = await say(a, 'about the first', { subject: first })
    await say(a, randomBytes(20_000), { type: 'application/octet-stream' })
    const path = join(folder(), 'x.tar')
    const plan = await exported(a, path, { ...all, maxBytes: 60_000, dryRun: true })
    expect(plan.at(-1)).toMatchObject({ kind: 'plan', fits: false, left: 1 })
    const result = (await exported(a, path, { ...all, maxBytes: 60_000 })).at(-1)
    expect(result).toMatchObject({ complete: false, left: 1 })
    expect(Number(result?.['bytes'])).toBeLessThanOrEqual(60_000)
    expect((await checked(path)).result).toMatchObject({ complete: true, omitted: 1, missing: 0 })
    const b = await nodeNamed('b', [a])
    expect((await imported(b, path)).result).toMatchObject({ bad: 0, missing: 0, omitted: 1 })
    expect(b.blobs.has(first as Digest) || !b.blobs.has(note as Digest)).toBe(true)
    await expect(exported(a, path, { ...all, maxBytes: 3000 })).rejects.toMatchObject({ code: 'E_NO_SPACE' })
  })

  test('in volumes is whole on each, and any order brings all of it (SELECT-7, SELECT-8)', async () => {
    const a = await nodeNamed('a')
    const digests: string[] = []
    for (let i = 0; i < 5; i++) digests.push(await say(a, randomBytes(20_000), { type: 'application/octet-stream' }))
    await say(a, 'about the first', { subject: digests[0] as string })
    const path = join(folder(), 'x.tar')
    const records = await exported(a, path, { ...all, maxBytes: 60_000, volumes: true })
    const paths = records.filter(({ kind }) => kind === 'volume').map((one) => String(one['path']))
    expect(paths.length).toBeGreaterThan(2)
    expect(records.at(-1)).toMatchObject({ complete: true, left: 0 })
    const b = await nodeNamed('b', [a])
    for (const [i, volume] of paths.toReversed().entries()) {
      expect((await checked(volume)).result).toMatchObject({ complete: true, missing: 0, bad: 0 })
      const { result } = await imported(b, volume)
      expect(result).toMatchObject({ bad: 0, missing: 0, events: i === 0 ? 7 : 0 })
      expect(Number(result['blobs'])).toBeGreaterThan(1)
    }
    for (const digest of digests) expect(b.blobs.has(digest as Digest)).toBe(true)
    await expect(exported(a, path, { ...all, maxBytes: 25_000, volumes: true })).rejects.toMatchObject({ code: 'E_NO_SPACE' })
  })

  test('is planned without anything being written, and a plan without a limit is one medium (SELECT-6)', async () => {
    const a = await nodeNamed('a')
    await say(a, 'one')
    a.writer.sign()
    await using source = Folder.open(a.root)
    const plan = await planExport(source, { selection: all.selection, signal: never })
    const filled = fill(plan, 100, (size) => size, undefined, false)
    expect([filled.media.length, filled.left.length, plan.artifacts.length]).toEqual([1, 0, 1])
    expect((await planExport(source, { selection: all.selection, base: new Map([[a.log, 2]]), signal: never })).there).toBe(1)
  })
})

describe('a selection onto a folder', () => {
  test('carries the same as into an archive, and adds to what is there (SELECT-1, SELECT-2, SELECT-5)', async () => {
    const a = await nodeNamed('a')
    const { path: image, index, arm } = layout()
    await publishLayout(a, image)
    const sbom = await say(a, 'sbom of the arm image', { subject: arm })
    const other = await say(a, 'other', { repository: 'apps/other' })
    const dir = folder()
    const selection = { repositories: ['apps/multi'], types: [], platforms: ['linux/amd64'] }
    expect(await verb(a, 'export', { replica: dir, selection })).toMatchObject({ complete: true, missing: 0, omitted: 3 })
    const b = await nodeNamed('b', [a])
    expect(await verb(b, 'import', { replica: dir })).toMatchObject({ complete: true, events: 3, missing: 0, omitted: 1 })
    expect([index, sbom, arm, other].map((digest) => b.blobs.has(digest as Digest))).toEqual([true, true, false, false])
    expect(await Array.fromAsync(verifyFolder(dir, { signal: never }))).toEqual([])
    expect(await verb(a, 'export', { replica: dir })).toMatchObject({ complete: true })
    const c = await nodeNamed('c', [a])
    expect(await verb(c, 'import', { replica: dir })).toMatchObject({ complete: true, missing: 0, omitted: 0 })
    expect([index, arm].map((digest) => c.blobs.has(digest as Digest))).toEqual([true, true])
  })

  test('takes no more room than it may (SELECT-6)', async () => {
    const a = await nodeNamed('a')
    for (let i = 0; i < 3; i++) await say(a, randomBytes(50_000), { type: 'application/octet-stream' })
    const dir = folder()
    expect(await verb(a, 'export', { replica: dir, maxBytes: 130_000 })).toMatchObject({ complete: false, left: 1 })
    const b = await nodeNamed('b', [a])
    expect(await verb(b, 'import', { replica: dir })).toMatchObject({ missing: 0, omitted: 1, events: 4 })
  })
})
