import { compare, concat, equal, utf8 } from '../bytes.ts'
import { sha256 } from '../digest.ts'
import { RejoinError } from '../error.ts'
import type { WireHead, WireRange } from './message.ts'

/** Ranges that a set is cut into at first, and each differing range after that. */
const firstFanOut = 256
const fanOut = 16
/** A differing range of at most this many logs is listed instead of cut. */
const listLimit = 4
/** Most rounds of one comparison; with a fan-out of 16 they are enough for 10^8 logs. */
export const maxRounds = 8

function sizeBytes(size: number): Uint8Array {
  return utf8(String(size).padStart(16, '0'))
}

/** Returns the fingerprint of a sorted range of heads: 16 bytes of SHA-256 over the session's salt, and (log, size, root) of each. */
export function fingerprint(heads: readonly WireHead[], salt: Uint8Array): Uint8Array {
  return sha256(concat([salt, ...heads.flatMap(({ log, size, root }) => [log, sizeBytes(size), root])])).slice(0, 16)
}

/** Returns heads in order of their log IDs. */
export function sortHeads(heads: readonly WireHead[]): readonly WireHead[] {
  return heads.toSorted((a, b) => compare(a.log, b.log))
}

function firstAtOrAfter(heads: readonly WireHead[], bound: Uint8Array): number {
  let low = 0
  let high = heads.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (compare((heads[middle] as WireHead).log, bound) < 0) low = middle + 1
    else high = middle
  }
  return low
}

function within(heads: readonly WireHead[], { low, high }: WireRange): readonly WireHead[] {
  if (high.length > 0 && compare(low, high) >= 0) throw new RejoinError('E_FRAME', 'a range ends before it begins')
  return heads.slice(
    low.length === 0 ? 0 : firstAtOrAfter(heads, low),
    high.length === 0 ? heads.length : firstAtOrAfter(heads, high)
  )
}

/** Returns how many heads lie in ranges: so many are hashed to compare these. @throws E_FRAME */
export function headsWithin(heads: readonly WireHead[], ranges: readonly WireRange[]): number {
  return ranges.reduce((sum, range) => sum + within(heads, range).length, 0)
}

/** What the offering side sends next: ranges to be compared, and heads of ranges that are small enough to list. */
export interface Offering {
  readonly ranges: readonly WireRange[]
  readonly heads: readonly WireHead[]
}

function cut(heads: readonly WireHead[], range: WireRange, parts: number, salt: Uint8Array): readonly WireRange[] {
  const inside = within(heads, range)
  const size = Math.max(1, Math.ceil(inside.length / parts))
  const ranges: WireRange[] = []
  for (let at = 0; at < inside.length || at === 0; at += size) {
    const low = at === 0 ? range.low : (inside[at] as WireHead).log
    const next = inside[at + size]
    ranges.push({
      low,
      high: next === undefined ? range.high : next.log,
      fingerprint: fingerprint(inside.slice(at, at + size), salt)
    })
  }
  return ranges
}

const everything: WireRange = { low: new Uint8Array(0), high: new Uint8Array(0), fingerprint: undefined }

/** Returns the ranges with which the offering side begins. @param heads sorted */
export function openRanges(heads: readonly WireHead[], salt: Uint8Array): readonly WireRange[] {
  return cut(heads, everything, firstFanOut, salt)
}

/** Returns what the offering side sends about the ranges that differ at the other side. @param heads sorted */
export function refine(heads: readonly WireHead[], differing: readonly WireRange[], salt: Uint8Array): Offering {
  const ranges: WireRange[] = []
  const listed: WireHead[] = []
  for (const range of differing) {
    const inside = within(heads, range)
    if (inside.length <= listLimit) listed.push(...inside)
    else ranges.push(...cut(heads, range, Math.min(fanOut, Math.ceil(inside.length / listLimit)), salt))
  }
  return { ranges, heads: listed }
}

/** Returns those of the offered ranges in which the heads here are others. @param heads sorted */
export function differing(heads: readonly WireHead[], offered: readonly WireRange[], salt: Uint8Array): readonly WireRange[] {
  offered.forEach(({ low }, i) => {
    const before = offered[i - 1]
    if (before !== undefined && (before.high.length === 0 || compare(before.high, low) > 0))
      throw new RejoinError('E_FRAME', 'ranges overlap or are out of order')
  })
  return offered
    .filter((range) => range.fingerprint !== undefined && !equal(fingerprint(within(heads, range), salt), range.fingerprint))
    .map(({ low, high }) => ({ low, high, fingerprint: undefined }))
}
