import { integer, property, string, uint8Array } from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  arrayItem,
  bytesItem,
  CborCursor,
  integerItem,
  mapItem,
  nullItem,
  tagItem,
  textItem
} from '../../../src/core/log/cbor.ts'
import { fromHex, hex } from '../../../src/core/index.ts'
import { holds } from '../../property.ts'
import { thrownBy } from '../../thrown.ts'

const cursorOf = (text: string): CborCursor => new CborCursor(fromHex(text) as Uint8Array)

describe('deterministic CBOR', () => {
  it('PROOF-11: has the encodings of RFC 8949, appendix A', () => {
    const integers: readonly (readonly [number, string])[] = [
      [0, '00'],
      [23, '17'],
      [24, '1818'],
      [100, '1864'],
      [1000, '1903e8'],
      [1000000, '1a000f4240'],
      [1000000000000, '1b000000e8d4a51000'],
      [-1, '20'],
      [-10, '29'],
      [-100, '3863'],
      [-1000, '3903e7']
    ]
    for (const [value, text] of integers) {
      expect(hex(integerItem(value))).toBe(text)
      cursorOf(text).integer(value)
      if (value >= 0) expect(cursorOf(text).unsigned()).toBe(value)
    }
    expect(hex(bytesItem(Uint8Array.of(1, 2, 3, 4)))).toBe('4401020304')
    expect(hex(textItem('\u6c34'))).toBe('63e6b0b4')
    expect(hex(arrayItem([integerItem(1), arrayItem([]), nullItem]))).toBe('830180f6')
    expect(hex(mapItem([[integerItem(1), integerItem(2)]]))).toBe('a10102')
    expect(hex(tagItem(18, nullItem))).toBe('d2f6')
  })

  it('gives back what was written', () => {
    const whole = integer({ min: 0, max: Number.MAX_SAFE_INTEGER })
    holds(
      property(whole, uint8Array({ maxLength: 300 }), string({ unit: 'grapheme' }), (value, bytes, text) => {
        const item = tagItem(18, arrayItem([integerItem(value), bytesItem(bytes), textItem(text), integerItem(-value), nullItem]))
        const cursor = new CborCursor(item)
        cursor.tag(18)
        cursor.arrayOf(5)
        expect([cursor.unsigned(), hex(cursor.byteString()), cursor.text()]).toEqual([value, hex(bytes), text])
        cursor.integer(value === 0 ? 0 : -value)
        cursor.null()
        cursor.end()
      })
    )
  })

  it.each([
    ['', 'unsigned'],
    ['20', 'unsigned'],
    ['1817', 'unsigned'],
    ['190018', 'unsigned'],
    ['1a0000ffff', 'unsigned'],
    ['1b00000000ffffffff', 'unsigned'],
    ['1b0020000000000000', 'unsigned'],
    ['1c', 'unsigned'],
    ['1f', 'unsigned'],
    ['18', 'unsigned'],
    ['f6', 'unsigned'],
    ['4401', 'byteString'],
    ['5f4101ff', 'byteString'],
    ['5b001fffffffffffff', 'byteString'],
    ['6161', 'byteString'],
    ['4161', 'text'],
    ['9f01ff', 'arrayLength'],
    ['a0', 'arrayLength'],
    ['f7', 'null'],
    ['00', 'null'],
    ['00', 'end']
  ] as const)('PROOF-11: %s has no %s: E_RECEIPT', (text, what) => {
    expect(thrownBy(() => cursorOf(text)[what]())).toBe('E_RECEIPT')
  })

  it('takes exactly what must come: E_RECEIPT', () => {
    expect(thrownBy(() => cursorOf('01').integer(2))).toBe('E_RECEIPT')
    expect(thrownBy(() => cursorOf('20').integer(1))).toBe('E_RECEIPT')
    expect(thrownBy(() => cursorOf('00').integer(-1))).toBe('E_RECEIPT')
    expect(thrownBy(() => cursorOf('80').arrayOf(1))).toBe('E_RECEIPT')
    expect(thrownBy(() => cursorOf('a0').mapOf(1))).toBe('E_RECEIPT')
    expect(thrownBy(() => cursorOf('d3').tag(18))).toBe('E_RECEIPT')
    expect(thrownBy(() => cursorOf('61ff').text())).toBe('E_UTF8')
  })
})
