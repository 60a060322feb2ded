import { property, string, uint8Array } from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  base32Of,
  base64,
  compare,
  concat,
  equal,
  fromBase32,
  fromBase64,
  fromHex,
  hex,
  textOf,
  utf8
} from '../../src/core/index.ts'
import { holds } from '../property.ts'
import { thrownBy } from '../thrown.ts'

describe('bytes', () => {
  it('have one spelling in each base, and decoding gives them back', () => {
    const bases = [
      { encode: hex, decode: fromHex, platform: 'hex' },
      { encode: base64, decode: fromBase64, platform: 'base64' },
      { encode: base32Of, decode: fromBase32, platform: undefined }
    ] as const
    for (const { encode, decode, platform } of bases) {
      holds(
        property(uint8Array({ maxLength: 200 }), (bytes) => {
          expect(decode(encode(bytes))).toEqual(bytes)
          if (platform !== undefined) expect(encode(bytes)).toBe(Buffer.from(bytes).toString(platform))
        })
      )
      holds(
        property(string({ unit: 'binary', maxLength: 40 }), (text) => {
          const bytes = decode(text)
          if (bytes !== undefined) expect(encode(bytes)).toBe(text)
        })
      )
    }
  })

  it.each(['A', 'AB', 'AA=', 'AB==', 'AI==', 'AAB=', 'AAC=', '====', 'A===', 'AA==\n', 'AA', '_-==', 'AA==AA=='])(
    'refuses %j as base64',
    (text) => {
      expect(fromBase64(text)).toBeUndefined()
    }
  )

  it.each(['a', 'ab', 'AA', 'a1', 'aa======'])('refuses %j as base32', (text) => {
    expect(fromBase32(text)).toBeUndefined()
  })

  it.each(['0', 'AA', 'gg', '0x'])('refuses %j as hexadecimal', (text) => {
    expect(fromHex(text)).toBeUndefined()
  })

  it('are ordered byte by byte, the shorter first', () => {
    holds(
      property(uint8Array({ maxLength: 4, max: 3 }), uint8Array({ maxLength: 4, max: 3 }), (a, b) => {
        expect(Math.sign(compare(a, b))).toBe(Buffer.compare(a, b))
        expect(equal(a, b)).toBe(Buffer.compare(a, b) === 0)
        expect(concat([a, b])).toEqual(new Uint8Array(Buffer.concat([a, b])))
      })
    )
  })

  it('that are not UTF-8 are E_UTF8, and a byte order mark stays', () => {
    expect(thrownBy(() => textOf(Uint8Array.of(0xff)))).toBe('E_UTF8')
    expect(thrownBy(() => textOf(Uint8Array.of(0xed, 0xa0, 0x80)))).toBe('E_UTF8')
    expect(textOf(Uint8Array.of(0xef, 0xbb, 0xbf))).toBe('\ufeff')
    holds(
      property(string({ unit: 'grapheme' }), (text) => {
        expect(textOf(utf8(text))).toBe(text)
      })
    )
  })
})
