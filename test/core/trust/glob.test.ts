import { array, constant, constantFrom, oneof, property, tuple } from 'fast-check'
import { describe, expect, it } from 'vitest'
import { endingFault, globFault, matchGlob } from '../../../src/core/trust/glob.ts'
import { holds } from '../../property.ts'
import { thrownBy } from '../../thrown.ts'

/** The definition, followed letter by letter: takes exponential time. */
function naiveParts(parts: readonly string[], patterns: readonly string[]): boolean {
  const [pattern, ...others] = patterns
  if (pattern === undefined) return parts.length === 0
  if (pattern === '**') return naiveParts(parts, others) || (parts.length > 0 && naiveParts(parts.slice(1), patterns))
  const [part, ...rest] = parts
  return part !== undefined && naivePart(part, pattern) && naiveParts(rest, others)
}

function naivePart(part: string, pattern: string): boolean {
  if (pattern === '') return part === ''
  if (pattern.startsWith('*')) return naivePart(part, pattern.slice(1)) || (part !== '' && naivePart(part.slice(1), pattern))
  return part.startsWith(pattern[0] as string) && naivePart(part.slice(1), pattern.slice(1))
}

const split = (path: string): readonly string[] => (path === '' ? [] : path.split('/'))
const naive = (path: string, pattern: string): boolean => naiveParts(split(path), split(pattern))

const anyPart = array(constantFrom('a', 'b'), { minLength: 1, maxLength: 4 }).map((letters) => letters.join(''))
const anyPath = array(anyPart, { maxLength: 5 }).map((parts) => parts.join('/'))
const anyPatternPart = array(constantFrom('a', 'b', '*'), { minLength: 1, maxLength: 4 }).map((letters) =>
  letters.join('').replaceAll(/\*+/g, '*')
)
const anyPattern = array(
  constantFrom(0, 1, 2).chain((kind) => (kind === 0 ? constantFrom('**') : anyPatternPart)),
  {
    minLength: 1,
    maxLength: 4
  }
).map((parts) => parts.join('/'))

describe('TRUST-14 a pattern of repository names', () => {
  it.each([
    ['apps/web', 'apps/web', true],
    ['apps/web', 'apps/*', true],
    ['apps/web/ui', 'apps/*', false],
    ['apps/web/ui', 'apps/**', true],
    ['apps', 'apps/**', true],
    ['apps', 'apps/*', false],
    ['application', 'app*', true],
    ['apps/web', 'app*', false],
    ['a/x/y/b', 'a/**/b', true],
    ['a/b', 'a/**/b', true],
    ['ab', 'a/**/b', false],
    ['x/a/b', '**/a/b', true],
    ['aXbXc', 'a*b*c', true],
    ['abcb', 'a*b*c', false],
    ['', '**', true],
    ['', '*', false],
    ['Apps/web', 'apps/*', false],
    ['apps/web', '', false],
    ['a.b', 'a?b', false]
  ])('%j and %j: %j', (path, pattern, fits) => {
    expect(matchGlob(path, pattern)).toBe(fits)
  })

  it('says the same as its definition', () => {
    holds(property(anyPath, anyPattern, (path, pattern) => matchGlob(path, pattern) === naive(path, pattern)))
  })

  it('taken as a path: all that fits it fits the other', () => {
    let within = 0
    holds(
      property(tuple(anyPattern, oneof(constant('**'), anyPattern), anyPath), ([inner, outer, path]) => {
        if (!matchGlob(inner, outer)) return
        within++
        if (naive(path, inner)) expect(naive(path, outer)).toBe(true)
      })
    )
    expect(within).toBeGreaterThan(0)
    expect(matchGlob('a/**', '**')).toBe(true)
    expect(matchGlob('a/**', 'a/*')).toBe(false)
    expect(matchGlob('**', '*')).toBe(false)
    expect(matchGlob('a*', 'a*b*')).toBe(false)
    expect(matchGlob('a*', '*')).toBe(true)
  })

  it('takes no more steps than path times pattern', () => {
    // one that goes back to each star takes longer than the sun will shine
    expect(matchGlob(`${'a'.repeat(60_000)}b`, `${'*a'.repeat(120)}*c`)).toBe(false)
    expect(matchGlob(`${'a/'.repeat(30_000)}b`, `${'**/a/'.repeat(50)}c`)).toBe(false)
    expect(thrownBy(() => matchGlob('a', '*'.repeat(257)))).toBe('E_TOO_LARGE')
  })

  it.each([
    ['apps/', 'did you mean "apps/**"?'],
    ['/apps', 'did you mean "apps"?'],
    ['apps//x', 'did you mean "apps/x"?'],
    ['/', 'did you mean "**"? It stands for all repositories'],
    ['apps/**x', 'did you mean "apps/*x"? "**" is a part of its own'],
    ['apps/[ab]', 'besides letters, digits and . _ - / only * and ** stand in it'],
    ['a b', 'besides letters, digits and . _ - / only * and ** stand in it'],
    ['a'.repeat(257), 'a pattern has at most 256 characters']
  ])('%j is none', (pattern, suggestion) => {
    expect(globFault(pattern)?.suggestion).toBe(suggestion)
  })

  it('is whatever is made of parts and stars', () => {
    holds(property(anyPattern, (pattern) => globFault(pattern) === undefined))
  })
})

describe('TRUST-15 a pattern of types', () => {
  it.each(['application/vnd.oci.*', '*', 'application/vnd.openvex+json', 'sbom.published'])('%j is one', (pattern) => {
    expect(endingFault(pattern)).toBeUndefined()
  })

  it.each([
    ['application/*+json', 'only a last * is a wildcard: did you mean "application/*"?'],
    ['**', 'only a last * is a wildcard: did you mean "*"?'],
    ['a b', 'besides letters, digits and . _ + - / only a last * stands in it'],
    ['', 'besides letters, digits and . _ + - / only a last * stands in it']
  ])('%j is none', (pattern, suggestion) => {
    expect(endingFault(pattern)?.suggestion).toBe(suggestion)
  })
})
