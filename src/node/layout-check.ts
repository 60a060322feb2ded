import { createHash } from 'node:crypto'
import { lstat, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Manifest, maxManifestBytes, readManifest } from '../artifact/index.ts'
import { type Digest, isDigest, RejoinError } from '../core/index.ts'
import type { Draft } from '../store/index.ts'
import type { Node } from './node.ts'
import { mustMayPublish } from './publish-check.ts'

/** layers beyond this are no documents that a rule could look into, in bytes */
const maxLayerBytes = 64 * 1024 * 1024
const maxManifests = 10_000

/** Returns a blob whose digest is right, undefined where it is missing, damaged or too large: whoever takes it in says so. */
export type ReadBlob = (digest: Digest, maxBytes: number) => Promise<Uint8Array | undefined>

/** Returns what reads the blobs of an OCI image layout. */
export function blobsIn(folder: string): ReadBlob {
  return async (digest, maxBytes) => await readBlob(folder, digest, maxBytes)
}

async function readBlob(folder: string, digest: Digest, maxBytes: number): Promise<Uint8Array | undefined> {
  const path = join(folder, 'blobs', digest.replace(':', '/'))
  const stat = await lstat(path).catch(() => undefined)
  if (stat?.isFile() !== true || stat.size > maxBytes) return undefined
  const bytes = await readFile(path).catch(() => undefined)
  const [algorithm = '', hash] = digest.split(':')
  return bytes !== undefined && createHash(algorithm).update(bytes).digest('hex') === hash ? bytes : undefined
}

async function learn(node: Node, read: ReadBlob, digest: Digest, bytes: Uint8Array, { layers }: Manifest): Promise<void> {
  const found: { readonly mediaType: string; readonly bytes: Uint8Array }[] = []
  for (const { digest: layer, mediaType, size } of layers) {
    const content = size > maxLayerBytes || !isDigest(layer) ? undefined : await read(layer, maxLayerBytes)
    if (content !== undefined) found.push({ mediaType, bytes: content })
  }
  node.known.learn(digest, bytes, found)
}

/**
 * Lets this node's rules look at a root of an OCI image layout before anything of it is stored: at its type and name, and where they look into
 * documents, at those of each manifest that it lists.
 * @param folder what it is called where it is refused
 * @param draftOf returns what would be said of a manifest
 * @throws E_REFUSED with the rule
 */
export async function mustMayPublishLayout(
  node: Node,
  folder: string,
  read: ReadBlob,
  root: Digest,
  draftOf: (digest: Digest) => Draft
): Promise<void> {
  mustMayPublish(node, draftOf(root), folder)
  if (!node.known.isLooking) return
  const queue: Digest[] = [root]
  const seen = new Set<Digest>(queue)
  for (let digest = queue.shift(); digest !== undefined; digest = queue.shift()) {
    const bytes = await read(digest, maxManifestBytes)
    if (bytes === undefined) continue
    const manifest = readManifest(bytes)
    await learn(node, read, digest, bytes, manifest)
    mustMayPublish(node, draftOf(digest), digest === root ? folder : `${folder}: the manifest ${digest}`)
    for (const child of manifest.manifests) {
      if (seen.has(child.digest)) continue
      seen.add(child.digest)
      if (seen.size > maxManifests)
        throw new RejoinError('E_TOO_LARGE', `${folder}: a root needs more than ${maxManifests} manifests`)
      queue.push(child.digest)
    }
  }
}
