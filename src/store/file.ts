import {
  close as closeCallback,
  closeSync,
  fstatSync,
  fsync as fsyncCallback,
  fsyncSync,
  mkdirSync,
  open as openCallback,
  openSync,
  readSync,
  rename as renameCallback,
  renameSync,
  rmSync,
  unlinkSync,
  write as writeCallback,
  writeSync
} from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { dirname } from 'node:path'
import { promisify } from 'node:util'
import { RejoinError } from '../core/index.ts'

/** what system calls say about a medium that was pulled out, or whose driver is gone */
const goneCodes: ReadonlySet<string> = new Set(['ENOTCONN', 'ECONNABORTED', 'ENODEV', 'ENXIO', 'ESTALE'])

/** Returns a failed system call as one of our errors, with what was being done to which path. */
export function ioError(cause: unknown, doing: string, path: string): RejoinError {
  if (cause instanceof RejoinError) return cause
  const code = (cause as NodeJS.ErrnoException).code ?? 'unknown'
  if (code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG') {
    return new RejoinError('E_NO_SPACE', `no space left to ${doing} ${path}`, {
      cause,
      hint: 'free some space and run the same command again; what was finished is kept'
    })
  }
  if (goneCodes.has(code))
    return new RejoinError('E_GONE', `${path} went away (${code})`, {
      cause,
      hint: 'put the medium back and run the same command again'
    })
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS')
    return new RejoinError('E_PERMISSION', `not permitted to ${doing} ${path} (${code})`, { cause })
  if (code === 'ENOENT') return new RejoinError('E_NOT_FOUND', `cannot ${doing} ${path}: there is no such file`, { cause })
  return new RejoinError('E_IO', `cannot ${doing} ${path} (${code})`, { cause })
}

/**
 * what is written with one call, where one follows the other, and where all are on their way at once. Measured on ext4 (Linux 6.18, in a virtual machine) with 1 GiB:
 * calls of 1 MiB cost 2.7 s of processor time where memory was used before, those of 256 KiB 0.7 s, as the kernel looks for large pages for the former; at once,
 * 128 KiB are faster still (import 2.0 s instead of 2.6), one after the other they are not
 */
const writeBytes = 262_144
const pieceBytes = 131_072

/**
 * Writes all bytes at a position. A full disk first shows as a short write, so the count is checked.
 * @throws E_NO_SPACE after a write of no bytes, E_IO otherwise
 */
export function writeFullySync(fd: number, bytes: Uint8Array, atByte: number, path: string): void {
  let done = 0
  try {
    while (done < bytes.length) {
      const count = writeSync(fd, bytes, done, Math.min(writeBytes, bytes.length - done), atByte + done)
      if (count === 0) throw Object.assign(new Error('short write'), { code: 'ENOSPC' })
      done += count
    }
  } catch (cause) {
    throw ioError(cause, 'write', path)
  }
}

/** As writeFullySync, on a file handle: one call after the other, so that a killed process leaves a beginning of the bytes. */
export async function writeFully(file: FileHandle, bytes: Uint8Array, atByte: number, path: string): Promise<void> {
  let done = 0
  try {
    while (done < bytes.length) {
      const { bytesWritten } = await file.write(bytes, done, Math.min(writeBytes, bytes.length - done), atByte + done)
      if (bytesWritten === 0) throw Object.assign(new Error('short write'), { code: 'ENOSPC' })
      done += bytesWritten
    }
  } catch (cause) {
    throw ioError(cause, 'write', path)
  }
}

/**
 * As writeFully, with all calls on their way at once: a main thread with other work comes late to each, and a peer's blob came with 175 MB/s where 235 are possible.
 * A killed process may leave any part of the bytes: only for what is verified again, or begun anew. Nothing is on its way any more when it returns or throws.
 */
export async function writeAllAtOnce(file: FileHandle, bytes: Uint8Array, atByte: number, path: string): Promise<void> {
  const writes: Promise<void>[] = []
  for (let at = 0; at < bytes.length; at += pieceBytes)
    writes.push(writePiece(file, bytes.subarray(at, at + pieceBytes), atByte + at))
  const failed = (await Promise.allSettled(writes)).find((write) => write.status === 'rejected')
  if (failed !== undefined) throw ioError(failed.reason, 'write', path)
}

async function writePiece(file: FileHandle, bytes: Uint8Array, atByte: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, atByte + done)
    if (bytesWritten === 0) throw Object.assign(new Error('short write'), { code: 'ENOSPC' })
    done += bytesWritten
  }
}

/** Makes the names in a folder durable. */
export function syncFolderSync(path: string): void {
  const fd = openSync(path, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

const syncFile = promisify(fsyncCallback)

/** Makes the names in a folder durable without blocking: only the sync itself is left to another thread, since opening takes no time. */
export async function syncFolder(path: string): Promise<void> {
  const fd = openSync(path, 'r')
  try {
    await syncFile(fd)
  } finally {
    closeSync(fd)
  }
}

/** How a whole file is replaced: durable (fsync of file and folder) or only atomic, for what can be derived again. */
export interface ReplaceOptions {
  readonly durable: boolean
  readonly mode?: number
  /** the temporary name, on the same file system; one beside the file where it is left out */
  readonly temporary?: string
}

let temporaryCount = 0

/**
 * Replaces a file atomically: a temporary name beside it, all bytes, fsync, rename, fsync of the folder. Makes the folder when needed. Where
 * it fails, the old file stays, and nothing of the new one.
 */
export function replaceFileSync(
  path: string,
  bytes: Uint8Array,
  { durable, mode = 0o644, temporary: named }: ReplaceOptions
): void {
  const temporary = named ?? `${path}.${process.pid}-${temporaryCount++}.part`
  try {
    const fd = createSync(temporary, mode)
    try {
      try {
        writeFullySync(fd, bytes, 0, path)
        if (durable) fsyncSync(fd)
      } finally {
        closeSync(fd)
      }
      renameSync(temporary, path)
    } catch (cause) {
      removeSync(temporary)
      throw cause
    }
    if (durable) syncFolderSync(dirname(path))
  } catch (cause) {
    throw ioError(cause, 'write', path)
  }
}

/** Opens a file that is not there yet, and makes its folder when needed. */
function createSync(path: string, mode: number): number {
  try {
    return openSync(path, 'wx', mode)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw cause
    mkdirSync(dirname(path), { recursive: true })
    return openSync(path, 'wx', mode)
  }
}

/** Deletes a file, which may be gone already. @throws E_IO E_PERMISSION E_GONE */
export function deleteFileSync(path: string): void {
  try {
    unlinkSync(path)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw ioError(cause, 'delete', path)
  }
}

/** Removes a file that is of no use; where that fails too, the error that made it useless is the one to tell. */
function removeSync(path: string): void {
  try {
    unlinkSync(path)
  } catch {
    // it ends in .part: whoever finds it may delete it
  }
}

const openFile = promisify(openCallback)
const writeFile = promisify(writeCallback)
const closeFile = promisify(closeCallback)
const renameFile = promisify(renameCallback)

/** Replaces a file atomically and without blocking, for what can be derived again. @throws E_NO_SPACE E_PERMISSION E_IO */
export async function replaceFile(path: string, bytes: Uint8Array): Promise<void> {
  const temporary = `${path}.${process.pid}-${temporaryCount++}.part`
  try {
    let fd: number
    try {
      fd = await openFile(temporary, 'wx', 0o644)
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw cause
      mkdirSync(dirname(path), { recursive: true })
      fd = await openFile(temporary, 'wx', 0o644)
    }
    let written: number
    try {
      written = (await writeFile(fd, bytes, 0, bytes.length, 0)).bytesWritten
    } finally {
      await closeFile(fd)
    }
    if (written === bytes.length) await renameFile(temporary, path)
    else unlinkSync(temporary)
  } catch (cause) {
    rmSync(temporary, { force: true })
    throw ioError(cause, 'write', path)
  }
}

/** Returns a file's bytes from a position, at most `maxBytes` of them, or undefined where there is no such file. */
export function readFileRangeSync(path: string, atByte: number, maxBytes: number): Uint8Array | undefined {
  let fd: number
  try {
    fd = openSync(path, 'r')
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw ioError(cause, 'read', path)
  }
  try {
    const want = Math.max(0, Math.min(maxBytes, fstatSync(fd).size - atByte))
    const bytes = Buffer.allocUnsafe(want)
    let done = 0
    while (done < want) {
      const count = readSync(fd, bytes, done, want - done, atByte + done)
      if (count === 0) break
      done += count
    }
    return bytes.subarray(0, done)
  } catch (cause) {
    throw ioError(cause, 'read', path)
  } finally {
    closeSync(fd)
  }
}
