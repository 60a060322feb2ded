import { open } from 'node:fs/promises'
import {
  type ArtifactManifest,
  type BlobName,
  type Bundle,
  bundleConfigManifest,
  bundleIndex,
  bundleIndexType,
  digestsInLayout,
  isElsewhere,
  type Manifest,
  maxManifestBytes,
  ociLayoutRoots,
  readBundle,
  readManifest,
  recognise
} from '../artifact/index.ts'
import { chunkBytes, dagOfLeaves, type Digest, digestOf, RejoinError } from '../core/index.ts'
import type { Descriptor, StoredBlob } from '../store/index.ts'
import { mustMayPublishLayout, type ReadBlob } from './layout-check.ts'
import type { Node } from './node.ts'
import { draftOf, type PublishOptions, rootChange, type Staged } from './publish-draft.ts'
import { type ThickArchive, takeThickArchive } from './thick-archive.ts'

/** What `--type` calls a thick bundle. */
export const thickType: string = 'cnab-thick'

/** blobs that an event names with their CIDs, at most */
const maxNamed = 128

/** Returns whether a file is to be taken for a thick bundle: it is said to be one, or nothing is said and it begins as gzip does. */
export async function isThickBundle(path: string, type: string | undefined): Promise<boolean> {
  if (type !== undefined) return type === thickType
  await using file = await open(path)
  const { buffer, bytesRead } = await file.read(Buffer.alloc(2), 0, 2, 0)
  return bytesRead === 2 && buffer.readUInt16BE(0) === 0x1f8b
}

/** An image of a bundle, and all that it is made of. */
interface Image {
  readonly named: BlobName
  readonly blobs: readonly Digest[]
}

/**
 * Takes in a thick bundle: each image with its own manifest, untouched, and one index over bundle.json and all images. Until everything is there and the
 * rules let it in, nothing of it is passed on; where it fails nothing of it is left.
 * @throws as takeThickArchive · E_DOCUMENT where an image of bundle.json is not in the layout, or not the one that it says
 * or has a blob missing · E_REFUSED with the rule
 * @see protocols/cnab.md#CNAB-4
 */
export async function stageThick(node: Node, file: string, options: PublishOptions): Promise<Staged> {
  const fresh = new Set<Digest>()
  try {
    return await stage(node, file, options, fresh)
  } catch (error) {
    for (const digest of fresh) if (node.blobs.placeOf(digest) === 'private') await node.blobs.remove(digest)
    throw error
  }
}

async function stage(node: Node, file: string, options: PublishOptions, fresh: Set<Digest>): Promise<Staged> {
  const archive = await takeThickArchive(node, file, (digest) => fresh.add(digest))
  const warnings = recognise(archive.bundle, { type: 'cnab-bundle' }).warnings.map(({ message }) => message)
  const bundle = readBundle(archive.bundle)
  const images = await imagesOf(node, archive, bundle)
  const config = bundleConfigManifest(digestOf(archive.bundle), archive.bundle.length)
  const index = bundleIndex(
    bundle,
    nameOf(config),
    images.map(({ named }) => named)
  )
  const descriptor: Descriptor = { ...nameOf(index), artifactType: bundleIndexType }
  const parts = [...new Set(images.flatMap(({ blobs }) => blobs))]
  const title = `${bundle.name} ${bundle.version}`.slice(0, 200)
  const draft = draftOf('bundle.published', descriptor, bundleIndexType, options, await largeOf(node, archive, parts), { title })
  const made = [index, config, { bytes: archive.bundle, digest: digestOf(archive.bundle) }]
  await mustMayPublishLayout(node, file, blobsOf(node, made), index.digest, (digest) =>
    digest === index.digest ? draft : draftOf('manifest.published', { ...descriptor, digest }, undefined, options, [], {})
  )
  await node.blobs.share(
    parts,
    made.filter(({ bytes }) => bytes.length <= chunkBytes)
  )
  for (const { bytes, digest } of made) if (bytes.length > chunkBytes) await node.blobs.put(bytes, { digest })
  const used = new Set<Digest>(parts)
  for (const digest of fresh) if (!used.has(digest)) await node.blobs.remove(digest)
  return {
    file,
    format: thickType,
    artifactType: bundleIndexType,
    descriptor,
    draft,
    root: rootChange(descriptor, options),
    warnings,
    images: bundle.images.map(({ image }, i) => ({ image, digest: (images[i] as Image).named.digest }))
  }
}

function nameOf({ mediaType, digest, bytes }: ArtifactManifest): BlobName {
  return { mediaType, digest, size: bytes.length }
}

/** Reads what stands ready to be stored, else what is in the store. */
function blobsOf(node: Node, made: readonly { readonly bytes: Uint8Array; readonly digest: Digest }[]): ReadBlob {
  const ready = new Map(made.map(({ digest, bytes }) => [digest, bytes]))
  return async (digest, maxBytes) => {
    const bytes = ready.get(digest)
    if (bytes !== undefined) return bytes.length > maxBytes ? undefined : bytes
    return (node.blobs.size(digest) ?? Number.POSITIVE_INFINITY) > maxBytes
      ? undefined
      : await node.blobs.readBytes(digest, maxBytes)
  }
}

async function imagesOf(node: Node, archive: ThickArchive, bundle: Bundle): Promise<readonly Image[]> {
  const known = new Map<Digest, Image>()
  const images: Image[] = []
  for (const [i, digest] of digestsInLayout(bundle, ociLayoutRoots(archive.index)).entries()) {
    const what = JSON.stringify((bundle.images[i]?.image ?? '').slice(0, 60))
    const image = known.get(digest) ?? (await imageOf(node, archive, digest, what))
    known.set(digest, image)
    images.push(image)
  }
  return images
}

/** Walks from an image's manifest or index to all of its blobs, which must be in the archive. */
async function imageOf(node: Node, { blobs }: ThickArchive, root: Digest, what: string): Promise<Image> {
  const size = blobs.get(root)
  if (size === undefined)
    throw new RejoinError('E_DOCUMENT', `the layout has no image ${what} with the digest ${root}, which bundle.json names`)
  const taken = new Set<Digest>()
  let mediaType: string | undefined
  const queue: { readonly digest: Digest; readonly isManifest: boolean }[] = [{ digest: root, isManifest: true }]
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    const { digest, isManifest } = next
    if (taken.has(digest)) continue
    if (!blobs.has(digest)) throw new RejoinError('E_DOCUMENT', `the layout lacks ${digest} of the image ${what}`)
    taken.add(digest)
    if (!isManifest) continue
    const manifest = await manifestOf(node, digest, what)
    mediaType ??= manifest.mediaType
    for (const child of manifest.manifests) queue.push({ digest: child.digest, isManifest: true })
    for (const child of [manifest.config, ...manifest.layers])
      if (child !== undefined && (blobs.has(child.digest) || !isElsewhere(child)))
        queue.push({ digest: child.digest, isManifest: false })
  }
  return { named: { mediaType: mediaType as string, digest: root, size }, blobs: [...taken] }
}

async function manifestOf(node: Node, digest: Digest, what: string): Promise<Manifest> {
  try {
    return readManifest(await node.blobs.readBytes(digest, maxManifestBytes))
  } catch (cause) {
    if (!(cause instanceof RejoinError)) throw cause
    throw new RejoinError('E_DOCUMENT', `the image ${what} has no manifest that can be read: ${cause.message}`.slice(0, 119), {
      cause
    })
  }
}

/** Returns the large blobs of a bundle's images with the roots of their DAGs. */
async function largeOf(node: Node, { blobs }: ThickArchive, parts: readonly Digest[]): Promise<readonly StoredBlob[]> {
  const found: StoredBlob[] = []
  for (const digest of parts) {
    const sizeBytes = blobs.get(digest) ?? 0
    if (sizeBytes <= chunkBytes || found.length >= maxNamed) continue
    found.push({ digest, sizeBytes, cid: dagOfLeaves(await node.blobs.leaves(digest), sizeBytes).root })
  }
  return found
}
