import { property, string } from 'fast-check'
import { describe, expect, it } from 'vitest'
import { suggestionFor } from '../../../src/core/index.ts'
import { editDistance, nearest } from '../../../src/core/trust/nearest.ts'
import { holds } from '../../property.ts'

describe('the nearest known word', () => {
  it.each([
    ['kyes', 'keys', 1],
    ['key', 'keys', 1],
    ['kitten', 'sitting', 3],
    ['', 'abc', 3],
    ['abc', 'abc', 0]
  ])('%s is to %s: %i', (a, b, distance) => {
    expect(editDistance(a, b)).toBe(distance)
    expect(editDistance(b, a)).toBe(distance)
  })

  it('is none where more than a third of the letters are wrong', () => {
    expect(nearest('mediatype', ['eventTypes', 'mediaTypes'])).toBe('mediaTypes')
    expect(nearest('banana', ['keys', 'rules'])).toBeUndefined()
    expect(nearest('ci3', ['ci-1', 'ci-2', 'ci-3'])).toBe('ci-3')
    expect(nearest('x'.repeat(65), ['x'.repeat(65)])).toBeUndefined()
  })

  it('is told, else what is known', () => {
    expect(suggestionFor('kyes', ['keys', 'rules'])).toBe('did you mean keys?')
    expect(suggestionFor('banana', ['keys', 'rules'])).toBe('known: keys, rules')
    expect(suggestionFor('banana', [])).toBe('none is known')
    expect(suggestionFor('banana', '123456789')).toBe('known: 1, 2, 3, 4, 5, 6, 7, 8, …')
  })

  it('is a distance: none to itself, the same both ways, at most the longer word', () => {
    holds(
      property(string({ maxLength: 12 }), string({ maxLength: 12 }), (a, b) => {
        expect(editDistance(a, a)).toBe(0)
        expect(editDistance(a, b)).toBe(editDistance(b, a))
        expect(editDistance(a, b)).toBeLessThanOrEqual(Math.max(a.length, b.length))
      })
    )
  })
})
