import { readManifest } from '../artifact/index.ts'
import { type Digest, isDigest, isObject, type Json, parseCid, type RejoinEvent } from '../core/index.ts'
import type { BlobStore, Descriptor } from '../store/index.ts'
import type { BlobWant } from '../sync/index.ts'

const maxManifestBytes = 16 * 1024 * 1024
const manifestTypes = /\+json$/
/** indexes in indexes that are followed */
const maxDepth = 4

/** Where the blobs of an event are looked for, and the largest that is fetched by itself. */
export interface WantContext {
  readonly blobs: BlobStore
  readonly maxBytes: number
  /** called with each blob of the artifact that is here */
  readonly onHere?: (digest: Digest) => void
}

/** What an event's artifact lacks. */
export interface Lacking {
  readonly wants: readonly BlobWant[]
  /** the artifact's own manifest, where it is here */
  readonly root: Descriptor | undefined
}

const nothing: Lacking = { wants: [], root: undefined }

/** Returns the blobs of an event's artifact that are not here: its manifest, else what that names, and so on down. */
export async function lackingOf({ subject, data }: RejoinEvent, context: WantContext): Promise<Lacking> {
  const { digest, size, mediaType, blobs } = data
  if (typeof digest !== 'string' || !isDigest(digest) || digest !== subject || context.blobs.dropped.has(digest)) return nothing
  const wants: BlobWant[] = []
  for (const blob of Array.isArray(blobs) ? (blobs as readonly Json[]) : []) {
    const want = largeWant(blob, context)
    if (want !== undefined) wants.push(want)
  }
  if (!context.blobs.has(digest)) {
    wants.push({ digest, ...(typeof size === 'number' && { sizeBytes: size }) })
    return { wants, root: undefined }
  }
  if (typeof mediaType !== 'string' || !manifestTypes.test(mediaType)) return { wants, root: undefined }
  const known = new Set(wants.map((want) => want.digest))
  context.onHere?.(digest)
  const root = await lackingBelow(digest, context, 0, (want) => {
    if (known.has(want.digest)) return
    known.add(want.digest)
    wants.push(want)
  })
  return { wants, root }
}

function largeWant(blob: Json, { blobs, maxBytes }: WantContext): BlobWant | undefined {
  if (!isObject(blob)) return undefined
  const { digest, size, cid } = blob
  if (typeof digest !== 'string' || !isDigest(digest) || typeof size !== 'number' || typeof cid !== 'string') return undefined
  if (size > maxBytes || blobs.has(digest)) return undefined
  return { digest, sizeBytes: size, cid: parseCid(cid) }
}

async function lackingBelow(
  digest: Digest,
  context: WantContext,
  depth: number,
  want: (want: BlobWant) => void
): Promise<Descriptor | undefined> {
  const { blobs, maxBytes, onHere } = context
  let manifest: ReturnType<typeof readManifest>
  let size: number
  try {
    const bytes = await blobs.readBytes(digest, maxManifestBytes)
    size = bytes.length
    manifest = readManifest(bytes)
  } catch {
    // no manifest: a document of its own, which names nothing
    return undefined
  }
  for (const child of [manifest.config, ...manifest.layers]) {
    if (child === undefined) continue
    if (blobs.has(child.digest)) onHere?.(child.digest)
    else if (child.size <= maxBytes) want({ digest: child.digest, sizeBytes: child.size })
  }
  for (const child of manifest.manifests) {
    if (!blobs.has(child.digest)) want({ digest: child.digest, sizeBytes: child.size })
    else {
      onHere?.(child.digest)
      if (depth < maxDepth) await lackingBelow(child.digest, context, depth + 1, want)
    }
  }
  return { mediaType: manifest.mediaType, digest, size }
}
