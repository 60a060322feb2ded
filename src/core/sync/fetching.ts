import { concat, equal } from '../bytes.ts'
import { RejoinError } from '../error.ts'
import { type Checkpoint, verifyCheckpoint } from '../log/checkpoint.ts'
import { hashOfLogId, type LogId } from '../log/log-id.ts'
import { tileWidth } from '../log/merkle.ts'
import { doorEntries } from '../trust/binding.ts'
import { Catchup, type EntryRange, rangeEntries } from './catchup.ts'
import { isOfWriter } from './first-line.ts'
import { endOfAnswer, mayBeLines } from './lines-bound.ts'
import type { SyncMessage } from './message.ts'
import { type Offer, Plan, type ProvenBlock } from './plan.ts'
import type { Pull, SessionEffect } from './session-io.ts'

/** A WANT on its way. */
interface Asked {
  readonly log: LogId
  readonly pull: Pull
  range: EntryRange
  /** where its proof is being received */
  proof: { checkpoint: Checkpoint; cose: Uint8Array | undefined; tiles: Uint8Array[]; tileBytes: number } | undefined
  readonly wantsProof: boolean
  catchup: Catchup | undefined
  /** whether hashes in the pieces are only what this side's interest leaves out */
  narrowed: boolean
  /** text that came and is not proven yet, from entry `got` to entry `next` */
  pieces: Uint8Array[]
  got: number
  next: number
}

const maxLogsAtOnce = 16
/** logs that may wait to be asked for: more are left to the next session */
const maxWaiting = 65_536
/** entries that one catch-up may bring: 16 MiB of hashes, which are held until it ends */
const maxCatchupEntries = 2 ** 27
const maxAskedALog = 2
/** logs that are looked into at once, and the most text of one */
const maxLooks = 2
const maxLookBytes = 4 * 1024 * 1024
/** a catch-up over more entries than this is noted, so that it can go on after a restart */
const prepareEntries = 4096
/** The part of a session that fetches what the other side has more of. Mutable. */
export class Fetching {
  /** logs of which not everything came that was asked for */
  failedPulls = 0
  /** entries that came */
  received = 0
  /** surveys under way, here and of the session */
  surveys = 0
  private readonly catchups: Map<LogId, Catchup>
  private readonly asked = new Map<number, Asked>()
  private readonly queue: Pull[] = []
  /** logs to be looked into */
  private readonly looks: Pull[] = []
  private looking = 0
  private readonly active = new Map<LogId, Pull>()
  /** shared catch-ups that this session takes part in */
  private readonly joined = new Map<LogId, Catchup>()
  private readonly doneLogs = new Set<LogId>()
  private readonly dropped = new Set<number>()
  /** catch-ups whose history this session's side has itself proven */
  private readonly vouched = new Set<Catchup>()
  /** up to where catch-ups were stored at the last tick */
  private readonly stood = new Map<LogId, number>()
  private nextId = 1

  /** @param catchups what this node fetches at the moment, shared by its sessions */
  constructor(catchups: Map<LogId, Catchup>) {
    this.catchups = catchups
  }

  /** Takes what a survey found wanting. */
  add(pulls: readonly Pull[]): void {
    this.surveys--
    for (const pull of pulls) {
      const waiting = pull.look === true ? this.looks : this.queue
      if (waiting.length < maxWaiting) waiting.push(pull)
      else this.failedPulls++
    }
  }

  /** Returns a number for a WANT that no other one of the session has. */
  newId(): number {
    return this.nextId++
  }

  /** Whether nothing is under way or waiting. */
  get idle(): boolean {
    const waiting = this.surveys + this.queue.length + this.looks.length + this.active.size + this.asked.size
    return waiting === 0
  }

  /**
   * Some time has gone by. Where a catch-up stands where it stood the last time, since another source owes what comes next, and this
   * side's source has nothing to do, that is asked of it too.
   */
  tick(effects: SessionEffect[]): void {
    for (const pull of this.active.values()) {
      const catchup = this.catchups.get(pull.log)
      const stood = this.stood.get(pull.log)
      if (catchup === undefined) continue
      this.stood.set(pull.log, catchup.stored)
      const isBusy = [...this.asked.values()].some(({ log }) => log === pull.log)
      if (isBusy || stood !== catchup.stored) continue
      const range = catchup.claimOwed(pull.size)
      if (range !== undefined) this.want(pull, range, catchup, effects)
    }
  }

  /** Whether the other side owes an answer. */
  get isOwed(): boolean {
    return this.asked.size > 0
  }

  /** Asks for as much as may be under way at once. */
  pump(effects: SessionEffect[]): void {
    while (this.active.size < maxLogsAtOnce && this.queue.length > 0) {
      const pull = this.queue.shift() as Pull
      this.active.set(pull.log, pull)
    }
    for (const pull of this.active.values()) this.ask(pull, effects)
    for (; this.looking < maxLooks && this.looks.length > 0; this.looking++) {
      const pull = this.looks.shift() as Pull
      this.want(pull, { from: 0, to: Math.min(pull.size, doorEntries) }, undefined, effects)
    }
  }

  /** Gives back what was asked for and not received. */
  release(): void {
    for (const { catchup, range, got } of this.asked.values()) catchup?.giveBack({ from: got, to: range.to })
    this.asked.clear()
    for (const [log, catchup] of this.joined) {
      catchup.users--
      if (catchup.users === 0 && this.catchups.get(log) === catchup) this.catchups.delete(log)
    }
    this.joined.clear()
  }

  /** Asks for the next ranges of a log; lets go of it once nothing of it is left to ask. */
  private ask(pull: Pull, effects: SessionEffect[]): void {
    const { log, have, size } = pull
    const mine = [...this.asked.values()].filter((asked) => asked.log === log && asked.pull.look !== true)
    const catchup = this.catchups.get(log)
    if (catchup === undefined) {
      if (mine.length > 0) return
      if (this.joined.delete(log)) this.surveyAgain(pull, effects)
      if (have.size > size || this.doneLogs.has(log) || !this.active.has(log)) {
        this.active.delete(log)
        return
      }
      this.want(
        pull,
        { from: have.size, to: Math.min(size, (Math.floor(have.size / rangeEntries) + 1) * rangeEntries) },
        undefined,
        effects
      )
      return
    }
    if (this.joined.get(log) !== catchup) {
      catchup.users++
      this.joined.set(log, catchup)
    }
    for (let count = mine.length; count < maxAskedALog; count++) {
      const range = catchup.claim(size)
      if (range === undefined) {
        if (count > 0 || catchup.isFetching) return
        // what is left is more than this side's source has, and nobody else fetches it
        this.failedPulls++
        this.active.delete(log)
        return
      }
      this.want(pull, range, catchup, effects)
    }
  }

  /** A catch-up that this session took part in is over: looks whether the other side has still more. */
  private surveyAgain({ log, author, size }: Pull, effects: SessionEffect[]): void {
    this.active.delete(log)
    this.surveys++
    effects.push({ kind: 'survey', heads: [{ log: hashOfLogId(log), size, root: new Uint8Array(32), author, texts: 0 }] })
  }

  private want(pull: Pull, range: EntryRange, catchup: Catchup | undefined, effects: SessionEffect[]): void {
    const id = this.newId()
    const wantsProof = catchup === undefined
    this.asked.set(id, {
      log: pull.log,
      pull,
      range,
      proof: undefined,
      wantsProof,
      catchup,
      narrowed: true,
      pieces: [],
      got: range.from,
      next: range.from
    })
    effects.push({ kind: 'send', message: { kind: 'want', id, log: hashOfLogId(pull.log), ...range, proof: wantsProof } })
  }

  private needAsked(id: number): Asked {
    const asked = this.asked.get(id)
    if (asked === undefined) throw new RejoinError('E_PROTOCOL', `an answer to the request ${id}, which is not open`)
    return asked
  }

  /** Takes the checkpoint that answers a WANT with proof. @throws E_PROTOCOL E_SIGNATURE and what verifyCheckpoint throws */
  takeCheckpoint({ id, note, cose }: Extract<SyncMessage, { kind: 'checkpoint' }>, effects: SessionEffect[]): void {
    const asked = this.needAsked(id)
    if (!asked.wantsProof || asked.proof !== undefined) throw new RejoinError('E_PROTOCOL', 'a CHECKPOINT that was not asked for')
    const checkpoint = verifyCheckpoint(note.slice(), asked.log, asked.pull.author)
    // an old checkpoint is no other history
    if (checkpoint.size < asked.range.from)
      throw new RejoinError('E_PROTOCOL', `a CHECKPOINT of ${checkpoint.size} entries where more were asked for`)
    if (checkpoint.size - asked.range.from > maxCatchupEntries) this.drop(asked, id, effects)
    else asked.proof = { checkpoint, cose: cose?.slice(), tiles: [], tileBytes: 0 }
  }

  /** Takes hashes; with the last of them the plan is made. @throws E_PROTOCOL E_TILE E_ROOT */
  takeHashes({ id, tiles, edge, last }: Extract<SyncMessage, { kind: 'hashes' }>, effects: SessionEffect[]): void {
    if (this.dropped.has(id)) return
    const asked = this.needAsked(id)
    const { proof, pull } = asked
    if (proof === undefined || asked.catchup !== undefined) throw new RejoinError('E_PROTOCOL', 'HASHES before their CHECKPOINT')
    if (tiles.length === 0 && !last) throw new RejoinError('E_PROTOCOL', 'HASHES without a hash')
    proof.tiles.push(tiles.slice())
    proof.tileBytes += tiles.length
    if (proof.tileBytes > (Math.floor(proof.checkpoint.size / tileWidth) + 1) * 32)
      throw new RejoinError('E_TILE', 'more hashes than the log has tiles')
    if (!last) return
    const split = Array.from({ length: edge.length / 32 }, (_, i) => edge.slice(i * 32, i * 32 + 32))
    const { checkpoint, cose } = proof
    const offer: Offer = {
      checkpoint,
      cose,
      fromTile: Math.floor(pull.have.size / tileWidth),
      tileHashes: concat(proof.tiles),
      edge: split
    }
    let plan: Plan
    try {
      plan = Plan.make(pull.have, offer)
    } catch (error) {
      if (!(error instanceof RejoinError && error.code === 'E_ROOT') || pull.have.size === 0) throw error
      effects.push({ kind: 'conflict', log: asked.log, note: checkpoint.note })
      this.drop(asked, id, effects)
      return
    }
    asked.range = { from: asked.range.from, to: endOfAnswer({ to: asked.range.to, proof: true }, plan.to) }
    if (pull.look === true) {
      // its first entries alone: no catch-up that others could join
      asked.catchup = new Catchup(asked.log, plan, asked.range)
      if (asked.range.to === 0) this.drop(asked, id, effects)
      return
    }
    const other = this.catchups.get(asked.log)
    asked.catchup = other ?? new Catchup(asked.log, plan, asked.range)
    if (other !== undefined) {
      if (equal(other.plan.offer.checkpoint.root, checkpoint.root)) this.vouched.add(other)
      this.asked.delete(id)
      this.dropped.add(id)
      return
    }
    this.vouched.add(asked.catchup)
    this.catchups.set(asked.log, asked.catchup)
    if (asked.catchup.done) {
      // the head alone was wanted
      this.doneLogs.add(asked.log)
      this.complete(asked.catchup, effects)
      return
    }
    if (plan.to - plan.from > prepareEntries) effects.push({ kind: 'prepare', offer })
    effects.push({ kind: 'poke' })
  }

  /** Ends a request without a result; the log is left to a later session. */
  private drop(asked: Asked, id: number, effects: SessionEffect[]): void {
    this.asked.delete(id)
    this.dropped.add(id)
    if (asked.pull.look === true) {
      this.looking--
      return
    }
    this.failedPulls++
    this.active.delete(asked.log)
    this.giveBack(asked, effects)
  }

  private giveBack({ catchup, got, range }: Asked, effects: SessionEffect[]): void {
    if (catchup === undefined) return
    catchup.giveBack({ from: got, to: range.to })
    effects.push({ kind: 'poke' })
  }

  /**
   * Takes lines; whole tiles of them are proven and handed out for storing.
   * @throws E_PROTOCOL E_LINE · E_ROOT where this side has proven the history that its lines are not of
   */
  takeLines({ id, from, count, text, narrowed }: Extract<SyncMessage, { kind: 'lines' }>, effects: SessionEffect[]): void {
    mayBeLines(count, text)
    this.received += count
    if (this.dropped.has(id)) return
    const asked = this.needAsked(id)
    const { catchup, range } = asked
    if (catchup === undefined) throw new RejoinError('E_PROTOCOL', 'LINES before what proves them')
    if (from !== asked.next || from + count > range.to || count === 0) {
      throw new RejoinError('E_PROTOCOL', `LINES from ${from} where ${asked.next} was to come`)
    }
    asked.pieces.push(text)
    asked.narrowed &&= narrowed === true
    asked.next += count
    const isLook = asked.pull.look === true
    if (isLook && asked.pieces.reduce((sum, piece) => sum + piece.length, 0) > maxLookBytes) {
      this.lookedInto(asked, undefined, effects)
      this.drop(asked, id, effects)
      return
    }
    if (asked.next % tileWidth !== 0 && asked.next !== range.to) {
      if (asked.next - asked.got > tileWidth) throw new RejoinError('E_PROTOCOL', 'LINES do not end where a tile ends')
      return
    }
    const block = {
      from: asked.got,
      count: asked.next - asked.got,
      text: asked.pieces.length === 1 ? text : concat(asked.pieces)
    }
    asked.pieces = []
    let proven: readonly ProvenBlock[]
    try {
      proven = catchup.plan.prove(block)
    } catch (error) {
      if (!(error instanceof RejoinError && error.code === 'E_ROOT')) throw error
      // the history was proven by another side: where this one has another, that is a fork and no lie
      if (isLook) throw error
      if (this.vouched.has(catchup)) {
        // of the tile in which what is here ends only the lines show whether it is the same history
        if (block.from !== catchup.plan.from || block.from % tileWidth === 0) throw error
        this.catchups.delete(asked.log)
        effects.push({ kind: 'conflict', log: asked.log, note: catchup.plan.offer.checkpoint.note })
      }
      this.drop(asked, id, effects)
      return
    }
    if (block.from === 0 && !isOfWriter(block, asked.pull.author, catchup.plan.offer.checkpoint)) {
      this.catchups.delete(asked.log)
      this.drop(asked, id, effects)
      return
    }
    asked.got = asked.next
    if (isLook) {
      this.lookedInto(asked, proven[0] as ProvenBlock, effects)
      return
    }
    const ready = catchup.deliver(asked.narrowed ? proven.map((one) => ({ ...one, narrowed: true })) : proven)
    asked.narrowed = true
    if (ready.length === 0) return
    const { log } = asked
    effects.push({ kind: 'store', log, blocks: ready })
    if (catchup.done) this.complete(catchup, effects)
  }

  /** The first tile is here, which is all of a log that is looked into. */
  private lookedInto({ log, pull: { author, size } }: Asked, block: ProvenBlock | undefined, effects: SessionEffect[]): void {
    this.surveys++
    effects.push({ kind: 'looked', head: { log: hashOfLogId(log), size, root: new Uint8Array(32), author, texts: 0 }, block })
  }

  /** Every line up to the signed head is handed out for storing: the head may be put in place. */
  private complete({ log, plan }: Catchup, effects: SessionEffect[]): void {
    const { checkpoint, cose } = plan.offer
    this.catchups.delete(log)
    effects.push({ kind: 'commit', log, checkpoint, cose }, { kind: 'poke' })
  }

  /** Takes the end of an answer. @throws E_PROTOCOL where its count is another than came */
  takeEnd({ id, count }: Extract<SyncMessage, { kind: 'end' }>, effects: SessionEffect[]): void {
    if (this.dropped.delete(id)) return
    const asked = this.needAsked(id)
    if (count !== asked.next - asked.range.from)
      throw new RejoinError('E_PROTOCOL', `END counts ${count} entries where ${asked.next - asked.range.from} came`)
    this.asked.delete(id)
    if (asked.pull.look === true) {
      this.looking--
      return
    }
    if (asked.catchup !== undefined && asked.got === asked.range.to) {
      asked.catchup.finishRange()
      return
    }
    this.failedPulls++
    this.active.delete(asked.log)
    this.doneLogs.add(asked.log)
    this.giveBack(asked, effects)
  }
}
