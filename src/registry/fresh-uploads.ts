import { type Digest, RejoinError } from '../core/index.ts'
import type { BlobStore } from '../store/index.ts'

/** small uploads are durable after this at the latest, in milliseconds */
const settleMs = 1000

/**
 * Small uploads, of which a push has several: they are written at once, and become durable together with the manifest that names them, or a
 * little later where none comes.
 */
export class FreshUploads implements AsyncDisposable {
  private readonly blobs: BlobStore
  private readonly onError: (error: RejoinError) => void
  private timer: NodeJS.Timeout | undefined
  private settling: Promise<void> | undefined

  /** @param onError is told when the disk did not take what was uploaded: then it is not there any more */
  constructor(blobs: BlobStore, onError: (error: RejoinError) => void) {
    this.blobs = blobs
    this.onError = onError
    // what an earlier run left
    this.later()
  }

  /** Keeps a blob of at most 1 MiB whose digest was compared. @throws E_NO_SPACE E_IO */
  put(bytes: Uint8Array, digest: Digest): void {
    this.blobs.putFresh(bytes, digest)
    this.later()
  }

  private later(): void {
    this.timer ??= setTimeout(() => void this.settle(), settleMs)
  }

  private async settle(): Promise<void> {
    clearTimeout(this.timer)
    this.timer = undefined
    await this.settling
    this.settling = this.blobs.settleFresh().catch((error: unknown) => {
      if (!(error instanceof RejoinError)) throw error
      this.onError(error)
    })
    await this.settling
  }

  /** Makes durable what is not. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.settle()
    clearTimeout(this.timer)
  }
}
