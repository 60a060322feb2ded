import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'
import { chunkBytes, type Digest, dagOfLeaves, digestParts, RejoinError } from '../core/index.ts'
import { deleteFile } from './blob-file.ts'
import { hashFile } from './blob-hash.ts'
import { adoptBlob, type PutOptions, type StoredBlob } from './blob-put.ts'
import { saveLeaves } from './dag.ts'
import { ioError, writeFully } from './file.ts'

/** Returns the path of a blob of which the first bytes came, e.g. `tmp/web-sha256-<hex>.part`; another run goes on behind them. */
export function resumePath(digest: Digest): string {
  const { algorithm, hex } = digestParts(digest)
  return `tmp/web-${algorithm}-${hex}.part`
}

/**
 * A blob that comes in order from its first byte on, from a source that can tell nothing of its chunks. What an earlier run got is there
 * again; only the whole of it can be compared with the digest.
 */
export class ResumableBlob implements AsyncDisposable {
  readonly digest: Digest
  private readonly root: string
  private readonly path: string
  private readonly file: FileHandle
  private readonly onClosed: () => void
  private length: number
  private closed = false

  private constructor(root: string, digest: Digest, path: string, file: FileHandle, length: number, onClosed: () => void) {
    this.root = root
    this.digest = digest
    this.path = path
    this.file = file
    this.length = length
    this.onClosed = onClosed
  }

  /** Opens what is there of a blob. @throws E_NO_SPACE E_IO */
  static async open(root: string, digest: Digest, onClosed: () => void): Promise<ResumableBlob> {
    const path = join(root, resumePath(digest))
    try {
      const file = await open(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o644)
      return new ResumableBlob(root, digest, path, file, (await file.stat()).size, onClosed)
    } catch (cause) {
      throw ioError(cause, 'open', path)
    }
  }

  /** Bytes that are there. */
  get sizeBytes(): number {
    return this.length
  }

  /** Writes bytes behind those that are there. @throws E_NO_SPACE E_IO */
  async append(bytes: Uint8Array): Promise<void> {
    await writeFully(this.file, bytes, this.length, this.path)
    this.length += bytes.length
  }

  /** Begins anew. */
  async restart(): Promise<void> {
    await this.file.truncate(0)
    this.length = 0
  }

  /** Gives it its name, durably, where it has its digest. @throws E_BAD_OBJECT: then it is begun anew · E_NO_SPACE E_IO */
  async finish(options: Pick<PutOptions, 'private'>): Promise<StoredBlob> {
    const { digest, length } = this
    try {
      await this.file.sync()
    } catch (cause) {
      throw ioError(cause, 'sync', this.path)
    }
    const found = await hashFile(this.file, length, this.path, digestParts(digest).algorithm)
    if (found.digest !== digest) {
      await this.restart()
      throw new RejoinError('E_BAD_OBJECT', `the bytes given for ${digest} have the digest ${found.digest}`)
    }
    await this[Symbol.asyncDispose]()
    await adoptBlob(this.root, this.path, digest, { ...options, durable: true })
    if (length > chunkBytes) saveLeaves(this.root, digest, found.leaves)
    return { digest, sizeBytes: length, cid: dagOfLeaves(found.leaves, length).root }
  }

  /** Deletes what is there. */
  async drop(): Promise<void> {
    await this[Symbol.asyncDispose]()
    await deleteFile(this.path)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.closed) return
    this.closed = true
    this.onClosed()
    await this.file.close()
  }
}
