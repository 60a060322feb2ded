import { randomBytes } from 'node:crypto'
import { closeSync, fsync, openSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { chunkBytes, concat, type Digest, RejoinError } from '../core/index.ts'
import { deleteFile, sharedMemory } from './blob-file.ts'
import { type BlobHasher, blobHasher, type DigestAlgorithm, type FileHashes } from './blob-hash.ts'
import { ioError, writeFully, writeFullySync } from './file.ts'

const syncFile = promisify(fsync)

// a process draws its random bytes once: drawing them for each of 2,000 files took 0.1 s
const run = randomBytes(8).toString('hex')
let temporaryCount = 0

/** Returns a new temporary path. What begins with `put-` is of no use to another run, and deleted at the next start. */
export function temporaryPath(root: string): string {
  return join(root, 'tmp', `put-${run}${(temporaryCount++ >>> 0).toString(16).padStart(8, '0')}.part`)
}

/** A file under a temporary name, complete and, where asked, durable. */
export interface WrittenFile extends FileHashes {
  readonly path: string
  readonly sizeBytes: number
}

/** How a file is written. */
export interface WriteOptions {
  readonly algorithm: DigestAlgorithm
  readonly durable: boolean
  /** how many bytes are expected, where that is known */
  readonly sizeBytes?: number | undefined
}

/** Yields the bytes of a source as chunks of 1 MiB, the last one shorter, at least one; each is valid until the next is asked for. */
async function* chunksOf(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
  // Two buffers by turns: the one that was yielded may still be written while the next one fills.
  const buffers = [sharedMemory(chunkBytes), sharedMemory(chunkBytes)] as const
  let turn: 0 | 1 = 0
  let filled = 0
  let yielded = false
  for await (const bytes of source) {
    for (let at = 0; at < bytes.length; ) {
      const part = bytes.subarray(at, at + chunkBytes - filled)
      buffers[turn].set(part, filled)
      filled += part.length
      at += part.length
      if (filled === chunkBytes) {
        yield buffers[turn]
        yielded = true
        turn = turn === 0 ? 1 : 0
        filled = 0
      }
    }
  }
  if (filled > 0 || !yielded) yield buffers[turn].subarray(0, filled)
}

/**
 * Writes a source to a new temporary file, hashed while written.
 * @throws E_NO_SPACE E_IO, and what the source throws; then the file is gone
 */
export async function writeStream(root: string, source: AsyncIterable<Uint8Array>, options: WriteOptions): Promise<WrittenFile> {
  const path = temporaryPath(root)
  let file: FileHandle
  try {
    file = await open(path, 'wx')
  } catch (cause) {
    throw ioError(cause, 'create', path)
  }
  let hasher: BlobHasher | undefined
  try {
    const leaves: Uint8Array[] = []
    let sizeBytes = 0
    // One chunk is written and hashed while the next one is gathered.
    let before: Promise<unknown> = Promise.resolve()
    try {
      for await (const chunk of chunksOf(source)) {
        await before
        // A source that ends within its first chunk is small.
        hasher ??= blobHasher(
          options.algorithm,
          chunk.length < chunkBytes ? chunk.length : (options.sizeBytes ?? Number.POSITIVE_INFINITY)
        )
        const hashing = hasher.chunk(chunk, true).then((leaf) => leaves.push(leaf))
        before = Promise.all([hashing, writeFully(file, chunk, sizeBytes, path)])
        before.catch(() => {})
        sizeBytes += chunk.length
      }
    } finally {
      await before
    }
    if (options.durable) await file.sync()
    return { path, sizeBytes, digest: await (hasher as BlobHasher).finish(), leaves: concat(leaves) }
  } catch (cause) {
    hasher?.drop()
    await deleteFile(path)
    throw cause instanceof RejoinError ? cause : ioErrorOrSame(cause, path)
  } finally {
    await file.close()
  }
}

/** A failed system call becomes one of our errors; what a source threw stays what it is. */
function ioErrorOrSame(cause: unknown, path: string): unknown {
  return typeof (cause as NodeJS.ErrnoException).syscall === 'string' ? ioError(cause, 'write', path) : cause
}

/** A small blob that is in memory, with its digest. */
export interface SmallBlob {
  readonly digest: Digest
  readonly bytes: Uint8Array
}

/**
 * Writes many small blobs to temporary files and makes them durable together: the calls run side by side, so that the file system
 * commits many in one go. Measured: 1,000 of 4 KiB in 0.2 s.
 * @returns their paths, in order
 * @throws E_NO_SPACE E_IO; then none of the files is left
 */
export async function writeSmall(root: string, blobs: readonly SmallBlob[], durable: boolean): Promise<readonly string[]> {
  const paths: string[] = []
  const open: number[] = []
  try {
    for (const { bytes } of blobs) {
      const path = temporaryPath(root)
      try {
        open.push(openSync(path, 'wx'))
      } catch (cause) {
        throw ioError(cause, 'create', path)
      }
      paths.push(path)
      writeFullySync(open.at(-1) as number, bytes, 0, path)
    }
    if (durable) {
      const synced = await Promise.allSettled(open.map(async (fd) => await syncFile(fd)))
      const failed = synced.find((result) => result.status === 'rejected')
      if (failed !== undefined) throw ioError(failed.reason, 'write', paths[0] ?? root)
    }
    return paths
  } catch (cause) {
    for (const path of paths) await deleteFile(path)
    throw cause
  } finally {
    for (const fd of open) closeSync(fd)
  }
}
