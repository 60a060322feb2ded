/** What a peer did that counts. */
export type PeerDeed = 'badSignature' | 'badProof' | 'badBlob' | 'malformed' | 'duplicate' | 'flood' | 'useful'

/** What deeds weigh, and when a peer is let go. @see protocols/peers.md */
export interface Reputation {
  /** points of a peer of which nothing is known */
  readonly start: number
  readonly badSignature: number
  readonly badProof: number
  /** bytes that don't have the digest they were asked for by: less than a bad proof, since a rotten disk does it too */
  readonly badBlob: number
  readonly malformed: number
  readonly duplicate: number
  /** for each second in which it went over its rate */
  readonly flood: number
  readonly useful: number
  /** useful deeds bring nobody above this, so that no amount of them buys a lie */
  readonly usefulUpTo: number
  /** nobody falls below this, so that decay lifts everybody some day */
  readonly floor: number
  /** below this a peer is neither dialled nor let in */
  readonly graylistBelow: number
  /** points that go back toward 0 in an hour, from either side */
  readonly decayPerHour: number
}

/** The weights that hold where the rules name no others. */
export const defaultReputation: Reputation = {
  start: 0,
  badSignature: -100,
  badProof: -100,
  badBlob: -25,
  malformed: -10,
  duplicate: -1,
  flood: -1,
  useful: 1,
  usefulUpTo: 20,
  floor: -200,
  graylistBelow: -50,
  decayPerHour: 5
}

/** A peer's points, as they were at a time. */
export interface PeerScore {
  readonly points: number
  /** Unix milliseconds */
  readonly atMs: number
}

/** What a person said about a peer; it outranks the points. */
export type PeerRuling = 'block' | 'allow'

/** Where a peer stands: only the good and the allowed are connected to. */
export type PeerStanding = 'good' | 'graylisted' | 'blocked' | 'allowed'

const hourMs = 3_600_000

/**
 * Returns a score as it is now, after decay. A score from the future, of a clock that was wrong, begins to decay now.
 * @param nowMs Unix milliseconds
 */
export function settleScore({ points, atMs }: PeerScore, { decayPerHour }: Reputation, nowMs: number): PeerScore {
  const decayed = (decayPerHour * Math.max(0, nowMs - atMs)) / hourMs
  const left = Math.max(0, Math.abs(points) - decayed)
  return { points: left === 0 ? 0 : Math.sign(points) * left, atMs: nowMs }
}

/** Returns a score after a deed. @param score undefined for a peer of which nothing is known */
export function scoreAfter(score: PeerScore | undefined, deed: PeerDeed, reputation: Reputation, nowMs: number): PeerScore {
  const { points } = score === undefined ? { points: reputation.start } : settleScore(score, reputation, nowMs)
  const sum = points + reputation[deed]
  const bounded =
    deed === 'useful' ? Math.max(points, Math.min(sum, reputation.usefulUpTo)) : Math.min(points, Math.max(sum, reputation.floor))
  return { points: bounded, atMs: nowMs }
}

/** Returns where a peer stands: a person's ruling first, then its points. */
export function standingOfPeer(
  score: PeerScore | undefined,
  ruling: PeerRuling | undefined,
  reputation: Reputation,
  nowMs: number
): PeerStanding {
  if (ruling !== undefined) return ruling === 'block' ? 'blocked' : 'allowed'
  const points = score === undefined ? reputation.start : settleScore(score, reputation, nowMs).points
  return points < reputation.graylistBelow ? 'graylisted' : 'good'
}

/** Returns when decay alone lifts a graylisted peer, in Unix milliseconds; Infinity where it never does. */
export function liftsAtMs({ points, atMs }: PeerScore, { graylistBelow, decayPerHour }: Reputation): number {
  if (points >= graylistBelow) return atMs
  return decayPerHour > 0 && graylistBelow <= 0
    ? atMs + Math.ceil(((graylistBelow - points) / decayPerHour) * hourMs)
    : Number.POSITIVE_INFINITY
}
