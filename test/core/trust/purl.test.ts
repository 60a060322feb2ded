import { property, string } from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parsePurl, purlCovers, purlWithoutQualifiers } from '../../../src/core/index.ts'
import { holds } from '../../property.ts'

function covers(general: string, particular: string): boolean {
  const [a, b] = [parsePurl(general), parsePurl(particular)]
  if (typeof a === 'string' || typeof b === 'string') throw new Error(`no package URL: ${general} ${particular}`)
  return purlCovers(a, b)
}

describe('CONTENT-15: package URLs', () => {
  it.each([
    ['pkg:npm/@angular/core@1.0.0', 'pkg:npm/%40angular/core@1.0.0'],
    ['PKG://NPM/a@1.0.0?arch=x#src', 'pkg:npm/a@1.0.0'],
    ['pkg:pypi/Typing_Extensions@4', 'pkg:pypi/typing-extensions@4'],
    ['pkg:github/Package-URL/purl-Spec@1', 'pkg:github/package-url/purl-spec@1'],
    ['pkg:maven/Org.A/B', 'pkg:maven/Org.A/B'],
    ['pkg:deb/debian/a@1%3A2.0%2Bb1', 'pkg:deb/debian/a@1:2.0%2Bb1'],
    ['pkg:oci/a@sha256%3Aab?repository_url=x', 'pkg:oci/a@sha256:ab']
  ])('%s is %s', (text, plain) => expect(purlWithoutQualifiers(text)).toBe(plain))

  it('have one spelling, which is its own', () => {
    holds(
      property(string(), (text) => {
        const plain = purlWithoutQualifiers(`pkg:generic/${text}`)
        if (plain !== undefined) expect(purlWithoutQualifiers(plain)).toBe(plain)
      })
    )
  })

  it('cover others with at least as much said', () => {
    expect(covers('pkg:npm/a', 'pkg:npm/a@1?x=y#z')).toBe(true)
    expect(covers('pkg:npm/a@1', 'pkg:npm/a@1?x=y')).toBe(true)
    expect(covers('pkg:npm/a@1', 'pkg:npm/a')).toBe(false)
    expect(covers('pkg:apk/a@1?arch=armv7', 'pkg:apk/a@1?arch=x86_64')).toBe(false)
    expect(covers('pkg:apk/a@1?arch=armv7', 'pkg:apk/a@1')).toBe(false)
    expect(covers('pkg:npm/a#x', 'pkg:npm/a#y')).toBe(false)
    expect(covers('pkg:npm/x/a', 'pkg:npm/a')).toBe(false)
  })
})
