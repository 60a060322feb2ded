import {
  closeSync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  fdatasync,
  fdatasyncSync,
  unlinkSync
} from 'node:fs'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { type EntryBlock, entriesPath, entriesPerFile, type LogId, logFolder, RejoinError } from '../core/index.ts'
import {
  byteAt,
  indexAt,
  joined,
  type Mark,
  type Marked,
  marksOf,
  piece,
  pieceOfGap,
  placeOf,
  readMarked,
  rewritten
} from './marks.ts'
import { ioError, readFileRangeSync, replaceFileSync, syncFolderSync, writeFullySync } from './file.ts'

const datasync = promisify(fdatasync)
const wholeFile = Number.MAX_SAFE_INTEGER
/** full files that wait to be made durable together */
const retireAtOnce = 16

interface Loaded extends Marked {
  readonly fileNumber: number
}

function syncFileSync(path: string): void {
  const handle = openSync(path, 'r+')
  try {
    fdatasyncSync(handle)
  } finally {
    closeSync(handle)
  }
}

/**
 * The entries files of one log: `entries/000000.ndjson` and so on, 1,024 entries each, appended to and never changed.
 * Appends reach the page cache at once and the disk with sync().
 */
export class Entries {
  private readonly root: string
  private readonly log: LogId
  private fd: { readonly number: number; readonly handle: number; sizeBytes: number } | undefined
  /** files that are full and not yet on their way to the disk */
  private readonly full: NonNullable<typeof this.fd>[] = []
  /** how often each open file is being synced at the moment */
  private readonly inSync = new Map<number, number>()
  /** files to be closed when that is over */
  private readonly toClose = new Set<number>()
  /** files that are full, on their way to the disk */
  private readonly retiring = new Set<Promise<void>>()
  /** full files that did not reach the disk, and why */
  private readonly unsynced = new Map<string, unknown>()
  private loaded: Loaded | undefined
  private folderChanged = false
  /** entries in the files, including any that no checkpoint covers yet */
  size = 0

  constructor(root: string, log: LogId) {
    this.root = root
    this.log = log
  }

  private path(index: number): string {
    return join(this.root, entriesPath(this.log, index))
  }

  /**
   * Finds the size, and cuts a torn last line off. A last file without a whole line says nothing of the files before it, which may end
   * anywhere: it goes.
   * @returns bytes that were cut
   */
  recover(): number {
    const folder = join(this.root, logFolder(this.log), 'entries')
    let names: readonly string[]
    try {
      names = readdirSync(folder)
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return 0
      throw ioError(cause, 'read', folder)
    }
    const last = Math.max(-1, ...names.filter((name) => /^\d{6,}\.ndjson$/.test(name)).map((name) => Number.parseInt(name, 10)))
    let torn = 0
    for (let file = last; file >= 0; file--) {
      const { text, marks } = this.load(file)
      const end = marks.at(-1) as Mark
      this.size = end.index
      torn += text.length - end.atByte
      if (text.length > end.atByte) this.truncate(file, end.atByte)
      if (marks.length > 1 || file === 0) break
      this.remove(file)
    }
    return torn
  }

  /** Makes durable the lines from an entry on that an earlier process left: after a kill they may be in the page cache only. */
  syncFound(from: number): void {
    for (let index = from - (from % entriesPerFile); index < this.size; index += entriesPerFile) {
      const path = this.path(index)
      try {
        syncFileSync(path)
      } catch (cause) {
        throw ioError(cause, 'sync', path)
      }
    }
    this.syncFolders()
  }

  /** Cuts off everything from an entry on, which must be the first of a line or of a run. */
  cut(size: number): void {
    if (size >= this.size) return
    const lastFile = Math.floor((this.size - 1) / entriesPerFile)
    for (let file = lastFile; file >= Math.floor(size / entriesPerFile); file--) {
      const first = file * entriesPerFile
      if (size <= first && file > 0) this.remove(file)
      else if (size <= first) this.truncate(file, 0)
      else this.cutFile(file, size)
    }
    this.size = size
  }

  private cutFile(file: number, size: number): void {
    const loaded = this.load(file)
    const place = placeOf(loaded.marks, size)
    const from = indexAt(loaded.marks, place)
    const rest = from < size ? pieceOfGap(loaded, place, from, size) : undefined
    if (rest === undefined) return this.truncate(file, byteAt(loaded.marks, place))
    this.closeFile()
    const text = joined([piece(loaded, 0, place), rest]).text
    replaceFileSync(this.path(file * entriesPerFile), text, { durable: true })
    this.loaded = undefined
  }

  private remove(fileNumber: number): void {
    this.closeFile()
    const path = this.path(fileNumber * entriesPerFile)
    try {
      unlinkSync(path)
    } catch (cause) {
      throw ioError(cause, 'remove', path)
    }
    this.loaded = undefined
    this.folderChanged = true
  }

  private truncate(fileNumber: number, sizeBytes: number): void {
    this.closeFile()
    const path = this.path(fileNumber * entriesPerFile)
    const fd = openSync(path, 'r+')
    try {
      ftruncateSync(fd, sizeBytes)
    } catch (cause) {
      throw ioError(cause, 'shorten', path)
    } finally {
      closeSync(fd)
    }
    this.loaded = undefined
  }

  /** Appends a block that begins at `size`; lines are split over files at every 1,024th entry. */
  append(block: EntryBlock): void {
    if (block.from !== this.size) throw new Error(`bug: append at ${block.from} to a log of ${this.size}`)
    const room = entriesPerFile - (this.size % entriesPerFile)
    if (block.count <= room) {
      this.appendToFile(block.text, block.count)
      return
    }
    const marks = marksOf(block.text, block.from)
    let start = 0
    for (let index = block.from; index < block.from + block.count; ) {
      const next = Math.min(block.from + block.count, (Math.floor(index / entriesPerFile) + 1) * entriesPerFile)
      const end = marks.find((mark) => mark.index === next)?.atByte
      if (end === undefined) throw new RejoinError('E_WITHHELD', `a withheld run crosses the end of a file at index ${next}`)
      this.appendToFile(block.text.subarray(start, end), next - index)
      start = end
      index = next
    }
  }

  private appendToFile(text: Uint8Array, count: number): void {
    const file = this.openFile()
    try {
      writeFullySync(file.handle, text, file.sizeBytes, this.path(this.size))
    } catch (error) {
      ftruncateSync(file.handle, file.sizeBytes)
      throw error
    }
    file.sizeBytes += text.length
    this.size += count
    if (this.loaded?.fileNumber === file.number) this.loaded = undefined
  }

  private openFile(): NonNullable<typeof this.fd> {
    const number = Math.floor(this.size / entriesPerFile)
    if (this.fd?.number === number) return this.fd
    if (this.fd !== undefined) this.retire(this.fd)
    const path = this.path(this.size)
    try {
      let handle: number
      try {
        handle = openSync(path, 'r+')
      } catch (cause) {
        if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw cause
        mkdirSync(dirname(path), { recursive: true })
        handle = openSync(path, 'wx+')
        this.folderChanged = true
      }
      this.fd = { number, handle, sizeBytes: fstatSync(handle).size }
    } catch (cause) {
      throw ioError(cause, 'open', path)
    }
    return this.fd
  }

  /**
   * Makes full files durable in the background, some at a time, so that a long catch-up has little left to wait for at its end. While a
   * file is being synced, making another one takes milliseconds.
   */
  private retire(file: NonNullable<typeof this.fd>): void {
    this.full.push(file)
    if (this.full.length >= retireAtOnce) this.syncFull()
  }

  private syncFull(): void {
    for (const { number, handle } of this.full.splice(0)) {
      const work = this.syncHandle(handle)
        .catch((cause: unknown) => void this.unsynced.set(this.path(number * entriesPerFile), cause))
        .finally(() => {
          this.closeHandle(handle)
          this.retiring.delete(work)
        })
      this.retiring.add(work)
    }
  }

  /** Makes everything appended so far durable. */
  async sync(): Promise<void> {
    const current = this.fd
    const folderChanged = this.folderChanged
    this.folderChanged = false
    const again = [...this.unsynced.keys()]
    try {
      for (const path of again) {
        syncFileSync(path)
        this.unsynced.delete(path)
      }
      this.syncFull()
      if (current !== undefined) await this.syncHandle(current.handle)
      await Promise.all(this.retiring)
      for (const cause of this.unsynced.values()) throw cause
      if (folderChanged) this.syncFolders()
    } catch (cause) {
      this.folderChanged ||= folderChanged
      throw ioError(cause, 'make durable', join(this.root, logFolder(this.log), 'entries'))
    }
  }

  private syncFolders(): void {
    const folder = join(this.root, logFolder(this.log))
    for (const path of [join(folder, 'entries'), folder, dirname(folder), this.root]) syncFolderSync(path)
  }

  private load(fileNumber: number): Loaded {
    if (this.loaded?.fileNumber === fileNumber) return this.loaded
    const path = this.path(fileNumber * entriesPerFile)
    const text = readFileRangeSync(path, 0, wholeFile)
    if (text === undefined) throw new RejoinError('E_DAMAGED', `${path} is missing`)
    this.loaded = { fileNumber, text, marks: marksOf(text, fileNumber * entriesPerFile) }
    return this.loaded
  }

  /**
   * Returns entries as they stand in the files: from the line that holds `from` up to at most `to` (within one file) and
   * about `maxBytes`, but at least one line. A run that begins before `from` is returned whole; of a gap only the runs between.
   */
  read(from: number, to: number, maxBytes: number = wholeFile): EntryBlock {
    if (from >= Math.min(to, this.size)) return { from, count: 0, text: new Uint8Array(0) }
    const loaded = this.load(Math.floor(from / entriesPerFile))
    // never a block of no entries: who goes along the log would not get on
    if (from >= indexAt(loaded.marks, loaded.marks.length - 1))
      throw new RejoinError('E_DAMAGED', `${this.path(from)} ends before entry ${from} of ${this.size}`)
    return readMarked(loaded, from, to, maxBytes)
  }

  /**
   * Puts other lines in the place of entries, file by file and each file at once: text in the place of its hash, or the reverse.
   * @param changes lines without their newline, by index; of a withheld run all entries or none. They must hash to what stands there.
   */
  rewrite(changes: ReadonlyMap<number, Uint8Array>): void {
    for (const file of new Set([...changes.keys()].map((index) => Math.floor(index / entriesPerFile)))) {
      const text = rewritten(this.load(file), changes)
      if (this.fd?.number === file) this.closeFile()
      replaceFileSync(this.path(file * entriesPerFile), text, { durable: true })
      this.loaded = undefined
    }
  }

  private closeFile(): void {
    if (this.fd !== undefined) this.closeHandle(this.fd.handle)
    this.fd = undefined
  }

  private async syncHandle(handle: number): Promise<void> {
    this.inSync.set(handle, (this.inSync.get(handle) ?? 0) + 1)
    try {
      await datasync(handle)
    } finally {
      const left = (this.inSync.get(handle) as number) - 1
      if (left > 0) this.inSync.set(handle, left)
      else {
        this.inSync.delete(handle)
        if (this.toClose.delete(handle)) closeSync(handle)
      }
    }
  }

  /** Closes a file, once nobody syncs it: its number could be another file's by then, which would be synced in its place. */
  private closeHandle(handle: number): void {
    if (this.inSync.has(handle)) this.toClose.add(handle)
    else closeSync(handle)
  }

  /** Closes the open files; what was not synced may be lost in a power cut. */
  async close(): Promise<void> {
    this.closeFile()
    this.loaded = undefined
    this.syncFull()
    await Promise.all(this.retiring)
  }
}
