import { double, integer, property, tuple } from 'fast-check'
import { describe, expect, it } from 'vitest'
import { firstHlc, type Hlc, isAhead, isHlc, maxAheadMs, merge, msOfHlc, parseHlc, tick } from '../../src/core/index.ts'
import { holds } from '../property.ts'
import { thrownBy } from '../thrown.ts'

const anyMs = integer({ min: 0, max: 2 ** 41 })
const anyHlc = tuple(anyMs, integer({ min: 0, max: 0xffff })).map(([ms, counter]) =>
  parseHlc(ms.toString(16).padStart(12, '0') + counter.toString(16).padStart(4, '0'))
)

describe('a hybrid logical clock', () => {
  it('EVENT-10: always moves on, in text order, whatever the wall clock says', () => {
    holds(
      property(anyHlc, double({ min: -1e12, max: 2 ** 41, noNaN: true }), (last, nowMs) => {
        const next = tick(last, nowMs)
        expect(isHlc(next)).toBe(true)
        expect(next > last).toBe(true)
        expect(msOfHlc(next)).toBeGreaterThanOrEqual(Math.floor(nowMs))
      })
    )
  })

  it('moves on within a millisecond that the wall clock gives in fractions', () => {
    expect(tick('0000000000050003' as Hlc, 5.5)).toBe('0000000000050004')
  })

  it('moves on from 1970 and over a full counter', () => {
    expect(tick(firstHlc, 0)).toBe('0000000000000001')
    expect(tick('00000000000affff' as Hlc, 10)).toBe('00000000000b0000')
    expect(tick('00000000000a0005' as Hlc, 11)).toBe('00000000000b0000')
  })

  it('EVENT-11: merges an accepted value, but none that is over 10 minutes ahead of the wall clock', () => {
    holds(
      property(anyHlc, anyHlc, anyMs, (own, other, nowMs) => {
        const merged = merge(own, other, nowMs)
        expect(merged >= own).toBe(true)
        expect(merged === own || merged === other).toBe(true)
        if (merged !== own) expect(msOfHlc(merged)).toBeLessThanOrEqual(nowMs + maxAheadMs)
        expect(merge(merged, other, nowMs)).toBe(merged)
      })
    )
    const nowMs = 1_000_000
    const edge = parseHlc(`${(nowMs + maxAheadMs).toString(16).padStart(12, '0')}ffff`)
    const beyond = tick(edge, 0)
    expect([isAhead(edge, nowMs), isAhead(beyond, nowMs)]).toEqual([false, true])
    expect(merge(firstHlc, edge, nowMs)).toBe(edge)
    expect(merge(firstHlc, beyond, nowMs)).toBe(firstHlc)
  })

  it.each(['', '0', '000000000000000', '00000000000000000', '000000000000000G', 'ABCDEF0000000000', '0000000000000000\n'])(
    'has no value %j: E_EVENT',
    (text) => {
      expect(thrownBy(() => parseHlc(text))).toBe('E_EVENT')
    }
  )
})
