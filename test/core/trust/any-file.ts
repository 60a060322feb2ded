import fc from 'fast-check'
import type { TrustFile, Verdict } from '../../../src/core/index.ts'
import { compileRules } from '../../../src/trust/index.ts'
import { anyCondition, trustFile } from './sample-trust.ts'

const vulnerability = { maxSeverity: 'high', unlessVex: [], vexRoles: [] } as const
const license = { allow: [], deny: ['AGPL-3.0-only'] }
const none = { weight: 6, arbitrary: fc.constant<string[]>([]) }
const verdicts = fc.constantFrom<Verdict[]>('relay', 'keep', 'hold', 'refuse')
const anyRule = fc.record({ when: anyCondition, verdict: verdicts, onError: verdicts, id: fc.constant('r') })
const patterns = (...of: readonly string[]): fc.Arbitrary<TrustFile['eventTypes']> =>
  fc.record({ allow: fc.oneof(none, fc.subarray([...of])), deny: fc.oneof(none, fc.subarray([...of])) })

/** Any trust file, with the rules of it that are not refused at load. */
export const anyFile: fc.Arbitrary<TrustFile> = fc
  .record({
    rules: fc.option(fc.array(anyRule, { maxLength: 5 }), { nil: undefined, freq: 6 }),
    default: verdicts,
    eventTypes: patterns('sbom.*', 'a.b', 'receipt.issued'),
    mediaTypes: patterns('application/*', 'text/plain', 'application/vnd.cyclonedx+json'),
    artifactTypes: patterns('application/*', 'text/plain'),
    repositories: patterns('apps/**', 'edge/*', 'edge/eu/*'),
    delegations: fc.oneof(
      fc.constant([]),
      fc.constant([
        { from: 'root', to: 'ci', paths: ['apps/**'], mediaTypes: [], types: [], threshold: 1 },
        { from: 'root', to: 'gateway', paths: ['edge/eu/*'], mediaTypes: [], types: ['sbom.*'], threshold: 1 }
      ])
    ),
    gates: fc.constantFrom<TrustFile['gates'][]>({}, { license }, { vulnerability })
  })
  .map(({ rules: written, ...members }) => {
    const kept = written === undefined ? undefined : compileRules(written).rules.map((one) => one.rule)
    return trustFile({ ...members, ...(kept && { rules: compileRules(kept).problems.length > 0 ? [] : kept }) })
  })
