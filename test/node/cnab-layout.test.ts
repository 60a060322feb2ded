import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { bundleConfigManifest, ociIndexType, ociManifestType } from '../../src/artifact/index.ts'
import { type GetFlags, get as write } from '../../src/cli/commands/get.ts'
import { digestOf } from '../../src/core/index.ts'
import { Node, publish, type PublishedFile, type PublishOptions } from '../../src/node/index.ts'
import { filesOfTar } from '../artifact/tar.ts'
import { both, bundle, images, installer, type LabImage, large, layoutFolder, names, thickFiles, thickOf } from './cnab-lab.ts'

const never = new AbortController().signal
const kindKey = 'io.cnab.manifest.type'
const dockerManifest = 'application/vnd.docker.distribution.manifest.v2+json'
const dockerList = 'application/vnd.docker.distribution.manifest.list.v2+json'

let root: string
let lab: string
/** of the bundle, as it is given back where it came as a thick bundle */
let thick: string

beforeAll(async () => {
  lab = mkdtempSync(join(tmpdir(), 'rejoin-cnab-layout-'))
  root = join(lab, 'alice')
  thick = join(lab, 'thick.tgz')
  await Node.init(root, 'alice', 'test')
  writeFileSync(join(lab, 'hello.tgz'), thickOf(thickFiles(bundle, images)))
  const said = await published(join(lab, 'hello.tgz'))
  await get(said.kind === 'result' ? said.digest : expect.unreachable(), { format: 'cnab-thick', output: thick })
})
afterAll(() => rmSync(lab, { recursive: true, force: true }))

async function published(path: string, options: PublishOptions = {}): Promise<PublishedFile> {
  await using node = await Node.open(root)
  const [one] = await Array.fromAsync(publish(node, [path], options))
  return one ?? expect.unreachable()
}

async function get(what: string, flags: GetFlags): Promise<void> {
  await write({ root, json: false, quiet: true, signal: never }, what, flags)
}

function blobsHere(): readonly string[] {
  return ['blobs/sha256', 'private/blobs/sha256'].flatMap((folder) => {
    const path = join(root, folder)
    return existsSync(path) ? readdirSync(path) : []
  })
}

async function lastEvent(): Promise<object> {
  await using node = await Node.open(root)
  return JSON.parse(Buffer.from(node.store.lineOf(node.log, node.writer.folder.size - 1) ?? []).toString()) as object
}

describe('an index that cnab-to-oci made', () => {
  it.each([
    ['of OCI', ociManifestType, ociIndexType, 'application/vnd.cnab.config.v1+json', undefined],
    [
      'of OCI, for a registry that knows images only',
      ociManifestType,
      undefined,
      'application/vnd.oci.image.config.v1+json',
      undefined
    ],
    ['of Docker', dockerManifest, dockerList, 'application/vnd.docker.container.image.v1+json', dockerManifest]
  ])('CNAB-8: %s, is read as the bundle that it is', async (_, type, indexType, configType, said) => {
    const bytes = Buffer.from(bundle)
    const config = { mediaType: configType, digest: digestOf(bytes), size: bytes.length }
    const manifest = Buffer.from(
      JSON.stringify({ schemaVersion: 2, mediaType: said, config, layers: said === undefined ? null : [config] })
    )
    const index = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: said === undefined ? undefined : indexType,
        manifests: [
          { mediaType: type, digest: digestOf(manifest), size: manifest.length, annotations: { [kindKey]: 'config' } },
          invocation(installer),
          component(large, 'large'),
          component(both, 'multi')
        ]
      })
    )
    const blobs = new Map([bytes, manifest, index].map((one): [string, Uint8Array] => [digestOf(one), one]))
    for (const image of Object.values(images)) for (const [digest, one] of image.blobs) blobs.set(digest, one)
    const folder = join(lab, `foreign-${digestOf(index).slice(7, 15)}`)
    const root = { mediaType: indexType ?? ociIndexType, digest: digestOf(index), size: index.length, config: '', blobs }
    layoutFolder(folder, { v1: root })
    expect(await published(folder)).toMatchObject({
      kind: 'result',
      digest: root.digest,
      images: [{ image: names.installer }, { image: names.large }, { image: names.both }]
    })
    expect(await lastEvent()).toMatchObject({ type: 'bundle.published', data: { title: 'hello 0.1.0' } })
    const out = join(lab, `${root.digest.slice(7, 15)}.tgz`)
    await get(root.digest, { format: 'cnab-thick', output: out })
    expect(readFileSync(out).equals(readFileSync(thick))).toBe(true)
  })
})

describe('a thin bundle', () => {
  const digests = { installer: installer.digest, multi: both.digest, large: large.digest }
  const thin = (more: object = {}): string => {
    const said = JSON.parse(bundle) as { readonly images: Readonly<Record<string, object>> }
    const multi = { ...said.images['multi'], contentDigest: both.digest, ...more }
    return JSON.stringify({ ...said, images: { ...said.images, multi } })
  }
  const taken = async (name: string, text: string): Promise<string> => {
    const path = join(lab, name)
    writeFileSync(path, text)
    const said = await published(path)
    return said.kind === 'result' ? said.digest : expect.unreachable()
  }

  it('CNAB-14: has a map, and is given as a thick one, of images that were published by themselves', async () => {
    const bare = await taken('thin.json', thin())
    const [format, output, registry] = ['cnab-relocation-map', join(lab, 'map.json'), 'depot:5000']
    await expect(get(bare, { format, registry })).rejects.toThrow('"example/installer:1" is in no repository here')
    for (const [name, image] of Object.entries({ installer, multi: both, large })) {
      layoutFolder(join(lab, name), { v1: image })
      await published(join(lab, name), { repository: `images/${name}` })
    }
    await get(bare, { format, output, registry })
    expect(JSON.parse(readFileSync(output, 'utf8'))).toEqual({
      [names.installer]: `depot:5000/images/installer@${digests.installer}`,
      [names.large]: `depot:5000/images/large@${digests.large}`,
      [names.both]: `depot:5000/images/multi@${digests.multi}`
    })
    const out = join(lab, 'of-thin.tgz')
    await get(bare, { format: 'cnab-thick', output: out })
    const files = filesOfTar(gunzipSync(readFileSync(out)))
    expect(Buffer.from(files.get('bundle.json') ?? []).toString()).toBe(thin())
    expect(await published(out)).toMatchObject({
      kind: 'result',
      images: [{ digest: digests.installer }, { digest: digests.large }, { digest: digests.multi }]
    })
  })

  it('CNAB-14: fails where nothing tells which image it is, or it is not here', async () => {
    const [format, registry] = ['cnab-relocation-map', 'depot:5000']
    const unsaid = await taken('unsaid.json', thin({ contentDigest: undefined }))
    await expect(get(unsaid, { format, registry })).rejects.toThrow('bundle.json has no contentDigest for "busybox"')
    const absent = await taken('absent.json', thin({ contentDigest: `sha256:${'0'.repeat(64)}` }))
    await expect(get(absent, { format, registry })).rejects.toThrow(/^the image "busybox" of the bundle, sha256:0+, is not here$/)
  })
})

describe('CNAB-13: a layout with the index of a bundle that contradicts itself', () => {
  it.each<readonly [string, readonly object[], RegExp]>([
    ['an image too few', [invocation(installer)], /the index has 1 images, and bundle\.json 3/],
    [
      'another image than bundle.json says',
      [invocation(both), component(large, 'large'), component(both, 'multi')],
      /is sha256:[0-9a-f]{64} in bundle\.json and another one in the index/
    ],
    [
      'an image of another name',
      [invocation(installer), component(large, 'large'), component(both, 'other')],
      /no image for "busybox"/
    ]
  ])('is refused: %s', async (_, manifests, message) => {
    const bytes = Buffer.from(bundle)
    const config = bundleConfigManifest(digestOf(bytes), bytes.length)
    const index = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        manifests: [
          { mediaType: config.mediaType, digest: config.digest, size: config.bytes.length, annotations: { [kindKey]: 'config' } },
          ...manifests
        ]
      })
    )
    const blobs = new Map([bytes, config.bytes, index].map((one): [string, Uint8Array] => [digestOf(one), one]))
    const folder = join(lab, `wrong-${digestOf(index).slice(7, 15)}`)
    layoutFolder(folder, { v1: { mediaType: ociIndexType, digest: digestOf(index), size: index.length, config: '', blobs } })
    const before = blobsHere()
    expect(await published(folder)).toMatchObject({ kind: 'error', code: 'E_DOCUMENT', error: expect.stringMatching(message) })
    expect(blobsHere()).toEqual(before)
  })
})

function named({ mediaType, digest, size }: LabImage): object {
  return { mediaType, digest, size }
}

function invocation(image: LabImage): object {
  return { ...named(image), annotations: { [kindKey]: 'invocation' } }
}

function component(image: LabImage, name: string): object {
  return { ...named(image), annotations: { [kindKey]: 'component', 'io.cnab.component.name': name } }
}
