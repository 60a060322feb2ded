import { RejoinError } from './error.ts'

/**
 * A hybrid logical clock value: 12 hexadecimal digits of Unix milliseconds, then 4 of a counter, so that text order is time order.
 * Example: `0193a4c2f1d80002`.
 */
export type Hlc = string & { readonly __hlc: true }

const maxCounter = 0xffff
/** A clock further ahead of the local wall clock than this is not believed: 10 minutes, in milliseconds. */
export const maxAheadMs: number = 10 * 60 * 1000

/** A wall clock that is further behind this node's own last event than this has lost the time: one day, in milliseconds. */
const maxBehindMs = 24 * 60 * 60 * 1000

/** The time as a node may believe it. */
export interface BelievedNow {
  /** Unix milliseconds */
  readonly nowMs: number
  /** the wall clock lost the time, as with a dead battery: how far ahead an event is can't be told */
  readonly isLost: boolean
}

/** Returns the time by the wall clock, or by the node's own last event where the wall clock has lost it. */
export function believedNow(wallMs: number, lastOwn: Hlc): BelievedNow {
  const lastMs = msOfHlc(lastOwn)
  return wallMs < lastMs - maxBehindMs ? { nowMs: lastMs, isLost: true } : { nowMs: wallMs, isLost: false }
}

function make(ms: number, counter: number): Hlc {
  return (ms.toString(16).padStart(12, '0') + counter.toString(16).padStart(4, '0')) as Hlc
}

/** The smallest clock value. */
export const firstHlc: Hlc = make(0, 0)

/** Returns whether a text is a clock value. */
export function isHlc(text: string): text is Hlc {
  return /^[0-9a-f]{16}$/.test(text)
}

/**
 * Returns a text as clock value.
 * @throws E_EVENT where it is none
 */
export function parseHlc(text: string): Hlc {
  if (!isHlc(text)) throw new RejoinError('E_EVENT', 'hlc is not 16 hexadecimal digits')
  return text
}

/** Returns the Unix milliseconds of a clock value. */
export function msOfHlc(hlc: Hlc): number {
  return Number.parseInt(hlc.slice(0, 12), 16)
}

/**
 * Returns the next clock value after `last`: the wall clock's where that is later, else one counter step on,
 * so that a clock that jumped back to 1970 still moves on.
 */
export function tick(last: Hlc, nowMs: number): Hlc {
  if (Math.floor(nowMs) > msOfHlc(last)) return make(Math.floor(nowMs), 0)
  const counter = Number.parseInt(last.slice(12), 16)
  return counter < maxCounter ? make(msOfHlc(last), counter + 1) : make(msOfHlc(last) + 1, 0)
}

/** Returns whether a clock value is further ahead of the wall clock than this node believes. */
export function isAhead(hlc: Hlc, nowMs: number): boolean {
  return msOfHlc(hlc) > nowMs + maxAheadMs
}

/** Returns the later of two clock values, but `own` where the other one is too far ahead of the wall clock. */
export function merge(own: Hlc, accepted: Hlc, nowMs: number): Hlc {
  return accepted > own && !isAhead(accepted, nowMs) ? accepted : own
}
