import { equal } from '../bytes.ts'
import { RejoinError } from '../error.ts'
import type { LogId } from '../log/log-id.ts'
import type { Catchup } from './catchup.ts'
import type { Interest } from '../trust/interest.ts'
import { Fetching } from './fetching.ts'
import { boundedInterest } from './interest-bound.ts'
import { interestOfWire, wireOfInterest } from './interest-frame.ts'
import { Listing } from './listing.ts'
import { type SyncMessage, syncVersion } from './message.ts'
import type { SessionEffect, SessionInput, SessionSelf } from './session-io.ts'
import { TextFetching } from './texts.ts'

/** WANTs of the other side that may wait for their answers; an honest one has at most 38 on their way */
const maxServing = 64

/**
 * One sync session, seen from one side, as a machine: inputs in, effects out, no I/O, no clock.
 * Whoever drives it must carry out effects in order, and must tell a session nothing more after `close`.
 * @see protocols/sync.md
 */
export class Session {
  private readonly self: SessionSelf
  private readonly listing: Listing
  private readonly fetching: Fetching
  private readonly texts: TextFetching
  private hello: Extract<SyncMessage, { kind: 'hello' }> | undefined
  private since: Extract<SyncMessage, { kind: 'since' }> | undefined
  private theirInterest: readonly Interest[] = []
  private theirListDone = false
  private serving = 0
  private served = 0
  private saidBye = false
  private theirBye: Extract<SyncMessage, { kind: 'bye' }> | undefined
  private closed = false

  /** @param catchups what this node fetches at the moment, shared by its sessions */
  constructor(self: SessionSelf, catchups: Map<LogId, Catchup>) {
    this.self = self
    this.listing = new Listing(self.salt)
    this.fetching = new Fetching(catchups)
    this.texts = new TextFetching(() => this.fetching.newId())
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
        this.listing.answer(input.heads, effects)
        break
      case 'heads':
        this.listing.haveHeads(input.heads, effects)
        break
      case 'pulls':
        this.fetching.add(input.pulls)
        break
      case 'texts':
        this.texts.add(input.pulls)
        break
      case 'texts-refused':
        this.texts.drop(input.log)
        break
      case 'served':
        this.serving--
        this.served += input.entries
        break
      case 'poke':
        break
      case 'tick':
        this.fetching.tick(effects)
        break
      case 'ended':
        this.end(effects)
        return effects
    }
    this.pump(effects)
    return effects
  }

  /** Whether the other side owes an answer to a WANT. */
  get isOwed(): boolean {
    return this.fetching.isOwed || this.texts.isOwed
  }

  /** Gives back what was asked for and not received. Must be called when a session ends in any way. */
  release(): void {
    this.fetching.release()
    this.closed = true
  }

  private start(effects: SessionEffect[]): void {
    const { network, node, store, seq, salt, cursor, logCount, urgent } = this.self
    const interest = wireOfInterest(boundedInterest(this.self.interest))
    effects.push({ kind: 'send', message: { kind: 'hello', version: syncVersion, network, node, store, seq, salt, interest } })
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
        this.theirInterest = interestOfWire(message.interest)
        this.hello = message
        this.listing.theirSalt = message.salt
        return
      case 'urgent':
        effects.push({ kind: 'urgent', note: message.note, other: message.other })
        return
      case 'since':
        if (this.since !== undefined) throw new RejoinError('E_PROTOCOL', 'a second SINCE')
        this.since = message
        this.listing.theirLogCount = message.logCount
        if (message.store !== undefined && equal(message.store, this.self.store))
          effects.push({ kind: 'changes', store: message.store, seq: message.seq })
        else this.listing.answer(undefined, effects)
        return
      case 'changed':
        if (this.theirListDone) throw new RejoinError('E_PROTOCOL', 'CHANGED after its end')
        this.fetching.surveys++
        effects.push({ kind: 'survey', heads: message.heads })
        this.texts.seeks++
        effects.push({ kind: 'seek', node: this.theirs.node, store: this.theirs.store, heads: message.heads })
        if (message.last) this.theirListDone = true
        return
      case 'range':
        this.listing.takeRanges(message.ranges, effects)
        return
      case 'want':
        if (this.theirBye !== undefined) throw new RejoinError('E_PROTOCOL', 'WANT after BYE')
        if (this.serving >= maxServing) throw new RejoinError('E_PROTOCOL', `more than ${maxServing} WANTs at once`)
        this.serving++
        effects.push({ kind: 'serve', want: message, interest: this.theirInterest })
        return
      case 'checkpoint':
        this.fetching.takeCheckpoint(message, effects)
        return
      case 'hashes':
        this.fetching.takeHashes(message, effects)
        return
      case 'lines':
        if (this.texts.has(message.id)) this.texts.takeLines(message, this.theirs.node, effects)
        else this.fetching.takeLines(message, effects)
        return
      case 'end':
        if (this.texts.has(message.id)) this.texts.takeEnd(message)
        else this.fetching.takeEnd(message, effects)
        return
      case 'bye':
        this.theirBye = message
        return
    }
  }

  /** The other side's HELLO, without which nothing else is taken. */
  private get theirs(): Extract<SyncMessage, { kind: 'hello' }> {
    if (this.hello === undefined) throw new Error('bug: asked who the other side is before its HELLO')
    return this.hello
  }

  private pump(effects: SessionEffect[]): void {
    this.fetching.pump(effects)
    if (this.fetching.idle && this.theirListDone) this.texts.pump(effects)
    if (this.fetching.idle && this.texts.idle && this.theirListDone && this.listing.done && !this.saidBye) {
      this.saidBye = true
      effects.push({
        kind: 'send',
        message: { kind: 'bye', entries: this.fetching.received + this.texts.received, complete: this.fetching.failedPulls === 0 }
      })
    }
    if (this.saidBye && this.theirBye !== undefined && this.serving === 0) this.finish(effects)
  }

  private finish(effects: SessionEffect[]): void {
    const complete = this.fetching.failedPulls === 0
    const { node, store, seq } = this.theirs
    if (complete) effects.push({ kind: 'cursor', node, store, seq })
    effects.push({ kind: 'close', complete: complete && this.theirBye?.entries === this.served })
    this.closed = true
  }

  private end(effects: SessionEffect[]): void {
    effects.push({ kind: 'close', complete: false })
    this.release()
  }
}
