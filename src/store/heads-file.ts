import { existsSync } from 'node:fs'
import { join } from 'node:path'
import {
  checkpointPath,
  closedPath,
  digestOf,
  encodeHeads,
  forkPath,
  headLine,
  headsPath,
  type LogId,
  parseCheckpoint,
  type PublicKey,
  RejoinError
} from '../core/index.ts'
import { readFileRangeSync, replaceFileSync } from './file.ts'
import type { Store } from './store.ts'

const maxNoteBytes = 64 * 1024
/** how long a file that is not up to date any more may stay so, in milliseconds */
const restMs = 1000

/** The file `heads` of an open store, kept up to date for readers that can't list folders: web servers have no listing to rely on. */
export class HeadsOfStore {
  private readonly store: Store
  private readonly lines = new Map<LogId, string>()
  private readonly stopGrown: () => void
  private timer: NodeJS.Timeout | undefined

  constructor(store: Store) {
    this.store = store
    this.stopGrown = store.onGrown(({ log }) => {
      this.lines.delete(log)
      this.timer ??= setTimeout(() => this.write(), restMs).unref()
    })
  }

  /** Returns the bytes of the file as of now. */
  bytes(): Uint8Array {
    const { store, lines } = this
    const listed = store.listHeads().flatMap(({ log }) => {
      const line = lines.get(log) ?? this.lineOf(log)
      if (line !== undefined) lines.set(log, line)
      return line ?? []
    })
    return encodeHeads(store.journal.storeId, listed)
  }

  /** Takes note that what ends a log changed. */
  forget(log: LogId): void {
    this.lines.delete(log)
    this.timer ??= setTimeout(() => this.write(), restMs).unref()
  }

  private lineOf(log: LogId): string | undefined {
    const { store } = this
    return headLineIn(store.root, log, store.opened(log).publicKey, store.textsOf(log))
  }

  private write(): void {
    clearTimeout(this.timer)
    this.timer = undefined
    try {
      replaceFileSync(join(this.store.root, headsPath), this.bytes(), { durable: false })
    } catch (error) {
      // it is derived: where it can't be written, readers find the one before
      if (!(error instanceof RejoinError)) throw error
    }
  }

  /** Writes what changed and stops. */
  close(): void {
    this.stopGrown()
    if (this.timer !== undefined || !existsSync(join(this.store.root, headsPath))) this.write()
  }
}

/** Returns the line of a log in a folder, undefined where it has no checkpoint. @throws E_NOTE E_CHECKPOINT where that is damaged */
export function headLineIn(root: string, log: LogId, author: PublicKey, texts: number): string | undefined {
  const note = readFileRangeSync(join(root, checkpointPath(log)), 0, maxNoteBytes)
  if (note === undefined || note.length === 0) return undefined
  const head = parseCheckpoint(note)
  return headLine({
    log,
    size: head.size,
    root: head.root,
    checkpoint: digestOf(note),
    author,
    texts,
    closed: existsSync(join(root, closedPath(log))),
    fork: existsSync(join(root, forkPath(log)))
  })
}
