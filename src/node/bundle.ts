import {
  type Bundle,
  bundleConfigType,
  configOfBundle,
  imagesOfBundle,
  type Manifest,
  maxManifestBytes,
  type PlacedImage,
  readBundle,
  readManifest
} from '../artifact/index.ts'
import { type Digest, RejoinError } from '../core/index.ts'
import type { Node } from './node.ts'

const maxBundleBytes = 64 * 1024 * 1024

/** A bundle, and where its images are: in its index, or for a thin one by themselves. */
export interface OpenedBundle {
  readonly bundle: Bundle
  /** its bundle.json */
  readonly bytes: Uint8Array
  readonly config: { readonly digest: Digest; readonly size: number }
  readonly images: readonly PlacedImage[]
  /** true where it came as its bundle.json alone */
  readonly isThin: boolean
}

/**
 * Returns the bundle of an index, or of a thin bundle whose images are here, too, each under a name of its own.
 * @param bring brings blobs that are missing here, as far as somebody has them
 * @throws E_DOCUMENT where it is none of a bundle, or its parts contradict each other · E_INCOMPLETE where its bundle.json, or an image of a thin one, is not here
 */
export async function openBundle(node: Node, digest: Digest, bring: (digest: Digest) => Promise<void>): Promise<OpenedBundle> {
  const read = async (wanted: Digest, maxBytes: number): Promise<Uint8Array> => {
    if (!node.blobs.has(wanted)) await bring(wanted)
    if (!node.blobs.has(wanted))
      throw new RejoinError('E_INCOMPLETE', `${wanted} of the bundle ${digest} is not here`, {
        hint: 'connect to a peer that has it: rejoin sync PEER'
      })
    return await node.blobs.readBytes(wanted, maxBytes)
  }
  const manifest = readManifest(await read(digest, maxManifestBytes))
  const bundle = (await bundleOf(manifest, read)) ?? (await thinBundleOf(node, manifest, read, bring))
  if (bundle === undefined)
    throw new RejoinError('E_DOCUMENT', `${digest} is no CNAB bundle`, {
      hint: 'rejoin publish takes in a thick bundle, BUNDLE.tgz, or a bundle.json'
    })
  return bundle
}

async function thinBundleOf(
  node: Node,
  { layers, config }: Manifest,
  read: (digest: Digest, maxBytes: number) => Promise<Uint8Array>,
  bring: (digest: Digest) => Promise<void>
): Promise<OpenedBundle | undefined> {
  const document = [...layers, ...(config ? [config] : [])].find(({ mediaType }) => mediaType === bundleConfigType)
  if (document === undefined) return undefined
  const bytes = await read(document.digest, maxBundleBytes)
  const bundle = readBundle(bytes)
  const images: PlacedImage[] = []
  for (const image of bundle.images) {
    const { digest } = image
    const name = JSON.stringify(image.image.slice(0, 60))
    if (digest === undefined)
      throw new RejoinError('E_DOCUMENT', `bundle.json has no contentDigest for ${name}, so nothing tells which image it is`)
    // what a bundle.json names is no part of what its event names: the image has an event of its own
    if (!node.blobs.has(digest) && (await node.store.index.bySubject(digest)).length > 0) await bring(digest)
    if (!node.blobs.has(digest))
      throw new RejoinError('E_INCOMPLETE', `the image ${name} of the bundle, ${digest}, is not here`, {
        hint: 'push it to this node, or publish the thick bundle'
      })
    const manifest = await node.blobs.readBytes(digest, maxManifestBytes)
    images.push({ ...image, descriptor: { mediaType: readManifest(manifest).mediaType, digest, size: manifest.length } })
  }
  return { bundle, bytes, config: document, images, isThin: true }
}

/**
 * Returns the bundle of an index, undefined where it is of none.
 * @throws E_DOCUMENT where its parts contradict each other, and what reading throws
 */
export async function bundleOf(
  index: Manifest,
  read: (digest: Digest, maxBytes: number) => Promise<Uint8Array>
): Promise<OpenedBundle | undefined> {
  const named = configOfBundle(index)
  const config = named && readManifest(await read(named.digest, maxManifestBytes)).config
  if (config === undefined) return undefined
  const bytes = await read(config.digest, maxBundleBytes)
  const bundle = readBundle(bytes)
  return { bundle, bytes, config, images: imagesOfBundle(index, bundle), isThin: false }
}
