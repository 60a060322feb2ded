import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, statSync, unlinkSync, writeFileSync } from 'node:fs'
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

async function records(node: Node, name: string, args: object): Promise<readonly Said[]> {
  return (await Array.fromAsync(runVerb(node, undefined, name, args, never))) as unknown as readonly Said[]
}

async function verb(node: Node, name: string, args: object): Promise<Said> {
  return (await records(node, name, args)).at(-1) as Said
}

/** Bytes of all files of a medium. */
function bytesBelow(root: string): number {
  return readdirSync(root, { recursive: true, withFileTypes: true }).reduce(
    (sum, entry) => sum + (entry.isFile() ? statSync(join(entry.parentPath, entry.name)).size : 0),
    0
  )
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

  test('in volumes is a folder for each, whole by itself, named before the first write, and goes on where it lies (SELECT-7, SELECT-8, SELECT-9)', async () => {
    const a = await nodeNamed('a')
    const texts: string[] = []
    for (let i = 0; i < 5; i++) texts.push(await say(a, randomBytes(20_000), { type: 'application/octet-stream' }))
    const note = await say(a, 'about the first', { subject: texts[0] as string, repository: 'apps/x', tag: 'one' })
    const dir = join(folder(), 'media')
    const options = { replica: dir, maxBytes: 80_000, volumes: true }
    const plan = await records(a, 'export', { ...options, dryRun: true })
    expect(existsSync(dir)).toBe(false)
    const volumes = plan.at(-1)?.['volumes'] as readonly Said[]
    expect(volumes.map(({ path }) => path)).toEqual(volumes.map((_, i) => join(dir, String(i + 1))))
    const said = await records(a, 'export', options)
    const named = said.filter(({ kind }) => kind === 'volume').map(({ path }) => String(path))
    expect(named).toEqual(volumes.map(({ path }) => path))
    expect(named.length).toBeGreaterThan(1)
    // all of them come before anything else but progress
    expect(
      said
        .filter(({ kind }) => kind !== 'progress')
        .slice(0, named.length)
        .map(({ kind }) => kind)
    ).toEqual(named.map(() => 'volume'))
    const done = said.filter(({ kind }) => kind === 'progress').map((one) => Number(one['done']))
    expect(done).toEqual(done.toSorted((x, y) => x - y))
    expect(said.at(-1)).toMatchObject({ complete: true, left: 0, events: 7, paths: named, bad: 0 })
    const b = await nodeNamed('b', [a])
    for (const [i, path] of named.toReversed().entries()) {
      for (const name of ['README.txt', 'SHA256SUMS', 'index.json', 'replica.json'])
        expect(existsSync(join(path, name))).toBe(true)
      execFileSync('sha256sum', ['--quiet', '-c', 'SHA256SUMS'], { cwd: path })
      expect(await Array.fromAsync(verifyFolder(path, { signal: never }))).toEqual([])
      expect(bytesBelow(path)).toBeLessThanOrEqual(80_000)
      expect(await verb(b, 'import', { replica: path })).toMatchObject({ complete: true, missing: 0, events: i === 0 ? 7 : 0 })
    }
    for (const digest of [...texts, note]) expect(b.blobs.has(digest as Digest)).toBe(true)
    // again: what lies on a volume stays there, and what is new goes where there is room
    expect(await verb(a, 'export', options)).toMatchObject({ complete: true, blobs: 0, paths: named })
    await say(a, randomBytes(20_000), { type: 'application/octet-stream' })
    expect(await verb(a, 'export', options)).toMatchObject({ complete: true, blobs: 2 })
    for (const path of named) expect(bytesBelow(path)).toBeLessThanOrEqual(80_000)
    await expect(verb(a, 'export', { replica: named[0], maxBytes: 80_000, volumes: true })).rejects.toMatchObject({
      code: 'E_USAGE'
    })
  })

  test('is planned with what lies there, and how that is known (CLI-30)', async () => {
    const a = await nodeNamed('a')
    await say(a, 'first')
    const dir = folder()
    await verb(a, 'export', { replica: dir })
    await say(a, 'second')
    const blobsIn = async (): Promise<readonly unknown[]> =>
      (await records(a, 'export', { replica: dir, dryRun: true }))
        .filter(({ kind }) => kind === 'artifact')
        .map(({ blobs }) => (blobs as readonly Said[]).map(({ there }) => there))
    // both have the same empty configuration
    expect(await blobsIn()).toEqual([
      ['listed', 'listed', 'listed'],
      [null, 'listed', null]
    ])
    unlinkSync(join(dir, 'SHA256SUMS'))
    expect(await blobsIn()).toEqual([
      ['hashed', 'hashed', 'hashed'],
      [null, 'hashed', null]
    ])
    const blobs = join(dir, 'blobs/sha256')
    for (const name of readdirSync(blobs)) writeFileSync(join(blobs, name), '.'.repeat(statSync(join(blobs, name)).size))
    expect((await blobsIn()).flat().every((there) => there === null)).toBe(true)
    const last = (await records(a, 'export', { replica: dir, dryRun: true })).at(-1)
    expect(last).toMatchObject({
      kind: 'plan',
      fits: true,
      volumes: [{ path: dir, there: 0, blobs: 5, parts: 0, needed: expect.any(Number) as number }]
    })
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
