import { date, property } from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseDuration, parseInstant, parseSize } from '../../../src/core/trust/quantity.ts'
import { holds } from '../../property.ts'

describe('TRUST-21 quantities of a trust file', () => {
  it('are durations', () => {
    expect(['90s', '15m', '12h', '30d', '0d', 'never'].map(parseDuration)).toEqual([
      90e3,
      900e3,
      43_200e3,
      2_592_000e3,
      0,
      Infinity
    ])
    for (const text of ['', '30', '30 d', '030d', '-1d', '1.5d', '30w', 'Never', '12345678d'])
      expect(parseDuration(text)).toBeUndefined()
  })

  it('are sizes', () => {
    expect([65_535, '2KiB', '3MiB', '20GiB', '1TiB', 0].map(parseSize)).toEqual([
      65_535,
      2048,
      3 * 2 ** 20,
      20 * 2 ** 30,
      2 ** 40,
      0
    ])
    for (const size of ['', '2', '2kb', '2GB', '2 GiB', '02GiB', '99999TiB', -1, 1.5, 2 ** 53])
      expect(parseSize(size)).toBeUndefined()
  })

  it('are days and moments, in UTC, as the calendar has them', () => {
    for (const text of [
      '2026-02-29',
      '2026-13-01',
      '2026-00-01',
      '2026-04-31',
      '2026-1-1',
      '2026-01-01T24:00:00Z',
      '2026-01-01T00:00:00',
      ''
    ])
      expect(parseInstant(text)).toBeUndefined()
    const range = { min: new Date('0001-01-01T00:00:00Z'), max: new Date('9999-12-31T23:59:59Z'), noInvalidDate: true }
    holds(
      property(date(range), (moment) => {
        const text = moment.toISOString()
        expect(parseInstant(`${text.slice(0, 19)}Z`)).toBe(Date.parse(`${text.slice(0, 19)}Z`))
        expect(parseInstant(text.slice(0, 10))).toBe(Date.parse(text.slice(0, 10)))
      })
    )
    expect(parseInstant('2028-02-29')).toBe(Date.UTC(2028, 1, 29))
  })
})
