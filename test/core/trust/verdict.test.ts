import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Compiled, decideBy, decideOn, factsDigest, factsOf, type Ruling } from '../../../src/core/index.ts'
import { compileRules, compileTrust } from '../../../src/trust/index.ts'
import { holds } from '../../property.ts'
import { anyFile } from './any-file.ts'
import { anyCase, anyCondition, did, nowMs, rule, trustFile } from './sample-trust.ts'

const own = did('me')
const admits = ({ verdict }: Ruling): number => (verdict === 'relay' ? 2 : verdict === 'keep' ? 1 : 0)

describe('verdicts', () => {
  it('VERDICT-4 depend on facts, file and own key alone', () => {
    holds(
      fc.property(fc.array(anyCase, { minLength: 1, maxLength: 4 }), anyFile, (many, file) => {
        const judge = (compiled: Compiled): readonly Ruling[] =>
          many.map((one) => decideOn(factsOf(structuredClone(one.evidence), file, structuredClone(one.standing)), compiled, own))
        const before = JSON.stringify(many)
        const first = judge(compileTrust(file))
        expect(judge(compileTrust(structuredClone(file)))).toEqual(first)
        expect([...many].reverse().map((one) => decideBy(one.evidence, compileTrust(file), own, one.standing))).toEqual(
          [...first].reverse()
        )
        expect(JSON.stringify(many)).toBe(before)
      })
    )
  })

  it('VERDICT-4 are the same with and without native evaluation', () => {
    holds(
      fc.property(anyCase, anyFile, (one, file) => {
        const plain = decideBy(one.evidence, compileTrust(file, { native: false }), own, one.standing)
        expect(decideBy(one.evidence, compileTrust(file), own, one.standing)).toEqual(plain)
      })
    )
  })

  it('VERDICT-7 never admit more when a rule that refuses is put in front', () => {
    holds(
      fc.property(anyCase, anyFile, anyCondition, (one, file, when) => {
        const deny = rule(when, { id: 'deny', verdict: 'refuse' })
        if (compileRules([deny]).problems.length > 0) return
        const more = trustFile({ ...file, rules: [deny, ...(file.rules ?? [rule('true')])] })
        const some = trustFile({ ...file, rules: file.rules ?? [rule('true')] })
        if (compileRules(more.rules ?? []).problems.length > 0) return
        const [before, after] = [some, more].map((each) => admits(decideBy(one.evidence, compileTrust(each), own, one.standing)))
        expect(after).toBeLessThanOrEqual(before as number)
      })
    )
  })

  it('VERDICT-7 never admit more when a pattern is denied', () => {
    const lists = fc.constantFrom('eventTypes' as const, 'mediaTypes' as const, 'artifactTypes' as const, 'repositories' as const)
    const pattern = fc.constantFrom('*', '**', 'sbom.*', 'a.b', 'apps/**', 'edge/*', 'application/*', 'text/plain')
    holds(
      fc.property(anyCase, anyFile, lists, pattern, (one, file, list, denied) => {
        const more = trustFile({ ...file, [list]: { ...file[list], deny: [...file[list].deny, denied] } })
        const [before, after] = [file, more].map((each) => admits(decideBy(one.evidence, compileTrust(each), own, one.standing)))
        expect(after).toBeLessThanOrEqual(before as number)
      })
    )
  })

  it('VERDICT-8 have facts whose digest does not change with the time of judging, and changes with the facts', () => {
    holds(
      fc.property(anyCase, anyCase, fc.nat(1e9), (one, other, laterMs) => {
        const facts = factsOf(one.evidence, trustFile(), one.standing)
        const later = factsOf({ ...one.evidence, nowMs: nowMs + laterMs }, trustFile(), one.standing)
        expect(factsDigest(later)).toBe(factsDigest(facts))
        const others = factsOf(other.evidence, trustFile(), other.standing)
        const plain = (of: typeof facts): string => JSON.stringify({ ...of, now: 0, freshness: { tier: of.freshness.tier } })
        expect(factsDigest(others) === factsDigest(facts)).toBe(plain(others) === plain(facts))
      })
    )
  })
})
