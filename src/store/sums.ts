import { join } from 'node:path'
import { hex, sha256, utf8 } from '../core/index.ts'
import { replaceFileSync } from './file.ts'
import type { Outside } from './outside.ts'

/** The name of the file that lists what was read back, as `sha256sum -c` takes it. */
export const sumsPath = 'SHA256SUMS'
const maxSumsBytes = 256 * 1024 * 1024
const lineForm = /^([0-9a-f]{64}) {2}([a-z0-9._/-]{1,200}|README\.txt)$/

/**
 * The list of files of a medium that were read back and found right. What it lists is true at every instant: a file that is about to change is taken out
 * first. It is a note for people and for the next run, no proof: whoever reads a medium verifies all the same.
 */
export class Sums {
  private readonly files: Outside
  private readonly listed = new Map<string, string>()
  private written = ''

  private constructor(files: Outside) {
    this.files = files
  }

  /** Reads the list; lines that are none are left out. */
  static open(files: Outside): Sums {
    const sums = new Sums(files)
    const bytes = files.read(sumsPath, maxSumsBytes)
    if (bytes === undefined) return sums
    const text = Buffer.from(bytes).toString('latin1')
    sums.written = text
    for (const line of text.split('\n')) {
      const [, sum, path] = lineForm.exec(line) ?? []
      if (sum !== undefined && path !== undefined) sums.listed.set(path, sum)
    }
    return sums
  }

  /** Returns whether a file is listed with a sum. */
  has(path: string, sum: string): boolean {
    return this.listed.get(path) === sum
  }

  /** Returns whether a file is listed, with whatever sum. */
  lists(path: string): boolean {
    return this.listed.has(path)
  }

  /** Lists a file. */
  add(path: string, sum: string): void {
    this.listed.set(path, sum)
  }

  /** Reads a small file back and lists it; one that is not there is taken out. */
  addFile(path: string, maxBytes: number): void {
    const bytes = this.files.read(path, maxBytes)
    if (bytes === undefined) this.listed.delete(path)
    else this.listed.set(path, hex(sha256(bytes)))
  }

  /** Takes files out, by path or by what their paths begin with. */
  drop(isDropped: (path: string) => boolean): void {
    for (const path of this.listed.keys()) if (isDropped(path)) this.listed.delete(path)
  }

  /** Writes the list where it changed. @throws E_NO_SPACE E_IO */
  write(): void {
    const lines = [...this.listed].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([path, sum]) => `${sum}  ${path}\n`)
    const text = lines.join('')
    if (text === this.written) return
    replaceFileSync(join(this.files.root, sumsPath), utf8(text), { durable: true })
    this.written = text
  }
}
