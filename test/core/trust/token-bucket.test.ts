import { array, integer, property, record, tuple } from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fullBucket, type RateLimit, takeTokens } from '../../../src/core/index.ts'
import { holds } from '../../property.ts'

const limit: RateLimit = { eventsPerSecond: 10, bytesPerSecond: 1000, burst: 4 }
const limits = record({
  eventsPerSecond: integer({ min: 1, max: 50 }),
  bytesPerSecond: integer({ min: 1, max: 5000 }),
  burst: integer({ min: 1, max: 5 })
})
/** milliseconds since the event before, and bytes */
const events = array(tuple(integer({ min: 0, max: 400 }), integer({ min: 0, max: 8000 })), { minLength: 1, maxLength: 300 })

interface Taken {
  readonly atMs: number
  readonly sizeBytes: number
}

/** Returns what comes through of some events. */
function through(rate: RateLimit, offered: readonly (readonly [number, number])[]): readonly Taken[] {
  let bucket = fullBucket(rate, 0)
  let atMs = 0
  return offered.flatMap(([waitMs, sizeBytes]) => {
    atMs += waitMs
    const next = takeTokens(bucket, rate, sizeBytes, atMs)
    if (next === undefined) return []
    bucket = next
    return [{ atMs, sizeBytes }]
  })
}

describe('a token bucket', () => {
  it('PEERS-6 lets a burst through and then the rate', () => {
    const flood = Array.from({ length: 1000 }, () => [0, 10] as const)
    expect(through(limit, flood)).toHaveLength(40)
    const steady = Array.from({ length: 1000 }, () => [10, 10] as const)
    expect(through(limit, steady).length).toBeGreaterThanOrEqual(139)
    expect(through(limit, steady).length).toBeLessThanOrEqual(141)
    expect(through(limit, [...flood, [3000, 10] as const, ...flood])).toHaveLength(70)
  })

  it('PEERS-6 counts bytes as well as events', () => {
    expect(
      through(
        limit,
        Array.from({ length: 100 }, () => [0, 1000] as const)
      )
    ).toHaveLength(4)
  })

  it('lets an event that is larger than a full bucket through, and then has it paid back', () => {
    expect(through(limit, [[0, 9000] as const, [4000, 1] as const, [1000, 1] as const, [100, 1] as const])).toEqual([
      { atMs: 0, sizeBytes: 9000 },
      { atMs: 5100, sizeBytes: 1 }
    ])
  })

  it('PEERS-6 lets no more through within any time than the burst, the rate and one event', () => {
    holds(
      property(limits, events, (rate, offered) => {
        const taken = through(rate, offered)
        for (let first = 0; first < taken.length; first++) {
          let bytes = 0
          for (let last = first; last < taken.length; last++) {
            const { atMs, sizeBytes } = taken[last] as Taken
            const seconds = rate.burst + (atMs - (taken[first] as Taken).atMs) / 1000
            expect(last - first + 1).toBeLessThanOrEqual(seconds * rate.eventsPerSecond + 1e-6)
            expect(bytes).toBeLessThanOrEqual(seconds * rate.bytesPerSecond + 1e-6)
            bytes += sizeBytes
          }
        }
      })
    )
  })

  it('PEERS-6 lets everything through that keeps to the rate', () => {
    holds(
      property(limits, integer({ min: 1, max: 200 }), (rate, count) => {
        const waitMs = Math.ceil(1000 / rate.eventsPerSecond)
        const sizeBytes = Math.floor((rate.bytesPerSecond * waitMs) / 1000)
        expect(
          through(
            rate,
            Array.from({ length: count }, () => [waitMs, sizeBytes] as const)
          )
        ).toHaveLength(count)
      })
    )
  })

  it('takes a clock that goes back for one that stands still', () => {
    const empty = takeTokens({ events: 1, bytes: 1000, atMs: 5000 }, limit, 10, 5000)
    expect(empty).toEqual({ events: 0, bytes: 990, atMs: 5000 })
    expect(takeTokens(empty as NonNullable<typeof empty>, limit, 10, 1000)).toBeUndefined()
  })
})
