import { constantFrom, option, property, record } from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bytesOfEvent, claimOf, type JsonObject, noUsage, overUsage } from '../../../src/core/index.ts'
import { holds } from '../../property.ts'
import { trustFile } from './sample-trust.ts'

const digest = `sha256:${'a'.repeat(64)}`
const few = option(constantFrom('x', 'y'), { nil: undefined })
const said = record({
  type: constantFrom('a.b', 'a.c'),
  subject: option(constantFrom(digest, 'urn:x'), { nil: undefined }),
  digest: option(constantFrom(digest, 'none'), { nil: undefined }),
  repository: few,
  tag: few,
  mediaType: few,
  artifactType: few
})
type Said = {
  readonly [Member in 'type' | 'subject' | 'digest' | 'repository' | 'tag' | 'mediaType' | 'artifactType']?: string | undefined
}

function claim({ type = '', subject, ...data }: Said, more: JsonObject = {}): string | undefined {
  const present = Object.fromEntries(Object.entries(data).filter(([, value]) => value !== undefined))
  return claimOf({ type, data: { ...present, ...more } as JsonObject, ...(subject !== undefined && { subject }) })
}

describe('TRUST-28 two events', () => {
  it('say the same where what they are about is the same, whatever else they say', () => {
    holds(
      property(said, said, (a, b) => {
        expect(claim(a, { note: 'mine' })).toBe(claim(a, { size: 7, blobs: [] }))
        const [x, y] = [claim(a), claim(b)]
        if (x === undefined) expect([a.subject, a.digest === digest]).toEqual([undefined, false])
        else expect(x === y).toBe(JSON.stringify(Object.entries(a)) === JSON.stringify(Object.entries(b)))
      })
    )
  })

  it('of which one is about nothing say nothing the same', () => {
    expect(claim({ type: 'note.said' })).toBe(undefined)
    expect(claim({ type: 'note.said', digest: 'latest' })).toBe(undefined)
    expect(claim({ type: 'note.said', digest })).toMatch(/^[0-9a-f]{32}$/)
    expect(claimOf({ type: 'a.b', subject: 'x', data: { tag: 7 } })).toBe(claimOf({ type: 'a.b', subject: 'x', data: {} }))
  })
})

describe('TRUST-30 TRUST-31 what an identity has', () => {
  it('counts lines and the sizes that they name, and no nonsense', () => {
    expect(bytesOfEvent({ data: { size: 10.5, blobs: [{ size: 100 }, { size: -1 }, 'x', {}] } }, 500)).toBe(611)
    expect(bytesOfEvent({ data: { size: 'x', blobs: 7 } }, 1)).toBe(1)
    expect(bytesOfEvent({ data: { size: 1e300 } }, 1)).toBe(Number.MAX_SAFE_INTEGER)
  })

  it('is over a quota or rate from the first event on that has no room', () => {
    const file = trustFile({ quotas: new Map([['ci', { events: 2, bytes: 100 }]]) })
    expect(overUsage(file, 'ci', { ...noUsage, events: 1, bytes: 90 }, 10)).toBe(undefined)
    expect(overUsage(file, 'ci', { ...noUsage, events: 1, bytes: 90 }, 11)).toBe('quota:bytes')
    expect(overUsage(file, 'ci', { ...noUsage, events: 2 }, 1)).toBe('quota:events')
    expect(overUsage(file, 'other', { ...noUsage, events: 2, bytes: 1e9 }, 1)).toBe(undefined)
    const rated = trustFile({ identityRate: { eventsPerSecond: 0.1, bytesPerSecond: 10, burst: 4 } })
    expect(overUsage(rated, 'ci', { ...noUsage, events: 1e9 }, 1e9)).toBe(undefined)
    expect(overUsage(rated, 'ci', { ...noUsage, recentEvents: 1 }, 1)).toBe('rate:events')
    const bytes = { ...rated, identityRate: { eventsPerSecond: 1, bytesPerSecond: 10, burst: 4 } }
    expect(overUsage(bytes, 'ci', { ...noUsage, recentEvents: 1, recentBytes: 30 }, 10)).toBe(undefined)
    expect(overUsage(bytes, 'ci', { ...noUsage, recentEvents: 1, recentBytes: 30 }, 11)).toBe('rate:bytes')
  })
})
