import { canonicalize, type Digest, isTag, type Json } from '../core/index.ts'
import { fullImageName, ociIndexType, readManifest, thickLayout } from '../artifact/index.ts'
import { openBundle } from './bundle.ts'
import { relocationOfBundle } from './relocation.ts'
import type { VerbRecord } from './control.ts'
import { dockerArchive } from './docker-archive.ts'
import { closureOf } from './find.ts'
import type { Node } from './node.ts'
import { blobFile, type OutputFile, textFile } from './output-file.ts'

/** The formats that `rejoin get` writes besides a document as it is. */
export const getFormats = ['oci-layout', 'docker-archive', 'cnab-thick', 'cnab-relocation-map'] as const

/** One of getFormats. */
export type GetFormat = (typeof getFormats)[number]

/** What was asked for, and how what is missing comes here. */
export interface FormatRequest {
  readonly format: GetFormat
  /** REPO:TAG or a digest */
  readonly word: string
  readonly registry: string | undefined
  readonly platform: string | undefined
  /** brings all blobs of an artifact. @throws E_INCOMPLETE where some are not to be had */
  readonly bringAll: (digest: Digest) => Promise<void>
  readonly bring: (digest: Digest) => Promise<void>
}

const maxManifestBytes = 16 * 1024 * 1024
const layoutMark = '{"imageLayoutVersion":"1.0.0"}'
const refName = 'org.opencontainers.image.ref.name'

/** Yields what an artifact is in a format: `files` of a folder or archive, or a relocation `map`. @throws E_DOCUMENT where it can't have that format · E_INCOMPLETE */
export async function* getFormat(node: Node, digest: Digest, request: FormatRequest): AsyncGenerator<VerbRecord> {
  const { format } = request
  if (format === 'cnab-relocation-map') {
    const map = await relocationOfBundle(node, digest, await openBundle(node, digest, request.bring), request)
    yield { kind: 'map', digest, map } as VerbRecord
    return
  }
  const files = await filesOf(node, digest, request)
  yield { kind: 'files', format, digest, files } as VerbRecord
}

async function filesOf(
  node: Node,
  digest: Digest,
  { format, word, platform, bring, bringAll }: FormatRequest
): Promise<readonly OutputFile[]> {
  switch (format) {
    case 'oci-layout': {
      await bringAll(digest)
      const { mediaType } = readManifest(await node.blobs.readBytes(digest, maxManifestBytes))
      const size = node.blobs.size(digest) as number
      const tag = tagOf(word)
      const root = { mediaType, digest, size, ...(tag !== undefined && { annotations: { [refName]: tag } }) }
      return layoutFiles(node, [root], (await closureOf(node, digest)).here)
    }
    case 'docker-archive': {
      const name = tagOf(word) === undefined ? undefined : word
      return await dockerArchive(node, digest, { platform, name, bring, bringAll })
    }
    case 'cnab-thick': {
      await bringAll(digest)
      const { config, images, isThin } = await openBundle(node, digest, bring)
      if (isThin) for (const { descriptor } of images) await bringAll(descriptor.digest)
      const roots = new Map<string, Json>()
      const blobs = new Set<Digest>()
      for (const { image, descriptor } of images) {
        const { mediaType, digest: one, size } = descriptor
        const name = fullImageName(image) ?? image
        roots.set(`${name} ${one}`, { mediaType, digest: one, size, annotations: { [refName]: name } })
        for (const blob of (await closureOf(node, one)).here) blobs.add(blob)
      }
      return [
        blobFile(node, config.digest, 'bundle.json'),
        ...layoutFiles(node, [...roots.values()], [...blobs]).map((file) => ({ ...file, path: `${thickLayout}/${file.path}` }))
      ]
    }
    case 'cnab-relocation-map':
      throw new Error('bug: a relocation map is no file')
  }
}

/** Returns the tag that a word names, undefined for a digest. */
function tagOf(word: string): string | undefined {
  const tag = word.slice(word.lastIndexOf(':') + 1)
  if (word.includes('@') || /^sha(?:256|512):/.test(word)) return undefined
  if (!word.includes(':')) return 'latest'
  return isTag(tag) ? tag : undefined
}

function layoutFiles(node: Node, roots: readonly Json[], blobs: readonly Digest[]): readonly OutputFile[] {
  const index = { schemaVersion: 2, mediaType: ociIndexType, manifests: roots }
  return [
    textFile('oci-layout', layoutMark),
    textFile('index.json', canonicalize(index)),
    ...blobs.toSorted().map((digest) => blobFile(node, digest, `blobs/${digest.replace(':', '/')}`))
  ]
}
