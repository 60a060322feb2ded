import { defaultReputation, type Reputation } from './score.ts'
import type { RateLimit } from './token-bucket.ts'

/** What peers are held to. */
export interface PeerLimits {
  readonly reputation: Reputation
  /** announcements of one peer */
  readonly perPeer: RateLimit
  /** announcements of all peers together */
  readonly total: RateLimit
  /** texts that one peer brings and that come to be held */
  readonly held: RateLimit
  /** sync and blob streams that one peer opens; their bytes are held back by the disk and not by a rate */
  readonly streams: RateLimit
}

/** The members `reputation` and `rateLimits` of a trust file that fits its schema. */
export interface PeerLimitsDocument {
  readonly reputation?: Partial<Reputation>
  /** e.g. `{perPeer: {events: 200/s, bytes: 2MiB/s, burst: 4}, total: {events: 1000/s}}` */
  readonly rateLimits?: {
    readonly perPeer?: RateDocument
    readonly perPeerHeld?: RateDocument
    readonly perIdentity?: RateDocument
    readonly total?: RateDocument
  }
}

/** One rate of a trust file, e.g. `{events: 200/s, bytes: 2MiB/s, burst: 4}`. */
export interface RateDocument {
  readonly events?: string
  readonly bytes?: string
  readonly burst?: number
}

const MiB = 1024 * 1024
const unlimited = Number.MAX_SAFE_INTEGER

/** What holds where the rules say nothing: far above what honest nodes send, and a tenth of a core's signature checks. */
export const defaultPeerLimits: PeerLimits = {
  reputation: defaultReputation,
  perPeer: { eventsPerSecond: 1000, bytesPerSecond: 8 * MiB, burst: 4 },
  total: { eventsPerSecond: 4000, bytesPerSecond: unlimited, burst: 4 },
  held: { eventsPerSecond: unlimited, bytesPerSecond: unlimited, burst: 4 },
  streams: { eventsPerSecond: 100, bytesPerSecond: unlimited, burst: 4 }
}

const secondsOf: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600 }
const bytesOf: Readonly<Record<string, number>> = { KiB: 1024, MiB, GiB: 1024 * MiB }

/** Returns how many of something come in a second at a rate such as `200/s`, `2MiB/s` or `90/m`; undefined where it is no rate. */
export function parseRate(text: string): number | undefined {
  const [, count = '', unit = '', per = ''] = /^([1-9][0-9]{0,8})(KiB|MiB|GiB)?\/([smh])$/.exec(text) ?? []
  return count === '' ? undefined : (Number(count) * (bytesOf[unit] ?? 1)) / (secondsOf[per] as number)
}

function rateOf({ events, bytes, burst }: RateDocument, usual: RateLimit): RateLimit {
  return {
    eventsPerSecond: (events === undefined ? undefined : parseRate(events)) ?? usual.eventsPerSecond,
    bytesPerSecond: (bytes === undefined ? undefined : parseRate(bytes)) ?? usual.bytesPerSecond,
    burst: burst ?? usual.burst
  }
}

/** Returns what may come of an identity in one log; any number of what the rate does not name. */
export function identityRateOf(rate: RateDocument): RateLimit {
  return rateOf(rate, { eventsPerSecond: unlimited, bytesPerSecond: unlimited, burst: defaultPeerLimits.perPeer.burst })
}

/** Returns what peers are held to by a trust file; what it doesn't name is as usual. */
export function peerLimitsOf({ reputation = {}, rateLimits = {} }: PeerLimitsDocument): PeerLimits {
  const named = { ...defaultReputation, ...reputation }
  return {
    ...defaultPeerLimits,
    // the line is always well above the floor: else nobody would ever fall below it
    reputation: { ...named, floor: Math.min(named.floor, 4 * named.graylistBelow) },
    perPeer: rateOf(rateLimits.perPeer ?? {}, defaultPeerLimits.perPeer),
    held: rateOf(rateLimits.perPeerHeld ?? {}, defaultPeerLimits.held),
    total: rateOf(rateLimits.total ?? {}, defaultPeerLimits.total)
  }
}
