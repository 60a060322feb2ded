import type { Digest } from '../core/index.ts'
import { sharedMemory } from './blob-file.ts'
import type { BlobHasher, WholeHasher } from './blob-hash.ts'

/** The chunks of a blob that comes in any order. */
export interface Chunks {
  readonly count: number
  readonly bytesOf: (chunk: number) => number
  /** whether a chunk may be read: it is there and, where it is read back, on the disk */
  readonly isReady: (chunk: number) => boolean
  readonly read: (chunk: number, into: Uint8Array) => Promise<void>
}

/**
 * The digest of a whole blob, calculated chunk after chunk while they come. A chunk that comes as the next one is taken from memory, in the same call that
 * gives its own hash; the others are read from the file. Where the file is to be read back, all of them are.
 */
export class WholeDigest {
  private readonly chunks: Chunks
  private readonly take: (bytes: Uint8Array, chunk: number) => Promise<void>
  private readonly hasher: Pick<BlobHasher | WholeHasher, 'finish' | 'drop'>
  /** chunks that it was calculated over so far */
  private front = 0
  /** whether a chunk is on its way into it; they go in one by one, and only when they are right */
  private isAdvancing = false
  private following: Promise<void> | undefined
  private isOpen = true
  private memory: Uint8Array | undefined

  /** @param take goes on with a chunk that was read from the file, or throws */
  constructor(
    chunks: Chunks,
    hasher: Pick<BlobHasher | WholeHasher, 'finish' | 'drop'>,
    take: (bytes: Uint8Array, chunk: number) => Promise<void>
  ) {
    this.chunks = chunks
    this.hasher = hasher
    this.take = take
  }

  /** Returns whether a chunk that comes is the next one; then passed() must follow. */
  isNext(chunk: number): boolean {
    if (chunk !== this.front || this.isAdvancing) return false
    this.isAdvancing = true
    return true
  }

  /** The next chunk went in, where it was right. */
  passed(isRight: boolean): void {
    this.isAdvancing = false
    if (isRight) this.front++
  }

  /** Goes on over chunks that came before their turn, from the file. */
  follow(): void {
    if (this.isAdvancing || !this.isOpen || !this.isReady()) return
    this.isAdvancing = true
    const run = async (): Promise<void> => {
      // one for all: it is begun anew with each group of chunks that is on the disk, and 512 MiB waited for the collector
      this.memory ??= sharedMemory(this.chunks.bytesOf(0))
      while (this.isOpen && this.isReady()) {
        const bytes = this.memory.subarray(0, this.chunks.bytesOf(this.front))
        await this.chunks.read(this.front, bytes)
        await this.take(bytes, this.front)
        this.front++
      }
    }
    this.following = run().finally(() => {
      this.isAdvancing = false
    })
    // Whoever finishes the blob sees the error: it is tried again from the same place.
    this.following.catch(() => {})
  }

  private isReady(): boolean {
    return this.front < this.chunks.count && this.chunks.isReady(this.front)
  }

  /** Returns the digest once it was calculated over all chunks, which must all be ready. @throws what reading them throws */
  async finish(): Promise<Digest> {
    while (this.front < this.chunks.count) {
      this.follow()
      if (!this.isAdvancing) throw new Error('bug: a digest is asked for before all chunks are ready')
      await this.following
    }
    return await this.hasher.finish()
  }

  /** Ends it; finish() need not come before. */
  async close(): Promise<void> {
    this.isOpen = false
    await this.following?.catch(() => {})
    this.hasher.drop()
  }
}
