import { type Manifest, maxManifestBytes, type OciDescriptor, readManifest } from '../artifact/index.ts'
import {
  concat,
  type Digest,
  hasDigest,
  type Omitted,
  platformName,
  RejoinError,
  type Selection,
  wantsPlatform
} from '../core/index.ts'
import type { FileReplica, Waiting } from './file-replica.ts'

/** A blob that is to be carried. */
export interface PlannedBlob {
  readonly digest: Digest
  readonly sizeBytes: number
  readonly role: 'manifest' | 'config' | 'layer'
}

/** What an artifact is made of. */
export interface Closure {
  readonly blobs: readonly PlannedBlob[]
  /** left out by choice */
  readonly omitted: readonly Omitted[]
  /** not there */
  readonly missing: readonly Digest[]
}

interface Root {
  readonly digest: Digest
}

/** indexes in indexes that are followed */
const maxDepth = 4
const maxClosure = 100_000

/** Returns what an artifact is made of, for the platforms that are chosen; an index itself is never changed. */
export async function closureOf(source: FileReplica, { digest }: Root, selection: Selection, wait: Waiting): Promise<Closure> {
  const walk = new Walk(source, selection, wait)
  await walk.manifest(digest, 0, undefined)
  return walk.closure()
}

class Walk {
  private readonly source: FileReplica
  private readonly selection: Selection
  private readonly wait: Waiting
  private readonly blobs = new Map<Digest, PlannedBlob>()
  private readonly omitted = new Map<Digest, string>()
  private readonly missing = new Set<Digest>()

  constructor(source: FileReplica, selection: Selection, wait: Waiting) {
    this.source = source
    this.selection = selection
    this.wait = wait
  }

  closure(): Closure {
    return {
      blobs: [...this.blobs.values()],
      // what another platform needs too is not left out
      omitted: [...this.omitted].flatMap(([digest, because]) => (this.blobs.has(digest) ? [] : [{ digest, because }])),
      missing: [...this.missing]
    }
  }

  private async add(digest: Digest, role: PlannedBlob['role'], because: string | undefined): Promise<number | undefined> {
    this.wait.signal.throwIfAborted()
    const known = because === undefined ? this.blobs.get(digest)?.sizeBytes : undefined
    if (known !== undefined) return known
    if (this.blobs.size + this.omitted.size > maxClosure)
      throw new RejoinError('E_TOO_LARGE', `an artifact needs more than ${maxClosure} blobs`)
    if (because !== undefined) {
      this.omitted.set(digest, because)
      return await this.source.size(digest, this.wait)
    }
    const sizeBytes = await this.source.size(digest, this.wait)
    if (sizeBytes === undefined) this.missing.add(digest)
    else this.blobs.set(digest, { digest, sizeBytes, role })
    return sizeBytes
  }

  /** @param because the platform for which it is left out */
  async manifest(digest: Digest, depth: number, because: string | undefined): Promise<void> {
    const sizeBytes = await this.add(digest, 'manifest', because)
    const manifest = sizeBytes === undefined || sizeBytes > maxManifestBytes ? undefined : await this.read(digest)
    if (manifest === undefined || depth > maxDepth) return
    if (manifest.config !== undefined) await this.add(manifest.config.digest, 'config', because)
    for (const { digest: layer } of manifest.layers) await this.add(layer, 'layer', because)
    for (const child of manifest.manifests) await this.manifest(child.digest, depth + 1, because ?? this.leftOut(child))
  }

  private leftOut({ platform }: OciDescriptor): string | undefined {
    const name = platformName(platform)
    return wantsPlatform(name, this.selection) ? undefined : name
  }

  private async read(digest: Digest): Promise<Manifest | undefined> {
    const pieces: Uint8Array[] = []
    for await (const piece of this.source.blob(digest, 0, this.wait)) pieces.push(piece.slice())
    const bytes = concat(pieces)
    if (!hasDigest(bytes, digest)) return undefined
    try {
      return readManifest(bytes)
    } catch (error) {
      // no manifest: a document of its own, which names nothing
      if (error instanceof RejoinError) return undefined
      throw error
    }
  }
}
