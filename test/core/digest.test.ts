import { createHash } from 'node:crypto'
import { property, uint8Array } from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  digestOf,
  digestOfHash,
  digestParts,
  equal,
  hasDigest,
  hashOfDigest,
  isDigest,
  parseDigest,
  sha256
} from '../../src/core/index.ts'
import { holds } from '../property.ts'
import { thrownBy } from '../thrown.ts'

describe('a digest', () => {
  it('is of the bytes, and no other bytes have it', () => {
    holds(
      property(uint8Array(), (bytes) => {
        const digest = digestOf(bytes)
        expect(digest).toBe(`sha256:${createHash('sha256').update(bytes).digest('hex')}`)
        expect(digestOfHash(sha256(bytes))).toBe(digest)
        expect(equal(hashOfDigest(digest), sha256(bytes))).toBe(true)
        expect(hasDigest(bytes, digest)).toBe(true)
        expect(hasDigest(Uint8Array.of(...bytes, 0), digest)).toBe(false)
      })
    )
  })

  it('may be of sha512', () => {
    const digest = parseDigest(`sha512:${createHash('sha512').update('x').digest('hex')}`)
    expect(hasDigest(Buffer.from('x'), digest)).toBe(true)
    expect(hasDigest(Buffer.from('y'), digest)).toBe(false)
    expect(hashOfDigest(digest).length).toBe(64)
    expect(digestParts(digest).algorithm).toBe('sha512')
  })

  it.each([
    '',
    'sha256:',
    `sha256:${'a'.repeat(63)}`,
    `sha256:${'A'.repeat(64)}`,
    `sha256:${'a'.repeat(64)}\n`,
    `sha256:${'a'.repeat(128)}`,
    `sha512:${'a'.repeat(64)}`,
    `md5:${'a'.repeat(32)}`,
    `sha256-${'a'.repeat(64)}`
  ])('is not %j: E_DIGEST', (text) => {
    expect(isDigest(text)).toBe(false)
    expect(thrownBy(() => parseDigest(text))).toBe('E_DIGEST')
  })

  it('of a hash that does not have 32 bytes is a bug', () => {
    expect(() => digestOfHash(new Uint8Array(31))).toThrow(/^bug:/)
  })
})
