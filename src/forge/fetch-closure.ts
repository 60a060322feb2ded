import {
  isElsewhere,
  isManifestType,
  type Manifest,
  maxManifestBytes,
  type OciDescriptor,
  readManifest
} from '../artifact/index.ts'
import { chunkBytes, codeOf, dagOfLeaves, type Digest, digestParts, isDigest, RejoinError } from '../core/index.ts'
import type { Live, Node } from '../node/index.ts'
import type { StoredBlob } from '../store/index.ts'
import { askPeers } from './ask-peers.ts'
import type { FetchedManifest, RegistryClient } from './registry-client.ts'

/** What an artifact's blobs are fetched with. */
export interface ClosureContext {
  readonly node: Node
  readonly live: Live | undefined
  readonly client: RegistryClient
  readonly repository: string
  readonly signal: AbortSignal
  /** bytes that came from the forge */
  readonly onBytes?: (count: number) => void
}

/** An artifact all of whose blobs are here, not passed on yet. */
export interface Closure {
  readonly root: Manifest
  /** the manifests below the root, and the root last: what a reader finds is whole */
  readonly manifests: readonly FetchedManifest[]
  readonly blobs: readonly Digest[]
  readonly large: readonly StoredBlob[]
  readonly layers: readonly OciDescriptor[]
}

const maxManifests = 10_000
const maxDepth = 8
const blobsAtOnce = 4
/** blobs that an event names with their CIDs */
const maxLarge = 128

/**
 * Brings all that an artifact needs here, into private/: manifests from the forge, blobs from peers where these have them, else from the forge. What was fetched
 * of a blob before stays, and is gone on with.
 * @throws E_NOT_FOUND where the forge lacks a part · E_DOCUMENT E_BAD_OBJECT E_TOO_LARGE · E_UNREACHABLE E_GONE E_TIMEOUT E_NO_SPACE
 */
export async function fetchClosure(context: ClosureContext, first: FetchedManifest): Promise<Closure> {
  const manifests: FetchedManifest[] = []
  const wanted = new Map<Digest, OciDescriptor>()
  const seen = new Set<Digest>()
  const visit = async (one: FetchedManifest, depth: number): Promise<Manifest> => {
    seen.add(one.digest)
    if (seen.size > maxManifests || depth > maxDepth)
      throw new RejoinError('E_TOO_LARGE', `${first.digest} has too many manifests, or too deep ones`)
    const manifest = readManifest(one.bytes)
    for (const child of [manifest.config, ...manifest.layers])
      if (child !== undefined && !isElsewhere(child)) wanted.set(child.digest, child)
    for (const child of manifest.manifests) {
      if (seen.has(child.digest)) continue
      if (isManifestType(child.mediaType)) await visit(await keptManifest(context, child.digest), depth + 1)
      else wanted.set(child.digest, child)
    }
    manifests.push(one)
    return manifest
  }
  const root = await visit(first, 0)
  await fetchAll(context, [...wanted.values()])
  const large = await largeOf(context.node, [...wanted.values()])
  return { root, manifests, blobs: [...wanted.keys()], large, layers: root.layers }
}

/** Returns a manifest that is here, or that a peer has, or else from the forge. @throws E_NOT_FOUND */
export async function manifestOf(
  context: Pick<ClosureContext, 'node' | 'live' | 'client' | 'repository' | 'signal'>,
  digest: Digest
): Promise<FetchedManifest> {
  const { node, client, repository, signal } = context
  await askPeers(context, [{ digest }])
  if (node.blobs.has(digest)) {
    const bytes = await node.blobs.readBytes(digest, maxManifestBytes)
    return { digest, mediaType: readManifest(bytes).mediaType, bytes }
  }
  const manifest = await client.manifest(repository, digest, signal)
  if (manifest === undefined) throw new RejoinError('E_NOT_FOUND', `${client.host} has no manifest ${digest} in ${repository}`)
  return manifest
}

/** A manifest below another one is kept at once, so that a pull that breaks needn't ask for it again. */
async function keptManifest(context: ClosureContext, digest: Digest): Promise<FetchedManifest> {
  const { blobs } = context.node
  const manifest = await manifestOf(context, digest)
  if (!blobs.has(digest)) await blobs.put(manifest.bytes, { digest, private: true })
  return manifest
}

/** Returns the large blobs with the roots of their DAGs, whoever brought them. */
async function largeOf({ blobs }: Node, wanted: readonly OciDescriptor[]): Promise<readonly StoredBlob[]> {
  const found: StoredBlob[] = []
  for (const { digest, size } of wanted)
    if (size > chunkBytes && found.length < maxLarge && blobs.has(digest))
      found.push({ digest, sizeBytes: size, cid: dagOfLeaves(await blobs.leaves(digest), size).root })
  return found
}

async function fetchAll(context: ClosureContext, wanted: readonly OciDescriptor[]): Promise<void> {
  await askPeers(
    context,
    wanted.map(({ digest, size }) => ({ digest, sizeBytes: size }))
  )
  const queue = wanted.filter(({ digest }) => !context.node.blobs.has(digest))
  const work = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) await fetchOne(context, next)
  }
  const results = await Promise.allSettled(Array.from({ length: blobsAtOnce }, work))
  for (const result of results) if (result.status === 'rejected') throw result.reason
}

async function fetchOne(
  { node, client, repository, signal, onBytes }: ClosureContext,
  { digest, size }: OciDescriptor
): Promise<void> {
  const { algorithm, hex } = digestParts(digest)
  if (!isDigest(digest) || node.blobs.has(digest)) return
  await using upload = await node.blobs.upload(hex, { algorithm, sizeBytes: size })
  if (upload.sizeBytes > size) {
    await upload.discard()
    throw new RejoinError('E_BAD_OBJECT', `more of ${digest} was here than it has bytes; run the same command again`)
  }
  try {
    if (upload.sizeBytes < size || size === 0)
      await upload.append(
        counted(client.blob(repository, digest, upload.sizeBytes, signal), size - upload.sizeBytes, digest, onBytes)
      )
  } catch (error) {
    // bytes that are too many are not its bytes
    if (codeOf(error) === 'E_BAD_OBJECT') await upload.discard()
    throw error
  }
  if (upload.sizeBytes < size)
    throw new RejoinError('E_GONE', `${client.host} ended ${digest} after ${upload.sizeBytes} of ${size} bytes`)
  await upload.finish(digest, { private: true })
}

async function* counted(
  source: AsyncIterable<Uint8Array>,
  maxBytes: number,
  digest: Digest,
  onBytes: ((count: number) => void) | undefined
): AsyncGenerator<Uint8Array, void, void> {
  let length = 0
  for await (const bytes of source) {
    length += bytes.length
    if (length > maxBytes)
      throw new RejoinError('E_BAD_OBJECT', `the forge sends more bytes for ${digest} than its manifest says`)
    onBytes?.(bytes.length)
    yield bytes
  }
}
