import {
  closeSync,
  constants,
  fdatasyncSync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync
} from 'node:fs'
import { dirname, join } from 'node:path'
import { equal, heldEntriesPath, isLogId, type LogId, privateEntriesPath, utf8 } from '../core/index.ts'
import { ioError, readFileRangeSync, replaceFileSync, syncFolderSync, writeFullySync } from './file.ts'

const newline = 10
const wholeFile = Number.MAX_SAFE_INTEGER

/** The text of an entry that must not leave this node. */
export interface PrivateEntry {
  readonly index: number
  /** the event's line, without its newline */
  readonly line: Uint8Array
}

/** Kept: used here and passed on to nobody; held: in quarantine. */
export type PrivatePlace = 'kept' | 'held'
export const privatePlaces: readonly PrivatePlace[] = ['kept', 'held']

const folderOf: Readonly<Record<PrivatePlace, string>> = { kept: 'private/logs', held: 'private/held' }
const pathOf: Readonly<Record<PrivatePlace, (log: LogId, index: number) => string>> = {
  kept: privateEntriesPath,
  held: heldEntriesPath
}

/**
 * The text of entries that are kept for this node only (below `private/logs/<logId>/entries/`) or held in quarantine
 * (`private/held/<logId>/entries/`), one line each, `{"event":{…},"index":7}`, in the order in which they came. In `logs/` these entries
 * are present as their hashes.
 */
export class PrivateEntries {
  private readonly root: string
  private readonly place: PrivatePlace
  private readonly logs: Set<string>
  private loaded: { readonly path: string; readonly entries: ReadonlyMap<number, PrivateEntry> } | undefined

  constructor(root: string, place: PrivatePlace) {
    this.root = root
    this.place = place
    this.logs = new Set(namesIn(join(root, folderOf[place])))
  }

  private pathOf(log: LogId, index: number): string {
    return join(this.root, pathOf[this.place](log, index))
  }

  /**
   * Keeps the text of entries, durable when it returns. A last line that a crash cut off is cut away first: its entry was not stored
   * either, and comes again.
   * @throws E_NO_SPACE E_PERMISSION E_IO
   */
  keep(log: LogId, entries: readonly PrivateEntry[]): void {
    if (entries.length === 0) return
    this.logs.add(log)
    for (const [path, those] of Map.groupBy(entries, ({ index }) => this.pathOf(log, index)))
      appendDurably(path, Buffer.concat(those.flatMap(encodeEntry)))
    this.loaded = undefined
  }

  /** Returns the text of an entry, or undefined where none is kept. */
  read(log: LogId, index: number): Uint8Array | undefined {
    return this.logs.has(log) ? this.load(this.pathOf(log, index)).get(index)?.line : undefined
  }

  /** Deletes the text of entries. */
  drop(log: LogId, indexes: ReadonlySet<number>): void {
    for (const path of new Set([...indexes].map((index) => this.pathOf(log, index)))) {
      const entries = [...this.load(path).values()]
      const left = entries.filter(({ index }) => !indexes.has(index))
      if (left.length === entries.length) continue
      replaceFileSync(path, Buffer.concat(left.flatMap(encodeEntry)), { durable: true })
      this.loaded = undefined
    }
  }

  /** Yields the text that is kept of each log, file by file. */
  *list(): Generator<{ readonly log: LogId; readonly entries: readonly PrivateEntry[] }> {
    for (const log of [...this.logs].filter(isLogId)) {
      const folder = join(this.root, folderOf[this.place], log, 'entries')
      for (const name of namesIn(folder)
        .filter((one) => one.endsWith('.ndjson'))
        .toSorted())
        yield { log, entries: [...this.load(join(folder, name)).values()] }
    }
  }

  private load(path: string): ReadonlyMap<number, PrivateEntry> {
    if (this.loaded?.path === path) return this.loaded.entries
    const bytes = readFileRangeSync(path, 0, wholeFile) ?? new Uint8Array(0)
    const entries = new Map<number, PrivateEntry>()
    for (let start = 0, end = bytes.indexOf(newline); end >= 0; start = end + 1, end = bytes.indexOf(newline, start)) {
      const entry = parseEntry(bytes.subarray(start, end))
      if (entry !== undefined) entries.set(entry.index, entry)
    }
    this.loaded = { path, entries }
    return entries
  }
}

const head = utf8('{"event":')
const tail = /,"index":(0|[1-9][0-9]{0,15})\}$/
const maxTailBytes = 30

/** Returns what a line holds, or undefined for one that is torn or damaged, which verify names. */
function parseEntry(text: Uint8Array): PrivateEntry | undefined {
  const end = tail.exec(Buffer.from(text.subarray(Math.max(0, text.length - maxTailBytes))).toString('latin1'))
  if (end === null || !equal(text.subarray(0, head.length), head)) return undefined
  return { index: Number(end[1]), line: text.subarray(head.length, text.length - end[0].length) }
}

function encodeEntry({ index, line }: PrivateEntry): readonly Uint8Array[] {
  return [utf8('{"event":'), line, utf8(`,"index":${index}}\n`)]
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw ioError(cause, 'read', folder)
  }
}

function appendDurably(path: string, text: Uint8Array): void {
  try {
    mkdirSync(dirname(path), { recursive: true })
    // not in append mode, in which Linux writes to the end whatever position it is told
    const fd = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o644)
    try {
      const { end, before } = endOfLines(fd, path)
      ftruncateSync(fd, end)
      writeFullySync(fd, Buffer.concat([before, text]), end, path)
      fdatasyncSync(fd)
      if (end === 0) syncFolderSync(dirname(path))
    } finally {
      closeSync(fd)
    }
  } catch (cause) {
    throw ioError(cause, 'write', path)
  }
}

/** Returns where the lines of a file end, and what has to come before the next one. */
function endOfLines(fd: number, path: string): { readonly end: number; readonly before: Uint8Array } {
  const { size } = fstatSync(fd)
  const last = new Uint8Array(1)
  const nothing = new Uint8Array(0)
  if (size === 0 || (readSync(fd, last, 0, 1, size - 1) === 1 && last[0] === newline)) return { end: size, before: nothing }
  const whole = readFileRangeSync(path, 0, size) ?? nothing
  const end = whole.lastIndexOf(newline) + 1
  const rest = whole.subarray(end)
  // a crash leaves the beginning of a line; one that is all there but for its end was damaged otherwise, and its text is kept for verify to name
  const holdsLine = parseEntry(rest.subarray(0, rest.lastIndexOf(0x7d) + 1)) !== undefined
  return holdsLine ? { end: size, before: Uint8Array.of(newline) } : { end, before: nothing }
}
