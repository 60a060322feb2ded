import {
  array,
  bigInt,
  boolean,
  constant,
  integer,
  option,
  property,
  record,
  string as text,
  tuple,
  uint8Array
} from 'fast-check'
import { describe, expect, test } from 'vitest'
import { fromHex, hex } from '../../src/core/index.ts'
import { field, type MessageCodec, message, oneOf, optional, repeated } from '../../src/core/protobuf.ts'
import { bool, bytes, fixedBytes, text as string, uint64 } from '../../src/core/protobuf-kind.ts'
import { readVarint, varintSize, writeVarint } from '../../src/core/varint.ts'
import { holds } from '../property.ts'
import { thrownBy } from '../thrown.ts'

interface Inner {
  readonly name: string
  readonly hash: Uint8Array
}
interface Outer {
  readonly number: number
  readonly flag: boolean
  readonly body: Uint8Array
  readonly maybe: number | undefined
  readonly inner: Inner
  readonly numbers: readonly number[]
  readonly blobs: readonly Uint8Array[]
  readonly inners: readonly Inner[]
}
const inner: MessageCodec<Inner> = message<Inner>({ name: field(1, string(40)), hash: field(2, fixedBytes(4)) })
const outer: MessageCodec<Outer> = message<Outer>({
  number: field(1, uint64()),
  flag: field(2, bool()),
  body: field(3, bytes(100)),
  maybe: optional(4, uint64(1000)),
  inner: field(5, inner),
  numbers: repeated(16, uint64(), 5),
  blobs: repeated(17, bytes(10), 5),
  inners: repeated(18, inner, 5)
})

const anyInner = record({
  name: text({ maxLength: 10, unit: 'grapheme' }).filter((s) => Buffer.byteLength(s) <= 40),
  hash: uint8Array({ minLength: 4, maxLength: 4 })
})
const anyNumber = integer({ min: 0, max: Number.MAX_SAFE_INTEGER })
const anyOuter = record({
  number: anyNumber,
  flag: boolean(),
  body: uint8Array({ maxLength: 100 }),
  maybe: option(integer({ min: 0, max: 1000 }), { nil: undefined }),
  inner: anyInner,
  numbers: array(anyNumber, { maxLength: 5 }),
  blobs: array(uint8Array({ maxLength: 10 }), { maxLength: 5 }),
  inners: array(anyInner, { maxLength: 5 })
})

const small: MessageCodec<{ readonly number: number; readonly body: Uint8Array }> = message({
  number: field(1, uint64()),
  body: field(2, bytes(4))
})
const decode = (text: string) => () => small.decode(fromHex(text.replaceAll(' ', '')) as Uint8Array)

describe('protobuf', () => {
  test('what is encoded decodes to the same', () => {
    holds(
      property(anyOuter, (value) => {
        expect(outer.decode(outer.encode(value))).toEqual(value)
      })
    )
  })

  test('arbitrary bytes decode or throw one of our errors (BLOB-10)', () => {
    holds(property(uint8Array({ maxLength: 60 }), (junk) => void thrownBy(() => outer.decode(junk))))
    holds(
      property(anyOuter, integer(), integer(), (value, at, byte) => {
        const damaged = outer.encode(value)
        damaged[Math.abs(at) % damaged.length] = byte & 255
        thrownBy(() => outer.decode(damaged))
      })
    )
  })

  test('fields of unknown number are skipped, whatever their wire type (BLOB-10)', () => {
    const known = '08 05'
    for (const unknown of ['18 ffffffffffffffffff01', '1a 02 aabb', '19 0102030405060708', '1d 01020304']) {
      expect(decode(`${unknown} ${known} ${unknown}`)()).toEqual({ number: 5, body: new Uint8Array(0) })
    }
  })

  test.each([
    ['a wire type of groups', '1b 1c'],
    ['wire type 6', '1e'],
    ['a known field of another wire type', '0a 01 05'],
    ['a field twice', '08 05 08 05'],
    ['field number 0', '00 05'],
    ['a varint cut short', '08 85'],
    ['a varint longer than it need be', '08 85 00'],
    ['a number over 2^53 - 1', '08 ffffffffffffff1f'],
    ['a tag over 2^53 - 1', 'ffffffffffffffffff01'],
    ['a field number over 2^29 - 1', '80808080 10 00'],
    ['bytes cut short', '12 03 aabb'],
    ['bytes over their limit', '12 05 0102030405'],
    ['an unknown varint of eleven bytes', '18 ffffffffffffffffffff01'],
    ['an unknown field cut short', '19 0102']
  ])('%s is refused (BLOB-10)', (_, text) => {
    expect(thrownBy(decode(text))).toBe('E_FRAME')
  })

  test('a field that must be there is asked for, also in a nested message; too many values are refused (BLOB-10)', () => {
    expect(thrownBy(() => outer.decode(new Uint8Array(0)))).toBe('E_FRAME')
    expect(thrownBy(() => outer.decode(fromHex('2a00') as Uint8Array))).toBe('E_FRAME')
    const six = message<{ readonly numbers: readonly number[] }>({ numbers: repeated(16, uint64(), 6) }).encode({
      numbers: [1, 2, 3, 4, 5, 6]
    })
    expect(thrownBy(() => outer.decode(six))).toBe('E_FRAME')
  })

  test('bytes are views of what was decoded', () => {
    const whole = small.encode({ number: 1, body: Uint8Array.of(1, 2, 3) })
    expect(small.decode(whole).body.buffer).toBe(whole.buffer)
  })

  test('values beyond a limit are a bug of the one who encodes', () => {
    expect(() => small.encode({ number: -1, body: new Uint8Array(0) })).toThrow('bug:')
    expect(() => small.encode({ number: 2 ** 53, body: new Uint8Array(0) })).toThrow('bug:')
    expect(() => small.encode({ number: 0, body: new Uint8Array(5) })).toThrow('bug:')
  })

  test('one of several: exactly one (BLOB-10)', () => {
    type Either = { readonly kind: 'a'; readonly number: number } | { readonly kind: 'b'; readonly flag: boolean }
    const either: MessageCodec<Either> = oneOf<Either>({
      a: [1, message({ number: field(1, uint64()) })],
      b: [2, message({ flag: field(1, bool()) })]
    })
    for (const value of [
      { kind: 'a', number: 0 },
      { kind: 'b', flag: true }
    ] as const)
      expect(either.decode(either.encode(value))).toEqual(value)
    expect(hex(either.encodeFrame({ kind: 'a', number: 7 }))).toBe('040a020807')
    expect(either.decode(fromHex('1a000a0208071d00000000') as Uint8Array)).toEqual({ kind: 'a', number: 7 })
    for (const text of ['', '1a00', '0a001200', '0a000a00', '0801'])
      expect(thrownBy(() => either.decode(fromHex(text) as Uint8Array))).toBe('E_FRAME')
  })
})

describe('varint', () => {
  test('reads what it writes, in the bytes that it says', () => {
    holds(
      property(tuple(bigInt({ min: 0n, max: 53n }), constant(0)), ([bits]) => {
        for (const value of [2 ** Number(bits) - 1, Math.min(2 ** Number(bits), Number.MAX_SAFE_INTEGER)]) {
          const to = new Uint8Array(10)
          const end = writeVarint(to, 1, value)
          expect(end - 1).toBe(varintSize(value))
          const cursor = { bytes: to, at: 1, end }
          expect(readVarint(cursor)).toBe(value)
          expect(cursor.at).toBe(end)
        }
      })
    )
  })
})
