import { describe, expect, it } from 'vitest'
import semver from 'semver'
import { codeOf } from '../../src/core/index.ts'
import { followsRepository, followsTag, parseFollowPattern } from '../../src/forge/follow-pattern.ts'

const versions = [
  '0.0.1',
  '0.0.2',
  '0.1.0',
  '0.1.5',
  '0.2.0',
  '1.0.0',
  '1.1.9',
  '1.2.0',
  '1.2.3',
  '1.3.0',
  '1.9.9',
  '2.0.0',
  '2.1.0',
  '3.0.0'
]

describe('a pattern of what is followed', () => {
  it('FORGE-2 names repositories and tags', () => {
    const all = parseFollowPattern('apps/**')
    expect([followsRepository(all, 'apps/web/ui'), followsRepository(all, 'other'), followsTag(all, 'x')]).toEqual([
      true,
      false,
      true
    ])
    const one = parseFollowPattern('apps/web:v1')
    expect([one.isName, followsTag(one, 'v1'), followsTag(one, 'v10')]).toEqual([true, true, false])
    const some = parseFollowPattern('apps/*:v1.*')
    expect([followsTag(some, 'v1.7'), followsTag(some, 'v2.0')]).toEqual([true, false])
  })

  it.each([
    '^1.2',
    '^1',
    '^0.1',
    '^0.0.1',
    '~1.2',
    '~1.2.0',
    '>=1.2 <2',
    '>1.2',
    '<=1.2',
    '1.2.3',
    '1.2',
    '1.x',
    '*',
    '>=1.0.0 <1.2.0 || >=2.0.0'
  ])('FORGE-2 the range %s means what it means to npm', (range) => {
    const pattern = parseFollowPattern(`apps/web:semver:${range}`)
    expect(versions.filter((version) => followsTag(pattern, `v${version}`))).toEqual(
      versions.filter((version) => semver.satisfies(version, range))
    )
    expect(followsTag(pattern, 'latest')).toBe(false)
  })

  it.each(['', 'Apps/**:', 'apps/', 'apps/**:semver:', 'apps/**:semver:>>1', 'apps/**:a b', 'apps/**:-x', 'a//b'])(
    'FORGE-2 is refused where it is none: %s',
    (text) => {
      let code: string | undefined
      try {
        parseFollowPattern(text)
      } catch (error) {
        code = codeOf(error)
      }
      expect(code).toBe('E_USAGE')
    }
  )
})
