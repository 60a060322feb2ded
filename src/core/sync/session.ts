import { concat, equal } from '../bytes.ts'
import { RejoinError } from '../error.ts'
import type { PublicKey } from '../key.ts'
import { verifyCheckpoint, type Checkpoint } from '../log/checkpoint.ts'
import { hashOfLogId, type LogId } from '../log/log-id.ts'
import { tileWidth, type Tree } from '../log/merkle.ts'
import { Catchup, type EntryRange, rangeEntries } from './catchup.ts'
import { maxHeadsAFrame, maxRangesAFrame, type SyncMessage, syncVersion, type WireHead, type WireRange } from './message.ts'
import { type Offer, Plan, type ProvenBlock } from './plan.ts'
import { differing, maxRounds, openRanges, refine, sortHeads } from './reconcile.ts'

/** A log that this side has or lacks, as the other side's head and this side's state say. */
export interface Pull {
  readonly log: LogId
  readonly author: PublicKey
  /** tree of what is here */
  readonly have: Tree
  /** entries that the other side has */
  readonly size: number
}

/** What this side is, when a session begins. */
export interface SessionSelf {
  readonly network: string
  readonly node: Uint8Array
  readonly store: Uint8Array
  readonly seq: number
  readonly salt: Uint8Array
  /** what this side remembers of the other one: the store and change number up to which it has everything */
  readonly cursor: { readonly store: Uint8Array; readonly seq: number } | undefined
  readonly logCount: number
  /** fork proofs that go out first */
  readonly urgent: readonly { readonly note: Uint8Array; readonly other: Uint8Array }[]
}

/** What a session is told. */
export type SessionInput =
  | { readonly kind: 'start' }
  | { readonly kind: 'message'; readonly message: SyncMessage }
  /** the answer to `changes`: heads that changed, or undefined where the cursor is not of this store */
  | { readonly kind: 'changes'; readonly heads: readonly WireHead[] | undefined }
  /** the answer to `heads`: all of them */
  | { readonly kind: 'heads'; readonly heads: readonly WireHead[] }
  | { readonly kind: 'pulls'; readonly pulls: readonly Pull[] }
  /** a `serve` is through */
  | { readonly kind: 'served'; readonly entries: number }
  /** another session gave ranges back, or stored what was waited for */
  | { readonly kind: 'poke' }
  /** the other side closed the stream */
  | { readonly kind: 'ended' }

/** What a session wants done, in this order. */
export type SessionEffect =
  | { readonly kind: 'send'; readonly message: SyncMessage }
  | { readonly kind: 'changes'; readonly store: Uint8Array; readonly seq: number }
  | { readonly kind: 'heads' }
  | { readonly kind: 'survey'; readonly heads: readonly WireHead[] }
  | { readonly kind: 'serve'; readonly want: Extract<SyncMessage, { kind: 'want' }> }
  | { readonly kind: 'prepare'; readonly offer: Offer }
  | { readonly kind: 'store'; readonly log: LogId; readonly blocks: readonly ProvenBlock[] }
  | { readonly kind: 'commit'; readonly log: LogId; readonly checkpoint: Checkpoint; readonly cose: Uint8Array | undefined }
  | { readonly kind: 'conflict'; readonly log: LogId; readonly note: Uint8Array }
  | { readonly kind: 'urgent'; readonly note: Uint8Array; readonly other: Uint8Array }
  | { readonly kind: 'cursor'; readonly node: Uint8Array; readonly store: Uint8Array; readonly seq: number }
  | { readonly kind: 'poke' }
  | { readonly kind: 'close'; readonly complete: boolean }

/** A WANT on its way. */
interface Asked {
  readonly log: LogId
  readonly pull: Pull
  range: EntryRange
  /** where its proof is being received */
  proof: { checkpoint: Checkpoint; cose: Uint8Array | undefined; tiles: Uint8Array[] } | undefined
  readonly wantsProof: boolean
  catchup: Catchup | undefined
  /** text that came and is not proven yet, from entry `got` to entry `next` */
  pieces: Uint8Array[]
  got: number
  next: number
}

const maxLogsAtOnce = 16
const maxAskedALog = 2
/** a catch-up over more entries than this is noted, so that it can go on after a restart */
const prepareEntries = 4096
/** logs up to which a flat list is cheaper than comparing ranges */
export const flatLimit = 256

/**
 * One sync session, seen from one side, as a machine: inputs in, effects out, no I/O, no clock.
 * Whoever drives it must carry out effects in order, and must tell a session nothing more after `close`.
 * @see protocols/sync.md
 */
export class Session {
  private readonly self: SessionSelf
  private readonly catchups: Map<LogId, Catchup>
  private hello: Extract<SyncMessage, { kind: 'hello' }> | undefined
  private since: Extract<SyncMessage, { kind: 'since' }> | undefined
  /** all heads of this side, sorted, once they were needed */
  private sorted: readonly WireHead[] | undefined
  private listing = false
  private rounds = 0
  private readonly offered: (readonly WireRange[])[] = []
  private readonly asked = new Map<number, Asked>()
  private readonly queue: Pull[] = []
  private readonly active = new Map<LogId, Pull>()
  private nextId = 1
  private surveys = 0
  private theirListDone = false
  private ourListDone = false
  private serving = 0
  private received = 0
  private served = 0
  private saidBye = false
  private theirBye: Extract<SyncMessage, { kind: 'bye' }> | undefined
  private failedPulls = 0
  private closed = false

  /** @param catchups what this node fetches at the moment, shared by its sessions */
  constructor(self: SessionSelf, catchups: Map<LogId, Catchup>) {
    this.self = self
    this.catchups = catchups
  }

  /**
   * Takes one input and returns what is to be done.
   * @throws E_PROTOCOL E_NETWORK E_VERSION E_ROOT E_TILE E_LINE E_SIGNATURE … where the other side broke the rules: abort then, and call release()
   */
  step(input: SessionInput): readonly SessionEffect[] {
    if (this.closed) return []
    const effects: SessionEffect[] = []
    switch (input.kind) {
      case 'start':
        this.start(effects)
        break
      case 'message':
        this.take(input.message, effects)
        break
      case 'changes':
        this.answerSince(input.heads, effects)
        break
      case 'heads':
        this.haveHeads(input.heads, effects)
        break
      case 'pulls':
        this.surveys--
        this.queue.push(...input.pulls)
        break
      case 'served':
        this.serving--
        this.served += input.entries
        break
      case 'poke':
        break
      case 'ended':
        this.end(effects)
        return effects
    }
    this.pump(effects)
    return effects
  }

  /** Gives back what was asked for and not received. Must be called when a session ends in any way. */
  release(): void {
    for (const { catchup, range, got } of this.asked.values()) catchup?.giveBack({ from: got, to: range.to })
    this.asked.clear()
    for (const [log, catchup] of this.joined) {
      catchup.users--
      if (catchup.users === 0 && this.catchups.get(log) === catchup) this.catchups.delete(log)
    }
    this.joined.clear()
    this.closed = true
  }

  private start(effects: SessionEffect[]): void {
    const { network, node, store, seq, salt, cursor, logCount, urgent } = this.self
    effects.push({ kind: 'send', message: { kind: 'hello', version: syncVersion, network, node, store, seq, salt } })
    for (const { note, other } of urgent) effects.push({ kind: 'send', message: { kind: 'urgent', note, other } })
    effects.push({ kind: 'send', message: { kind: 'since', store: cursor?.store, seq: cursor?.seq ?? 0, logCount } })
  }

  private take(message: SyncMessage, effects: SessionEffect[]): void {
    if ((message.kind === 'hello') !== (this.hello === undefined))
      throw new RejoinError('E_PROTOCOL', 'the session does not begin with one HELLO')
    switch (message.kind) {
      case 'hello':
        if (message.version !== syncVersion) throw new RejoinError('E_VERSION', `the peer speaks sync version ${message.version}`)
        if (message.network !== this.self.network)
          throw new RejoinError('E_NETWORK', `the peer belongs to network ${JSON.stringify(message.network)}`)
        this.hello = message
        return
      case 'urgent':
        effects.push({ kind: 'urgent', note: message.note, other: message.other })
        return
      case 'since':
        if (this.since !== undefined) throw new RejoinError('E_PROTOCOL', 'a second SINCE')
        this.since = message
        if (message.store !== undefined && equal(message.store, this.self.store))
          effects.push({ kind: 'changes', store: message.store, seq: message.seq })
        else this.answerSince(undefined, effects)
        return
      case 'changed':
        if (this.theirListDone) throw new RejoinError('E_PROTOCOL', 'CHANGED after its end')
        this.surveys++
        effects.push({ kind: 'survey', heads: message.heads })
        if (message.last) this.theirListDone = true
        return
      case 'range':
        this.takeRanges(message.ranges, effects)
        return
      case 'want':
        if (this.theirBye !== undefined) throw new RejoinError('E_PROTOCOL', 'WANT after BYE')
        this.serving++
        effects.push({ kind: 'serve', want: message })
        return
      case 'checkpoint':
        this.takeCheckpoint(message)
        return
      case 'hashes':
        this.takeHashes(message, effects)
        return
      case 'lines':
        this.takeLines(message, effects)
        return
      case 'end':
        this.takeEnd(message, effects)
        return
      case 'bye':
        this.theirBye = message
        return
    }
  }

  private answerSince(heads: readonly WireHead[] | undefined, effects: SessionEffect[]): void {
    if (heads !== undefined) {
      this.sendHeads(heads, effects, true)
      return
    }
    this.listing = true
    effects.push({ kind: 'heads' })
  }

  /** Lists all heads where they are few; else offers ranges of them to be compared. */
  private haveHeads(heads: readonly WireHead[], effects: SessionEffect[]): void {
    this.sorted ??= sortHeads(heads)
    for (const ranges of this.offered.splice(0)) this.compareRanges(ranges, effects)
    if (!this.listing) return
    this.listing = false
    if (this.sorted.length <= flatLimit || this.since?.logCount === 0) this.sendHeads(this.sorted, effects, true)
    else this.sendRanges(openRanges(this.sorted, this.self.salt), effects)
  }

  private sendRanges(ranges: readonly WireRange[], effects: SessionEffect[]): void {
    for (let at = 0; at < ranges.length || at === 0; at += maxRangesAFrame) {
      const part = ranges.slice(at, at + maxRangesAFrame)
      effects.push({ kind: 'send', message: { kind: 'range', ranges: part } })
      this.openFrames.push(part)
    }
  }

  /** offered RANGE frames that the other side has not answered */
  private readonly openFrames: (readonly WireRange[])[] = []

  private takeRanges(ranges: readonly WireRange[], effects: SessionEffect[]): void {
    const isOffer = ranges[0]?.fingerprint !== undefined
    if (!isOffer) {
      this.takeAnswer(ranges, effects)
      return
    }
    if (this.sorted === undefined) {
      if (this.offered.length === 0) effects.push({ kind: 'heads' })
      this.offered.push(ranges)
    } else this.compareRanges(ranges, effects)
  }

  private compareRanges(ranges: readonly WireRange[], effects: SessionEffect[]): void {
    const found = differing(this.sorted ?? [], ranges, this.hello?.salt ?? new Uint8Array(0))
    effects.push({ kind: 'send', message: { kind: 'range', ranges: found } })
  }

  /** Takes the answer to one offered frame: the ranges that differ there. */
  private takeAnswer(ranges: readonly WireRange[], effects: SessionEffect[]): void {
    const offered = this.openFrames.shift()
    if (this.sorted === undefined || offered === undefined) throw new RejoinError('E_PROTOCOL', 'a RANGE that answers nothing')
    if (!isPartOf(ranges, offered)) throw new RejoinError('E_PROTOCOL', 'a RANGE names ranges that were not offered')
    this.rounds++
    const next = refine(this.sorted, ranges, this.self.salt)
    if (next.heads.length > 0) this.sendHeads(next.heads, effects, false)
    if (next.ranges.length > 0 && this.rounds > maxRounds * 512)
      throw new RejoinError('E_PROTOCOL', 'the peer finds differences for ever')
    if (next.ranges.length > 0) this.sendRanges(next.ranges, effects)
    if (this.openFrames.length === 0) this.sendHeads([], effects, true)
  }

  private sendHeads(heads: readonly WireHead[], effects: SessionEffect[], last: boolean): void {
    for (let at = 0; at < heads.length || (last && at === 0); at += maxHeadsAFrame) {
      const isLast = last && at + maxHeadsAFrame >= heads.length
      effects.push({ kind: 'send', message: { kind: 'changed', heads: heads.slice(at, at + maxHeadsAFrame), last: isLast } })
    }
    if (last) this.ourListDone = true
  }

  private pump(effects: SessionEffect[]): void {
    while (this.active.size < maxLogsAtOnce && this.queue.length > 0) {
      const pull = this.queue.shift() as Pull
      this.active.set(pull.log, pull)
    }
    for (const pull of this.active.values()) this.ask(pull, effects)
    const idle = this.surveys === 0 && this.queue.length === 0 && this.active.size === 0 && this.asked.size === 0
    if (idle && this.theirListDone && this.ourListDone && !this.saidBye) {
      this.saidBye = true
      effects.push({ kind: 'send', message: { kind: 'bye', entries: this.received, complete: this.failedPulls === 0 } })
    }
    if (this.saidBye && this.theirBye !== undefined && this.serving === 0) this.finish(effects)
  }

  private finish(effects: SessionEffect[]): void {
    const complete = this.failedPulls === 0
    const hello = this.hello
    if (complete && hello !== undefined) effects.push({ kind: 'cursor', node: hello.node, store: hello.store, seq: hello.seq })
    effects.push({ kind: 'close', complete: complete && this.theirBye?.entries === this.served })
    this.closed = true
  }

  private end(effects: SessionEffect[]): void {
    effects.push({ kind: 'close', complete: false })
    this.release()
  }

  /** Asks for the next ranges of a log; lets go of it once nothing of it is left to ask. */
  private ask(pull: Pull, effects: SessionEffect[]): void {
    const { log, have, size } = pull
    const mine = [...this.asked.values()].filter((asked) => asked.log === log)
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
    effects.push({ kind: 'survey', heads: [{ log: hashOfLogId(log), size, root: new Uint8Array(32), author }] })
  }

  /** shared catch-ups that this session takes part in */
  private readonly joined = new Map<LogId, Catchup>()

  private readonly doneLogs = new Set<LogId>()

  private want(pull: Pull, range: EntryRange, catchup: Catchup | undefined, effects: SessionEffect[]): void {
    const id = this.nextId++
    const wantsProof = catchup === undefined
    this.asked.set(id, {
      log: pull.log,
      pull,
      range,
      proof: undefined,
      wantsProof,
      catchup,
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

  private takeCheckpoint({ id, note, cose }: Extract<SyncMessage, { kind: 'checkpoint' }>): void {
    const asked = this.needAsked(id)
    if (!asked.wantsProof || asked.proof !== undefined) throw new RejoinError('E_PROTOCOL', 'a CHECKPOINT that was not asked for')
    const checkpoint = verifyCheckpoint(note.slice(), asked.log, asked.pull.author)
    // an old checkpoint is no other history
    if (checkpoint.size < asked.range.from)
      throw new RejoinError('E_PROTOCOL', `a CHECKPOINT of ${checkpoint.size} entries where more were asked for`)
    asked.proof = { checkpoint, cose: cose?.slice(), tiles: [] }
  }

  private takeHashes({ id, tiles, edge, last }: Extract<SyncMessage, { kind: 'hashes' }>, effects: SessionEffect[]): void {
    const asked = this.needAsked(id)
    const { proof, pull } = asked
    if (proof === undefined || asked.catchup !== undefined) throw new RejoinError('E_PROTOCOL', 'HASHES before their CHECKPOINT')
    proof.tiles.push(tiles.slice())
    const gathered = proof.tiles.reduce((sum, part) => sum + part.length, 0)
    if (gathered > (Math.floor(proof.checkpoint.size / tileWidth) + 1) * 32)
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
    const other = this.catchups.get(asked.log)
    asked.catchup = other ?? new Catchup(asked.log, plan, asked.range)
    if (other !== undefined) {
      this.asked.delete(id)
      this.dropped.add(id)
      return
    }
    this.catchups.set(asked.log, asked.catchup)
    if (asked.catchup.done) {
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
    this.failedPulls++
    this.active.delete(asked.log)
    this.giveBack(asked, effects)
  }

  private giveBack({ catchup, got, range }: Asked, effects: SessionEffect[]): void {
    if (catchup === undefined) return
    catchup.giveBack({ from: got, to: range.to })
    effects.push({ kind: 'poke' })
  }

  private readonly dropped = new Set<number>()

  private takeLines({ id, from, count, text }: Extract<SyncMessage, { kind: 'lines' }>, effects: SessionEffect[]): void {
    this.received += count
    if (this.dropped.has(id)) return
    const asked = this.needAsked(id)
    const { catchup, range } = asked
    if (catchup === undefined) throw new RejoinError('E_PROTOCOL', 'LINES before what proves them')
    if (from !== asked.next || from + count > range.to || count === 0) {
      throw new RejoinError('E_PROTOCOL', `LINES from ${from} where ${asked.next} was to come`)
    }
    asked.pieces.push(text)
    asked.next += count
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
    const ready = catchup.deliver(catchup.plan.prove(block))
    asked.got = asked.next
    if (ready.length === 0) return
    const { log } = asked
    effects.push({ kind: 'store', log, blocks: ready })
    if (catchup.done) this.complete(catchup, effects)
  }

  /** Every line up to the signed head is handed out for storing: the head may be put in place. */
  private complete({ log, plan }: Catchup, effects: SessionEffect[]): void {
    const { checkpoint, cose } = plan.offer
    this.catchups.delete(log)
    effects.push({ kind: 'commit', log, checkpoint, cose }, { kind: 'poke' })
  }

  private takeEnd({ id, count }: Extract<SyncMessage, { kind: 'end' }>, effects: SessionEffect[]): void {
    if (this.dropped.delete(id)) return
    const asked = this.needAsked(id)
    if (count !== asked.next - asked.range.from)
      throw new RejoinError('E_PROTOCOL', `END counts ${count} entries where ${asked.next - asked.range.from} came`)
    this.asked.delete(id)
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

/** Returns whether all of these ranges are among those offered, in their order. */
function isPartOf(ranges: readonly WireRange[], offered: readonly WireRange[]): boolean {
  let at = 0
  return ranges.every(({ low, high }) => {
    while (at < offered.length && !(equal((offered[at] as WireRange).low, low) && equal((offered[at] as WireRange).high, high)))
      at++
    return at++ < offered.length
  })
}

/** Returns the next multiple of 256 at or above an index. */
function tileEnd(index: number): number {
  return Math.ceil(index / tileWidth) * tileWidth
}

/** Returns where an answer to a WANT ends: with a proof it goes on to the end of the tile, since only whole tiles can be proven. */
export function endOfAnswer(want: { readonly to: number; readonly proof: boolean }, size: number): number {
  return Math.min(want.proof ? tileEnd(want.to) : want.to, size)
}
