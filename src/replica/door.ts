import { doorEntries, fullBucket, hex, type LogId, type RateLimit, takeTokens, type TokenBucket } from '../core/index.ts'

/** How often first entries of unknown logs are asked for; each is at most one tile of lines. */
const perPeer: RateLimit = { eventsPerSecond: 0.5, bytesPerSecond: 1, burst: 64 }
const inTotal: RateLimit = { eventsPerSecond: 4, bytesPerSecond: 1, burst: 64 }
const maxPeers = 1024
const maxSeen = 10_000

/**
 * Which logs of unknown writers are looked into, since a token among their first entries may say who writes them. The first entries of a log
 * never change, so each log is looked into only a few times; and a flood of logs is looked at slowly.
 * @see protocols/binding.md#BINDING-15
 */
export class Door {
  /** by log, how many entries were there when it was looked into and no token bound it */
  private readonly seen = new Map<LogId, number>()
  private readonly peers = new Map<string, TokenBucket>()
  private total: TokenBucket | undefined
  /** sides of which a log was put off: what they listed is not through yet */
  private readonly putOff = new Set<string>()

  /**
   * Returns whether a log may be looked into now, and counts that.
   * @param node public key of the other side's node; undefined for what is no node, of which all logs may be
   * @param nowMs of a clock that only goes forward
   */
  mayLook(log: LogId, size: number, node: Uint8Array | undefined, nowMs: number): boolean {
    const before = this.seen.get(log) ?? 0
    if (size === 0 || before >= Math.min(size, doorEntries)) return false
    // a stick is what a person has chosen
    if (node === undefined) return true
    const peer = hex(node)
    const own = takeTokens(this.peers.get(peer) ?? fullBucket(perPeer, nowMs), perPeer, 0, nowMs)
    const total = own && takeTokens(this.total ?? fullBucket(inTotal, nowMs), inTotal, 0, nowMs)
    if (own === undefined || total === undefined) {
      if (this.putOff.size < maxPeers) this.putOff.add(peer)
      return false
    }
    this.peers.set(peer, own)
    this.total = total
    for (const oldest of this.peers.keys()) {
      if (this.peers.size <= maxPeers) break
      this.peers.delete(oldest)
    }
    return true
  }

  /** Takes note that no token bound a log among so many of its first entries. */
  shut(log: LogId, size: number): void {
    this.seen.delete(log)
    this.seen.set(log, size)
    for (const oldest of this.seen.keys()) {
      if (this.seen.size <= maxSeen) break
      this.seen.delete(oldest)
    }
  }

  /** Returns whether a log that a side listed was put off since this was asked last. */
  tookPutOff(node: Uint8Array): boolean {
    return this.putOff.delete(hex(node))
  }

  /** The rules changed: what was no token then may be one now. */
  forget(): void {
    this.seen.clear()
  }
}
