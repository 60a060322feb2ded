/** How much may come: events and bytes in a second, and how many seconds' worth of them at once. */
export interface RateLimit {
  readonly eventsPerSecond: number
  readonly bytesPerSecond: number
  /** seconds; what was not used is saved up to this much */
  readonly burst: number
}

/** What is saved up of a rate, at a time of a clock that only goes forward. Below zero is what was taken on credit. */
export interface TokenBucket {
  readonly events: number
  readonly bytes: number
  readonly atMs: number
}

/** Returns a bucket that is full. */
export function fullBucket({ eventsPerSecond, bytesPerSecond, burst }: RateLimit, nowMs: number): TokenBucket {
  return { events: eventsPerSecond * burst, bytes: bytesPerSecond * burst, atMs: nowMs }
}

/**
 * Returns the bucket after one event of a size was taken, or undefined where there is no room for it. One that is larger than a full bucket is
 * let through by a full one, on credit: else a low rate of bytes would shut large events out for ever. So within any t seconds, at most
 * (burst + t) × rate + one event comes through.
 * @param nowMs milliseconds of a clock that only goes forward; an earlier time than the bucket's counts as that one
 */
export function takeTokens(bucket: TokenBucket, limit: RateLimit, sizeBytes: number, nowMs: number): TokenBucket | undefined {
  const full = fullBucket(limit, nowMs)
  const atMs = Math.max(nowMs, bucket.atMs)
  const seconds = (atMs - bucket.atMs) / 1000
  const events = Math.min(full.events, bucket.events + seconds * limit.eventsPerSecond)
  const bytes = Math.min(full.bytes, bucket.bytes + seconds * limit.bytesPerSecond)
  if (events < Math.min(1, full.events) || bytes < Math.min(sizeBytes, full.bytes)) return undefined
  return { events: events - 1, bytes: bytes - sizeBytes, atMs }
}
