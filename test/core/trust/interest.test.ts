import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  decideBy,
  type Evidence,
  hullOf,
  type Interest,
  interestOf,
  isWanted,
  type Standing,
  type TrustFile,
  type Verdict,
  writerStanding
} from '../../../src/core/index.ts'
import { compileTrust } from '../../../src/trust/index.ts'
import { holds } from '../../property.ts'
import { anyFile } from './any-file.ts'
import { anyCase, did, event, nowMs, rule, trustFile } from './sample-trust.ts'

const own = did('me')

/** What the file makes of the writer, instead of what the case says at random. */
function honest(one: { readonly evidence: Evidence; readonly standing: Standing }, file: TrustFile): Standing {
  return writerStanding(one.evidence, file, one.standing)
}

describe('interest', () => {
  const of = (members: Partial<TrustFile>): readonly Interest[] => interestOf(compileTrust(trustFile(members)), own)

  it('VERDICT-17 has every event that decide does not refuse', () => {
    holds(
      fc.property(anyCase, anyFile, (early, file) => {
        // a clock that is ahead puts the question off only
        const one = { ...early, evidence: { ...early.evidence, nowMs: nowMs + 7_200_000 } }
        const compiled = compileTrust(file)
        const interests = interestOf(compiled, own)
        const { verdict } = decideBy(one.evidence, compiled, own, honest(one, file))
        if (verdict === 'refuse') return
        expect(isWanted(interests, one.evidence.event)).toBe(true)
        expect(isWanted([hullOf(interests)], one.evidence.event)).toBe(true)
      })
    )
  })

  it('names authors, types and repositories of what rules let in', () => {
    const interests = of({
      default: 'refuse',
      delegations: [{ from: 'root', to: 'gateway', paths: ['edge/**'], mediaTypes: [], types: [], threshold: 1 }],
      rules: [
        rule('event.tag == "bad" && event.size > 3', { verdict: 'refuse', onError: 'refuse' }),
        rule('delegated && event.path.startsWith("edge/eu/")'),
        rule('event.type == "receipt.issued" && signer.roles.exists(r, r == "relay")'),
        rule('event.type in ["sbom.published", "vex.published"] && signer.name == "ci"')
      ]
    })
    const all = [did('ci'), did('security'), did('gateway')]
    expect(interests).toEqual([
      { authors: [own] },
      { authors: all, types: ['log.*', 'identity.bound'] },
      { authors: [did('gateway')], repositories: ['edge/eu/*'] },
      { authors: [did('gateway')], types: ['receipt.issued'] },
      { authors: [did('ci')], types: ['sbom.published', 'vex.published'] }
    ])
    expect(hullOf(interests)).toEqual({ authors: [own, ...all] })
    expect(isWanted(interests, event('ci', 'sbom.published'))).toBe(true)
    expect(isWanted(interests, event('ci', 'job.submitted'))).toBe(false)
    expect(isWanted(interests, event('security', 'receipt.issued'))).toBe(false)
    expect(isWanted(interests, event('security', 'log.closed'))).toBe(true)
    expect(isWanted(interests, event('stranger', 'log.opened'))).toBe(false)
    expect(isWanted(interests, event('me', 'job.submitted'))).toBe(true)
  })

  it('is every event of known identities where the default lets them in, less what lists leave out', () => {
    const all = [did('ci'), did('security'), did('gateway')]
    expect(of({})).toEqual([{ authors: [own] }, { authors: all }])
    expect(of({ eventTypes: { allow: ['sbom.*'], deny: [] } })).toContainEqual({ authors: all, types: ['sbom.*'] })
    expect(of({ identities: new Map([['team', { name: 'team', keys: [], roles: [], issuer: 'forge' }]]) })).toEqual([{}])
  })

  it('has what a rule that refuses may hold: while it waits for content, or where it can’t be evaluated', () => {
    const refusing = (when: string, onError: Verdict): readonly Interest[] =>
      of({ default: 'refuse', rules: [rule(when, { verdict: 'refuse', onError })] })
    const wanted = { authors: [did('ci'), did('security'), did('gateway')], types: ['a.b'] }
    expect(refusing('event.type == "a.b" && overlap.size() == 0', 'refuse')).toContainEqual(wanted)
    expect(refusing('event.type == "a.b" && int(event.tag) == 1', 'hold')).toContainEqual(wanted)
    expect(refusing('event.type == "a.b" && int(event.tag) == 1', 'refuse')).not.toContainEqual(wanted)
    expect(refusing('event.type == "a.b" && event.tag == "1"', 'hold')).not.toContainEqual(wanted)
  })
})
