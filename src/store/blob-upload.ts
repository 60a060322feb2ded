import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'
import { chunkBytes, concat, type Digest, dagOfLeaves, digestParts, maxBlobBytes, RejoinError } from '../core/index.ts'
import { deleteFile, readFully, sharedMemory } from './blob-file.ts'
import { type BlobHasher, blobHasher, type DigestAlgorithm, hashFile } from './blob-hash.ts'
import { adoptBlob, type PutOptions, type StoredBlob } from './blob-put.ts'
import { saveLeaves } from './dag.ts'
import { ioError, writeFully } from './file.ts'

const syncEveryChunks = 16

/** How an upload is hashed while it comes. */
export interface UploadOptions {
  readonly algorithm: DigestAlgorithm
  /** how many bytes are expected in all, where that is known */
  readonly sizeBytes?: number | undefined
}

/** Returns the path of an upload below a folder. @param id lower-case hexadecimal digits and dashes */
export function uploadPath(root: string, id: string): string {
  return join(root, 'tmp', `upload-${id}.part`)
}

/**
 * Bytes that come in order and whose digest is told at the end: `tmp/upload-<id>.part`. They are hashed while they come, and again from
 * the file where another run goes on with it. Nothing of them is a blob before `finish`.
 */
export class BlobUpload implements AsyncDisposable {
  readonly path: string
  private readonly root: string
  private readonly file: FileHandle
  private readonly algorithm: DigestAlgorithm
  private readonly hasher: BlobHasher
  private readonly leaves: Uint8Array[] = []
  private readonly buffers = [sharedMemory(chunkBytes), sharedMemory(chunkBytes)] as const
  private turn: 0 | 1 = 0
  /** bytes of the last chunk, which is not whole yet */
  private filled = 0
  private whole = 0
  private before: Promise<unknown> = Promise.resolve()
  private syncing: Promise<void> | undefined
  private isOpen = true
  private isHashing = true

  private constructor(root: string, path: string, file: FileHandle, { algorithm, sizeBytes }: UploadOptions) {
    this.root = root
    this.path = path
    this.file = file
    this.algorithm = algorithm
    this.hasher = blobHasher(algorithm, sizeBytes ?? Number.POSITIVE_INFINITY)
  }

  /** Opens or makes the file, and hashes what is there. @throws E_NO_SPACE E_IO */
  static async open(root: string, id: string, options: UploadOptions): Promise<BlobUpload> {
    const path = uploadPath(root, id)
    let file: FileHandle | undefined
    try {
      file = await open(path, 'r+').catch(async (cause: NodeJS.ErrnoException) => {
        if (cause.code !== 'ENOENT') throw cause
        return await open(path, 'wx+')
      })
      const upload = new BlobUpload(root, path, file, options)
      await upload.recall((await file.stat()).size)
      return upload
    } catch (cause) {
      await file?.close()
      throw ioError(cause, 'open', path)
    }
  }

  /** How many bytes have come. */
  get sizeBytes(): number {
    return this.whole * chunkBytes + this.filled
  }

  private async recall(sizeBytes: number): Promise<void> {
    for (let at = 0; at < sizeBytes; ) {
      const length = Math.min(chunkBytes, sizeBytes - at)
      await readFully(this.file, this.buffers[this.turn].subarray(0, length), at, this.path)
      this.filled = length
      at += length
      if (length === chunkBytes) await this.chunk({ isWritten: true })
    }
    await this.before
  }

  /** Hashes, and where needed writes, the chunk that is whole now, while the next one is gathered. */
  private async chunk({ isWritten }: { readonly isWritten: boolean }): Promise<void> {
    const bytes = this.buffers[this.turn].subarray(0, this.filled)
    const at = this.whole * chunkBytes
    await this.before
    const hashing = this.hasher.chunk(bytes, true).then((leaf) => this.leaves.push(leaf))
    this.before = Promise.all([hashing, isWritten ? undefined : writeFully(this.file, bytes, at, this.path)])
    this.before.catch(() => {})
    if (this.filled < chunkBytes) return
    if (!isWritten && (this.whole + 1) % syncEveryChunks === 0) this.syncSoFar()
    this.turn = this.turn === 0 ? 1 : 0
    this.whole++
    this.filled = 0
  }

  /** Brings bytes to the disk now and then, so that little is left to do at the end. */
  private syncSoFar(): void {
    this.syncing ??= this.file
      .datasync()
      .catch(() => {})
      .finally(() => {
        this.syncing = undefined
      })
  }

  /**
   * Takes in more bytes; when it returns or throws, all that came are in the file. One call at a time.
   * @throws E_TOO_LARGE E_NO_SPACE E_IO, and what the source throws
   */
  async append(source: AsyncIterable<Uint8Array>): Promise<void> {
    try {
      for await (const bytes of source) {
        for (let at = 0; at < bytes.length; ) {
          const part = bytes.subarray(at, at + chunkBytes - this.filled)
          this.buffers[this.turn].set(part, this.filled)
          this.filled += part.length
          at += part.length
          if (this.sizeBytes > maxBlobBytes) throw new RejoinError('E_TOO_LARGE', 'the upload is over the limit of a blob')
          if (this.filled === chunkBytes) await this.chunk({ isWritten: false })
        }
      }
    } finally {
      await this.before
      if (this.filled > 0)
        await writeFully(this.file, this.buffers[this.turn].subarray(0, this.filled), this.whole * chunkBytes, this.path)
    }
  }

  /**
   * Makes a blob of all that has come, durably, and closes the upload.
   * @throws E_BAD_OBJECT where it has another digest: then it is deleted · E_NO_SPACE E_IO
   */
  async finish(digest: Digest, options: Pick<PutOptions, 'private'> = {}): Promise<StoredBlob> {
    const { sizeBytes } = this
    try {
      if (this.filled > 0 || this.whole === 0) await this.chunk({ isWritten: true })
      const [, synced] = await Promise.allSettled([this.before, this.file.sync()])
      await this.before
      if (synced.status === 'rejected') throw ioError(synced.reason, 'write', this.path)
      const found = await this.digestAs(digestParts(digest).algorithm, sizeBytes)
      if (found !== digest) throw new RejoinError('E_BAD_OBJECT', `the bytes given for ${digest} have the digest ${found}`)
    } catch (cause) {
      await this.discard()
      throw cause
    }
    await this[Symbol.asyncDispose]()
    const leaves = concat(this.leaves)
    await adoptBlob(this.root, this.path, digest, { ...options, durable: true })
    if (sizeBytes > chunkBytes) saveLeaves(this.root, digest, leaves)
    return { digest, sizeBytes, cid: dagOfLeaves(leaves, sizeBytes).root }
  }

  private async digestAs(algorithm: DigestAlgorithm, sizeBytes: number): Promise<Digest> {
    this.isHashing = false
    const found = await this.hasher.finish()
    return algorithm === this.algorithm ? found : (await hashFile(this.file, sizeBytes, this.path, algorithm)).digest
  }

  /** Closes and deletes the file. */
  async discard(): Promise<void> {
    await this[Symbol.asyncDispose]()
    await deleteFile(this.path)
  }

  /** Closes the file, which stays; idempotent. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.isOpen) return
    this.isOpen = false
    await this.before.catch(() => {})
    await this.syncing
    if (this.isHashing) this.hasher.drop()
    await this.file.close()
  }
}
