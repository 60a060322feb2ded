import type { Digest } from '../core/index.ts'
import type { BlobStore, UnstoredBlob } from '../store/index.ts'

interface Waiting {
  readonly blob: UnstoredBlob
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

const groupCount = 128

/** Keeps small uploads of several clients durable together: those that come while others are on their way to the disk go in one group. */
export class GroupPut {
  private readonly blobs: BlobStore
  private waiting: Waiting[] = []
  private running = false

  constructor(blobs: BlobStore) {
    this.blobs = blobs
  }

  /** Keeps a blob of at most 1 MiB whose digest was compared; resolves once it is durable. @throws E_NO_SPACE E_IO */
  async put(bytes: Uint8Array, digest: Digest): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.waiting.push({ blob: { bytes, digest }, resolve, reject })
      if (!this.running) void this.run()
    })
  }

  private async run(): Promise<void> {
    this.running = true
    while (this.waiting.length > 0) {
      const group = this.waiting.splice(0, groupCount)
      try {
        await this.blobs.putMany(
          group.map(({ blob }) => blob),
          { private: true }
        )
        for (const { resolve } of group) resolve()
      } catch (error) {
        for (const { reject } of group) reject(error)
      }
    }
    this.running = false
  }
}
