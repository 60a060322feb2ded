import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import { assert, asyncProperty, integer, nat } from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type GetFlags, get as write } from '../../src/cli/commands/get.ts'
import { type Digest, digestOf } from '../../src/core/index.ts'
import { openHttp } from '../../src/http/index.ts'
import { filesOfTar } from '../artifact/tar.ts'
import { Node, publish, type PublishedFile, type PublishOptions, runVerb } from '../../src/node/index.ts'
import { tool } from '../registry/tools.ts'
import {
  both,
  bundle,
  bundleJson,
  images,
  installer,
  labImage,
  type LabFile,
  large,
  names,
  tarOfFiles,
  thickFiles,
  thickOf
} from './cnab-lab.ts'

const never = new AbortController().signal

let root: string
let lab: string
let node: Node

beforeAll(async () => {
  lab = mkdtempSync(join(tmpdir(), 'rejoin-cnab-'))
  root = join(lab, 'alice')
  await Node.init(root, 'alice', 'test')
  node = await Node.open(root)
})
afterAll(async () => {
  await node[Symbol.asyncDispose]()
  rmSync(lab, { recursive: true, force: true })
})

function written(name: string, bytes: Uint8Array | string): string {
  const path = join(lab, name)
  writeFileSync(path, bytes)
  return path
}

async function published(path: string, options: PublishOptions = {}): Promise<PublishedFile> {
  const [one] = await Array.fromAsync(publish(node, [path], options))
  return one ?? expect.unreachable()
}

/** Runs `rejoin get` on the data folder of the node that is open here. */
async function get(what: string, flags: GetFlags): Promise<void> {
  await node[Symbol.asyncDispose]()
  try {
    await write({ root, json: false, quiet: true, signal: never }, what, flags)
  } finally {
    node = await Node.open(root)
  }
}

function blobsHere(): readonly string[] {
  return ['blobs/sha256', 'private/blobs/sha256'].flatMap((folder) => {
    const path = join(root, folder)
    return existsSync(path) ? readdirSync(path) : []
  })
}

describe('a thick bundle', () => {
  it('CNAB-1 CNAB-3 CNAB-5: goes in as an index over its images, and comes out with the same bundle.json and images', async () => {
    const path = written('hello.tgz', thickOf([['README.md', 'not read'], ...thickFiles(bundle, images)]))
    const said = await published(path, { repository: 'apps/hello', tag: '0.1.0' })
    expect(said).toMatchObject({
      kind: 'result',
      format: 'cnab-thick',
      artifactType: 'application/vnd.cnab.manifest.v1',
      warnings: [],
      images: [
        { image: names.installer, digest: installer.digest },
        { image: names.large, digest: large.digest },
        { image: names.both, digest: both.digest }
      ]
    })
    if (said.kind !== 'result') expect.unreachable()
    const event = JSON.parse(Buffer.from(node.store.lineOf(node.log, said.index) ?? expect.unreachable()).toString()) as {
      readonly type: string
      readonly data: { readonly blobs: readonly { readonly digest: string }[]; readonly title: string }
    }
    expect(event.type).toBe('bundle.published')
    expect(event.data.title).toBe('hello 0.1.0')
    expect(JSON.parse(Buffer.from(await node.blobs.readBytes(said.digest, 1 << 20)).toString())).toEqual({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.index.v1+json',
      artifactType: 'application/vnd.cnab.manifest.v1',
      manifests: [
        {
          mediaType: 'application/vnd.oci.image.manifest.v1+json',
          digest: expect.stringMatching(/^sha256:/),
          size: 243,
          annotations: { 'io.cnab.manifest.type': 'config' }
        },
        {
          mediaType: installer.mediaType,
          digest: installer.digest,
          size: installer.size,
          annotations: { 'io.cnab.manifest.type': 'invocation' }
        },
        {
          mediaType: large.mediaType,
          digest: large.digest,
          size: large.size,
          annotations: { 'io.cnab.manifest.type': 'component', 'io.cnab.component.name': 'large' }
        },
        {
          mediaType: both.mediaType,
          digest: both.digest,
          size: both.size,
          annotations: { 'io.cnab.manifest.type': 'component', 'io.cnab.component.name': 'multi' }
        }
      ],
      annotations: {
        'io.cnab.keywords': '["hello"]',
        'io.cnab.runtime_version': 'v1.2.0',
        'org.opencontainers.artifactType': 'application/vnd.cnab.manifest.v1',
        'org.opencontainers.image.authors': '[{"name":"Jane Doe","email":"jane@example.com"}]',
        'org.opencontainers.image.description': 'says <hello> & goes',
        'org.opencontainers.image.title': 'hello',
        'org.opencontainers.image.version': '0.1.0'
      }
    })
    const out = join(lab, 'out.tgz')
    await get('apps/hello:0.1.0', { format: 'cnab-thick', output: out })
    const files = filesOfTar(gunzipSync(readFileSync(out)))
    expect(Buffer.from(files.get('bundle.json') ?? expect.unreachable()).toString()).toBe(bundle)
    const all = new Map(Object.values(images).flatMap(({ blobs }) => [...blobs]))
    for (const [digest, bytes] of all)
      expect(digestOf(files.get(`artifacts/layout/blobs/${digest.replace(':', '/')}`) ?? expect.unreachable())).toBe(
        digestOf(bytes)
      )
    expect(files.size).toBe(all.size + 3)

    const shown = await Array.fromAsync(runVerb(node, undefined, 'show', { what: said.digest }, never))
    expect(shown[1]).toMatchObject({ complete: true, warnings: [], images: said.images })

    // what came out goes in elsewhere, and comes out as the same bytes
    const index = said.digest
    const again = await published(out)
    expect(again).toMatchObject({ kind: 'result', digest: index })
    await get(index, { format: 'cnab-thick', output: join(lab, 'again.tgz') })
    expect(readFileSync(join(lab, 'again.tgz')).equals(readFileSync(out))).toBe(true)
  })

  it('CNAB-5: its layout is one that skopeo reads', async () => {
    const folder = join(lab, 'thick')
    mkdirSync(folder)
    await tool('tar', 'xzf', join(lab, 'out.tgz'), '-C', folder)
    for (const [name, digest] of [
      ['docker.io/example/installer:1', installer.digest],
      [names.large, large.digest]
    ] as const) {
      const copy = join(lab, `copy-${digest.slice(7, 15)}`)
      await tool('skopeo', 'copy', '-q', '--preserve-digests', `oci:${folder}/artifacts/layout:${name}`, `dir:${copy}`)
      expect(digestOf(readFileSync(join(copy, 'manifest.json')))).toBe(digest)
    }
  })
})

describe('a relocation map', () => {
  it('CNAB-7: has every reference of the bundle, and what it stands for can be pulled', async () => {
    await using http = await openHttp(node, '127.0.0.1:0')
    const host = http.url.replace('http://', '')
    const [record] = await Array.fromAsync(
      runVerb(node, undefined, 'get', { what: 'apps/hello:0.1.0', format: 'cnab-relocation-map' }, never)
    )
    const { map } = record as unknown as { readonly map: Readonly<Record<string, string>> }
    expect(map).toEqual({
      [names.installer]: `${host}/apps/hello@${installer.digest}`,
      [names.large]: `${host}/apps/hello@${large.digest}`,
      [names.both]: `${host}/apps/hello@${both.digest}`
    })
    for (const [i, reference] of Object.values(map).entries()) {
      const copy = join(lab, `pulled-${i}`)
      await tool(
        'skopeo',
        'copy',
        '-q',
        '--all',
        '--preserve-digests',
        '--src-tls-verify=false',
        `docker://${reference}`,
        `dir:${copy}`
      )
      expect(digestOf(readFileSync(join(copy, 'manifest.json')))).toBe(reference.slice(reference.indexOf('@') + 1))
    }
    const recognised = await published(written('map.json', JSON.stringify(map)))
    expect(recognised).toMatchObject({ kind: 'result', format: 'cnab-relocation-mapping', warnings: [] })
    const said = await published(join(lab, 'out.tgz'), { repository: 'apps/again' })
    expect(said).toMatchObject({ relocation: { [names.installer]: `${host}/apps/again@${installer.digest}` } })
  })

  it('CNAB-7: says where the runtime reaches the registry, and fails where nobody says it', async () => {
    const [format, output] = ['cnab-relocation-map', join(lab, 'depot.json')]
    await get(`apps/again@${digestOfBundle()}`, { format, output, registry: 'depot:5000' })
    const map = JSON.parse(readFileSync(output, 'utf8')) as object
    expect(Object.values(map)[0]).toMatch(/^depot:5000\/apps\/again@sha256:/)
    await expect(get('apps/hello:0.1.0', { format })).rejects.toThrow('it is not known where this node has its registry')
    await expect(get('apps/hello:0.1.0', { format, registry: 'a b' })).rejects.toThrow('not a registry: "a b"')
    await expect(get(fresh.digest, { format })).rejects.toThrow('is not here')
    await expect(get(large.digest, { format })).rejects.toThrow('is no CNAB bundle')
  })
})

function digestOfBundle(): string {
  return node.blobs.index.tagged('apps/hello:0.1.0')?.digest ?? expect.unreachable()
}

const good = thickFiles(bundle, images)
const without = (part: string): readonly LabFile[] => good.filter(([path]) => !path.includes(part))
const replaced = (files: readonly LabFile[], part: string, bytes: Uint8Array | string): readonly LabFile[] =>
  files.map((file) => (file[0].includes(part) ? [file[0], bytes] : file))
const fresh = labImage('fresh', 'an image that no other test has')
const freshBundle = bundleJson({ invocation: { image: 'a/fresh:1', contentDigest: fresh.digest }, components: {} })
const freshFiles = thickFiles(freshBundle, { 'docker.io/a/fresh:1': fresh })

describe('CNAB-2 CNAB-4 CNAB-6: of a thick bundle that is refused nothing is left', () => {
  const archive = thickOf(freshFiles)
  it.each<readonly [string, Uint8Array, string, RegExp]>([
    [
      'a symbolic link',
      thickOf([...freshFiles, ['artifacts/layout/blobs/sha256/x', '', '2']]),
      'E_ARCHIVE',
      /neither a file nor a folder/
    ],
    ['a hard link', thickOf([['bundle.json', '', '1'], ...freshFiles]), 'E_ARCHIVE', /neither a file nor a folder/],
    ['a path with ..', thickOf([...freshFiles, ['artifacts/../../x', 'x']]), 'E_ARCHIVE', /a path with \.\./],
    ['an absolute path', thickOf([...freshFiles, ['/etc/x', 'x']]), 'E_ARCHIVE', /an absolute path/],
    ['two bundle.json', thickOf([...freshFiles, ['./bundle.json', '{}']]), 'E_ARCHIVE', /has \.?\/?bundle\.json twice/],
    ['an archive that is cut off', archive.subarray(0, archive.length - 20), 'E_ARCHIVE', /compressed end is missing/],
    ['a file that is no archive', gzipSync('not an archive '.repeat(100)), 'E_DOCUMENT', /there is no tar archive in it/],
    ['a damaged archive', Buffer.concat([archive.subarray(0, 40), Buffer.alloc(200, 7)]), 'E_ARCHIVE', /can't be read/],
    ['a tar that is cut off', gzipSync(tarOfFiles(freshFiles).subarray(0, 3000)), 'E_ARCHIVE', /can't be read: it ends inside/],
    ['a bomb', thickOf([...freshFiles, ['artifacts/zeros', new Uint8Array(64 << 20)]]), 'E_ARCHIVE', /more than 100 times/],
    ['no bundle.json', thickOf(freshFiles.slice(1)), 'E_DOCUMENT', /no bundle\.json/],
    ['no layout', thickOf([['bundle.json', bundle]]), 'E_DOCUMENT', /no artifacts\/layout\/index\.json/],
    [
      'a bundle.json that is none',
      thickOf(replaced(freshFiles, 'bundle.json', '{"name":"x"}')),
      'E_DOCUMENT',
      /"schemaVersion" is missing/
    ],
    ['a bundle.json that is no JSON', thickOf(replaced(freshFiles, 'bundle.json', '{')), 'E_JSON', /line 1/],
    [
      'swapped bytes of a blob',
      thickOf(replaced(freshFiles, fresh.config.slice(7), 'other bytes')),
      'E_BAD_OBJECT',
      /have the digest/
    ],
    [
      'other bytes of a blob that is here',
      thickOf(replaced(good, installer.config.slice(7), 'o'.repeat(installer.blobs.get(installer.config)?.length ?? 0))),
      'E_BAD_OBJECT',
      /have another digest/
    ],
    ['a missing layer', thickOf(without([...large.blobs.keys()][2]?.slice(7) ?? '')), 'E_DOCUMENT', /lacks sha256:/],
    ['a missing image', thickOf(without(large.digest.slice(7))), 'E_DOCUMENT', /has no image "registry\.example:5000\/large/],
    [
      'an image of no name',
      thickOf(replaced(good, 'index.json', '{"schemaVersion":2,"manifests":[]}')),
      'E_DOCUMENT',
      /has no image "busybox"/
    ],
    [
      'an image under the name of another',
      thickOf(thickFiles(freshBundle, { 'docker.io/a/fresh:1': installer, 'docker.io/a/other:1': fresh })),
      'E_DOCUMENT',
      /is another image in the layout/
    ],
    [
      'one reference with two digests',
      thickOf(
        thickFiles(
          bundleJson({
            invocation: { image: 'a/b:1', contentDigest: fresh.digest },
            components: { c: { image: 'a/b:1', contentDigest: large.digest } }
          }),
          { 'docker.io/a/fresh:1': fresh }
        )
      ),
      'E_DOCUMENT',
      /has two digests/
    ]
  ])('%s', async (_, bytes, code, message) => {
    const [before, events] = [blobsHere(), node.writer.folder.size]
    const said = await published(written('bad.tgz', bytes))
    expect(said).toMatchObject({ kind: 'error', code, error: expect.stringMatching(message) })
    expect(blobsHere()).toEqual(before)
    expect(node.writer.folder.size).toBe(events)
    expect(readdirSync(join(root, 'tmp'))).toEqual([])
  })

  it('one that the rules of this node refuse', async () => {
    const trust = join(root, 'trust.yaml')
    const rules = readFileSync(trust, 'utf8')
    const [before, events] = [blobsHere(), node.writer.folder.size]
    writeFileSync(trust, `${rules}\nmediaTypes: { deny: ["application/vnd.cnab.manifest*"] }\n`)
    node.reloadTrust()
    expect(await published(written('refused.tgz', archive))).toMatchObject({ kind: 'error', code: 'E_REFUSED' })
    expect([blobsHere(), node.writer.folder.size]).toEqual([before, events])
    writeFileSync(trust, rules)
    node.reloadTrust()
  })

  it('wherever one byte of its archive is another', async () => {
    const tar = tarOfFiles(freshFiles)
    const [before, events] = [blobsHere(), node.writer.folder.size]
    const outcome = { refused: 0, taken: 0 }
    await assert(
      asyncProperty(nat(tar.length - 1), integer({ min: 1, max: 255 }), async (at, change) => {
        const bytes = Buffer.from(tar)
        bytes[at] = (bytes[at] as number) ^ change
        const said = await published(written('flipped.tgz', gzipSync(bytes, { level: 1 })))
        if (said.kind === 'error') {
          outcome.refused++
          expect([blobsHere(), node.writer.folder.size - outcome.taken]).toEqual([before, events])
          return
        }
        // in a padding, a date, or a word of bundle.json that names nothing
        outcome.taken++
        expect(said.images).toEqual([{ image: expect.any(String), digest: fresh.digest }])
        for (const digest of [...fresh.blobs.keys(), said.digest])
          expect(await node.blobs.verify(digest as Digest)).toBeUndefined()
        for (const hex of blobsHere()) if (!before.includes(hex)) await node.blobs.remove(`sha256:${hex}` as Digest)
      }),
      { numRuns: 40 }
    )
    expect(outcome.refused).toBeGreaterThan(0)
  })

  it('and the same one without the fault goes in, also as a plain tar that is said to be one', async () => {
    expect(await published(written('fresh.tar', tarOfFiles(freshFiles)))).toMatchObject({ kind: 'error', code: 'E_UNKNOWN_TYPE' })
    const type = 'cnab-thick'
    expect(await published(written('fresh.tar', tarOfFiles(freshFiles)), { type })).toMatchObject({
      kind: 'result',
      format: type
    })
    expect(await published(written('fresh.tgz', archive))).toMatchObject({ kind: 'result' })
  })
})
