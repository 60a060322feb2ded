import { RejoinError } from './error.ts'

/** The longest varint of a number that is allowed here (2^53 - 1), in bytes. */
export const maxVarintBytes = 8

/** Returns how many bytes the varint of a number takes. */
export function varintSize(value: number): number {
  let size = 1
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) size++
  return size
}

/**
 * Writes a number as varint (base 128, the lowest 7 bits first) and returns the position after it.
 * @param value an integer from 0 to 2^53 - 1
 */
export function writeVarint(to: Uint8Array, at: number, value: number): number {
  let rest = value
  let position = at
  for (; rest > 0x7fffffff; rest = Math.floor(rest / 128)) to[position++] = (rest % 128) | 128
  for (; rest >= 128; rest >>>= 7) to[position++] = (rest & 127) | 128
  to[position++] = rest
  return position
}

/** A place in bytes from which something is read; the functions here move `at`. */
export interface Cursor {
  readonly bytes: Uint8Array
  at: number
  readonly end: number
}

/**
 * Returns the varint at the cursor, and moves past it.
 * @throws E_FRAME where it is cut short, over 2^53 - 1, or longer than it need be
 */
export function readVarint(cursor: Cursor): number {
  let value = 0
  let scale = 1
  for (let count = 1; ; count++) {
    if (cursor.at >= cursor.end) throw new RejoinError('E_FRAME', 'a varint is cut short')
    const byte = cursor.bytes[cursor.at++] as number
    value += (byte & 127) * scale
    if (byte < 128) {
      if (byte === 0 && count > 1) throw new RejoinError('E_FRAME', 'a varint is longer than it need be')
      if (value > Number.MAX_SAFE_INTEGER) throw new RejoinError('E_FRAME', 'a varint is over 2^53 - 1')
      return value
    }
    if (count === maxVarintBytes) throw new RejoinError('E_FRAME', 'a varint is over 2^53 - 1')
    scale *= 128
  }
}
