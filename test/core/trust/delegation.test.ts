import { array, constantFrom, integer, option, property, record } from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Delegation, type DelegatedScope, isDelegated, widening } from '../../../src/core/index.ts'
import { holds } from '../../property.ts'

const give = (from: string, to: string, paths: readonly string[], more: Partial<Delegation> = {}): Delegation => ({
  from,
  to,
  paths,
  mediaTypes: [],
  types: [],
  threshold: 1,
  ...more
})
const scope = (path: string, more: Partial<DelegatedScope> = {}): DelegatedScope => ({
  path,
  mediaType: '',
  type: 'a.b',
  ...more
})
const told = (...delegations: readonly Delegation[]): readonly string[] =>
  widening({ delegations }).map(({ path, message, suggestion }) => `${path.join('.')}: ${message}; ${suggestion}`)

describe('TRUST-18 what is delegated', () => {
  it('is what a chain of delegations from root covers, each in force', () => {
    const delegations = [give('root', 'a', ['x/**'], { untilMs: 100 }), give('a', 'b', ['x/y/**', 'z/**'], { fromMs: 10 })]
    const at = (name: string, path: string, ms: number): boolean => isDelegated({ delegations }, name, scope(path), ms)
    expect(at('a', 'x/q', 0)).toBe(true)
    expect(at('b', 'x/y', 50)).toBe(true)
    expect(at('b', 'x/q', 50)).toBe(false)
    // a has nothing there that it could give
    expect(at('b', 'z', 50)).toBe(false)
    expect(at('b', 'x/y', 9)).toBe(false)
    expect(at('b', 'x/y', 99)).toBe(true)
    expect(at('b', 'x/y', 100)).toBe(false)
    expect(at('root', 'x', 0)).toBe(false)
  })

  it('looks at media type and event type, and a delegation without them is of all', () => {
    const delegations = [
      give('root', 'a', ['**'], { mediaTypes: ['application/vnd.oci.*'], types: ['sbom.*'] }),
      give('root', 'b', ['**'])
    ]
    const at = (name: string, more: Partial<DelegatedScope>): boolean => isDelegated({ delegations }, name, scope('x', more), 0)
    expect(at('a', { mediaType: 'application/vnd.oci.image', type: 'sbom.published' })).toBe(true)
    expect(at('a', { mediaType: 'application/vnd.oci.image', type: 'job.submitted' })).toBe(false)
    expect(at('a', { mediaType: 'text/plain', type: 'sbom.published' })).toBe(false)
    expect(at('a', { mediaType: '', type: 'sbom.published' })).toBe(false)
    expect(at('b', {})).toBe(true)
  })

  it('TRUST-20 needs as many keys as the threshold says', () => {
    const delegations = [give('root', 'a', ['**'], { threshold: 2 })]
    expect(isDelegated({ delegations }, 'a', scope('x'), 0)).toBe(false)
    expect(isDelegated({ delegations }, 'a', scope('x'), 0, 2)).toBe(true)
  })

  it('is nothing where identities delegate to each other in a circle', () => {
    const delegations = [give('a', 'b', ['**']), give('b', 'a', ['**'])]
    expect(isDelegated({ delegations }, 'a', scope('x'), 0)).toBe(false)
    expect(told(...delegations)).toEqual([
      'delegations.0.from: a has nothing from root that it could give to b; delegate to a first, or delegate from root',
      'delegations.1.from: b has nothing from root that it could give to a; delegate to b first, or delegate from root'
    ])
  })
})

describe('TRUST-19 a delegation that widens', () => {
  it('names what is too wide and what its giver has', () => {
    const a = give('root', 'a', ['x/**'], { mediaTypes: ['text/*'], types: ['sbom.*'], untilMs: 100 })
    const all = { mediaTypes: ['text/plain'], types: ['sbom.published'], untilMs: 100 }
    expect(told(a, give('a', 'b', ['x/y/**'], all))).toEqual([])
    expect(told(a, give('a', 'b', ['x/y', '**'], all))).toEqual([
      'delegations.1.paths.1: the delegation to b widens what a has: "**"; a has x/**'
    ])
    expect(told(a, give('a', 'b', ['x/y'], { ...all, mediaTypes: ['*'] }))).toEqual([
      'delegations.1.mediaTypes.0: the delegation to b widens what a has: "*"; a has text/*'
    ])
    expect(told(a, give('a', 'b', ['x/y'], { ...all, types: [] }))).toEqual([
      'delegations.1: the delegation to b widens what a has: all types; add types; a has sbom.*'
    ])
    expect(told(a, give('a', 'b', ['x/y'], { ...all, untilMs: 101 }))).toEqual([
      'delegations.1.until: the delegation to b lasts longer than what a has; give it since and until within those of the delegation to a'
    ])
  })

  it('may join what several delegations give, in any order, but not more', () => {
    const text = give('root', 'a', ['x/**'], { mediaTypes: ['text/*'] })
    const image = give('root', 'a', ['y/**'], { mediaTypes: ['image/*'] })
    expect(told(give('a', 'b', ['x/1', 'x/2'], { mediaTypes: ['text/plain'] }), text, image)).toEqual([])
    expect(told(give('a', 'b', ['x/1', 'y/1'], { mediaTypes: ['text/plain'] }), text, image)).toEqual([
      'delegations.0: the delegation to b widens what a has: not each path with each type and time is within one of its own; split it into one for each delegation to a'
    ])
  })

  it('is found through a circle that lifts itself', () => {
    expect(
      told(give('root', 'a', ['x/**']), give('a', 'b', ['**']), give('b', 'a', ['**'])).map((one) => one.slice(0, 13))
    ).toEqual(['delegations.1', 'delegations.2'])
  })
})

const names = ['a', 'b', 'c'] as const
const anyTime = option(integer({ min: 0, max: 20 }), { nil: undefined })
const anyDelegation = record({
  from: constantFrom('root', ...names),
  to: constantFrom(...names),
  paths: array(constantFrom('**', 'x/**', 'x/*', 'x/y', 'y/**', '*'), { minLength: 1, maxLength: 2 }),
  mediaTypes: array(constantFrom('*', 'text/*', 'text/plain', 'image/*'), { maxLength: 2 }),
  types: array(constantFrom('sbom.*', 'sbom.published', '*'), { maxLength: 1 }),
  fromMs: anyTime,
  untilMs: anyTime
}).map(
  ({ fromMs, untilMs, ...rest }): Delegation => ({
    ...rest,
    threshold: 1,
    ...(fromMs !== undefined && { fromMs }),
    ...(untilMs !== undefined && { untilMs })
  })
)
const anyScope = record({
  path: constantFrom('', 'x', 'x/y', 'x/y/z', 'y', 'y/z'),
  mediaType: constantFrom('', 'text/plain', 'image/png'),
  type: constantFrom('sbom.published', 'job.submitted')
})
const anyTimeAt = integer({ min: 0, max: 20 })

describe('TRUST-18 TRUST-19 a scope', () => {
  it('never grows along a chain: who is given something has a giver that has it too, or root', () => {
    holds(
      property(array(anyDelegation, { maxLength: 8 }), anyScope, anyTimeAt, (delegations, wanted, atMs) => {
        for (const name of names) {
          if (!isDelegated({ delegations }, name, wanted, atMs)) continue
          const without = delegations.filter(({ to }) => to !== name)
          const givers = delegations.filter((one) => one.to === name && one.from !== name)
          const rooted = givers.some(({ from }) => from === 'root' || isDelegated({ delegations: without }, from, wanted, atMs))
          expect(rooted).toBe(true)
        }
      })
    )
  })

  it('is in a file without widening what the delegation itself says, as its givers have all of it', () => {
    let nested = 0
    holds(
      property(array(anyDelegation, { maxLength: 6 }), anyScope, anyTimeAt, (others, wanted, atMs) => {
        // somebody who may give on anything, so that what is given on is met in every run of the test
        const delegations = [give('root', 'a', ['**']), ...others]
        const bad = new Set(widening({ delegations }).map(({ path }) => path[1]))
        const sound = delegations.filter((_, index) => !bad.has(index))
        expect(widening({ delegations: sound })).toEqual([])
        for (const one of sound) {
          if (one.from !== 'root') nested++
          const alone = isDelegated({ delegations: [{ ...one, from: 'root' }] }, one.to, wanted, atMs)
          if (alone) expect(isDelegated({ delegations: sound }, one.to, wanted, atMs)).toBe(true)
          if (alone && one.from !== 'root') expect(isDelegated({ delegations: sound }, one.from, wanted, atMs)).toBe(true)
        }
      })
    )
    expect(nested).toBeGreaterThan(0)
  })

  it('does not shrink when a delegation is added, nor depend on their order', () => {
    holds(
      property(array(anyDelegation, { maxLength: 6 }), anyDelegation, anyScope, anyTimeAt, (delegations, more, wanted, atMs) => {
        for (const name of names) {
          const before = isDelegated({ delegations }, name, wanted, atMs)
          expect(isDelegated({ delegations: delegations.toReversed() }, name, wanted, atMs)).toBe(before)
          if (before) expect(isDelegated({ delegations: [more, ...delegations] }, name, wanted, atMs)).toBe(true)
        }
      })
    )
  })
})
