import { chunkBytes, type Cid, type Digest, type Json, type JsonObject } from '../core/index.ts'
import type { Descriptor, Draft, RootChange, StoredBlob } from '../store/index.ts'

/** What to publish, and how. */
export interface PublishOptions {
  readonly type?: string
  /** digest of the artifact that these are about */
  readonly subject?: string
  readonly annotations?: Readonly<Record<string, string>>
  readonly repository?: string
  readonly tag?: string
}

/** One artifact whose blobs are stored, before its event is written. */
export interface Staged {
  readonly file: string
  readonly format: string
  readonly artifactType: string
  readonly descriptor: Descriptor
  readonly draft: Draft
  readonly root: RootChange
  readonly warnings: readonly string[]
  /** of a bundle: what its bundle.json calls each image, and the image's digest */
  readonly images?: readonly { readonly image: string; readonly digest: Digest }[]
}

/** Returns what is said of an artifact that is published. @param blobs those that belong to it; the large ones are named with their CIDs */
export function draftOf(
  eventType: string,
  descriptor: Descriptor,
  artifactType: string | undefined,
  options: PublishOptions,
  blobs: readonly StoredBlob[],
  more: JsonObject
): Draft {
  const large = blobs
    .filter(({ sizeBytes }) => sizeBytes > chunkBytes)
    .map(({ digest, sizeBytes, cid }): Json => ({ cid: cid as Cid as string, digest, size: sizeBytes }))
  const data: JsonObject = {
    digest: descriptor.digest,
    mediaType: descriptor.mediaType,
    size: descriptor.size,
    ...(artifactType !== undefined && { artifactType }),
    ...(options.repository !== undefined && { repository: options.repository }),
    ...(options.tag !== undefined && { tag: options.tag }),
    ...(large.length > 0 && { blobs: large }),
    ...more
  }
  return { type: eventType, subject: descriptor.digest, data }
}

/** Returns how index.json lists a published artifact. */
export function rootChange(descriptor: Descriptor, options: PublishOptions): RootChange {
  if (options.repository === undefined) return { kind: 'add', descriptor }
  return {
    kind: 'tag',
    tag: options.tag === undefined ? `${options.repository}@${descriptor.digest}` : `${options.repository}:${options.tag}`,
    descriptor
  }
}
