import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import {
  type Checkpoint,
  didOf,
  isWithheld,
  type LogId,
  type Opened,
  parseEvent,
  type ProvenBlock,
  RejoinError,
  type Signer,
  tileWidth,
  utf8
} from '../core/index.ts'
import { EventIndex, type PlacedEvent } from './event-index.ts'
import { ioError, readFileRangeSync, replaceFileSync } from './file.ts'
import { folderVersion } from './folder-version.ts'
import { cutUnproven, dropOffer, interrupted } from './incoming.ts'
import { Journal } from './journal.ts'
import { LogFolder, peekCheckpoint, type Repair } from './log-folder.ts'
import { PrivateEntries, type PrivatePlace } from './private-entries.ts'
import { listLogs, readReplica } from './replica-file.ts'
import { endRewriting, type Moves, rewriteEntries, wasRewriting } from './rewrite.ts'
import { sealed } from './seal.ts'
import { UrgentRecords } from './urgent.ts'
import { usedEvents } from './used-events.ts'
import { type Draft, Writer, type Written } from './writer.ts'

/** entries that are indexed before others get a turn */
const indexStep = 4096

/** A log as others see it: up to its newest checkpoint. */
export interface StoredHead {
  readonly log: LogId
  readonly size: number
  readonly root: Uint8Array
}

/** How a store is opened. */
export interface StoreOptions {
  readonly onRepair?: (repair: Repair) => void
  /** the log that this node writes: its whole lines beyond the checkpoint are kept, to be signed again */
  readonly ownLog?: LogId | undefined
}

/** A data folder that is open: its logs, its index and its change journal. One process at a time holds it. */
export class Store implements AsyncDisposable {
  readonly root: string
  readonly index: EventIndex
  readonly network: string
  private readonly heads: Map<LogId, StoredHead>
  private readonly folders = new Map<LogId, LogFolder>()
  private readonly journalFile: Journal
  private readonly onRepair: (repair: Repair) => void
  private readonly listeners = new Set<(head: StoredHead) => void>()
  private writerOfOwn: Writer | undefined
  private ownLog: LogId | undefined
  /** text that must not leave this node */
  readonly places: Readonly<Record<PrivatePlace, PrivateEntries>>
  /** closings and fork proofs */
  readonly urgent: UrgentRecords
  private closed = false

  private constructor(
    root: string,
    network: string,
    index: EventIndex,
    heads: Map<LogId, StoredHead>,
    { onRepair = () => {}, ownLog }: StoreOptions
  ) {
    this.root = root
    this.network = network
    this.index = index
    this.heads = heads
    this.onRepair = onRepair
    this.ownLog = ownLog
    this.urgent = UrgentRecords.open(root)
    this.places = { kept: new PrivateEntries(root, 'kept'), held: new PrivateEntries(root, 'held') }
    this.journalFile = Journal.open(root, new Map([...heads].map(([log, { size }]) => [log, size])))
  }

  /** Makes the files of an empty replica. @throws E_EXISTS where there is one already */
  static create(root: string, network: string): void {
    const path = join(root, 'replica.json')
    if (readFileRangeSync(path, 0, 1) !== undefined)
      throw new RejoinError('E_EXISTS', `there is a node in ${root} already`, { hint: 'choose another folder with --data' })
    try {
      mkdirSync(root, { recursive: true, mode: 0o700 })
      for (const folder of ['logs', 'blobs/sha256', 'private', 'tmp', 'verdicts', 'outbox'])
        mkdirSync(join(root, folder), { recursive: true })
    } catch (cause) {
      throw ioError(cause, 'make', root)
    }
    replaceFileSync(join(root, 'oci-layout'), utf8('{"imageLayoutVersion":"1.0.0"}'), { durable: false })
    replaceFileSync(path, sealed({ format: 'rejoin', version: folderVersion, network }), { durable: true })
  }

  /**
   * Opens a data folder, repairs what a crash left, and brings the index up to date.
   * @throws E_NO_DATA · E_VERSION · E_LOCKED · E_DAMAGED
   */
  static async open(root: string, options: StoreOptions = {}): Promise<Store> {
    const network = readReplica(root)
    const index = await EventIndex.open(join(root, 'index'))
    try {
      const torn = wasRewriting(root)
      if (torn) await index.clear()
      const heads = new Map<LogId, StoredHead>()
      for (const log of listLogs(root)) {
        const head = peekCheckpoint(root, log)
        if (head !== undefined) heads.set(log, { log, size: head.size, root: head.root })
      }
      const store = new Store(root, network, index, heads, options)
      await store.catchUpIndex()
      if (torn) {
        store.dropTwice()
        endRewriting(root)
      }
      return store
    } catch (error) {
      await index.close()
      throw error
    }
  }

  /** Name of this store and the number of its newest change. */
  get journal(): { readonly storeId: string; readonly seq: number } {
    return { storeId: this.journalFile.storeId, seq: this.journalFile.seq }
  }

  /** Returns the heads of all logs, in no order. */
  listHeads(): readonly StoredHead[] {
    return [...this.heads.values()]
  }

  /** Returns the head of a log, where a checkpoint covers any of it. */
  head(log: LogId): StoredHead | undefined {
    return this.heads.get(log)
  }

  /** Returns the heads that changed after a number, or undefined where the number is not of this store. */
  changedSince(storeId: string, seq: number): readonly StoredHead[] | undefined {
    if (storeId !== this.journalFile.storeId || seq > this.journalFile.seq) return undefined
    return this.journalFile.since(seq).flatMap((log) => this.heads.get(log) ?? [])
  }

  /** Calls back whenever a log has a new head. Returns how to stop it. */
  onGrown(listener: (head: StoredHead) => void): () => void {
    this.listeners.add(listener)
    return () => void this.listeners.delete(listener)
  }

  /**
   * Indexes what the index lacks. Where it knows entries that are not in the files, as a power cut can leave it, it is made anew:
   * nothing tells which of its keys are of those entries.
   */
  private async catchUpIndex(): Promise<void> {
    const { root, index, heads } = this
    const unsure = [...interrupted(root), ...index.logs(), ...heads.keys()].filter(
      (log) => index.sizeOf(log) !== heads.get(log)?.size
    )
    for (const log of new Set(unsure)) {
      if (index.sizeOf(log) > (this.openFolder(log)?.size ?? 0)) {
        await this.reindex(() => {})
        return
      }
    }
    for (const folder of this.folders.values()) await this.indexFolder(folder, () => {})
  }

  private async indexFolder(folder: LogFolder, onIndexed: (count: number) => void): Promise<void> {
    for (let at = this.index.sizeOf(folder.log); at < folder.size; ) {
      const next = Math.min(folder.size, at + indexStep)
      this.indexRange(folder, at, next)
      await this.index.flush({ all: false })
      onIndexed(this.index.sizeOf(folder.log) - at)
      at = this.index.sizeOf(folder.log)
    }
  }

  private openFolder(log: LogId): LogFolder | undefined {
    const known = this.folders.get(log)
    if (known !== undefined) return known
    const folder = LogFolder.open(this.root, log, this.onRepair)
    if (folder === undefined) return undefined
    if (log !== this.ownLog) {
      const cut = cutUnproven(this.root, folder)
      if (cut > 0) this.onRepair({ log, what: 'unproven-lines', count: cut })
    }
    this.folders.set(log, folder)
    return folder
  }

  /** Returns the folder of a log, opened and repaired, or undefined where it is not here. */
  folder(log: LogId): LogFolder | undefined {
    const folder = this.openFolder(log)
    if (folder !== undefined && this.index.sizeOf(log) < folder.size) this.indexRange(folder, this.index.sizeOf(log), folder.size)
    return folder
  }

  /** Returns what the first line of a log says. @throws E_NOT_FOUND */
  opened(log: LogId): Opened {
    return this.needFolder(log).opened
  }

  /** Returns the folder of a log. @throws E_NOT_FOUND where it is not here */
  needFolder(log: LogId): LogFolder {
    const folder = this.folder(log)
    if (folder === undefined) throw new RejoinError('E_NOT_FOUND', `log ${log} is not here`)
    return folder
  }

  /** Indexes entries from the files, as after a crash or for a new index. */
  indexRange(folder: LogFolder, from: number, to: number): void {
    for (let at = from; at < to; ) {
      const block = folder.entries.read(at, to)
      const end = block.from + block.count
      this.index.add(folder.log, at, end - at, this.readEvents(folder, at, end), (start) => this.readEvents(folder, start, at))
      at = block.from + block.count
    }
  }

  private readEvents(folder: LogFolder, from: number, to: number): readonly PlacedEvent[] {
    return usedEvents(folder, this.places.kept, from, to)
  }

  /** Returns the line of an entry that is used here: as it stands in the log, or as it is kept for this node only. */
  lineOf(log: LogId, index: number): Uint8Array | undefined {
    return this.needFolder(log).entry(index).line ?? this.places.kept.read(log, index)
  }

  /**
   * Makes the empty folder of a log; its first line comes with the first append.
   * @throws E_OPENED where the line does not give the log's ID
   */
  createLog(log: LogId, firstLine: Uint8Array): LogFolder {
    const folder = LogFolder.create(this.root, log, firstLine)
    this.folders.set(log, folder)
    return folder
  }

  /**
   * Appends proven or own entries and indexes them.
   * @param events the events of those that are not withheld
   */
  append(folder: LogFolder, block: ProvenBlock, events: readonly PlacedEvent[]): void {
    folder.append(block, block.lines, block.tileHash)
    this.index.add(folder.log, block.from, block.count, events, (start) => this.readEvents(folder, start, block.from))
  }

  /**
   * Moves text between a log, the entries that are kept for this node only, and the quarantine.
   * @throws E_NO_SPACE E_IO · E_ROOT where a line is not the log's
   */
  async rewrite(folder: LogFolder, moves: Moves): Promise<void> {
    const { root, index, places } = this
    await rewriteEntries({ root, folder, index, places }, moves, (_, tile) =>
      this.readEvents(folder, tile * tileWidth, Math.min((tile + 1) * tileWidth, folder.size))
    )
    const head = this.heads.get(folder.log)
    if (head === undefined || moves.lines.size === 0) return
    this.journalFile.noteTexts(folder.log, head.size)
    for (const listener of this.listeners) listener(head)
  }

  /** After a rewriting that was cut off, text may stand in two places: it goes from the one that is less open. */
  private dropTwice(): void {
    const { kept, held } = this.places
    const twice = (place: PrivateEntries, isElsewhere: (log: LogId, index: number) => boolean): void => {
      for (const { log, entries } of place.list()) {
        const indexes = entries.flatMap(({ index }) => (isElsewhere(log, index) ? [index] : []))
        if (indexes.length > 0) place.drop(log, new Set(indexes))
      }
    }
    const isOpen = (log: LogId, index: number): boolean => {
      const folder = this.folder(log)
      return folder !== undefined && index < folder.size && folder.entry(index).line !== undefined
    }
    twice(kept, (log, index) => isOpen(log, index) || held.read(log, index) !== undefined)
    twice(held, isOpen)
  }

  /** The number of the change that last put other texts into a log, 0 for none. */
  textsOf(log: LogId): number {
    return this.journalFile.textsOf(log)
  }

  /** Takes note that the head of a log was cosigned, so that others who ask what changed hear of it. */
  noteCosigned(log: LogId): void {
    const head = this.heads.get(log)
    if (head !== undefined) this.journalFile.note(log, head.size)
  }

  /** Puts a verified checkpoint in place; the lines must be durable. */
  commit(folder: LogFolder, checkpoint: Checkpoint, cose: Uint8Array | undefined): void {
    folder.commit(checkpoint, cose, true)
    dropOffer(this.root, folder.log)
    this.grown(checkpoint)
  }

  private grown({ log, size, root }: Checkpoint): void {
    const head = { log, size, root }
    this.heads.set(log, head)
    this.journalFile.note(log, size)
    for (const listener of this.listeners) listener(head)
  }

  /**
   * Makes a log of one's own writable: signs again the whole lines beyond its checkpoint.
   * @throws E_NOT_FOUND where the log is not here
   */
  openWriter(log: LogId, signer: Signer): Writer {
    this.ownLog = log
    const folder = this.needFolder(log)
    folder.cut(firstBadLine(folder))
    const writer = new Writer(folder, signer, didOf(signer.publicKey), {
      onWritten: (from, written) => this.indexWritten(folder, from, written),
      room: () => this.index.room(),
      onSigned: (checkpoint) => this.grown(checkpoint)
    })
    this.writerOfOwn = writer
    if (folder.size > (folder.checkpoint?.size ?? 0) || folder.coseCheckpoint === undefined) writer.sign()
    return writer
  }

  private indexWritten(folder: LogFolder, from: number, written: readonly Written[]): void {
    this.index.add(folder.log, from, written.length, written, (start) => this.readEvents(folder, start, from))
  }

  /** The writer of this node's own log, once it is open. */
  get writer(): Writer | undefined {
    return this.writerOfOwn
  }

  /** Deletes the index and makes it again from the logs. */
  async reindex(onProgress: (done: number, total: number) => void): Promise<number> {
    await this.index.clear()
    const folders = listLogs(this.root).flatMap((log) => this.openFolder(log) ?? [])
    const total = folders.reduce((sum, { size }) => sum + size, 0)
    let done = 0
    for (const folder of folders) {
      await this.indexFolder(folder, (count) => {
        done += count
        onProgress(done, total)
      })
    }
    await this.index.flush({ all: true })
    return done
  }

  /** Signs what is unsigned and closes everything; idempotent. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.closed) return
    this.closed = true
    await this.writerOfOwn?.close()
    for (const folder of this.folders.values()) await folder.close()
    this.journalFile.close()
    await this.index.close()
  }
}

export type { Draft }

/** Returns the first entry beyond the checkpoint whose line is no event of the log's writer: a power cut can leave such bytes. */
function firstBadLine(folder: LogFolder): number {
  const did = didOf(folder.opened.publicKey)
  for (let at = folder.checkpoint?.size ?? 0; at < folder.size; at++) {
    const { line } = folder.entry(at)
    try {
      if (line === undefined || isWithheld(line) || parseEvent(line).source !== did) return at
    } catch {
      return at
    }
  }
  return folder.size
}
