import { fullBucket, type RateLimit, takeTokens, type TokenBucket } from '../core/index.ts'

const maxAddresses = 10_000

/** How often addresses may ask: one bucket for each, those that were not seen for longest are forgotten first. */
export class Rates {
  private readonly limit: RateLimit
  private readonly buckets = new Map<string, TokenBucket>()

  /** @param perSecond @param burst seconds' worth that may come at once */
  constructor(perSecond: number, burst: number) {
    this.limit = { eventsPerSecond: perSecond, bytesPerSecond: Number.MAX_SAFE_INTEGER / 1024, burst }
  }

  /** Takes note that an address asks; returns whether it may. */
  take(address: string, nowMs: number): boolean {
    const before = this.buckets.get(address) ?? fullBucket(this.limit, nowMs)
    const after = takeTokens(before, this.limit, 0, nowMs)
    this.buckets.delete(address)
    this.buckets.set(address, after ?? before)
    for (const oldest of this.buckets.keys()) {
      if (this.buckets.size <= maxAddresses) break
      this.buckets.delete(oldest)
    }
    return after !== undefined
  }
}
