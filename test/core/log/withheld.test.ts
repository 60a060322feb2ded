import { array, constantFrom, integer, property, string, tuple, uint8Array } from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  canonicalize,
  encodeWithheld,
  entryCount,
  hex,
  isWithheld,
  parseWithheld,
  textOf,
  utf8,
  type Withheld
} from '../../../src/core/index.ts'
import { holds } from '../../property.ts'
import { thrownBy } from '../../thrown.ts'
import { sampleLog } from '../sample.ts'

const hash = 'ab'.repeat(32)

/** Cuts [from, to) into aligned runs, the largest that fit: by trying every size from the largest down. */
function cut(from: number, to: number): readonly number[] {
  if (from === to) return []
  const size = [256, 128, 64, 32, 16, 8, 4, 2, 1].find((one) => from % one === 0 && from + one <= to) as number
  return [size, ...cut(from + size, to)]
}

/** Two places within a tile, and the tile. */
const gaps = tuple(integer({ min: 0, max: 255 }), integer({ min: 1, max: 256 }), integer({ min: 0, max: 2 ** 20 }))
  .filter(([from, to]) => from < to)
  .map(([from, to, tile]) => ({ from: tile * 256 + from, to: tile * 256 + to }))
const bytes32 = uint8Array({ minLength: 32, maxLength: 32 })

describe('a withheld marker', () => {
  it('LOG-11: comes back from its line', () => {
    const sizes = constantFrom(1, 2, 4, 8, 16, 32, 64, 128, 256)
    holds(
      property(uint8Array({ minLength: 32, maxLength: 32 }), sizes, integer({ min: 0, max: 2 ** 30 }), (bytes, size, at) => {
        const line = utf8(encodeWithheld({ hash: bytes, size }))
        expect(isWithheld(line)).toBe(true)
        expect(parseWithheld(line, at * size)).toEqual([{ hash: bytes, size }])
      })
    )
    expect(encodeWithheld({ hash: new Uint8Array(32), size: 1 })).toBe(`{"withheld":"${'00'.repeat(32)}"}`)
    expect(encodeWithheld({ hash: new Uint8Array(32), size: 256 })).toBe(`{"withheld":"${'00'.repeat(32)}","size":256}`)
  })

  it.each([
    `{"withheld":"${hash.slice(1)}"}`,
    `{"withheld":"${hash.toUpperCase()}"}`,
    `{"withheld":"${hash}"`,
    `{"withheld":"${hash}"} `,
    `{"withheld":"${hash}","size":1}`,
    `{"withheld":"${hash}","size":3}`,
    `{"withheld":"${hash}","size":0}`,
    `{"withheld":"${hash}","size":512}`,
    `{"withheld":"${hash}","size":02}`,
    `{"withheld":"${hash}","size":"2"}`,
    `{"withheld":"${hash}", "size":2}`,
    `{"withheld":"${hash}","size":2,"x":1}`,
    `{"withheld":"${hash}${hash}"}`,
    `{"withheld":"${hash}${hash}","size":2}`,
    `{"withheld":"${hash}${hash}","size":1}`,
    `{"withheld":"${hash}${hash}","size":5.0}`,
    `{"withheld":"${hash}${hash}ab","size":3}`,
    `{"withheld":"${hash}${hash.toUpperCase()}","size":3}`,
    `{"withheld":"${hash}${hash}${hash}","size":3}`,
    `{"withheld":"${hash}${hash}","size":257}`,
    `{"withheld":"${hash.repeat(15)}","size":255}`,
    `{"withheld":"","size":3}`
  ])('LOG-11 LOG-12: is not %s: E_WITHHELD', (text) => {
    expect(isWithheld(utf8(text))).toBe(true)
    expect(thrownBy(() => parseWithheld(utf8(text), 0))).toBe('E_WITHHELD')
  })

  it('LOG-12: may not begin where its size does not divide the index: E_WITHHELD', () => {
    const line = utf8(`{"withheld":"${hash}","size":8}`)
    const codes = [0, 4, 7, 8, 12, 16].map((at) => thrownBy(() => parseWithheld(line, at)))
    expect(codes).toEqual([undefined, 'E_WITHHELD', 'E_WITHHELD', undefined, 'E_WITHHELD', undefined])
  })

  it('LOG-16: of a gap holds the hashes of the largest runs in it, and comes back from its line', () => {
    holds(
      property(gaps, array(bytes32, { minLength: 14, maxLength: 14 }), ({ from, to }, hashes) => {
        const runs: readonly Withheld[] = cut(from, to).map((size, i) => ({ hash: hashes[i] as Uint8Array, size }))
        const line = utf8(encodeWithheld(...runs))
        expect(isWithheld(line)).toBe(true)
        expect(parseWithheld(line, from)).toEqual(runs)
        expect([entryCount(runs), runs.length <= 14]).toEqual([to - from, true])
        expect(utf8(encodeWithheld(...parseWithheld(line, from)))).toEqual(line)
        // one hash more or less, one entry more or less, or another place is another gap or none
        const size = to - from
        if (runs.length < 2) return
        const less = textOf(line).replace(/"[0-9a-f]{64}/, '"')
        expect(thrownBy(() => parseWithheld(utf8(less), from))).toBe('E_WITHHELD')
        const more = textOf(line).replace('":"', `":"${hash}`)
        expect(thrownBy(() => parseWithheld(utf8(more), from))).toBe('E_WITHHELD')
        for (const at of [from + 1, from + 2, from + 128]) {
          const fits = (at % 256) + size <= 256 && cut(at, at + size).length === runs.length
          expect(thrownBy(() => parseWithheld(line, at))).toBe(fits ? undefined : 'E_WITHHELD')
        }
      })
    )
  })

  it('LOG-16: reads as this document shows it, and reaches over no tile: E_WITHHELD', () => {
    const of = (count: number, size: number): Uint8Array => utf8(`{"withheld":"${hash.repeat(count)}","size":${size}}`)
    expect(parseWithheld(of(3, 7), 1).map(({ size }) => size)).toEqual([1, 2, 4])
    expect(parseWithheld(of(2, 2), 1).map(({ size }) => size)).toEqual([1, 1])
    expect(parseWithheld(of(14, 254), 257).map(({ size }) => size)).toEqual([1, 2, 4, 8, 16, 32, 64, 64, 32, 16, 8, 4, 2, 1])
    expect(thrownBy(() => parseWithheld(of(2, 2), 255))).toBe('E_WITHHELD')
    expect(thrownBy(() => parseWithheld(of(2, 3), 254))).toBe('E_WITHHELD')
    expect(thrownBy(() => parseWithheld(of(2, 3), 252))).toBe(undefined)
  })

  it('is no event: canonical events begin with another member', () => {
    for (const line of sampleLog(3).lines) expect(isWithheld(line)).toBe(false)
    expect(canonicalize({ withheld: hash, data: {} }).startsWith('{"data"')).toBe(true)
  })

  it('of arbitrary text throws nothing but its codes', () => {
    holds(
      property(string({ unit: 'binary', maxLength: 40 }), uint8Array(), (text, bytes) => {
        expect(['E_WITHHELD', undefined]).toContain(thrownBy(() => parseWithheld(utf8(`{"withheld":"${text}`), 0)))
        if (!isWithheld(bytes)) expect(hex(bytes).startsWith(hex(utf8('{"withheld":"')))).toBe(false)
        thrownBy(() => parseWithheld(bytes, 0))
      })
    )
  })
})
