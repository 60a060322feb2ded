import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  artifactTypeOf,
  isElsewhere,
  isManifestType,
  type LayoutRoot,
  maxManifestBytes,
  ociLayoutRoots,
  readManifest,
  recognise
} from '../artifact/index.ts'
import { type Digest, isTag, RejoinError } from '../core/index.ts'
import type { Descriptor, StoredBlob } from '../store/index.ts'
import { bundleOf, type OpenedBundle } from './bundle.ts'
import { blobsIn, mustMayPublishLayout } from './layout-check.ts'
import type { Node } from './node.ts'
import { draftOf, type PublishOptions, rootChange, type Staged } from './publish-draft.ts'

const maxDocumentBytes = 64 * 1024 * 1024

/** Takes in an OCI image layout: every blob that its roots need, each with its digest checked. */
export async function stageLayout(node: Node, folder: string, options: PublishOptions): Promise<readonly Staged[]> {
  const index = await readFile(join(folder, 'index.json')).catch(() => {
    throw new RejoinError('E_DOCUMENT', `${folder} is no OCI image layout: it has no index.json`)
  })
  const staged: Staged[] = []
  for (const root of ociLayoutRoots(index)) {
    const tag =
      options.tag ??
      (options.repository !== undefined && root.refName !== undefined && isTag(root.refName) ? root.refName : undefined)
    const named = { ...options, ...(tag !== undefined && { tag }) }
    const descriptor: Descriptor = { mediaType: root.mediaType, digest: root.digest, size: root.size }
    const { artifactType = root.artifactType, bundle } = await lookInto(folder, root)
    const eventType = bundle === undefined ? 'manifest.published' : 'bundle.published'
    await mustMayPublishLayout(node, folder, blobsIn(folder), root.digest, (digest) =>
      digest === root.digest
        ? draftOf(eventType, descriptor, artifactType, named, [], {})
        : draftOf('manifest.published', { ...descriptor, digest }, root.artifactType, named, [], {})
    )
    const blobs: StoredBlob[] = []
    const refers = await takeClosure(node, folder, root.digest, blobs)
    const title = bundle === undefined ? root.refName : `${bundle.bundle.name} ${bundle.bundle.version}`
    const draft = draftOf(eventType, descriptor, artifactType, named, blobs, {
      ...(title !== undefined && { title: title.slice(0, 200) }),
      ...(refers !== undefined && { refers })
    })
    staged.push({
      file: folder,
      format: 'oci-layout',
      artifactType: artifactType ?? root.mediaType,
      descriptor,
      draft,
      root: rootChange(descriptor, named),
      warnings:
        bundle === undefined ? [] : recognise(bundle.bytes, { type: 'cnab-bundle' }).warnings.map(({ message }) => message),
      ...(bundle && { images: bundle.images.map(({ image, descriptor: { digest } }) => ({ image, digest })) })
    })
  }
  if (staged.length === 0) throw new RejoinError('E_DOCUMENT', `${folder}: index.json lists nothing`)
  return staged
}

/** Returns what a root of a layout is, as far as that can be read: whoever takes it in says what can't. @throws E_DOCUMENT for a bundle whose parts contradict each other */
async function lookInto(
  folder: string,
  { digest, mediaType }: LayoutRoot
): Promise<{ readonly artifactType?: string | undefined; readonly bundle?: OpenedBundle | undefined }> {
  const read = blobsIn(folder)
  const bytes = isManifestType(mediaType) ? await read(digest, maxManifestBytes) : undefined
  if (bytes === undefined) return {}
  const manifest = readManifest(bytes)
  const bundle = await bundleOf(manifest, async (part, maxBytes) => {
    const found = await read(part, maxBytes)
    if (found === undefined) throw new RejoinError('E_DOCUMENT', `${folder}: the bundle lacks ${part}, or it is damaged`)
    return found
  })
  return { artifactType: artifactTypeOf(manifest), bundle }
}

const maxClosure = 10_000

async function takeClosure(node: Node, folder: string, root: Digest, taken: StoredBlob[]): Promise<Digest | undefined> {
  const queue: { readonly digest: Digest; readonly isManifest: boolean }[] = [{ digest: root, isManifest: true }]
  const seen = new Set<Digest>()
  let refers: Digest | undefined
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    const { digest, isManifest } = next
    if (seen.has(digest)) continue
    seen.add(digest)
    if (seen.size > maxClosure) throw new RejoinError('E_TOO_LARGE', `${folder}: a root needs more than ${maxClosure} blobs`)
    const path = join(folder, 'blobs', digest.replace(':', '/'))
    taken.push(await node.blobs.putFile(path, { digest }))
    if (!isManifest) continue
    const manifest = readManifest(await node.blobs.readBytes(digest, maxDocumentBytes))
    if (digest === root && manifest.subject !== undefined) refers = manifest.subject.digest
    for (const child of manifest.manifests) queue.push({ digest: child.digest, isManifest: true })
    for (const child of [manifest.config, ...manifest.layers])
      if (child !== undefined && !(isElsewhere(child) && !existsSync(join(folder, 'blobs', child.digest.replace(':', '/')))))
        queue.push({ digest: child.digest, isManifest: false })
  }
  return refers
}
