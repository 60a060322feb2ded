import {
  concat,
  decideAnnouncement,
  encodeAnnouncement,
  type GossipDecision,
  hashOfLogId,
  type KnownLog,
  linesOf,
  type LogId,
  logIdOfHash,
  maxAnnouncedTextBytes,
  parseAnnouncement,
  parseCheckpoint,
  type Signer,
  Tree
} from '../../src/core/index.ts'
import { type Message, messageOf } from './announcement.ts'
import { forge } from './forging.ts'
import type { Holding } from './holding.ts'
import type { Sessions } from './sessions.ts'
import type { Self } from './surroundings.ts'

const announceDelayMs = 5

/** Announcements of a simulated node, said and heard: the part that Live plays in a real one, over the same decision of core. */
export class Announcing {
  /** size of each log up to which it was announced or passed on */
  private announced = new Map<LogId, number>()
  private toAnnounce = new Set<LogId>()
  private seen = new Set<string>()
  private readonly self: Self
  private readonly holding: Holding
  private readonly sessions: Sessions

  constructor(self: Self, holding: Holding, sessions: Sessions) {
    this.self = self
    this.holding = holding
    this.sessions = sessions
  }

  /** Forgets what a power cut takes. */
  restart(): void {
    this.announced = new Map()
    this.toAnnounce = new Set()
    this.seen = new Set()
  }

  /** A log has a new head: announced soon, together with what follows at once. */
  grown(log: LogId): void {
    const { around, incarnation } = this.self
    this.toAnnounce.add(log)
    if (this.toAnnounce.size > 1) return
    around.world.after(announceDelayMs, () => {
      if (this.self.incarnation !== incarnation) return
      for (const one of this.toAnnounce) this.announce(one)
      this.toAnnounce.clear()
    })
  }

  private announce(log: LogId): void {
    const checkpoint = this.holding.heads.get(log)?.checkpoint
    if (checkpoint === undefined) return
    const { size, note } = checkpoint
    const before = this.announced.get(log) ?? size - 1
    if (before >= size) return
    this.announced.set(log, size)
    const text = concat(
      this.holding.disk
        .log(log)
        .lines.slice(before, size)
        .map((line) => (this.self.around.faults.has('announce-refused') ? this.holding.secretOf(line) : line.bytes))
    )
    const whole = text.length <= maxAnnouncedTextBytes
    const announcement = { log: hashOfLogId(log), note, cose: undefined }
    const bytes = encodeAnnouncement({ ...announcement, from: whole ? before : size, text: whole ? text : new Uint8Array(0) })
    const message = messageOf(bytes)
    this.seen.add(message.id)
    this.send(message, 'announces', undefined)
  }

  private send(message: Message, how: 'announces' | 'passes on', except: number | undefined): void {
    const { around, index } = this.self
    if (message.forgery !== 'malformed') {
      const { log, from, text } = parseAnnouncement(message.bytes)
      around.oracle.checkAnnounced(this.self, how, logIdOfHash(log), from, text)
    }
    around.ether.spread(index, message, except)
  }

  /** Sends an announcement that nobody may take in. */
  lie(signer: Signer): void {
    const { around, index } = this.self
    const message = forge(this.holding, signer, around.world.random)
    if (message !== undefined) around.ether.spread(index, message, undefined)
  }

  /** Takes an announcement from a neighbour: decides on it, stores what it lets in, passes it on where it accepts all of it. */
  hear(message: Message, from: number): void {
    if (this.seen.has(message.id)) return
    this.seen.add(message.id)
    const { around } = this.self
    const { disk } = this.holding
    const knowsLog = this.knows(message)
    const before = message.forgery === undefined ? 0 : disk.lineCount()
    const decision = this.decide(message.bytes)
    const goesOn = this.answer(decision)
    if (message.forgery !== undefined)
      around.oracle.checkForgery(this.self, message.forgery, decision.verdict, knowsLog, disk.lineCount() - before)
    if (goesOn) this.send(message, 'passes on', from)
  }

  private knows({ forgery, bytes }: Message): boolean {
    return forgery !== undefined && forgery !== 'malformed' && this.holding.heads.has(logIdOfHash(parseAnnouncement(bytes).log))
  }

  private decide(bytes: Uint8Array): GossipDecision {
    const known = (log: LogId): KnownLog => this.known(log)
    const decision = decideAnnouncement(bytes, known)
    if (decision.verdict !== 'reject' || decision.code !== 'E_SIGNATURE') return decision
    return this.self.around.faults.has('believe-unsigned') ? (this.believe(bytes) ?? decision) : decision
  }

  /** The mistake of taking an announcement in without a look at its signature. */
  private believe(bytes: Uint8Array): GossipDecision | undefined {
    const { log: id, from, note, text } = parseAnnouncement(bytes)
    const log = logIdOfHash(id)
    const head = parseCheckpoint(note)
    if (this.known(log).tree.size !== from) return undefined
    const block = { from, count: head.size - from, text }
    const proven = { ...block, lines: linesOf(block), tileHash: undefined }
    return { verdict: 'judge', log, checkpoint: { ...head, note, __verified: true }, cose: undefined, block: proven }
  }

  private known(log: LogId): KnownLog {
    const held = this.holding.heads.get(log)
    if (held === undefined) return { key: undefined, admitted: false, frozen: false, tree: new Tree() }
    const author = this.self.around.oracle.truth.get(log)?.author ?? -1
    return { key: held.author, admitted: this.self.trusts(author), frozen: this.sessions.catchups.has(log), tree: held.tree }
  }

  /** Carries out a decision; returns whether the message goes on to the other neighbours as it is. */
  private answer(decision: GossipDecision): boolean {
    const { around, index, ownLog } = this.self
    switch (decision.verdict) {
      case 'reject':
        return false
      case 'accept':
        return true
      case 'ignore':
        if (decision.action !== 'none') around.ether.pull(index)
        return false
      case 'judge': {
        const { log, checkpoint, block } = decision
        if (log === ownLog) {
          around.ether.pull(index)
          return false
        }
        const relayed = this.holding.accept(log, block) || around.faults.has('forward-refused')
        around.touched.add(this.self)
        around.oracle.takenCount++
        if (relayed) this.announced.set(log, checkpoint.size)
        this.sessions.commitSoon(checkpoint)
        return relayed
      }
    }
  }
}
