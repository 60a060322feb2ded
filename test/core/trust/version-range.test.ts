import { array, constantFrom, property, tuple } from 'fast-check'
import { compare, gte, lt } from 'semver'
import { describe, expect, it } from 'vitest'
import { versFault, versionIn } from '../../../src/core/index.ts'
import { holds } from '../../property.ts'

/** For each scheme versions in their order; those in one row are equal. */
const ascending: Readonly<Record<string, readonly (readonly string[])[]>> = {
  semver: [
    ['1.0.0-alpha'],
    ['1.0.0-alpha.1'],
    ['1.0.0-alpha.beta'],
    ['1.0.0-beta.2'],
    ['1.0.0-beta.11'],
    ['1.0.0', '1.0.0+x'],
    ['1.0.1']
  ],
  npm: [['0.9.9'], ['1.0.0-0'], ['1.0.0-rc.1'], ['1.0.0', 'v1.0.0'], ['2.0.0'], ['10.0.0'], ['90071992547409930.0.0']],
  golang: [['v0.0.0-20190101000000-abcdefabcdef'], ['v0.9.0', '0.9.0'], ['v1.0.0', 'v1.0.0+incompatible'], ['v1.10.0']],
  generic: [['1', '1.0', 'v1.0.0', '01'], ['1.9'], ['1.10'], ['20240101']],
  deb: [
    ['1.0~~'],
    ['1.0~rc1'],
    ['1.0', '0:1.0', '1.0-0'],
    ['1.0-1~bpo1'],
    ['1.0-1'],
    ['1.0-1+b1'],
    ['1.0a'],
    ['1.0+dfsg'],
    ['1.2'],
    ['1.10'],
    ['1:0.1']
  ],
  rpm: [
    ['1.0~rc1-1'],
    ['1.0-1'],
    ['1.0-2'],
    ['1.0^git1-1'],
    ['1.0a-1'],
    ['1.0.1-1'],
    ['1.2-1', '1.02-1', '1_2-1'],
    ['1.10-1'],
    ['1:0.1-1']
  ],
  apk: [
    ['1.0_alpha'],
    ['1.0_beta2'],
    ['1.0_rc1'],
    ['1.0', '1.0-r0', '1.0~abc123'],
    ['1.0-r2'],
    ['1.0_git20240101'],
    ['1.0_p1-r1'],
    ['1.0a'],
    ['1.0.1'],
    ['1.02'],
    ['1.1'],
    ['1.10']
  ],
  maven: [
    ['1-alpha-1', '1a1'],
    ['1-beta'],
    ['1-milestone'],
    ['1-rc', '1-CR'],
    ['1-SNAPSHOT'],
    ['1', '1.0', '1-ga', '1.0.0.Final'],
    ['1-sp'],
    ['1-x'],
    ['1-1'],
    ['1.1'],
    ['1.10']
  ],
  pypi: [
    ['1.0.dev1'],
    ['1.0a1.dev1'],
    ['1.0a1', '1.0-alpha_1'],
    ['1.0b2'],
    ['1.0rc1', '1.0c1', '1.0.pre1'],
    ['1.0', '1', 'v1.0.0'],
    ['1.0+a'],
    ['1.0+1'],
    ['1.0.post1', '1.0-1'],
    ['1.1'],
    ['1.10'],
    ['1!0.1']
  ]
}

describe('CONTENT-13: the order of versions', () => {
  it.each(Object.entries(ascending))('of %s', (scheme, rows) => {
    expect(rows.length).toBeGreaterThan(3)
    for (const [i, row] of rows.entries())
      for (const version of row)
        for (const [j, others] of rows.entries())
          for (const other of others) {
            const than = (sign: string): string =>
              versionIn(`vers:${scheme}/${sign}${encodeURIComponent(other).replace('!', '%21')}`, version)
            expect([version, other, than('<'), than('>=')]).toEqual([version, other, i < j ? 'in' : 'out', i >= j ? 'in' : 'out'])
            expect([version, other, than(''), than('!=')]).toEqual([
              version,
              other,
              i === j ? 'in' : 'out',
              i === j ? 'out' : 'in'
            ])
          }
  })

  it('of rpm leaves releases out where one has none', () => {
    expect(versionIn('vers:rpm/<=1.2', '1.2-7')).toBe('in')
    expect(versionIn('vers:rpm/<1.2', '1.2-7')).toBe('out')
  })

  const part = constantFrom('0', '1', '9', '10')
  const suffix = constantFrom('', '-0', '-a', '-a.1', '-a.b', '-1', '-10.x', '-rc-1', '+build', '-a+1')
  const version = tuple(part, part, part, suffix).map(([a, b, c, end]) => `${a}.${b}.${c}${end}`)
  it('of npm is that of node-semver', () => {
    holds(
      property(version, version, (a, b) => {
        expect(versionIn(`vers:npm/<${a}`, b)).toBe(lt(b, a) ? 'in' : 'out')
        expect(versionIn(`vers:npm/>=${a}`, b)).toBe(gte(b, a) ? 'in' : 'out')
      })
    )
  })

  it('sorts constraints before it looks for a version', () => {
    holds(
      property(array(version, { minLength: 1, maxLength: 6 }), version, (versions, looked) => {
        const list = versions.join('|')
        const isTwice = versions.some((a, i) => versions.some((b, j) => i < j && compare(a, b) === 0))
        const expected = versions.some((one) => compare(one, looked) === 0) ? 'in' : 'out'
        expect(versionIn(`vers:npm/${list}`, looked)).toBe(isTwice ? 'unknown' : expected)
      })
    )
  })
})

describe('CONTENT-13: ranges', () => {
  it.each([
    ['vers:npm/*', '1.0.0', 'in'],
    ['vers:npm/*', 'no version at all', 'in'],
    ['vers:npm/>=1.0.0|<2.0.0', '1.5.0', 'in'],
    ['vers:npm/>=1.0.0|<2.0.0', '2.0.0', 'out'],
    ['vers:npm/>1.0.0|<=2.0.0', '1.0.0', 'out'],
    ['vers:npm/>1.0.0|<=2.0.0', '2.0.0', 'in'],
    ['vers:npm/<1.0.0|>=2.0.0|<3.0.0', '0.1.0', 'in'],
    ['vers:npm/<1.0.0|>=2.0.0|<3.0.0', '1.1.0', 'out'],
    ['vers:npm/<1.0.0|>=2.0.0|<3.0.0', '2.1.0', 'in'],
    ['vers:npm/<1.0.0|>=2.0.0|<3.0.0', '3.0.0', 'out'],
    ['vers:npm/>=1.0.0|!=1.5.0|<2.0.0', '1.5.0', 'out'],
    ['vers:npm/>=1.0.0|!=1.5.0|<2.0.0', '1.5.1', 'in'],
    ['vers:npm/1.0.0|>=3.0.0', '1.0.0', 'in'],
    ['vers:npm/1.0.0|>=3.0.0', '2.0.0', 'out'],
    ['vers:npm/1.0.0|>=3.0.0', '4.0.0', 'in'],
    ['vers:generic/2024a', '2024a', 'in'],
    ['vers:deb/<2%3A1.0', '1:9', 'in']
  ])('%s %s: %s', (range, version, expected) => {
    expect(versionIn(range, version)).toBe(expected)
    expect(versFault(range)).toBeUndefined()
  })

  it.each([
    ['vers:npm/<3.0.14', ''],
    ['vers:npm/<3.0.14', 'latest'],
    ['vers:npm/<3.0.14', '3.0'],
    ['vers:npm/<3.0.14', `${'1'.repeat(300)}.0.0`],
    ['vers:npm/<3.0', '1.0.0'],
    ['vers:generic/<2', '2024a'],
    ['vers:deb/<2', 'a:1'],
    ['vers:pypi/<2', '2004d-x'],
    ['vers:rpm/<2', '1 2'],
    ['vers:golang/<v1.20.0', 'go1.19'],
    ['vers:cpan/<2', '1'],
    ['vers:npm/>=1.0.0|>=2.0.0', '1.0.0'],
    ['vers:npm/<1.0.0|1.0.0', '0.1.0'],
    ['npm/<2', '1.0.0'],
    ['', '']
  ])('%s %s can not be told, which is never no', (range, version) => expect(versionIn(range, version)).toBe('unknown'))

  it.each([
    'npm:vers/<1.0.0',
    'vers:NPM/<1.0.0',
    'vers:npm',
    'vers:npm/',
    'vers:npm/>=1.0.0| <2.0.0',
    'vers:npm/|>=1.0.0',
    'vers:npm/>=1.0.0|',
    'vers:npm/>=1.0.0||<2.0.0',
    'vers:npm/<',
    'vers:npm/*|1.0.0',
    'vers:npm/=1.0.0',
    'vers:npm/<2.0.0|>=1.0.0',
    'vers:npm/1.0.0|1.0.0+x',
    'vers:npm/>=1.0.0|>2.0.0',
    'vers:npm/<1.0.0|<2.0.0',
    'vers:npm/1.0.0%2',
    'vers:npm/1.0.0%2b',
    'vers:npm/1.0.0%FF',
    'vers:invalid/1',
    'vers:made-up/1',
    'vers:npm/<3.0',
    `vers:npm/${'1.0.0|'.repeat(20_000)}2.0.0`
  ])('%s is refused where a trust file has it', (range) => expect(versFault(range)).toMatch(/^(?:it|its|a|the) /))
})
