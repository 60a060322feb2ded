import { equal } from '../bytes.ts'
import { RejoinError } from '../error.ts'
import { maxHeadsAFrame, maxRangesAFrame, type WireHead, type WireRange } from './message.ts'
import { differing, headsWithin, maxRounds, openRanges, refine, sortHeads } from './reconcile.ts'
import type { SessionEffect } from './session-io.ts'

/** logs up to which a flat list is cheaper than comparing ranges */
export const flatLimit = 256

/** The part of a session that tells the other side which heads it may lack: a flat list, or ranges that are compared. Mutable. */
export class Listing {
  /** whether the other side was told everything */
  done = false
  /** number of logs that the other side said it has */
  theirLogCount: number | undefined
  /** what salts the fingerprints of the other side */
  theirSalt: Uint8Array = new Uint8Array(0)
  private readonly salt: Uint8Array
  /** all heads of this side, sorted, once they were needed */
  private sorted: readonly WireHead[] | undefined
  private listing = false
  private rounds = 0
  /** frames of the other side that were compared, and heads that were hashed for it */
  private comparedFrames = 0
  private compared = 0
  private readonly offered: (readonly WireRange[])[] = []
  /** offered RANGE frames that the other side has not answered */
  private readonly openFrames: (readonly WireRange[])[] = []

  /** @param salt what salts the fingerprints of this side */
  constructor(salt: Uint8Array) {
    this.salt = salt
  }

  /** Answers the other side's SINCE: with what changed, or where that can't be said, with a comparison of all heads. */
  answer(heads: readonly WireHead[] | undefined, effects: SessionEffect[]): void {
    if (heads !== undefined) {
      this.sendHeads(heads, effects, true)
      return
    }
    this.listing = true
    effects.push({ kind: 'heads' })
  }

  /** Lists all heads where they are few; else offers ranges of them to be compared. */
  haveHeads(heads: readonly WireHead[], effects: SessionEffect[]): void {
    this.sorted ??= sortHeads(heads)
    for (const ranges of this.offered.splice(0)) this.compareRanges(ranges, effects)
    if (!this.listing) return
    this.listing = false
    if (this.sorted.length <= flatLimit || this.theirLogCount === 0) this.sendHeads(this.sorted, effects, true)
    else this.sendRanges(openRanges(this.sorted, this.salt), effects)
  }

  private sendRanges(ranges: readonly WireRange[], effects: SessionEffect[]): void {
    for (let at = 0; at < ranges.length || at === 0; at += maxRangesAFrame) {
      const part = ranges.slice(at, at + maxRangesAFrame)
      effects.push({ kind: 'send', message: { kind: 'range', ranges: part } })
      this.openFrames.push(part)
    }
  }

  /** Takes offered ranges, or the answer to ranges that were offered. */
  takeRanges(ranges: readonly WireRange[], effects: SessionEffect[]): void {
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
    const sorted = this.sorted ?? []
    this.comparedFrames++
    this.compared += headsWithin(sorted, ranges)
    if (this.comparedFrames > maxRounds * 512 || this.compared > 2 * maxRounds * (sorted.length + maxRangesAFrame))
      throw new RejoinError('E_PROTOCOL', 'the peer compares for ever')
    const found = differing(sorted, ranges, this.theirSalt)
    effects.push({ kind: 'send', message: { kind: 'range', ranges: found } })
  }

  /** Takes the answer to one offered frame: the ranges that differ there. */
  private takeAnswer(ranges: readonly WireRange[], effects: SessionEffect[]): void {
    const offered = this.openFrames.shift()
    if (this.sorted === undefined || offered === undefined) throw new RejoinError('E_PROTOCOL', 'a RANGE that answers nothing')
    if (!isPartOf(ranges, offered)) throw new RejoinError('E_PROTOCOL', 'a RANGE names ranges that were not offered')
    this.rounds++
    const next = refine(this.sorted, ranges, this.salt)
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
    if (last) this.done = true
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
