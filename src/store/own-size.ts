import { closeSync, mkdirSync, openSync, readSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { LogId } from '../core/index.ts'
import { ioError } from './file.ts'

const recordBytes = 17

/**
 * The size up to which this machine ever signed a log of its own, in a file outside the data folder: 16 decimal digits and a
 * newline, e.g. `0000000000001024`. No backup of the data folder brings back an older one, so that a folder which was restored in
 * place is noticed before it signs a second history.
 */
export class OwnSize {
  private readonly fd: number
  private known: number

  private constructor(fd: number, known: number) {
    this.fd = fd
    this.known = known
  }

  /** Opens the file of a log below a state folder, and makes it where there is none. @throws E_PERMISSION E_NO_SPACE E_IO */
  static open(stateFolder: string, log: LogId): OwnSize {
    const folder = join(stateFolder, 'sizes')
    const path = join(folder, log)
    try {
      mkdirSync(folder, { recursive: true, mode: 0o700 })
      let fd: number
      try {
        fd = openSync(path, 'r+')
      } catch (cause) {
        if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw cause
        fd = openSync(path, 'wx+', 0o600)
      }
      const bytes = Buffer.alloc(recordBytes)
      const whole = readSync(fd, bytes, 0, recordBytes, 0) === recordBytes
      const text = bytes.toString('latin1')
      return new OwnSize(fd, whole && /^[0-9]{16}\n$/.test(text) ? Number(text) : 0)
    } catch (cause) {
      throw ioError(cause, 'open', path)
    }
  }

  /** The largest size that was noted. */
  get size(): number {
    return this.known
  }

  /** Notes a size; a smaller one than is known changes nothing. Where it can't be written, the guard is weaker and nothing else. */
  note(size: number): void {
    if (size <= this.known) return
    this.known = size
    try {
      writeSync(this.fd, `${String(size).padStart(16, '0')}\n`, 0, 'latin1')
    } catch {
      // a full disk shows where it matters, in the data folder
    }
  }

  /** Closes the file. */
  close(): void {
    closeSync(this.fd)
  }
}
