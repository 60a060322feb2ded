import { cpuUsage } from 'node:process'
import {
  decideOn,
  didOf,
  type Facts,
  factsOf,
  parseHlc,
  parseLogId,
  signerOf,
  type TrustFile,
  type TrustRule
} from '../../src/core/index.ts'
import { compileTrust } from '../../src/trust/index.ts'
import type { Row } from './rows.ts'

const did = didOf(signerOf(new Uint8Array(32).fill(7)).publicKey)
const nowMs = 1_795_000_000_000
const kinds = ['sbom', 'manifest', 'vex', 'receipt', 'job', 'result', 'bundle', 'usage', 'attestation', 'import']

/** Five rules for each of ten event types, as a site's file has them; for one type only where `spread` is off. */
function rulesOf(spread: boolean): readonly TrustRule[] {
  return Array.from({ length: 50 }, (_, i) => {
    const kind = kinds[spread ? i % kinds.length : 0] as string
    const when = [
      `event.type == "${kind}.published"`,
      `signer.roles.exists(r, r == "role-${i}" || r == "builder")`,
      `event.path.startsWith("apps/team-${i}/") && !delegated`,
      `event.size < ${1000 + i} && gates.vulnerability == "pass"`,
      `event.mediaType in ["application/vnd.oci.image.manifest.v1+json", "text/plain"] && overlap.size() > 0`
    ]
    return { id: `rule-${i}`, when: when.join(' && '), verdict: 'relay', onError: 'hold' }
  })
}

function fileOf(rules: readonly TrustRule[]): TrustFile {
  const lists = { allow: [], deny: [] }
  const never = Number.POSITIVE_INFINITY
  return {
    name: 'bench',
    version: 1,
    keys: new Map(),
    identities: new Map(),
    delegations: [],
    eventTypes: lists,
    mediaTypes: { allow: ['application/vnd.oci.*', 'text/*'], deny: ['application/x-executable'] },
    artifactTypes: lists,
    repositories: lists,
    limits: { entryBytes: 65_535, jsonDepth: 64, blobBytes: 2e10, unpackRatio: 100, parcelFiles: 200_000 },
    versions: [],
    gates: {},
    freshness: { warnAfterMs: never, localOnlyAfterMs: never, refuseAfterMs: never },
    quotas: new Map(),
    rules,
    default: 'hold',
    digest: '0'.repeat(64)
  }
}

function factsFor(i: number, file: TrustFile): Facts {
  const mediaType = 'application/vnd.oci.image.manifest.v1+json'
  const data = { digest: `sha256:${'a'.repeat(64)}`, mediaType, repository: `apps/team-${i % 50}/web`, size: i, tag: 'v1' }
  const hlc = parseHlc(`${nowMs.toString(16).padStart(12, '0')}0000`)
  const type = `${kinds[i % kinds.length] as string}.published`
  const time = '2026-11-20T10:00:00.000Z'
  return factsOf(
    {
      event: { specversion: '1.0', id: i.toString(16).padStart(32, '0'), source: did, type, time, hlc, data },
      place: { log: parseLogId('a'.repeat(52)), index: i, author: did },
      lineBytes: 600,
      nowMs,
      witnesses: { names: [], newestMs: 0 },
      peerReputation: 0,
      content: { components: [], licenses: [], vulnerabilities: [], layerTypes: [], signers: [] },
      overlap: i % 2 === 0 ? ['pkg:npm/x@1'] : [],
      vex: []
    },
    file,
    {
      signer: { name: 'ci', did, roles: ['builder', 'tester'], standing: 'good' },
      delegated: false,
      quorum: false,
      gates: { vulnerability: 'pass', license: 'pass', version: 'none' }
    }
  )
}

/** Verdicts a second of the processor's time, which others' work on the machine does not change. */
function rate(spread: boolean, native: boolean, count: number): number {
  const file = fileOf(rulesOf(spread))
  const compiled = compileTrust(file, { native })
  const facts = Array.from({ length: 5000 }, (_, i) => factsFor(spread ? i : i * kinds.length, file))
  const judge = (times: number): void => {
    for (let i = 0; i < times; i++) decideOn(facts[i % facts.length] as Facts, compiled, 'did:key:zOwn')
  }
  judge(Math.ceil(count / 10))
  const before = cpuUsage()
  judge(count)
  const { user, system } = cpuUsage(before)
  return count / ((user + system) / 1e6)
}

/** Verdicts by 50 rules on facts that are computed already. */
export function verdictRows(): readonly Row[] {
  const row = (name: string, value: number, target: number): Row => ({ name, value, unit: 'verdicts/s', target, better: 'more' })
  return [
    row('verdicts by 50 rules for ten event types', rate(true, true, 1_000_000), 100_000),
    row('verdicts by 50 rules for one event type', rate(false, true, 500_000), 100_000),
    row('the same through cel-js alone', rate(false, false, 20_000), 1000)
  ]
}
