import { textOf, utf8 } from './bytes.ts'
import { RejoinError } from './error.ts'
import { type Cursor, readVarint, varintSize, writeVarint } from './varint.ts'

/**
 * How one kind of value is written in Protocol Buffers. `wire` is its wire type: 0 for a varint, 2 for bytes with a length.
 * `write` gets a buffer that has room for `size(value)` bytes and returns the position after them.
 * `zero` is the value that is not written where presence is not tracked; a kind without one must always be there.
 */
export interface Kind<T> {
  readonly wire: 0 | 2
  readonly zero: T | undefined
  readonly isZero: (value: T) => boolean
  readonly size: (value: T) => number
  readonly write: (value: T, to: Uint8Array, at: number) => number
  readonly read: (cursor: Cursor) => T
}

/** Returns the error for a malformed message. */
export const malformed = (what: string): RejoinError => new RejoinError('E_FRAME', what)

/** Returns a view of the bytes with a length at the cursor, and moves past them. @throws E_FRAME where they are cut short */
export function bytesAt(cursor: Cursor): Uint8Array {
  const length = readVarint(cursor)
  if (length > cursor.end - cursor.at) throw malformed('a field is cut short')
  cursor.at += length
  return cursor.bytes.subarray(cursor.at - length, cursor.at)
}

/** Returns the kind of whole numbers from 0 to `max`, at most 2^53 - 1. */
export function uint64(max: number = Number.MAX_SAFE_INTEGER): Kind<number> {
  return {
    wire: 0,
    zero: 0,
    isZero: (value) => value === 0,
    size: (value) => {
      if (!Number.isInteger(value) || value < 0 || value > max) throw new Error(`bug: ${value} is no number from 0 to ${max}`)
      return varintSize(value)
    },
    write: (value, to, at) => writeVarint(to, at, value),
    read: (cursor) => {
      const value = readVarint(cursor)
      if (value > max) throw malformed(`a number is over ${max}`)
      return value
    }
  }
}

/** Returns the kind of truth values. */
export function bool(): Kind<boolean> {
  const number = uint64(1)
  return {
    wire: 0,
    zero: false,
    isZero: (value) => !value,
    size: () => 1,
    write: (value, to, at) => number.write(value ? 1 : 0, to, at),
    read: (cursor) => number.read(cursor) === 1
  }
}

/** Returns the kind of byte strings from `min` to `max` bytes; where `min` is over 0 the field must be there. */
export function bytes(max: number, min = 0): Kind<Uint8Array> {
  return {
    wire: 2,
    zero: min === 0 ? new Uint8Array(0) : undefined,
    isZero: (value) => value.length === 0,
    size: (value) => {
      if (value.length < min || value.length > max) throw new Error(`bug: ${value.length} bytes are not from ${min} to ${max}`)
      return varintSize(value.length) + value.length
    },
    write: (value, to, at) => {
      const start = writeVarint(to, at, value.length)
      to.set(value, start)
      return start + value.length
    },
    read: (cursor) => {
      const value = bytesAt(cursor)
      if (value.length < min || value.length > max) throw malformed(`${value.length} bytes where ${min} to ${max} are allowed`)
      return value
    }
  }
}

/** Returns the kind of byte strings of exactly `length` bytes. */
export function fixedBytes(length: number): Kind<Uint8Array> {
  return bytes(length, length)
}

/** Returns the kind of texts of at most `maxBytes` bytes of UTF-8. */
export function text(maxBytes: number): Kind<string> {
  const inner = bytes(maxBytes)
  return {
    wire: 2,
    zero: '',
    isZero: (value) => value === '',
    size: (value) => inner.size(utf8(value)),
    write: (value, to, at) => inner.write(utf8(value), to, at),
    read: (cursor) => textOf(inner.read(cursor))
  }
}
