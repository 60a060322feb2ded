import { fromHex, hex, textOf } from '../bytes.ts'
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
const shape = /^\{"withheld":"([0-9a-f]{64})"(?:,"size":([1-9][0-9]{0,2}))?\}$/
const maxLineBytes = 100

/** Returns whether a line is meant as a withheld marker; no event begins like that, since its first key in order is never "withheld". */
export function isWithheld(line: Uint8Array): boolean {
  if (line.length < prefix.length || line[2] !== 0x77 /* w */) return false
  for (let i = 0; i < prefix.length; i++) if (line[i] !== prefix.charCodeAt(i)) return false
  return true
}

/**
 * Returns the withheld marker that a line holds.
 * @param atIndex index of the entry; a run must begin at a multiple of its size
 * @throws E_WITHHELD where it is malformed or misaligned
 */
export function parseWithheld(line: Uint8Array, atIndex: number): Withheld {
  const match = line.length <= maxLineBytes ? shape.exec(textOf(line)) : null
  const size = match?.[2] === undefined ? 1 : Number(match[2])
  const known =
    match !== null && size <= tileWidth && Number.isInteger(Math.log2(size)) && !(match[2] !== undefined && size === 1)
  if (!known) throw new RejoinError('E_WITHHELD', `malformed withheld marker at index ${atIndex}`)
  if (atIndex % size !== 0) throw new RejoinError('E_WITHHELD', `a withheld run of ${size} may not begin at index ${atIndex}`)
  return { hash: fromHex(match[1] as string) as Uint8Array, size }
}

/** Returns the line for a withheld entry or run, without its newline, e.g. `{"withheld":"<64 hex digits>"}`. */
export function encodeWithheld({ hash, size }: Withheld): string {
  return size === 1 ? `${prefix}${hex(hash)}"}` : `${prefix}${hex(hash)}","size":${size}}`
}
