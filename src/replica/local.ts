import {
  basisOf,
  type BelievedNow,
  boundType,
  type Checkpoint,
  didOf,
  edgeLength,
  type EntryBlock,
  equal,
  hashOfLogId,
  type Interest,
  type LogId,
  logIdOfHash,
  type Offer,
  parsePublicKey,
  type ProvenBlock,
  type PublicKey,
  type Pull,
  RejoinError,
  type TextPull,
  tileWidth,
  Tree,
  verifyCheckpoint,
  type WireHead
} from '../core/index.ts'
import {
  type LogFolder,
  type PlacedEvent,
  privatePlaces,
  saveOffer,
  type Store,
  type StoredHead,
  Verdicts
} from '../store/index.ts'
import { type Gate, verdictLines } from '../trust/index.ts'
import { beginLog } from './begin-log.ts'
import { afterEntry } from './block-part.ts'
import { anyBringer, type Bringers, overHeld, withinHeld } from './brought.ts'
import { type Histories, historiesOf } from './histories.ts'
import { noteOf, SeenNotes, verifiedOnly, withNoteOf } from './cosigned.ts'
import { Endings, type JudgeAgain } from './endings.ts'
import { StoreEnds } from './ends.ts'
import { Door } from './door.ts'
import { interestWithHeirs } from './heirs.ts'
import type { LocalHooks } from './local-hooks.ts'
import { type Changed, moveTo, noMoves, rejudge, type RejudgeTarget } from './rejudge.ts'
import { count, type Counts } from './counts.ts'
import { type Cursor, Cursors } from './cursors.ts'
import type { Proof, Replica, Taken } from './replica.ts'
import { takeTexts, TextSeeker } from './texts.ts'
import { Unseen } from './unseen.ts'
import { withheldText } from './withhold.ts'

/** This node's own data folder as a replica, with the gate before everything that comes in. */
export class LocalReplica implements Replica {
  readonly network: string
  readonly node: Uint8Array
  private readonly store: Store
  private readonly gate: Gate
  private readonly hooks: LocalHooks
  private readonly cursors: Cursors
  private readonly authors = new Map<LogId, PublicKey>()
  private readonly ends: StoreEnds
  readonly endings: Endings
  readonly histories: Histories
  private readonly judgeAgain: JudgeAgain
  private readonly verdicts: Verdicts
  private readonly unseen: Unseen
  private readonly seeker: TextSeeker
  private readonly notes = new SeenNotes()
  /** how often the interest changed in this run */
  private epoch = 0
  private readonly door = new Door()

  constructor(store: Store, gate: Gate, node: PublicKey, hooks: LocalHooks = {}) {
    this.store = store
    this.gate = gate
    this.verdicts = hooks.verdicts ?? new Verdicts(store.root)
    this.unseen = new Unseen(store)
    this.seeker = new TextSeeker(this.unseen)
    this.node = node
    this.network = store.network
    this.hooks = hooks
    this.cursors = new Cursors(store.root)
    this.ends = hooks.ends ?? new StoreEnds(store)
    this.judgeAgain = hooks.judgeAgain ?? (async (log, indexes) => void (await Array.fromAsync(this.rejudge(log, indexes))))
    this.endings = new Endings(store, this.ends, this.judgeAgain, hooks)
    this.histories = historiesOf(store, this.endings)
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
    const more = noteOf(this.store.folder(log)?.checkpoint)
    return { log: hashOfLogId(log), size, root, author: this.authorOf(log), texts: this.store.textsOf(log), ...more }
  }

  heads(): readonly WireHead[] {
    return this.store.listHeads().map((head) => this.wire(head))
  }

  changedSince(storeId: string, seq: number): readonly WireHead[] | undefined {
    return this.store.changedSince(storeId, seq)?.map((head) => this.wire(head))
  }

  interestEpoch(): number {
    return this.epoch
  }

  interest(): readonly Interest[] {
    return interestWithHeirs(this.gate.rules, this.ends, didOf(this.node as PublicKey))
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

  survey(heads: readonly WireHead[], node?: Uint8Array): readonly Pull[] {
    const pulls: Pull[] = []
    for (const head of heads) {
      const pull = this.surveyOne(head, node)
      if (pull !== undefined) pulls.push(pull)
    }
    return pulls
  }

  private surveyOne(head: WireHead, node: Uint8Array | undefined): Pull | undefined {
    const [size, log] = [head.size, logIdOfHash(head.log)]
    const author = parsePublicKey(head.author.slice())
    if (this.endings.isShut(log)) return undefined
    if (!this.gate.admits(didOf(author), log)) {
      this.hooks.onHeard?.(author, log, size)
      const look = this.gate.mayAdmit() && this.door.mayLook(log, size, node, performance.now())
      return look ? { log, author, have: new Tree(), size, look } : undefined
    }
    const folder = this.store.folder(log)
    if (folder === undefined) return size === 0 ? undefined : { log, author, have: new Tree(), size }
    if (!equal(folder.opened.publicKey, author)) throw new RejoinError('E_OPENED', `the peer names another writer of log ${log}`)
    if (this.notes.isNews(head, folder.checkpoint, this.hooks.witnesses?.() ?? []))
      return { log, author, have: folder.size === size ? folder.tree.clone() : folder.tiles.treeAt(size), size }
    const writer = this.store.writer
    if (writer?.folder === folder) {
      if (size <= folder.size) return undefined
      writer.awaitTail(size)
    }
    if (size <= (folder.checkpoint?.size ?? 0)) return undefined
    // more lines may be here than this head covers, of a catch-up whose source is gone: then only the head is wanted
    const have = size >= folder.size ? folder.tree.clone() : folder.tiles.treeAt(size)
    // a withheld run among them reaches over the end of the head, which then can't be proven from here
    return have.size > size && size < folder.size ? undefined : { log, author, have, size }
  }

  looked(head: WireHead, block: ProvenBlock | undefined): readonly Pull[] {
    const log = logIdOfHash(head.log)
    if (block === undefined || !this.gate.knock(log, block)) {
      this.door.shut(log, block?.count ?? Number.MAX_SAFE_INTEGER)
      return []
    }
    if (this.store.folder(log) !== undefined) this.seekIn(log)
    return this.survey([head])
  }

  /** What of a log was refused while its writer was unknown may be wanted now. */
  private seekIn(log: LogId): void {
    this.unseen.forgetLog(log)
    this.seeker.forget()
    this.hooks.onUnseen?.(log)
  }

  prepare(offer: Offer): void {
    saveOffer(this.store.root, offer)
  }

  async accept(log: LogId, blocks: readonly ProvenBlock[], by?: string): Promise<Taken> {
    const now = this.now()
    const total = { events: 0, refused: 0, held: 0 }
    for (const whole of blocks) {
      const folder = this.store.folder(log)
      const block = folder === undefined ? whole : afterEntry(whole, folder.size)
      if (block === undefined) continue
      const target = folder ?? beginLog(this.store, this.gate, log, block)
      this.take(target, block, now, total, by)
    }
    await this.store.index.flush({ all: false })
    return total
  }

  private now(): BelievedNow {
    return this.store.writer?.now() ?? { nowMs: Date.now(), isLost: false }
  }

  /** @returns whether text of every entry is passed on */
  private take(folder: LogFolder, block: ProvenBlock, now: BelievedNow, total: Counts, by: string | undefined): boolean {
    const { log } = folder
    const reputation = this.reputationOf(by)
    const { nowMs } = now
    const arrival = { log, author: didOf(folder.opened.publicKey), ...now, ...(reputation !== undefined && { reputation }) }
    const judged = withinHeld(this.gate.judge(block, arrival), this.gate, arrival, by, this.bringers)
    const shut = judged.filter(({ decision }) => decision.verdict !== 'relay')
    const stored = shut.length === 0 ? block : withheldText(block, new Set(shut.map(({ line }) => line.index)))
    const moves = noMoves()
    for (const { line, decision } of shut)
      moveTo(moves, { index: line.index, line: block.text.subarray(line.start, line.end) }, decision.verdict)
    for (const place of privatePlaces) this.store.places[place].keep(log, moves.into[place])
    const used: PlacedEvent[] = []
    for (const { line, event, decision } of judged) {
      count(total, decision.verdict)
      if ((decision.verdict === 'relay' || decision.verdict === 'keep') && event !== undefined) {
        used.push({ index: line.index, event })
        this.store.writer?.observe(event.hlc, nowMs)
      }
    }
    for (const { line, decision } of judged)
      if (decision.rule === overHeld) this.unseen.add(log, Math.floor(line.index / tileWidth))
    if (block.from === 0) this.unseen.begin(log)
    if (block.narrowed !== true && block.lines.some(({ withheld }) => withheld)) {
      for (const { index, withheld } of block.lines) if (withheld) this.unseen.add(log, Math.floor(index / tileWidth))
      this.hooks.onUnseen?.(log)
    }
    this.store.append(folder, stored, used)
    this.verdicts.note(log, verdictLines(judged, basisOf(this.gate.rules.file), new Date(nowMs).toISOString(), reputation))
    this.hooks.onAccepted?.(log, judged)
    return shut.length === 0 && block.lines.every(({ withheld }) => !withheld)
  }

  /**
   * Judges and stores the lines of an announcement, which were proven against its checkpoint; commit() must follow.
   * @returns whether all of them are relayed, so that the announcement may be passed on as it is
   */
  takeAnnounced(log: LogId, block: ProvenBlock, by?: string): boolean {
    return this.take(this.store.needFolder(log), block, this.now(), { events: 0, refused: 0, held: 0 }, by)
  }

  /** Judges entries again whose text is here; what must not be passed on any more is not, once this ends. */
  async *rejudge(log: LogId, indexes?: ReadonlySet<number>, isOver?: () => boolean): AsyncGenerator<Changed, void, void> {
    yield* rejudge(this.target(), log, indexes, isOver)
  }

  /** The rules changed: text that was refused, or never came, may be wanted now. */
  seekAnew(): void {
    this.epoch++
    this.unseen.forget()
    this.door.forget()
    this.seeker.forget()
  }

  seek(node: Uint8Array, store: Uint8Array, heads: readonly WireHead[]): readonly TextPull[] {
    const known = heads.filter(({ log, author }) => {
      const id = logIdOfHash(log)
      return (
        !this.endings.isShut(id) &&
        this.store.writer?.folder.log !== id &&
        this.gate.admits(didOf(parsePublicKey(author.slice())), id)
      )
    })
    return this.seeker.seek(node, store, known, (log) =>
      this.endings.isShut(log) || this.store.writer?.folder.log === log ? undefined : this.store.folder(log)
    )
  }

  /** Points of who brought something, where rules ask for them. */
  private reputationOf(by: string | undefined): number | undefined {
    return by === undefined || !this.gate.rules.asksReputation ? undefined : this.bringers.reputationOf(by)
  }

  private get bringers(): Bringers {
    return this.hooks.bringers ?? anyBringer
  }

  async takeTexts(log: LogId, block: EntryBlock, _node?: Uint8Array, by?: string): Promise<Taken> {
    const from = { by, reputation: this.reputationOf(by), bringers: this.bringers }
    const { judged, ...taken } = await takeTexts(this.target(), this.unseen, this.store.needFolder(log), block, from)
    if (judged.length > 0) this.hooks.onAccepted?.(log, judged)
    if (judged.some(({ event }) => event?.type === boundType)) {
      this.seekIn(log)
      await this.judgeAgain(log)
    }
    return taken
  }

  /** Writes what it remembers of others. */
  close(): void {
    this.unseen.save()
    this.cursors.close()
  }

  private target(): RejudgeTarget {
    const { store, gate, verdicts, hooks } = this
    return { store, gate, verdicts, ...this.now(), load: hooks.load }
  }

  /** Returns the logs of which another history is known. */
  conflicts(): readonly LogId[] {
    return this.endings.conflicts()
  }

  /** Returns how many events are in quarantine. */
  heldCount(): number {
    let held = 0
    for (const { entries } of this.store.places.held.list()) held += entries.length
    return held
  }

  /** Returns whether a log takes nothing more in: another history of it is known, or it was closed. */
  isFrozen(log: LogId): boolean {
    return this.endings.isShut(log)
  }

  async commit(log: LogId, checkpoint: Checkpoint, cose: Uint8Array | undefined): Promise<void> {
    const folder = this.store.needFolder(log)
    if (folder.checkpoint?.size === checkpoint.size) this.cosigned(log, checkpoint.note)
    if ((folder.checkpoint?.size ?? 0) >= checkpoint.size) return
    // its type says that a signature was verified, and not with whose key; a head by another one could not be opened again
    verifyCheckpoint(checkpoint.note, log, folder.opened.publicKey)
    if (folder.size < checkpoint.size)
      throw new RejoinError('E_INCOMPLETE', `log ${log} has ${folder.size} of ${checkpoint.size} entries`)
    if (folder.size === checkpoint.size && !equal(folder.tree.root(), checkpoint.root))
      throw new Error('bug: proven lines do not give the root')
    await folder.sync()
    await this.store.index.flush({ all: true })
    this.verdicts.flush()
    this.unseen.save()
    this.store.commit(folder, verifiedOnly(checkpoint, folder.opened.publicKey, this.hooks.witnesses?.() ?? []), cose)
    if (this.store.writer?.folder === folder) this.store.writer.adopt()
    folder.writePartialTile()
  }

  /** Keeps the cosignatures of known witnesses that a note of the head that is here has. @returns whether any was new */
  cosigned(log: LogId, note: Uint8Array): boolean {
    const folder = this.store.needFolder(log)
    const { checkpoint, opened, coseCheckpoint } = folder
    const merged = checkpoint && withNoteOf(checkpoint, note, opened.publicKey, this.hooks.witnesses?.() ?? [])
    if (merged === undefined) return false
    folder.commit(merged, coseCheckpoint, false)
    this.store.noteCosigned(log)
    this.hooks.onCosigned?.(log)
    return true
  }

  async conflict(log: LogId, note: Uint8Array): Promise<void> {
    await this.endings.conflict(log, note)
  }

  urgent(): readonly Uint8Array[] {
    return this.endings.records()
  }

  async takeUrgent(record: Uint8Array): Promise<void> {
    const added = this.endings.add(record)
    if (added !== undefined) await this.endings.apply(added)
  }

  contradicted(heads: readonly WireHead[]): readonly LogId[] {
    return this.endings.contradicted(heads)
  }

  cursor(node: Uint8Array): Cursor | undefined {
    return this.cursors.get(node)
  }

  /** Forgets what was seen of other stores, so that the next sync looks at everything again. */
  forgetCursors(): void {
    this.cursors.clear()
  }

  setCursor(node: Uint8Array, storeId: string, seq: number): void {
    if (!this.door.tookPutOff(node)) this.cursors.set(node, { storeId, seq })
  }
}
