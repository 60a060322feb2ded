import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import {
  base64,
  type Checkpoint,
  didOf,
  edgeLength,
  type EntryBlock,
  type EntryLine,
  equal,
  hashOfLogId,
  hex,
  isLogId,
  type LogId,
  logIdOfHash,
  type Offer,
  parsePublicKey,
  type ProvenBlock,
  type PublicKey,
  type Pull,
  RejoinError,
  textOf,
  tileWidth,
  Tree,
  utf8,
  type WireHead
} from '../core/index.ts'
import {
  dropOffer,
  type LogFolder,
  type PlacedEvent,
  readFileRangeSync,
  replaceFileSync,
  saveOffer,
  type Store,
  type StoredHead
} from '../store/index.ts'
import type { Gate, Judged } from '../trust/index.ts'
import type { Proof, Replica, Taken } from './replica.ts'
import { keepForNode, withheldText } from './withhold.ts'

/** What the local replica tells its node. */
export interface LocalHooks {
  /** events were accepted and stored: relay or keep */
  readonly onAccepted?: (log: LogId, judged: readonly Judged[]) => void
  /** a log of a writer whom the rules don't know was heard of */
  readonly onHeard?: (author: PublicKey, log: LogId, size: number) => void
  /** a signed head contradicts what is here */
  readonly onConflict?: (log: LogId) => void
}

interface Cursors {
  [node: string]: { readonly storeId: string; readonly seq: number }
}

const cursorsFile = 'private/cursors.json'
const maxCursorBytes = 64 * 1024 * 1024

/** This node's own data folder as a replica, with the gate before everything that comes in. */
export class LocalReplica implements Replica {
  readonly network: string
  readonly node: Uint8Array
  private readonly store: Store
  private readonly gate: Gate
  private readonly hooks: LocalHooks
  private readonly cursors: Cursors
  private readonly authors = new Map<LogId, PublicKey>()
  private readonly frozen = new Set<LogId>()

  constructor(store: Store, gate: Gate, node: PublicKey, hooks: LocalHooks = {}) {
    this.store = store
    this.gate = gate
    this.node = node
    this.network = store.network
    this.hooks = hooks
    this.cursors = readCursors(store.root)
    for (const log of readFrozen(store.root)) this.frozen.add(log)
  }

  journal(): { readonly storeId: string; readonly seq: number } {
    this.store.writer?.sign()
    return this.store.journal
  }

  private authorOf(log: LogId): PublicKey {
    let author = this.authors.get(log)
    if (author === undefined) {
      author = this.store.opened(log).publicKey
      this.authors.set(log, author)
    }
    return author
  }

  private wire({ log, size, root }: StoredHead): WireHead {
    return { log: hashOfLogId(log), size, root, author: this.authorOf(log) }
  }

  heads(): readonly WireHead[] {
    return this.store.listHeads().map((head) => this.wire(head))
  }

  changedSince(storeId: string, seq: number): readonly WireHead[] | undefined {
    return this.store.changedSince(storeId, seq)?.map((head) => this.wire(head))
  }

  proof(log: LogId, from: number): Proof {
    const folder = this.store.needFolder(log)
    const { checkpoint, coseCheckpoint, tiles, tree } = folder
    if (checkpoint === undefined || from > checkpoint.size)
      throw new RejoinError('E_NOT_FOUND', `log ${log} has no entry ${from} here`)
    const { size, note } = checkpoint
    const fromTile = Math.floor(from / tileWidth)
    const hashes = tiles.rootsOf(1, fromTile, Math.floor(size / tileWidth) - fromTile)
    const width = size % tileWidth
    const edge = tree.size === size ? tree.edge().slice(tree.edge().length - edgeLength(width)) : tiles.edgeBelow(size)
    return { note, cose: coseCheckpoint, size, tiles: hashes, edge: Buffer.concat(edge) }
  }

  read(log: LogId, from: number, to: number, maxBytes: number): EntryBlock {
    return this.store.needFolder(log).entries.read(from, to, maxBytes)
  }

  survey(heads: readonly WireHead[]): readonly Pull[] {
    const pulls: Pull[] = []
    for (const head of heads) {
      const pull = this.surveyOne(head)
      if (pull !== undefined) pulls.push(pull)
    }
    return pulls
  }

  private surveyOne({ log: bytes, size, author: authorBytes }: WireHead): Pull | undefined {
    const log = logIdOfHash(bytes)
    const author = parsePublicKey(authorBytes.slice())
    if (this.frozen.has(log)) return undefined
    if (!this.gate.admits(didOf(author))) {
      this.hooks.onHeard?.(author, log, size)
      return undefined
    }
    const folder = this.store.folder(log)
    if (folder === undefined) return size === 0 ? undefined : { log, author, have: new Tree(), size }
    if (!equal(folder.opened.publicKey, author)) throw new RejoinError('E_OPENED', `the peer names another writer of log ${log}`)
    const writer = this.store.writer
    if (writer?.folder === folder) {
      if (size <= folder.size) return undefined
      writer.awaitTail(size)
    }
    if (size <= (folder.checkpoint?.size ?? 0)) return undefined
    // more lines may be here than this head covers, of a catch-up whose source is gone: then only the head is wanted
    return { log, author, have: size >= folder.size ? folder.tree.clone() : folder.tiles.treeAt(size), size }
  }

  prepare(offer: Offer): void {
    saveOffer(this.store.root, offer)
  }

  async accept(log: LogId, blocks: readonly ProvenBlock[]): Promise<Taken> {
    const nowMs = Date.now()
    const total = { events: 0, refused: 0, held: 0 }
    for (const whole of blocks) {
      const folder = this.store.folder(log)
      const block = folder === undefined ? whole : afterEntry(whole, folder.size)
      if (block === undefined) continue
      const target = folder ?? this.begin(log, block)
      this.take(target, block, nowMs, total)
    }
    await this.store.index.flush({ all: false })
    return total
  }

  /** Opens the log with its first line, so that the rest of the block can follow. */
  private begin(log: LogId, block: ProvenBlock): LogFolder {
    const [first] = block.lines
    if (first === undefined || first.index !== 0 || first.withheld)
      throw new RejoinError('E_OPENED', `log ${log} does not begin with its first line`)
    return this.store.createLog(log, block.text.subarray(first.start, first.end))
  }

  private take(
    folder: LogFolder,
    block: ProvenBlock,
    nowMs: number,
    total: { events: number; refused: number; held: number }
  ): void {
    const judged = this.gate.judge(block, didOf(folder.opened.publicKey), nowMs)
    const shut = judged.filter(({ decision }) => decision.verdict !== 'relay')
    const stored = shut.length === 0 ? block : withheldText(block, new Set(shut.map(({ line }) => line.index)))
    keepForNode(this.store.root, folder.log, block, shut)
    const visible: PlacedEvent[] = []
    for (const { line, event, decision } of judged) {
      if (decision.verdict === 'refuse') total.refused++
      else if (decision.verdict === 'hold') {
        total.held++
        this.heldCount++
      } else total.events++
      if (decision.verdict === 'relay' && event !== undefined) {
        visible.push({ index: line.index, event })
        this.store.writer?.observe(event.hlc, nowMs)
      }
    }
    this.store.append(folder, stored, stored.lines, visible)
    this.hooks.onAccepted?.(folder.log, judged)
  }

  /**
   * Judges and stores the lines of an announcement, which were proven against its checkpoint; commit() must follow.
   * @returns whether all of them are relayed, so that the announcement may be passed on as it is
   */
  takeAnnounced(log: LogId, block: ProvenBlock): boolean {
    const folder = this.store.needFolder(log)
    const total = { events: 0, refused: 0, held: 0 }
    this.take(folder, block, Date.now(), total)
    return total.refused === 0 && total.held === 0 && block.lines.every(({ withheld }) => !withheld)
  }

  /** Returns the logs of which another history is known. */
  conflicts(): readonly LogId[] {
    return [...this.frozen]
  }

  /** Events held in quarantine since the start. */
  heldCount = 0

  /** Returns whether another history of a log is known. */
  isFrozen(log: LogId): boolean {
    return this.frozen.has(log)
  }

  async commit(log: LogId, checkpoint: Checkpoint, cose: Uint8Array | undefined): Promise<void> {
    const folder = this.store.needFolder(log)
    if ((folder.checkpoint?.size ?? 0) >= checkpoint.size) return
    if (folder.size < checkpoint.size)
      throw new RejoinError('E_INCOMPLETE', `log ${log} has ${folder.size} of ${checkpoint.size} entries`)
    if (folder.size === checkpoint.size && !equal(folder.tree.root(), checkpoint.root))
      throw new Error('bug: proven lines do not give the root')
    await folder.sync()
    await this.store.index.flush({ all: true })
    this.store.commit(folder, checkpoint, cose)
    if (this.store.writer?.folder === folder) this.store.writer.adopt()
    folder.writePartialTile()
  }

  async conflict(log: LogId, note: Uint8Array): Promise<void> {
    const folder = this.store.needFolder(log)
    this.store.writer?.sign()
    const ours = folder.checkpoint
    if (ours === undefined) return
    this.frozen.add(log)
    dropOffer(this.store.root, log)
    const proof = { log, notes: [base64(ours.note), base64(note)] }
    replaceFileSync(join(this.store.root, 'private/forks', log), utf8(`${JSON.stringify(proof)}\n`), { durable: true })
    this.hooks.onConflict?.(log)
    await Promise.resolve()
  }

  cursor(node: Uint8Array): { readonly storeId: string; readonly seq: number } | undefined {
    return this.cursors[hex(node)]
  }

  /** Forgets what was seen of other stores, so that the next sync looks at everything again. */
  forgetCursors(): void {
    for (const node of Object.keys(this.cursors)) delete this.cursors[node]
    replaceFileSync(join(this.store.root, cursorsFile), utf8('{}\n'), { durable: false })
  }

  setCursor(node: Uint8Array, storeId: string, seq: number): void {
    const known = this.cursors[hex(node)]
    if (known?.storeId === storeId && known.seq === seq) return
    this.cursors[hex(node)] = { storeId, seq }
    replaceFileSync(join(this.store.root, cursorsFile), utf8(`${JSON.stringify(this.cursors)}\n`), { durable: false })
  }
}

/** Forks that were found stay found. */
function readFrozen(root: string): readonly LogId[] {
  try {
    return readdirSync(join(root, 'private/forks')).filter(isLogId)
  } catch {
    return []
  }
}

function readCursors(root: string): Cursors {
  const bytes = readFileRangeSync(join(root, cursorsFile), 0, maxCursorBytes)
  const cursors = Object.create(null) as Cursors
  if (bytes === undefined) return cursors
  try {
    return Object.assign(cursors, JSON.parse(textOf(bytes)))
  } catch {
    return cursors
  }
}

/** Returns the part of a block from an entry on, or undefined where nothing of it is left. */
function afterEntry(block: ProvenBlock, size: number): ProvenBlock | undefined {
  if (block.from === size) return block
  if (block.from > size)
    throw new RejoinError('E_INCOMPLETE', `entries from ${block.from} for a log of which only ${size} could be stored`)
  if (block.from + block.count <= size) return undefined
  const lines = block.lines.filter(({ index }) => index >= size)
  const first = lines[0] as EntryLine
  const shifted = lines.map((line) => ({ ...line, start: line.start - first.start, end: line.end - first.start }))
  return {
    from: size,
    count: block.from + block.count - size,
    text: block.text.subarray(first.start),
    lines: shifted,
    tileHash: undefined
  }
}
