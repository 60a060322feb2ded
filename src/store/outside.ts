import { closeSync, constants, fstatSync, lstatSync, openSync, opendirSync, readSync } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { RejoinError } from '../core/index.ts'
import { openRegular } from './blob-file.ts'
import { ioError } from './file.ts'

/** Most names that are read of one folder. */
export const maxNamesAFolder = 1_000_000

/**
 * A folder that somebody else may have written: regular files only, no links followed, also not in the folders above a file, sizes bounded before
 * anything is read. Paths are given below its root, and must have been built from IDs, digests and numbers.
 */
export class Outside {
  readonly root: string
  private readonly plain = new Set<string>()

  constructor(root: string) {
    this.root = root
  }

  /** Returns whether the folders above a path are folders and no links. @throws E_BAD_OBJECT where one is a link or something else */
  private hasFolders(path: string): boolean {
    const parts = path.split('/').slice(0, -1)
    for (let i = 1; i <= parts.length; i++) {
      const folder = parts.slice(0, i).join('/')
      if (this.plain.has(folder)) continue
      const stat = lstatSync(join(this.root, folder), { throwIfNoEntry: false })
      if (stat === undefined) return false
      if (!stat.isDirectory()) throw new RejoinError('E_BAD_OBJECT', `${join(this.root, folder)} is a link or no folder`)
      this.plain.add(folder)
    }
    return true
  }

  /** Returns the bytes of a file in it, counted, or undefined where there is none. @throws E_BAD_OBJECT where it is no regular file */
  size(path: string): number | undefined {
    try {
      if (!this.hasFolders(path)) return undefined
      const stat = lstatSync(join(this.root, path), { throwIfNoEntry: false })
      if (stat === undefined) return undefined
      if (!stat.isFile()) throw new RejoinError('E_BAD_OBJECT', `${join(this.root, path)} is a link, a folder or a device`)
      return stat.size
    } catch (cause) {
      throw ioError(cause, 'read', join(this.root, path))
    }
  }

  /**
   * Returns a whole small file, or undefined where there is none.
   * @throws E_TOO_LARGE over `maxBytes` · E_BAD_OBJECT where it is no regular file · E_IO
   */
  read(path: string, maxBytes: number): Uint8Array | undefined {
    const size = this.size(path)
    if (size === undefined) return undefined
    if (size > maxBytes)
      throw new RejoinError('E_TOO_LARGE', `${join(this.root, path)} has ${size} bytes, over the limit of ${maxBytes}`)
    return this.readRange(path, 0, maxBytes)
  }

  /** Returns up to `maxBytes` of a file from a byte on, or undefined where there is none. @throws E_BAD_OBJECT E_IO */
  readRange(path: string, fromByte: number, maxBytes: number): Uint8Array | undefined {
    const full = join(this.root, path)
    try {
      if (!this.hasFolders(path)) return undefined
      const fd = openSync(full, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
      try {
        const stat = fstatSync(fd)
        if (!stat.isFile()) throw new RejoinError('E_BAD_OBJECT', `${full} is not a file`)
        const bytes = Buffer.allocUnsafeSlow(Math.max(0, Math.min(maxBytes, stat.size - fromByte)))
        let done = 0
        while (done < bytes.length) {
          const count = readSync(fd, bytes, done, bytes.length - done, fromByte + done)
          if (count === 0) break
          done += count
        }
        return bytes.subarray(0, done)
      } finally {
        closeSync(fd)
      }
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException
      if (code === 'ENOENT') return undefined
      if (code === 'ELOOP' || code === 'EMLINK') throw new RejoinError('E_BAD_OBJECT', `${full} is a link`, { cause })
      throw ioError(cause, 'read', full)
    }
  }

  /** Opens a file to read, or returns undefined where there is none. @throws E_BAD_OBJECT E_IO */
  async open(path: string): Promise<FileHandle | undefined> {
    return this.hasFolders(path) ? await openRegular(join(this.root, path)) : undefined
  }

  /** Returns the names in a folder, none where there is none. @throws E_TOO_LARGE for more than a million · E_BAD_OBJECT for a link · E_IO */
  names(path: string): readonly string[] {
    const full = join(this.root, path)
    const names: string[] = []
    try {
      if (!this.hasFolders(`${path}/x`)) return names
      const folder = opendirSync(full, { bufferSize: 512 })
      try {
        for (let entry = folder.readSync(); entry !== null; entry = folder.readSync()) {
          if (names.length >= maxNamesAFolder)
            throw new RejoinError('E_TOO_LARGE', `${full} has more than ${maxNamesAFolder} names`)
          names.push(entry.name)
        }
      } finally {
        folder.closeSync()
      }
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return names
      throw ioError(cause, 'read', full)
    }
    return names
  }
}
