import {
  defaultPeerLimits,
  type Digest,
  type ErrorCode,
  fullBucket,
  type GossipDecision,
  hex,
  liftsAtMs,
  type PeerDeed,
  type PeerLimits,
  type PeerRuling,
  type PeerStanding,
  scoreAfter,
  settleScore,
  sha256,
  standingOfPeer,
  takeTokens,
  type TokenBucket
} from '../core/index.ts'
import type { PeerBook } from './peer-book.ts'

/** The two clocks: Unix time for scores, which outlive the process, and one that only goes forward for rates. */
export interface PeerClocks {
  readonly unixMs: () => number
  readonly steadyMs: () => number
}

/** How a peer stands, as it is shown. */
export interface PeerView {
  /** points, rounded */
  readonly score: number
  readonly standing: PeerStanding
  /** what a person said when blocking or allowing it */
  readonly because?: string
  /** when decay lets a graylisted peer in again */
  readonly until?: string
}

/** what breaking a rule with a code counts as; what is not named (another version, a lost connection) counts nothing */
const deedOf: Partial<Record<ErrorCode, PeerDeed>> = {
  E_SIGNATURE: 'badSignature',
  E_PROOF: 'badProof',
  E_ROOT: 'badProof',
  E_TILE: 'badProof',
  E_BAD_OBJECT: 'badBlob',
  E_LINE: 'malformed',
  E_WITHHELD: 'malformed',
  E_FRAME: 'malformed',
  E_PROTOCOL: 'malformed',
  E_TOO_LARGE: 'malformed',
  E_DIGEST: 'malformed',
  E_KEY: 'malformed',
  E_NOTE: 'malformed',
  E_CHECKPOINT: 'malformed',
  E_ORIGIN: 'malformed',
  E_OPENED: 'malformed',
  E_UTF8: 'malformed'
}

interface Buckets {
  announcements: TokenBucket
  streams: TokenBucket
  held: TokenBucket
  /** when a flood was counted last, by the steady clock */
  floodMs: number
}

const maxPeers = 10_000
const maxMessages = 4096
const maxBlobs = 10_000
const floodEveryMs = 1000

/**
 * Keeps how each peer behaves: points from what it sends, rates before anything of it is verified, and what a person decided, which outranks both.
 * @see protocols/peers.md
 */
export class PeerScores {
  private readonly book: PeerBook
  private readonly clocks: PeerClocks
  private limits: PeerLimits
  private total: TokenBucket
  private readonly buckets = new Map<string, Buckets>()
  /** hash of a message → the peer that sent it; the oldest goes first */
  private readonly messages = new Map<string, string>()
  private readonly badBlobs = new Set<string>()
  private readonly listeners = new Set<(peerId: string) => void>()

  constructor(book: PeerBook, limits: PeerLimits = defaultPeerLimits, clocks: PeerClocks = systemClocks) {
    this.book = book
    this.limits = limits
    this.clocks = clocks
    this.total = fullBucket(limits.total, clocks.steadyMs())
  }

  /** Puts other limits in force; what is saved up of a rate begins anew. */
  configure(limits: Partial<PeerLimits>): void {
    this.limits = { ...this.limits, ...limits }
    this.total = fullBucket(this.limits.total, this.clocks.steadyMs())
    this.buckets.clear()
  }

  /** Calls back when a peer is no longer to be connected to. Returns how to stop it. */
  onDenied(listener: (peerId: string) => void): () => void {
    this.listeners.add(listener)
    return () => void this.listeners.delete(listener)
  }

  /**
   * Decides on a message before anything of it is read: `take` it; `ignore` it, since its sender is denied or sent the very same before;
   * or leave it for `later`, since its sender or all of them go over their rate: then a sync brings what it announced.
   */
  admit(peerId: string, message: Uint8Array): 'take' | 'ignore' | 'later' {
    if (this.isDenied(peerId)) return 'ignore'
    const nowMs = this.clocks.steadyMs()
    const own = this.bucketsOf(peerId, nowMs)
    const announcements = takeTokens(own.announcements, this.limits.perPeer, message.length, nowMs)
    if (announcements === undefined) {
      this.flooded(peerId, own, nowMs)
      return 'later'
    }
    const total = takeTokens(this.total, this.limits.total, message.length, nowMs)
    if (total === undefined) return 'later'
    own.announcements = announcements
    this.total = total
    if (this.isRepeated(peerId, message)) {
      this.note(peerId, 'duplicate')
      return 'ignore'
    }
    return 'take'
  }

  /** Returns whether a peer may open one more stream now. */
  mayOpen(peerId: string): boolean {
    if (this.isDenied(peerId)) return false
    const nowMs = this.clocks.steadyMs()
    const own = this.bucketsOf(peerId, nowMs)
    const streams = takeTokens(own.streams, this.limits.streams, 0, nowMs)
    if (streams === undefined) this.flooded(peerId, own, nowMs)
    else own.streams = streams
    return streams !== undefined
  }

  /** Returns the points that a peer has now, as rules see them. */
  readonly reputationOf = (peerId: string): number => this.view(peerId).score

  /** Returns whether a text that a peer brought may be held, and takes it into account. */
  readonly mayHold = (peerId: string, sizeBytes: number): boolean => {
    const nowMs = this.clocks.steadyMs()
    const own = this.bucketsOf(peerId, nowMs)
    const held = takeTokens(own.held, this.limits.held, sizeBytes, nowMs)
    if (held !== undefined) own.held = held
    return held !== undefined
  }

  /** Notes what came of an announcement. Unknown, stale and contradicting ones cost nothing: an honest peer passes them on too. */
  announced(peerId: string, decision: GossipDecision): void {
    if (decision.verdict === 'reject') this.note(peerId, deedOf[decision.code as ErrorCode] ?? 'malformed')
    else if (decision.verdict === 'judge') this.note(peerId, 'useful')
  }

  /** Notes that a peer broke the rules of a stream. */
  fault(peerId: string, code: ErrorCode | undefined): void {
    const deed = code === undefined ? undefined : deedOf[code]
    if (deed !== undefined) this.note(peerId, deed)
  }

  /** Notes that a peer sent wrong bytes for a blob: once for each, since it is asked again and again for what nobody has. */
  badBlob(peerId: string, digest: Digest): void {
    const key = `${peerId} ${digest}`
    if (this.badBlobs.has(key)) return
    if (this.badBlobs.size >= maxBlobs) this.badBlobs.clear()
    this.badBlobs.add(key)
    this.note(peerId, 'badBlob')
  }

  /** Notes a deed; a peer that falls below the line is cut off at once. */
  note(peerId: string, deed: PeerDeed): void {
    const before = this.book.markOf(peerId)
    const nowMs = this.clocks.unixMs()
    const wasDenied = this.isDenied(peerId)
    const score = scoreAfter(before, deed, this.limits.reputation, nowMs)
    this.book.mark({ ...before, peer: peerId, ...score })
    if (!wasDenied && this.isDenied(peerId)) this.denied(peerId)
  }

  /** Blocks or allows a peer, whatever its points; undefined takes both back, and its points too. */
  rule(peerId: string, ruling: PeerRuling | undefined, because?: string): void {
    const wasDenied = this.isDenied(peerId)
    if (ruling === undefined) this.book.unmark(peerId)
    else {
      const { points, atMs } = this.settled(peerId)
      this.book.mark({ peer: peerId, points, atMs, ruling, ...(because !== undefined && { because }) })
    }
    this.book.save({ durable: true })
    if (!wasDenied && this.isDenied(peerId)) this.denied(peerId)
  }

  /** Returns whether a peer is neither to be dialled nor let in. */
  isDenied(peerId: string): boolean {
    const standing = this.standingOf(peerId)
    return standing === 'blocked' || standing === 'graylisted'
  }

  /** Returns where a peer stands. */
  standingOf(peerId: string): PeerStanding {
    const mark = this.book.markOf(peerId)
    return standingOfPeer(mark, mark?.ruling, this.limits.reputation, this.clocks.unixMs())
  }

  /** Returns a peer's points, which rules know as peer.reputation. */
  pointsOf(peerId: string): number {
    return this.settled(peerId).points
  }

  /** Returns how a peer stands. */
  view(peerId: string): PeerView {
    const standing = this.standingOf(peerId)
    const because = this.book.markOf(peerId)?.because
    const liftMs = standing === 'graylisted' ? liftsAtMs(this.settled(peerId), this.limits.reputation) : Number.POSITIVE_INFINITY
    return {
      score: Math.round(this.pointsOf(peerId)) || 0,
      standing,
      ...(because !== undefined && { because }),
      ...(Number.isFinite(liftMs) && { until: new Date(liftMs).toISOString() })
    }
  }

  private settled(peerId: string): { readonly points: number; readonly atMs: number } {
    const mark = this.book.markOf(peerId)
    const nowMs = this.clocks.unixMs()
    if (mark === undefined) return { points: this.limits.reputation.start, atMs: nowMs }
    const score = settleScore(mark, this.limits.reputation, nowMs)
    // of a clock that was ahead: from now on it decays
    if (mark.atMs > nowMs) this.book.mark({ ...mark, ...score })
    return score
  }

  private denied(peerId: string): void {
    this.book.save({ durable: true })
    for (const listener of this.listeners) listener(peerId)
  }

  private bucketsOf(peerId: string, nowMs: number): Buckets {
    let buckets = this.buckets.get(peerId)
    if (buckets === undefined) {
      const { perPeer, streams, held } = this.limits
      buckets = {
        announcements: fullBucket(perPeer, nowMs),
        streams: fullBucket(streams, nowMs),
        held: fullBucket(held, nowMs),
        floodMs: Number.NEGATIVE_INFINITY
      }
      // kept when it disconnects: a new connection is no new bucket
      for (const oldest of this.buckets.keys()) {
        if (this.buckets.size < maxPeers) break
        this.buckets.delete(oldest)
      }
      this.buckets.set(peerId, buckets)
    }
    return buckets
  }

  private flooded(peerId: string, own: Buckets, nowMs: number): void {
    if (nowMs - own.floodMs < floodEveryMs) return
    own.floodMs = nowMs
    this.note(peerId, 'flood')
  }

  /** gossipsub itself drops what it saw in the last two minutes, so this is a message that somebody kept. */
  private isRepeated(peerId: string, message: Uint8Array): boolean {
    const hash = hex(sha256(message).subarray(0, 16))
    const before = this.messages.get(hash)
    if (before !== undefined) return before === peerId
    this.messages.set(hash, peerId)
    for (const oldest of this.messages.keys()) {
      if (this.messages.size <= maxMessages) break
      this.messages.delete(oldest)
    }
    return false
  }
}

const systemClocks: PeerClocks = { unixMs: () => Date.now(), steadyMs: () => performance.now() }
