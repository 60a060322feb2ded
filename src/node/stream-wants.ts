import { readManifest, maxManifestBytes } from '../artifact/index.ts'
import type { Digest } from '../core/index.ts'
import type { BlobNeed, StreamWants } from '../sync/index.ts'

interface Want {
  readonly need: BlobNeed
  readonly isPrivate: boolean
}

/** What is wanted of a stream whose blobs come in their own order: it grows by what each manifest names. */
export class WantedBlobs implements StreamWants {
  private readonly wants = new Map<Digest, Want>()
  private readonly isHere: (digest: Digest) => boolean
  private readonly maxBytes: number

  /** @param maxBytes larger layers are not taken by themselves */
  constructor(isHere: (digest: Digest) => boolean, maxBytes: number) {
    this.isHere = isHere
    this.maxBytes = maxBytes
  }

  /** Notes what is wanted; what is wanted to be passed on stays so. */
  add(needs: readonly BlobNeed[], isPrivate: boolean): void {
    for (const need of needs) {
      const known = this.wants.get(need.digest)
      if (known === undefined || (known.isPrivate && !isPrivate)) this.wants.set(need.digest, { need, isPrivate })
    }
  }

  /** blobs that came and were not wanted then */
  unwanted = 0

  of(digest: Digest): Want | undefined {
    const want = this.wants.get(digest)
    if (want === undefined) this.unwanted++
    return want
  }

  failed(digest: Digest): void {
    this.wants.delete(digest)
  }

  came(digest: Digest, bytes: Uint8Array | undefined): void {
    const want = this.wants.get(digest)
    this.wants.delete(digest)
    if (bytes === undefined || bytes.length > maxManifestBytes || want === undefined || bytes[0] !== 0x7b) return
    try {
      const { config, layers, manifests } = readManifest(bytes)
      const below = [...(config === undefined ? [] : [config]), ...layers, ...manifests]
      this.add(
        below.flatMap(({ digest: child, size }) =>
          this.isHere(child) || size > this.maxBytes ? [] : [{ digest: child, sizeBytes: size }]
        ),
        want.isPrivate
      )
    } catch {
      // no manifest: a document of its own, which names nothing
    }
  }

  /** Returns what did not come. */
  missing(): readonly Digest[] {
    return [...this.wants.keys()]
  }
}
