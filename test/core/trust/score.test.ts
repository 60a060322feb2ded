import { constantFrom, double, integer, property, tuple, array, option } from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  defaultReputation,
  liftsAtMs,
  type PeerDeed,
  type PeerScore,
  scoreAfter,
  settleScore,
  standingOfPeer
} from '../../../src/core/index.ts'
import { holds } from '../../property.ts'

const hour = 3_600_000
const now = 1_795_000_000_000
const rules = defaultReputation
const bad: readonly PeerDeed[] = ['badSignature', 'badProof', 'badBlob', 'malformed', 'duplicate', 'flood']
const points = double({ min: rules.floor, max: rules.usefulUpTo, noNaN: true })
const score = points.map((value): PeerScore => ({ points: value, atMs: now }))
const deed = constantFrom(...bad, 'useful' as const)
const ms = integer({ min: 0, max: 100 * hour })

/** Returns the score after some deeds, each so long after the one before. */
function after(deeds: readonly (readonly [PeerDeed, number])[]): PeerScore {
  let one: PeerScore | undefined
  let atMs = now
  for (const [what, waitMs] of deeds) one = scoreAfter(one, what, rules, (atMs += waitMs))
  return one ?? { points: 0, atMs }
}

describe('a score', () => {
  it.each<[PeerDeed, number]>([
    ['badSignature', -100],
    ['badProof', -100],
    ['badBlob', -25],
    ['malformed', -10],
    ['duplicate', -1],
    ['flood', -1],
    ['useful', 1]
  ])('PEERS-1 of a peer of which nothing is known is 0, and %s counts %i', (what, weight) => {
    expect(scoreAfter(undefined, what, rules, now)).toEqual({ points: weight, atMs: now })
  })

  it('PEERS-1 stays within its bounds whatever a peer does', () => {
    holds(
      property(array(tuple(deed, ms)), (deeds) => {
        const { points: sum } = after(deeds)
        expect(sum).toBeGreaterThanOrEqual(rules.floor)
        expect(sum).toBeLessThanOrEqual(rules.usefulUpTo)
      })
    )
  })

  it('PEERS-1 no amount of useful deeds pays for one bad signature or proof', () => {
    holds(
      property(array(tuple(deed, ms)), constantFrom<PeerDeed>('badSignature', 'badProof'), (deeds, lie) => {
        const before = after(deeds)
        const { points: sum } = scoreAfter(before, lie, rules, before.atMs)
        expect(standingOfPeer({ points: sum, atMs: before.atMs }, undefined, rules, before.atMs)).toBe('graylisted')
      })
    )
  })

  it('a bad deed never raises it, a useful one never lowers it', () => {
    holds(
      property(score, constantFrom(...bad), (before, what) => {
        expect(scoreAfter(before, what, rules, now).points).toBeLessThanOrEqual(before.points)
        expect(scoreAfter(before, 'useful', rules, now).points).toBeGreaterThanOrEqual(before.points)
      })
    )
    expect(scoreAfter({ points: 50, atMs: now }, 'useful', rules, now).points).toBe(50)
  })

  it('PEERS-2 goes back by 5 an hour toward 0, from either side, and never beyond', () => {
    expect(settleScore({ points: -100, atMs: now }, rules, now + 2 * hour).points).toBe(-90)
    expect(settleScore({ points: 20, atMs: now }, rules, now + 2 * hour).points).toBe(10)
    expect(settleScore({ points: -7, atMs: now }, rules, now + 2 * hour)).toEqual({ points: 0, atMs: now + 2 * hour })
    holds(
      property(score, ms, ms, (one, a, b) => {
        const later = settleScore(one, rules, now + a + b).points
        expect(Math.abs(later)).toBeLessThanOrEqual(Math.abs(one.points))
        expect(later * one.points).toBeGreaterThanOrEqual(0)
        // looking at it in between changes nothing
        expect(settleScore(settleScore(one, rules, now + a), rules, now + a + b).points).toBeCloseTo(later, 6)
      })
    )
  })

  it('PEERS-2 of a clock that was ahead begins to decay now, and never rises', () => {
    const ahead = { points: -100, atMs: now + 1000 * hour }
    expect(settleScore(ahead, rules, now)).toEqual({ points: -100, atMs: now })
  })
})

describe('a standing', () => {
  it('PEERS-3 is graylisted below -50, until decay lifts it, to the millisecond', () => {
    const at = (value: number) => standingOfPeer({ points: value, atMs: now }, undefined, rules, now)
    expect([at(-50), at(-50.01), at(0)]).toEqual(['good', 'graylisted', 'good'])
    expect(standingOfPeer(undefined, undefined, rules, now)).toBe('good')
    expect(liftsAtMs({ points: -100, atMs: now }, rules)).toBe(now + 10 * hour)
    expect(liftsAtMs({ points: -10, atMs: now }, rules)).toBe(now)
    expect(liftsAtMs({ points: -100, atMs: now }, { ...rules, decayPerHour: 0 })).toBe(Number.POSITIVE_INFINITY)
    holds(
      property(double({ min: rules.floor, max: -51, noNaN: true }), (value) => {
        const low = { points: value, atMs: now }
        const lift = liftsAtMs(low, rules)
        // a millisecond more, for the rounding of the points
        expect(standingOfPeer(low, undefined, rules, lift + 1)).toBe('good')
        expect(standingOfPeer(low, undefined, rules, lift - 2)).toBe('graylisted')
      })
    )
  })

  it('PEERS-5 is what a person said, whatever the points', () => {
    holds(
      property(option(score, { nil: undefined }), ms, (one, waitMs) => {
        expect(standingOfPeer(one, 'block', rules, now + waitMs)).toBe('blocked')
        expect(standingOfPeer(one, 'allow', rules, now + waitMs)).toBe('allowed')
      })
    )
  })
})
