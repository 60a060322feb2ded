import { randomBytes } from 'node:crypto'
import { closeSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { hex, isLogId, type LogId, textOf, utf8 } from '../core/index.ts'
import { readFileRangeSync, replaceFileSync } from './file.ts'

const path = 'private/journal.ndjson'
const wholeFile = Number.MAX_SAFE_INTEGER

/** A change of one log: it was the newest change at this number. */
interface Change {
  readonly seq: number
  readonly log: LogId
  /** number of the change that last put other texts in the place of hashes, 0 for none */
  readonly texts: number
}

/**
 * Which log changed when, in the numbers of this store. It lets a peer that was here before ask "what changed since". It may be lost:
 * then the store gets a new ID, and peers compare frontiers instead.
 */
export class Journal {
  /** 16 random bytes, hexadecimal; new whenever the numbering starts anew */
  readonly storeId: string
  private readonly fd: number
  private readonly newest: Map<LogId, number>
  private readonly texts: Map<LogId, number>
  private number: number

  private constructor(storeId: string, newest: Map<LogId, number>, texts: Map<LogId, number>, number: number, fd: number) {
    this.storeId = storeId
    this.newest = newest
    this.texts = texts
    this.number = number
    this.fd = fd
  }

  /**
   * Opens the journal of a data folder, or starts a new one where it does not fit what is there.
   * @param heads the size of each log that the store holds
   */
  static open(root: string, heads: ReadonlyMap<LogId, number>): Journal {
    const read = readJournal(root)
    const fits =
      read !== undefined && read.sizes.size === heads.size && [...heads].every(([log, size]) => read.sizes.get(log) === size)
    const storeId = fits ? read.storeId : hex(randomBytes(16))
    const newest = new Map<LogId, number>()
    const changes: readonly Change[] = fits
      ? read.changes
      : [...heads.keys()].toSorted().map((log, i) => ({ seq: i + 1, log, texts: 0 }))
    const texts = new Map<LogId, number>()
    for (const { seq, log, texts: last } of changes) {
      newest.set(log, seq)
      texts.set(log, last)
    }
    const kept = [...newest].toSorted((a, b) => a[1] - b[1])
    const lines = kept.map(([log, seq]) => encodeChange({ seq, log, texts: texts.get(log) ?? 0 }, heads.get(log) ?? 0))
    replaceFileSync(join(root, path), utf8(`${JSON.stringify({ storeId })}\n${lines.join('')}`), { durable: false })
    return new Journal(storeId, newest, texts, kept.at(-1)?.[1] ?? 0, openSync(join(root, path), 'a'))
  }

  /** The number of the newest change. */
  get seq(): number {
    return this.number
  }

  /** Notes that a log has grown to a size, once that is durable. */
  note(log: LogId, size: number): void {
    this.number++
    this.newest.delete(log)
    this.newest.set(log, this.number)
    writeSync(this.fd, encodeChange({ seq: this.number, log, texts: this.textsOf(log) }, size))
  }

  /** Notes that texts stand in a log where hashes stood, or the reverse. */
  noteTexts(log: LogId, size: number): void {
    this.texts.set(log, this.number + 1)
    this.note(log, size)
  }

  /** Returns the number of the change that last put other texts into a log, 0 for none. */
  textsOf(log: LogId): number {
    return this.texts.get(log) ?? 0
  }

  /** Returns the logs that changed after a number. */
  since(seq: number): readonly LogId[] {
    const found: LogId[] = []
    for (const [log, at] of this.newest) if (at > seq) found.push(log)
    return found
  }

  /** Closes the file. */
  close(): void {
    closeSync(this.fd)
  }
}

function encodeChange({ seq, log, texts }: Change, size: number): string {
  return `${JSON.stringify({ seq, log, size, ...(texts > 0 && { texts }) })}\n`
}

function readJournal(
  root: string
): { readonly storeId: string; readonly changes: readonly Change[]; readonly sizes: ReadonlyMap<LogId, number> } | undefined {
  const bytes = readFileRangeSync(join(root, path), 0, wholeFile)
  if (bytes === undefined) return undefined
  const sizes = new Map<LogId, number>()
  const changes: Change[] = []
  try {
    const [first = '', ...lines] = textOf(bytes).split('\n').slice(0, -1)
    const { storeId } = JSON.parse(first) as { readonly storeId?: unknown }
    if (typeof storeId !== 'string' || !/^[0-9a-f]{32}$/.test(storeId)) return undefined
    for (const line of lines) {
      const { seq, log, size, texts } = JSON.parse(line) as {
        readonly seq: number
        readonly log: string
        readonly size: number
        readonly texts?: number
      }
      if (!isLogId(log) || !Number.isSafeInteger(seq)) return undefined
      changes.push({ seq, log, texts: texts ?? 0 })
      sizes.set(log, size)
    }
    return { storeId, changes, sizes }
  } catch {
    return undefined
  }
}
