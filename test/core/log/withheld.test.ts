import { constantFrom, integer, property, string, uint8Array } from 'fast-check'
import { describe, expect, it } from 'vitest'
import { canonicalize, encodeWithheld, hex, isWithheld, parseWithheld, utf8 } from '../../../src/core/index.ts'
import { holds } from '../../property.ts'
import { thrownBy } from '../../thrown.ts'
import { sampleLog } from '../sample.ts'

const hash = 'ab'.repeat(32)

describe('a withheld marker', () => {
  it('LOG-11: comes back from its line', () => {
    const sizes = constantFrom(1, 2, 4, 8, 16, 32, 64, 128, 256)
    holds(
      property(uint8Array({ minLength: 32, maxLength: 32 }), sizes, integer({ min: 0, max: 2 ** 30 }), (bytes, size, at) => {
        const line = utf8(encodeWithheld({ hash: bytes, size }))
        expect(isWithheld(line)).toBe(true)
        expect(parseWithheld(line, at * size)).toEqual({ hash: bytes, size })
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
    `{"withheld":"${hash}${hash}"}`
  ])('LOG-11 LOG-12: is not %s: E_WITHHELD', (text) => {
    expect(isWithheld(utf8(text))).toBe(true)
    expect(thrownBy(() => parseWithheld(utf8(text), 0))).toBe('E_WITHHELD')
  })

  it('LOG-12: may not begin where its size does not divide the index: E_WITHHELD', () => {
    const line = utf8(`{"withheld":"${hash}","size":8}`)
    const codes = [0, 4, 7, 8, 12, 16].map((at) => thrownBy(() => parseWithheld(line, at)))
    expect(codes).toEqual([undefined, 'E_WITHHELD', 'E_WITHHELD', undefined, 'E_WITHHELD', undefined])
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
