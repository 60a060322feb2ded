import { closeSync, constants, fsync, openSync, renameSync } from 'node:fs'
import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { promisify } from 'node:util'
import { RejoinError } from '../core/index.ts'
import { ioError, syncFolder } from './file.ts'

/** Bytes from `from` up to, but not with, `to`; all of a blob where they are absent. */
export interface ByteRange {
  readonly from?: number
  readonly to?: number
}

/**
 * Opens a file to read: a regular one and no link, since on a medium from elsewhere a name may stand for anything.
 * @returns undefined where there is none
 * @throws E_BAD_OBJECT where it is a link, a folder or a device
 */
export async function openRegular(path: string): Promise<FileHandle | undefined> {
  let file: FileHandle
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code === 'ENOENT') return undefined
    if (code === 'ELOOP' || code === 'EMLINK') throw new RejoinError('E_BAD_OBJECT', `${path} is a link`, { cause })
    throw ioError(cause, 'read', path)
  }
  try {
    if ((await file.stat()).isFile()) return file
  } catch (cause) {
    await file.close()
    throw ioError(cause, 'read', path)
  }
  await file.close()
  throw new RejoinError('E_BAD_OBJECT', `${path} is not a file`)
}

/**
 * Fills bytes from a position of a file.
 * @throws E_BAD_OBJECT where the file ends before · E_IO
 */
export async function readFully(file: FileHandle, bytes: Uint8Array, atByte: number, path: string): Promise<void> {
  let done = 0
  while (done < bytes.length) {
    let count: number
    try {
      count = (await file.read(bytes, done, bytes.length - done, atByte + done)).bytesRead
    } catch (cause) {
      throw ioError(cause, 'read', path)
    }
    if (count === 0) throw new RejoinError('E_BAD_OBJECT', `${path} ends at byte ${atByte + done}`, { at: String(atByte + done) })
    done += count
  }
}

/**
 * Fills several byte arrays, one after the other, from a position of a file; with one call to the system where the file gives all.
 * @throws as readFully
 */
export async function readInto(file: FileHandle, parts: readonly Uint8Array[], atByte: number, path: string): Promise<void> {
  let count: number
  try {
    count = (await file.readv([...parts], atByte)).bytesRead
  } catch (cause) {
    throw ioError(cause, 'read', path)
  }
  let start = 0
  for (const part of parts) {
    const have = Math.max(0, Math.min(part.length, count - start))
    if (have < part.length) await readFully(file, part.subarray(have), atByte + start + have, path)
    start += part.length
  }
}

/** Returns a chunk of memory that is not shared with other buffers. */
export function allocate(sizeBytes: number): Uint8Array {
  return Buffer.allocUnsafeSlow(sizeBytes)
}

/** Yields a range of a file in pieces, each in memory of its own; the next one is read while one is used. */
export async function* readPieces(
  file: FileHandle,
  from: number,
  to: number,
  path: string,
  size: number
): AsyncGenerator<Uint8Array, void, void> {
  const load = async (at: number): Promise<Uint8Array | undefined> => {
    if (at >= to) return undefined
    const bytes = allocate(Math.min(size, to - at))
    await readFully(file, bytes, at, path)
    return bytes
  }
  let next = load(from)
  for (let at = from; at < to; at += size) {
    const bytes = await next
    next = load(at + size)
    next.catch(() => {})
    if (bytes !== undefined) yield bytes
  }
}

/** Returns memory that another thread can see too, so that nothing need be copied to it. */
export function sharedMemory(sizeBytes: number): Uint8Array {
  return Buffer.from(new SharedArrayBuffer(sizeBytes))
}

/** Makes a folder and those above it, durably; mode 0700 for what must not leave the node. */
export async function makeFolder(path: string, mode = 0o755): Promise<void> {
  try {
    const first = await mkdir(path, { recursive: true, mode })
    if (first === undefined) return
    for (let made = path; made.length >= first.length; made = dirname(made)) await syncFolder(dirname(made))
  } catch (cause) {
    throw ioError(cause, 'make the folder', path)
  }
}

/** Moves a finished file to its name; the caller makes the names durable. Makes the folder when needed. */
export async function moveFile(from: string, to: string): Promise<void> {
  try {
    try {
      // takes a few microseconds, where the way to another thread and back takes more
      renameSync(from, to)
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw cause
      await makeFolder(dirname(to))
      await rename(from, to)
    }
  } catch (cause) {
    throw ioError(cause, 'move a file to', to)
  }
}

const syncFile = promisify(fsync)

/**
 * Makes files durable side by side, so that the file system commits many in one go; those that are not there any more are passed over.
 * @throws E_NO_SPACE E_IO; then all of them are gone: what the disk did not take may read well until the next start, and no longer
 */
export async function syncOrDelete(paths: readonly string[]): Promise<void> {
  const synced = await Promise.allSettled(
    paths.map(async (path) => {
      let fd: number
      try {
        fd = openSync(path, 'r')
      } catch (cause) {
        if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return
        throw cause
      }
      try {
        await syncFile(fd)
      } finally {
        closeSync(fd)
      }
    })
  )
  const failed = synced.find((result) => result.status === 'rejected')
  if (failed === undefined) return
  for (const path of paths) await deleteFile(path)
  throw ioError(failed.reason, 'write', paths[0] ?? '')
}

/** Deletes a file, if there is one. */
export async function deleteFile(path: string): Promise<void> {
  try {
    await rm(path, { force: true })
  } catch (cause) {
    throw ioError(cause, 'delete', path)
  }
}
