import { describe, expect, it } from 'vitest'
import {
  decideBy,
  type Evidence,
  type RejoinEvent,
  type Ruling,
  type Standing,
  type TrustFile,
  type TrustRule,
  type Verdict,
  writerStanding
} from '../../../src/core/index.ts'
import { compileTrust } from '../../../src/trust/index.ts'
import { did, event, evidence, nowMs, rule, someContent, someDigest, standing, trustFile } from './sample-trust.ts'

const own = did('me')
const day = 86_400_000

interface Case {
  readonly title: string
  readonly file?: Partial<TrustFile>
  readonly event?: RejoinEvent
  readonly evidence?: Partial<Evidence>
  readonly standing?: Partial<Standing>
  readonly gives: readonly [verdict: Verdict, rule: string]
}

const sbom = event('ci', 'sbom.published', {
  artifactType: 'application/vnd.cyclonedx+json',
  digest: someDigest,
  mediaType: 'a/manifest',
  repository: 'apps/web',
  size: 10
})
const opened = event('ci', 'log.opened')
const unknown = { signer: { name: '', did: did('ci'), roles: [], standing: 'unknown' as const } }
const signerIs = (state: Standing['signer']['standing']): Partial<Standing> => ({
  signer: { ...standing('ci').signer, standing: state }
})
const fetched = { content: someContent, overlap: [] as readonly string[] }
const gates = { vulnerability: 'pass', license: 'pass', version: 'pass' } as const
const vulnerability = { maxSeverity: 'high', unlessVex: [], vexRoles: [] } as const
const license = { allow: [], deny: ['AGPL-3.0-only'] }
const limits = trustFile().limits
const freshness = { warnAfterMs: day, localOnlyAfterMs: 2 * day, refuseAfterMs: 3 * day }
const agedDays = (days: number): Partial<Evidence> => ({ witnesses: { names: ['w1'], newestMs: nowMs - days * day } })
const rules: readonly TrustRule[] = [
  rule('event.tag == "bad"', { id: 'bad', verdict: 'refuse' }),
  rule('event.type == "sbom.published" && int(event.tag) > 0', { id: 'number', verdict: 'keep', onError: 'keep' }),
  rule('event.type == "sbom.published" && overlap.size() > 0', { id: 'relevant', verdict: 'relay' })
]
const tagged = (tag: string): RejoinEvent => event('ci', 'sbom.published', { digest: someDigest, tag })

const cases: readonly Case[] = [
  { title: 'no rules: a known identity', gives: ['relay', 'identity'] },
  {
    title: 'the source is not the writer of the log',
    evidence: { place: { ...evidence(sbom).place, author: did('gateway') } },
    gives: ['refuse', 'wrong-source']
  },
  { title: 'a line over its limit', file: { limits: { ...limits, entryBytes: 499 } }, gives: ['refuse', 'limit:entryBytes'] },
  { title: 'a line at its limit', file: { limits: { ...limits, entryBytes: 500 } }, gives: ['relay', 'identity'] },
  { title: 'an event too deep', file: { limits: { ...limits, jsonDepth: 1 } }, gives: ['refuse', 'limit:jsonDepth'] },
  { title: 'a blob over its limit', file: { limits: { ...limits, blobBytes: 9 } }, gives: ['refuse', 'limit:blobBytes'] },
  {
    title: 'a blob of no sensible size',
    event: event('ci', 'a.b', { size: 1e300 }),
    file: { limits: { ...limits, blobBytes: 1e12 } },
    gives: ['refuse', 'limit:blobBytes']
  },
  {
    title: 'a media type list, and an event that names only its artifact type',
    event: event('ci', 'a.b', { artifactType: 'application/x-executable' }),
    file: { mediaTypes: { allow: [], deny: ['application/x-*'] } },
    gives: ['refuse', 'mediaTypes']
  },
  {
    title: 'the own log, whatever the lists',
    event: event('me', 'a.b'),
    standing: unknown,
    file: { eventTypes: { allow: [], deny: ['*'] } },
    gives: ['relay', 'own']
  },
  { title: 'an unknown author', standing: unknown, gives: ['refuse', 'unknown-author'] },
  { title: 'a log.opened of an unknown author', event: opened, standing: unknown, gives: ['refuse', 'unknown-author'] },
  { title: 'a revoked key', standing: signerIs('revoked'), gives: ['refuse', 'key-revoked'] },
  { title: 'an expired key', standing: signerIs('expired'), gives: ['refuse', 'key-expired'] },
  { title: 'a key before its time', standing: signerIs('not-yet'), gives: ['refuse', 'key-not-yet'] },
  {
    title: 'events of the log itself, whatever the lists',
    event: opened,
    file: { eventTypes: { allow: ['x.y'], deny: ['log.*'] }, rules: [], default: 'refuse' },
    gives: ['relay', 'log']
  },
  {
    title: 'an event type that is denied',
    file: { eventTypes: { allow: [], deny: ['sbom.*'] } },
    gives: ['refuse', 'eventTypes']
  },
  {
    title: 'an event type that is not allowed',
    file: { eventTypes: { allow: ['vex.*'], deny: [] } },
    gives: ['refuse', 'eventTypes']
  },
  {
    title: 'denied and allowed',
    file: { eventTypes: { allow: ['sbom.published'], deny: ['sbom.*'] } },
    gives: ['refuse', 'eventTypes']
  },
  {
    title: 'a media type that is denied: the document’s',
    file: { mediaTypes: { allow: [], deny: ['application/vnd.cyclonedx*'] } },
    gives: ['refuse', 'mediaTypes']
  },
  {
    title: 'a media type that is denied: the manifest’s does not count',
    file: { mediaTypes: { allow: [], deny: ['a/manifest'] } },
    gives: ['relay', 'identity']
  },
  {
    title: 'an artifact type that is not allowed',
    file: { artifactTypes: { allow: ['x/*'], deny: [] } },
    gives: ['refuse', 'artifactTypes']
  },
  {
    title: 'lists on members that the event lacks',
    event: event('ci', 'a.b'),
    file: {
      mediaTypes: { allow: ['x'], deny: [] },
      artifactTypes: { allow: ['x'], deny: [] },
      repositories: { allow: ['x'], deny: [] }
    },
    gives: ['relay', 'identity']
  },
  {
    title: 'a repository that is denied',
    file: { repositories: { allow: [], deny: ['apps/**'] } },
    gives: ['refuse', 'repositories']
  },
  { title: 'a clock ahead', event: event('ci', 'a.b', {}, nowMs + 600_001), gives: ['hold', 'clock-ahead'] },
  { title: 'a clock ten minutes ahead', event: event('ci', 'a.b', {}, nowMs + 600_000), gives: ['relay', 'identity'] },
  { title: 'fresh', file: { freshness }, evidence: agedDays(1), gives: ['relay', 'identity'] },
  { title: 'to be warned of', file: { freshness }, evidence: agedDays(1.5), gives: ['relay', 'identity'] },
  { title: 'too old to be passed on', file: { freshness }, evidence: agedDays(2.5), gives: ['keep', 'identity'] },
  { title: 'too old', file: { freshness }, evidence: agedDays(3.5), gives: ['refuse', 'freshness'] },
  {
    title: 'no witness: its own time counts',
    event: event('ci', 'a.b', {}, nowMs - 4 * day),
    file: { freshness },
    gives: ['refuse', 'freshness']
  },
  { title: 'a gate that waits', file: { gates: { license } }, gives: ['hold', 'gate:license'] },
  {
    title: 'a gate that fails',
    file: { gates: { vulnerability, license } },
    evidence: fetched,
    standing: { gates: { ...gates, license: 'fail' } },
    gives: ['refuse', 'gate:license']
  },
  {
    title: 'a gate that passes',
    file: { gates: { license } },
    evidence: fetched,
    standing: { gates },
    gives: ['relay', 'identity']
  },
  {
    title: 'a gate that the file does not set',
    evidence: fetched,
    standing: { gates: { ...gates, license: 'fail' } },
    gives: ['relay', 'identity']
  },
  {
    title: 'versions are a gate',
    file: { versions: [{ purl: 'pkg:npm/x', deny: 'vers:npm/<3' }] },
    evidence: fetched,
    standing: { gates: { ...gates, version: 'fail' } },
    gives: ['refuse', 'gate:version']
  },
  {
    title: 'a gate, but an event without content',
    event: event('ci', 'a.b'),
    file: { gates: { license } },
    gives: ['relay', 'identity']
  },
  {
    title: 'a gate that waits, but the rules refuse anyhow',
    event: tagged('bad'),
    file: { gates: { license }, rules },
    gives: ['refuse', 'bad']
  },
  {
    title: 'a gate that waits, and the rules would keep',
    event: tagged('1'),
    file: { gates: { license }, rules },
    gives: ['hold', 'gate:license']
  },
  { title: 'the first rule that fits', event: tagged('bad'), file: { rules }, gives: ['refuse', 'bad'] },
  { title: 'the second rule', event: tagged('1'), file: { rules }, gives: ['keep', 'number'] },
  { title: 'a rule that can’t be evaluated', event: tagged('x'), file: { rules }, gives: ['keep', 'number'] },
  { title: 'a rule that waits', event: tagged('-1'), file: { rules }, gives: ['hold', 'relevant'] },
  {
    title: 'a rule that waited',
    event: tagged('-1'),
    file: { rules },
    evidence: { ...fetched, overlap: ['pkg:npm/x'] },
    standing: { gates },
    gives: ['relay', 'relevant']
  },
  {
    title: 'no rule fits',
    event: tagged('-1'),
    file: { rules, default: 'refuse' },
    evidence: fetched,
    standing: { gates },
    gives: ['refuse', 'default']
  },
  {
    title: 'an inventory that was not read yet',
    event: tagged('-1'),
    file: { rules, inventory: { source: 'x' } },
    evidence: { content: someContent },
    standing: { gates },
    gives: ['hold', 'relevant']
  },
  { title: 'no rules at all', file: { rules: [] }, gives: ['hold', 'default'] },
  {
    title: 'no rules but delegations: not delegated',
    file: { delegations: [{ from: 'root', to: 'ci', paths: ['x'], mediaTypes: [], types: [], threshold: 1 }] },
    gives: ['refuse', 'not-delegated']
  },
  {
    title: 'no rules but delegations: delegated',
    file: { delegations: [{ from: 'root', to: 'ci', paths: ['apps/**'], mediaTypes: [], types: [], threshold: 1 }] },
    standing: { delegated: true },
    gives: ['relay', 'identity']
  },
  {
    title: 'no rules but delegations: no repository',
    event: event('ci', 'a.b'),
    file: { delegations: [{ from: 'root', to: 'ci', paths: ['x'], mediaTypes: [], types: [], threshold: 1 }] },
    gives: ['relay', 'identity']
  }
]

function decided(one: Omit<Case, 'title' | 'gives'>): Ruling {
  const of = one.event ?? sbom
  const author = of.source === own ? 'me' : 'ci'
  return decideBy(evidence(of, one.evidence), compileTrust(trustFile(one.file)), own, standing(author, one.standing))
}

describe('decide', () => {
  it.each(cases)('VERDICT-5 $title', ({ gives, ...one }) => {
    const { verdict, rule: name } = decided(one)
    expect([verdict, name]).toEqual(gives)
  })

  it('VERDICT-6 records the value of each conjunct of the rule that decided, and what it waits for', () => {
    expect(decided({ event: tagged('-1'), file: { rules } })).toEqual({
      verdict: 'hold',
      rule: 'relevant',
      conjuncts: [
        { text: 'event.type == "sbom.published"', value: 'true' },
        { text: 'overlap.size() > 0', value: 'unknown' }
      ],
      waits: 'content',
      warnings: []
    })
    expect(decided({ event: tagged('x'), file: { rules } }).conjuncts.map(({ value }) => value)).toEqual(['true', 'error'])
    expect(decided({ event: tagged('1'), file: { rules } }).conjuncts.map(({ value }) => value)).toEqual(['true', 'true'])
    expect(decided({ file: { gates: { license } } }).waits).toBe('content')
    expect(decided({}).conjuncts).toEqual([])
  })

  it('VERDICT-9 warns of age', () => {
    expect(decided({ file: { freshness }, evidence: agedDays(0.5) }).warnings).toEqual([])
    expect(decided({ file: { freshness }, evidence: agedDays(1.5) }).warnings).toEqual(['freshness:warn'])
    expect(decided({ file: { freshness }, evidence: agedDays(2.5) }).warnings).toEqual(['freshness:local'])
  })

  it('takes signer and delegation from the file', () => {
    const file = trustFile({
      delegations: [{ from: 'root', to: 'ci', paths: ['apps/**'], mediaTypes: ['application/*'], types: [], threshold: 1 }]
    })
    const found = { quorum: false, gates: undefined }
    expect(writerStanding(evidence(sbom), file, found)).toEqual(standing('ci', { delegated: true, neededVoices: 1 }))
    const other = event('ci', 'a.b', { repository: 'edge/x' })
    expect(writerStanding(evidence(other), file, found)).toEqual(standing('ci', { delegated: false, neededVoices: 0 }))
    const stranger = event('stranger', 'a.b', { repository: 'apps/x' })
    expect(writerStanding(evidence(stranger), file, found)).toMatchObject({ delegated: false, signer: { standing: 'unknown' } })
  })
})
