import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'
import {
  chunkBytes,
  chunkCount,
  type Digest,
  digestParts,
  equal,
  maxBlobBytes,
  partPath,
  rangeBytes,
  RejoinError
} from '../core/index.ts'
import { deleteFile, readFully, sharedMemory } from './blob-file.ts'
import { type BlobHasher, blobHasher, leafHasher, wholeHasher } from './blob-hash.ts'
import { ioError, writeAllAtOnce, writeFully } from './file.ts'
import { type Chunks, WholeDigest } from './whole-digest.ts'
import { WriteBack, type WriteBackPace } from './write-back.ts'

/** What must be known of a blob before its chunks can be kept one by one. */
export interface PartShape {
  readonly sizeBytes: number
  /** the SHA-256 of each 1 MiB chunk, 32 bytes each */
  readonly leaves: Uint8Array
}

/** How a blob in parts is written. */
export interface PartOptions {
  /**
   * how its digest is calculated: over the chunks as they come, over what is read back from the disk, or not at all, where the caller reads the finished
   * file
   */
  readonly whole?: 'coming' | 'read back' | 'none'
  readonly pace?: WriteBackPace
}

// Measured with 1 GiB: without it the sync at the end takes 0.4 s, with it less than 0.1 s.
const usualPace: WriteBackPace = { everyChunks: 64, atOnce: 1 }

/**
 * A blob that is being fetched: `tmp/<algorithm>-<hex>.part`, which keeps its verified chunks over restarts. A chunk may come in
 * any order; what was there when it was opened is hashed again and kept where it is right.
 */
export class PartialBlob implements AsyncDisposable {
  readonly digest: Digest
  readonly shape: PartShape
  readonly path: string
  private readonly file: FileHandle
  private readonly onClose: () => void
  private readonly have: Uint8Array
  private haveChunks = 0
  private readonly durable: Uint8Array
  private readonly hasher: Pick<BlobHasher, 'chunk'>
  private readonly whole: WholeDigest | undefined
  private readonly takesComing: boolean
  private readonly writing = new Map<number, Promise<void>>()
  private readonly writeBack: WriteBack
  private open = true
  private readonly waiting = new Set<() => void>()

  private constructor(
    root: string,
    digest: Digest,
    shape: PartShape,
    file: FileHandle,
    onClose: () => void,
    { whole = 'coming', pace = usualPace }: PartOptions
  ) {
    this.path = join(root, partPath(digest))
    this.digest = digest
    this.shape = shape
    this.file = file
    this.onClose = onClose
    this.have = new Uint8Array(shape.leaves.length / 32)
    this.durable = new Uint8Array(this.have.length)
    this.takesComing = whole === 'coming'
    const { algorithm } = digestParts(digest)
    if (whole === 'coming') {
      const hasher = blobHasher(algorithm, shape.sizeBytes)
      this.hasher = hasher
      this.whole = new WholeDigest(this.chunks(this.have), hasher, async (bytes, chunk) => {
        const leaf = this.leaf(chunk)
        if (!equal(await hasher.chunk(bytes, true, leaf), leaf))
          throw new RejoinError('E_IO', `${this.path} was changed by somebody else`)
      })
    } else {
      this.hasher = leafHasher(shape.sizeBytes)
      const hasher = whole === 'none' ? undefined : wholeHasher(algorithm, shape.sizeBytes)
      this.whole = hasher && new WholeDigest(this.chunks(this.durable), hasher, hasher.update)
    }
    this.writeBack = new WriteBack(file, this.path, pace, (chunks) => {
      for (const chunk of chunks) this.durable[chunk] = 1
      if (!this.takesComing) this.whole?.follow()
    })
  }

  private chunks(ready: Uint8Array): Chunks {
    return {
      count: this.have.length,
      bytesOf: (chunk) => this.bytesOf(chunk),
      isReady: (chunk) => ready[chunk] === 1,
      read: async (chunk, into) => await readFully(this.file, into, chunk * chunkBytes, this.path)
    }
  }

  /**
   * Opens or makes the file, and hashes what is there.
   * @param onClose is called once, when it was closed
   * @throws E_BAD_OBJECT where the number of leaf hashes does not fit the size · E_TOO_LARGE · E_IO
   */
  static async open(
    root: string,
    digest: Digest,
    shape: PartShape,
    onClose: () => void,
    options: PartOptions = {}
  ): Promise<PartialBlob> {
    const path = join(root, partPath(digest))
    if (shape.sizeBytes > maxBlobBytes)
      throw new RejoinError('E_TOO_LARGE', `${shape.sizeBytes} bytes are over the limit of a blob`)
    if (shape.leaves.length !== chunkCount(shape.sizeBytes) * 32) {
      throw new RejoinError('E_BAD_OBJECT', `the leaf hashes of ${digest} do not fit its size`)
    }
    let file: FileHandle | undefined
    try {
      file = await open(path, 'r+').catch(async (cause: NodeJS.ErrnoException) => {
        if (cause.code !== 'ENOENT') throw cause
        return await open(path, 'wx+')
      })
      const { size } = await file.stat()
      if (size > shape.sizeBytes) await file.truncate(shape.sizeBytes)
      const part = new PartialBlob(root, digest, shape, file, onClose, options)
      await part.recall(Math.min(size, shape.sizeBytes))
      return part
    } catch (cause) {
      await file?.close()
      throw ioError(cause, 'open', path)
    }
  }

  /** How many chunks are there and verified. */
  get haveCount(): number {
    return this.haveChunks
  }

  /** How many chunks the blob has. */
  get chunkCount(): number {
    return this.have.length
  }

  /** Returns whether a chunk is there. */
  has(chunk: number): boolean {
    return this.have[chunk] === 1
  }

  /** Whether it is not closed yet. */
  get isOpen(): boolean {
    return this.open
  }

  /** Resolves once a chunk is there, or the blob was closed, or the signal is aborted; the caller looks which. */
  async arrival(chunk: number, { signal }: { readonly signal: AbortSignal }): Promise<void> {
    while (this.open && !this.has(chunk) && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          this.waiting.delete(wake)
          signal.removeEventListener('abort', wake)
          resolve()
        }
        this.waiting.add(wake)
        signal.addEventListener('abort', wake)
      })
    }
  }

  private wake(): void {
    for (const wake of [...this.waiting]) wake()
  }

  /** Returns the bytes of one chunk: 1 MiB, but for the last one. */
  bytesOf(chunk: number): number {
    return rangeBytes(this.shape.sizeBytes, chunk, 1)
  }

  /**
   * Verifies and keeps a chunk. It is written while it is hashed, so that a kill in between loses nothing; it counts after both.
   * @param bytes must not change before this returns; best in shared memory
   * @returns false where they are not the chunk's
   * @throws E_NO_SPACE E_IO
   */
  async write(chunk: number, bytes: Uint8Array): Promise<boolean> {
    // Of two sources that bring one chunk the second must not write over what was verified.
    while (this.writing.has(chunk)) await this.writing.get(chunk)
    if (this.has(chunk)) return true
    if (bytes.length !== this.bytesOf(chunk)) return false
    const writing = this.verified(chunk, bytes)
    const settled = writing.then(
      () => {},
      () => {}
    )
    this.writing.set(chunk, settled)
    try {
      return await writing
    } finally {
      this.writing.delete(chunk)
    }
  }

  private async verified(chunk: number, bytes: Uint8Array): Promise<boolean> {
    const isNext = this.takesComing && this.whole?.isNext(chunk) === true
    const leaf = this.leaf(chunk)
    // a medium gets its bytes in their order: after others a FAT that was pulled out had none of the chunks (seed 729073322)
    const write = this.takesComing ? writeAllAtOnce : writeFully
    const [hashing, written] = await Promise.allSettled([
      this.hasher.chunk(bytes, isNext, leaf),
      write(this.file, bytes, chunk * chunkBytes, this.path)
    ])
    const isRight = hashing.status === 'fulfilled' && equal(hashing.value, leaf)
    if (isNext) this.whole?.passed(isRight)
    if (hashing.status === 'rejected') throw hashing.reason
    if (written.status === 'rejected') throw written.reason
    if (!isRight) return false
    this.note(chunk)
    if (this.takesComing) this.whole?.follow()
    await this.writeBack.wrote(chunk)
    return true
  }

  /**
   * Returns once all bytes are durable and the digest of the whole was compared; the file can then be moved to its name.
   * @throws E_BAD_OBJECT where the digest is another one, although every chunk has its leaf hash · E_INCOMPLETE E_NO_SPACE E_IO
   */
  async complete(): Promise<void> {
    if (this.haveChunks < this.have.length) throw new RejoinError('E_INCOMPLETE', `${this.path} lacks chunks`)
    const written = this.writeBack.finish()
    if (!this.takesComing) await written
    written.catch(() => {})
    const digest = (await this.whole?.finish()) ?? this.digest
    await written
    if (digest !== this.digest) throw new RejoinError('E_BAD_OBJECT', `the bytes of ${this.digest} have the digest ${digest}`)
  }

  /** Closes the file and keeps it for another run. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.isOpen) return
    this.open = false
    this.wake()
    await this.writeBack.settled()
    await this.whole?.close()
    // a medium that went away fails here too, and what went wrong before is the error to tell
    await this.file.close().catch(() => {})
    this.onClose()
  }

  /** Closes and deletes the file. */
  async discard(): Promise<void> {
    await this[Symbol.asyncDispose]()
    await deleteFile(this.path)
  }

  private leaf(chunk: number): Uint8Array {
    return this.shape.leaves.subarray(chunk * 32, chunk * 32 + 32)
  }

  private note(chunk: number): void {
    this.have[chunk] = 1
    this.haveChunks++
    this.wake()
  }

  private async recall(sizeBytes: number): Promise<void> {
    if (sizeBytes === 0) return
    const memory = sharedMemory(chunkBytes)
    for (let chunk = 0; chunk * chunkBytes < sizeBytes; chunk++) {
      const bytes = memory.subarray(0, this.bytesOf(chunk))
      if (chunk * chunkBytes + bytes.length > sizeBytes) return
      await readFully(this.file, bytes, chunk * chunkBytes, this.path)
      const leaf = this.leaf(chunk)
      const isNext = this.takesComing && this.whole?.isNext(chunk) === true
      const isRight = equal(await this.hasher.chunk(bytes, isNext, leaf), leaf)
      if (isNext) this.whole?.passed(isRight)
      if (!isRight) continue
      this.note(chunk)
      // it was read from the file, whatever becomes of it in a power cut
      this.durable[chunk] = 1
    }
  }
}
