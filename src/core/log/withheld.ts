import { hex, textOf } from '../bytes.ts'
import { RejoinError } from '../error.ts'
import { tileWidth } from './merkle.ts'

/** An entry, or an aligned run of 2^k entries, that is present only as its hash. */
export interface Withheld {
  /** leaf hash (size 1) or subtree hash, 32 bytes */
  readonly hash: Uint8Array
  /** entries it stands for: 1, 2, 4 … 256 */
  readonly size: number
}

const prefix = '{"withheld":"'
const shape = /^\{"withheld":"((?:[0-9a-f]{64}){1,14})"(?:,"size":([1-9][0-9]{0,2}))?\}$/
const hashDigits = 64
/** runs that a stretch within a tile has at most: 1, 2, 4 … 64 and back */
const maxRuns = 14
const maxLineBytes = prefix.length + maxRuns * hashDigits + '","size":254}'.length

/** Returns whether a line is meant as a withheld marker; no event begins like that, since its first key in order is never "withheld". */
export function isWithheld(line: Uint8Array): boolean {
  if (line.length < prefix.length || line[2] !== 0x77 /* w */) return false
  for (let i = 0; i < prefix.length; i++) if (line[i] !== prefix.charCodeAt(i)) return false
  return true
}

const valueOf = (digit: number): number => (digit < 0x40 ? digit - 0x30 : digit - 0x57)

/** Returns a hash of a line whose digits were checked. */
function hashAt(line: Uint8Array, place: number): Uint8Array {
  const bytes = new Uint8Array(32)
  for (let i = 0, at = prefix.length + place * hashDigits; i < 32; i++, at += 2)
    bytes[i] = valueOf(line[at] as number) * 16 + valueOf(line[at + 1] as number)
  return bytes
}

/** Returns the size of the largest run that begins at an index and ends before another one. */
function largestRun(at: number, end: number): number {
  let size = 1
  while (size < tileWidth && at % (size * 2) === 0 && at + size * 2 <= end) size *= 2
  return size
}

/** Returns the sizes of the largest runs that [from, to) consists of: there is one way to cut it so. */
function runsOf(from: number, to: number): readonly number[] {
  const sizes: number[] = []
  for (let at = from; at < to; ) {
    const size = largestRun(at, to)
    sizes.push(size)
    at += size
  }
  return sizes
}

/**
 * Returns what a withheld marker stands for, in order: one entry, one run, or the runs of a gap within a tile.
 * @param atIndex index of its first entry; a run must begin at a multiple of its size
 * @throws E_WITHHELD where it is malformed or misaligned, or has another number of hashes than its gap has runs
 * @see protocols/log.md#LOG-12
 */
export function parseWithheld(line: Uint8Array, atIndex: number): readonly Withheld[] {
  const match = line.length <= maxLineBytes ? shape.exec(textOf(line)) : null
  const digits = match?.[1] ?? ''
  const size = match?.[2] === undefined ? 1 : Number(match[2])
  const isKnown = match !== null && size <= tileWidth && !(match[2] !== undefined && size === 1)
  if (!isKnown) throw new RejoinError('E_WITHHELD', `malformed withheld marker at index ${atIndex}`)
  if (digits.length === hashDigits) {
    if (!Number.isInteger(Math.log2(size))) throw new RejoinError('E_WITHHELD', `malformed withheld marker at index ${atIndex}`)
    if (atIndex % size !== 0) throw new RejoinError('E_WITHHELD', `a withheld run of ${size} may not begin at index ${atIndex}`)
    return [{ hash: hashAt(line, 0), size }]
  }
  if ((atIndex % tileWidth) + size > tileWidth)
    throw new RejoinError('E_WITHHELD', `a withheld gap of ${size} from index ${atIndex} reaches over a tile`)
  const sizes = runsOf(atIndex, atIndex + size)
  if (sizes.length * hashDigits !== digits.length)
    throw new RejoinError(
      'E_WITHHELD',
      `a withheld gap of ${size} from index ${atIndex} has ${sizes.length} hashes, not ${digits.length / hashDigits}`
    )
  return sizes.map((one, i) => ({ hash: hashAt(line, i), size: one }))
}

/**
 * Returns the line, without its newline, for an entry, a run, or a gap: runs that follow each other within a tile and can't be joined.
 * E.g. `{"withheld":"<64 hex digits>"}`, `{"withheld":"<64 hex digits>","size":8}`, `{"withheld":"<3 × 64 hex digits>","size":7}`.
 */
export function encodeWithheld(...runs: readonly Withheld[]): string {
  const size = entryCount(runs)
  const digits = runs.map(({ hash }) => hex(hash)).join('')
  return size === 1 ? `${prefix}${digits}"}` : `${prefix}${digits}","size":${size}}`
}

/** Returns how many entries runs stand for together. */
export function entryCount(runs: readonly Withheld[]): number {
  return runs.reduce((sum, { size }) => sum + size, 0)
}
