import { double, property, record } from 'fast-check'
import { describe, expect, it } from 'vitest'
import { defaultPeerLimits, parseRate, peerLimitsOf, scoreAfter, standingOfPeer } from '../../../src/core/index.ts'
import { holds } from '../../property.ts'

describe('what peers are held to by a trust file', () => {
  it('is as usual where it names nothing', () => {
    expect(peerLimitsOf({})).toEqual(defaultPeerLimits)
  })

  it('is what the edge node of TRUST.md says', () => {
    const limits = peerLimitsOf({
      rateLimits: { perPeer: { events: '200/s', bytes: '2MiB/s', burst: 4 }, total: { events: '1000/s' } },
      reputation: { start: 0, badSignature: -100, badProof: -100, duplicate: -1, useful: 1, graylistBelow: -50, decayPerHour: 5 }
    })
    expect(limits.perPeer).toEqual({ eventsPerSecond: 200, bytesPerSecond: 2 * 1024 * 1024, burst: 4 })
    expect(limits.total).toEqual({ ...defaultPeerLimits.total, eventsPerSecond: 1000 })
    expect(limits.reputation).toEqual(defaultPeerLimits.reputation)
  })

  it.each([
    ['1/s', 1],
    ['90/m', 1.5],
    ['36KiB/h', 10.24],
    ['3GiB/s', 3 * 1024 ** 3],
    ['0/s', undefined],
    ['1.5/s', undefined],
    ['1 /s', undefined],
    ['1MB/s', undefined],
    ['1/d', undefined]
  ])('reads %s as %s a second', (text, rate) => {
    expect(parseRate(text)).toBe(rate)
  })

  it('lets a peer that only does harm be cut off in the end, wherever the line is', () => {
    holds(
      property(record({ graylistBelow: double({ min: -1e6, max: -1, noNaN: true }) }), (reputation) => {
        const named = { ...peerLimitsOf({ reputation }).reputation, badProof: 2 * reputation.graylistBelow }
        const low = scoreAfter(undefined, 'badProof', named, 0)
        expect(standingOfPeer(low, undefined, named, 0)).toBe('graylisted')
      })
    )
  })

  it('never rewards harm, even with points above 0', () => {
    const { reputation } = peerLimitsOf({ reputation: { badProof: 50 } })
    expect(scoreAfter({ points: 3, atMs: 0 }, 'badProof', reputation, 0).points).toBe(3)
  })
})
