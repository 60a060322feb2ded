import { join } from 'node:path'
import { hex, RejoinError, sha256, utf8 } from '../core/index.ts'
import { temporaryPath } from './blob-write.ts'
import { deleteFileSync, replaceFileSync } from './file.ts'
import type { Outside } from './outside.ts'

/** The name of the file that lists what was read back, as `sha256sum -c` takes it; blobs that came long ago stand in `SHA256SUMS.0001` and so on. */
export const sumsPath = 'SHA256SUMS'
const maxSumsBytes = 256 * 1024 * 1024
/** lists of blobs that are looked at */
const maxLists = 10_000
const lineForm = /^([0-9a-f]{64}) {2}([a-z0-9._/-]{1,200}|README\.txt)$/
/** what the lines of blobs in SHA256SUMS may take before they go to a list of their own: so much is written again with each run */
const openBytes = 16 * 1024

/** Returns the names of all lists of a medium, those of blobs first, as far as they are there. @throws E_TOO_LARGE for too many */
export function sumsNames(files: Outside): readonly string[] {
  const numbered = files.names('').filter((name) => /^SHA256SUMS\.[0-9]{4,6}$/.test(name))
  if (numbered.length > maxLists) throw new RejoinError('E_TOO_LARGE', `${files.root} has ${numbered.length} lists of sums`)
  return [...numbered.toSorted(), ...(files.size(sumsPath) === undefined ? [] : [sumsPath])]
}

/** Returns whether a name at the root of a medium is that of a list. */
export function isSumsName(name: string): boolean {
  return /^SHA256SUMS(?:\.[0-9]{4,6})?$/.test(name)
}

/**
 * The lists of files of a medium that were read back and found right. What they list is true at every instant: a file that is about to change is taken out
 * first. They are a note for people and for the next run, no proof: whoever reads a medium verifies all the same. Blobs never change: their lines go to lists that stay
 * as they are, so that a run with little to bring writes little.
 */
export class Sums {
  private readonly files: Outside
  /** by the name of the list */
  private readonly lists = new Map<string, Map<string, string>>([[sumsPath, new Map()]])
  private readonly listOf = new Map<string, string>()
  private readonly changed = new Set<string>()
  private isRead = false

  private constructor(files: Outside) {
    this.files = files
  }

  /** Opens the lists of a medium. They are read when they are needed: where nothing is to be written they are not. */
  static open(files: Outside): Sums {
    return new Sums(files)
  }

  /** Reads the lists; lines that are none are left out, and what is listed twice stands in the last list only. */
  private read(): void {
    if (this.isRead) return
    this.isRead = true
    for (const name of sumsNames(this.files)) {
      const bytes = this.files.read(name, maxSumsBytes)
      if (bytes === undefined) continue
      const text = Buffer.from(bytes).toString('latin1')
      for (const line of text.split('\n')) {
        const [, sum, path] = lineForm.exec(line) ?? []
        if (sum !== undefined && path !== undefined) this.put(name, path, sum)
        else if (line !== '') this.changed.add(name)
      }
    }
  }

  private put(name: string, path: string, sum: string): void {
    const before = this.listOf.get(path)
    if (before !== undefined && before !== name) this.remove(path)
    let list = this.lists.get(name)
    if (list === undefined) this.lists.set(name, (list = new Map()))
    list.set(path, sum)
    this.listOf.set(path, name)
  }

  private remove(path: string): void {
    const name = this.listOf.get(path)
    if (name === undefined) return
    this.lists.get(name)?.delete(path)
    this.listOf.delete(path)
    this.changed.add(name)
  }

  private sumOf(path: string): string | undefined {
    return this.lists.get(this.listOf.get(path) ?? '')?.get(path)
  }

  /** Returns whether a file is listed with a sum. */
  has(path: string, sum: string): boolean {
    this.read()
    return this.sumOf(path) === sum
  }

  /** Returns whether a file is listed, with whatever sum. */
  isListed(path: string): boolean {
    this.read()
    return this.listOf.has(path)
  }

  /** Lists a file. */
  add(path: string, sum: string): void {
    if (this.has(path, sum)) return
    this.put(sumsPath, path, sum)
    this.changed.add(sumsPath)
  }

  /** Reads a small file back and lists it; one that is not there is taken out. */
  addFile(path: string, maxBytes: number): void {
    this.read()
    const bytes = this.files.read(path, maxBytes)
    if (bytes === undefined) this.remove(path)
    else this.add(path, hex(sha256(bytes)))
  }

  /** Takes files out, by path or by what their paths begin with. */
  drop(isDropped: (path: string) => boolean): void {
    this.read()
    for (const path of [...this.listOf.keys()]) if (isDropped(path)) this.remove(path)
  }

  /** Writes the lists that changed. @throws E_NO_SPACE E_IO */
  write(): void {
    const fresh = this.settle()
    // what is listed twice for an instant is true
    if (fresh !== undefined) this.writeList(fresh)
    for (const name of this.changed) if (name !== fresh) this.writeList(name)
    this.changed.clear()
  }

  /** Moves the lines of blobs out of SHA256SUMS where they got many. @returns the list that they are in now */
  private settle(): string | undefined {
    const main = this.lists.get(sumsPath) as Map<string, string>
    if (!this.changed.has(sumsPath)) return undefined
    const blobs = [...main].filter(([path]) => path.startsWith('blobs/') || path.startsWith('parts/'))
    if (blobs.reduce((bytes, [path]) => bytes + 67 + path.length, 0) <= openBytes) return undefined
    const last = Math.max(0, ...[...this.lists.keys()].map((name) => Number(name.slice(sumsPath.length + 1))))
    const name = `${sumsPath}.${String(last + 1).padStart(4, '0')}`
    for (const [path, sum] of blobs) this.put(name, path, sum)
    return name
  }

  private writeList(name: string): void {
    const path = join(this.files.root, name)
    const list = [...(this.lists.get(name) ?? [])]
    if (list.length === 0) {
      // sha256sum takes an empty list for a wrong one
      if (name !== sumsPath) this.lists.delete(name)
      return deleteFileSync(path)
    }
    const text = list
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([listed, sum]) => `${sum}  ${listed}\n`)
      .join('')
    // in tmp/, so that what a killed run leaves does not look like a list
    replaceFileSync(path, utf8(text), { durable: true, temporary: temporaryPath(this.files.root) })
  }
}
