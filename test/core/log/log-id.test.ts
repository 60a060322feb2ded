import { property, string, uint8Array } from 'fast-check'
import { describe, expect, it } from 'vitest'
import { equal, hashOfLogId, isLogId, leafHash, logIdOf, logIdOfHash, parseLogId, utf8 } from '../../../src/core/index.ts'
import { holds } from '../../property.ts'
import { thrownBy } from '../../thrown.ts'

describe('a log ID', () => {
  it('LOG-1: is the leaf hash of the first line in base32', () => {
    holds(
      property(uint8Array(), (line) => {
        const log = logIdOf(line)
        expect(log).toMatch(/^[a-z2-7]{52}$/)
        expect(equal(hashOfLogId(log), leafHash(line))).toBe(true)
        expect(logIdOfHash(leafHash(line))).toBe(log)
        expect(parseLogId(log)).toBe(log)
      })
    )
    // printf '\\0' | openssl dgst -sha256 -binary | base32 | tr A-Z a-z
    expect(logIdOf(new Uint8Array(0))).toBe('ny2axhh7wn5jrhffittlw6akfr4jahj7wm3tq5ufcgrqmf5puaoq')
  })

  it.each([
    '',
    'a'.repeat(51),
    'a'.repeat(53),
    'A'.repeat(52),
    `${'a'.repeat(51)}1`,
    `${'a'.repeat(51)}b`,
    `${'a'.repeat(51)}=`,
    `../${'a'.repeat(49)}`,
    `${'a'.repeat(52)}\n`
  ])('LOG-1: is not %j: E_CHECKPOINT', (text) => {
    expect(isLogId(text)).toBe(false)
    expect(thrownBy(() => parseLogId(text))).toBe('E_CHECKPOINT')
  })

  it('is not arbitrary text', () => {
    holds(
      property(string({ minLength: 52, maxLength: 52 }), (text) => {
        if (isLogId(text)) expect(logIdOfHash(hashOfLogId(text))).toBe(text)
      })
    )
    expect(isLogId(logIdOf(utf8('x')))).toBe(true)
  })
})
