import fc from 'fast-check'
import {
  didOf,
  type Evidence,
  type Facts,
  factsOf,
  parseHlc,
  parseLogId,
  type RejoinEvent,
  type Standing,
  type TrustFile,
  type TrustIdentity,
  type TrustKey,
  type TrustRule
} from '../../../src/core/index.ts'
import { sampleSigner } from '../sample.ts'

/** The time at which sample events are judged. */
export const nowMs = 1_795_000_000_000
/** A text that is a digest. */
export const someDigest: string = `sha256:${'a'.repeat(64)}`
/** A made-up log. */
export const someLog: Evidence['place']['log'] = parseLogId('a'.repeat(52))

const names = ['ci', 'security', 'gateway'] as const
const roles: Readonly<Record<string, readonly string[]>> = {
  ci: ['builder'],
  security: ['vex-author', 'builder'],
  gateway: ['relay']
}

/** Returns the did:key of a made-up identity. */
export function did(name: string): string {
  return didOf(sampleSigner(name).publicKey)
}

/** Returns a trust file with three identities that lets everything of theirs in, but for what is given. */
export function trustFile(members: Partial<TrustFile> = {}): TrustFile {
  const lists = { allow: [], deny: [] }
  const keys = new Map<string, TrustKey>(
    names.map((name) => [name, { name, did: did(name), publicKey: sampleSigner(name).publicKey }])
  )
  const identities = new Map<string, TrustIdentity>(
    names.map((name) => [name, { name, keys: [name], roles: roles[name] as readonly string[] }])
  )
  return {
    name: 'test',
    version: 1,
    keys,
    identities,
    delegations: [],
    eventTypes: lists,
    mediaTypes: lists,
    artifactTypes: lists,
    repositories: lists,
    limits: { entryBytes: 65_535, jsonDepth: 64, blobBytes: 1e12, unpackRatio: 100, parcelFiles: 1000 },
    versions: [],
    gates: {},
    freshness: { warnAfterMs: Infinity, localOnlyAfterMs: Infinity, refuseAfterMs: Infinity },
    quotas: new Map(),
    default: 'hold',
    digest: '0'.repeat(64),
    ...members
  }
}

/** Returns a rule. */
export function rule(when: string, members: Partial<TrustRule> = {}): TrustRule {
  return { id: 'r', when, verdict: 'relay', onError: 'hold', ...members }
}

/** Returns an event of a made-up identity. */
export function event(author: string, type: string, data: RejoinEvent['data'] = {}, atMs: number = nowMs): RejoinEvent {
  const time = '2026-11-20T10:00:00.000Z'
  const hlc = parseHlc(`${atMs.toString(16).padStart(12, '0')}0000`)
  return { specversion: '1.0', id: 'ab'.repeat(16), source: did(author), type, time, hlc, data }
}

/** Returns all that is known of an event, but for what is given. */
export function evidence(of: RejoinEvent, members: Partial<Evidence> = {}): Evidence {
  return {
    event: of,
    place: { log: someLog, index: 7, author: of.source },
    lineBytes: 500,
    nowMs,
    witnesses: { names: [], newestMs: 0 },
    peerReputation: 0,
    content: undefined,
    overlap: undefined,
    vex: [],
    ...members
  }
}

/** Returns what the file makes of a writer who is known and has no delegation. */
export function standing(author: string, members: Partial<Standing> = {}): Standing {
  const signer = { name: author, did: did(author), roles: roles[author] ?? [], standing: 'good' as const }
  return { signer, delegated: false, quorum: false, gates: undefined, ...members }
}

/** Content with two components. */
export const someContent: NonNullable<Evidence['content']> = {
  components: [
    { name: 'openssl', version: '3.0.13', purl: 'pkg:npm/openssl-wrapper@3.0.13', licenses: ['MIT'] },
    { name: 'left-pad', version: '1.3.0', purl: 'pkg:npm/left-pad@1.3.0', licenses: ['WTFPL', 'AGPL-3.0-only'] }
  ],
  licenses: ['AGPL-3.0-only', 'MIT', 'WTFPL'],
  vulnerabilities: [{ id: 'CVE-2026-1', products: [], severity: 'high', status: 'affected', justification: '' }],
  layerTypes: ['application/vnd.oci.image.layer.v1.tar+gzip'],
  signers: ['ci']
}

const types = [
  'sbom.published',
  'manifest.published',
  'vex.published',
  'receipt.issued',
  'job.submitted',
  'a.b',
  'sbom.x'
] as const
const paths = ['', 'apps/web', 'apps/web/api', 'edge/eu/berlin', 'edge/us', 'apps'] as const
const media = ['', 'application/vnd.oci.image.manifest.v1+json', 'application/vnd.cyclonedx+json', 'text/plain'] as const

/** Any evidence about an event of a known identity, with what the file makes of it. */
export const anyCase: fc.Arbitrary<{ readonly evidence: Evidence; readonly standing: Standing }> = fc
  .record({
    author: fc.constantFrom(...names),
    type: fc.constantFrom(...types),
    path: fc.constantFrom(...paths),
    mediaType: fc.constantFrom(...media),
    artifactType: fc.constantFrom(...media),
    tag: fc.constantFrom('', 'v1', 'latest'),
    size: fc.constantFrom(0, 1, 5, 1000, 2 ** 30),
    hasContent: fc.boolean(),
    fetched: fc.boolean(),
    overlap: fc.subarray(['pkg:npm/left-pad@1.3.0']),
    gates: fc.record({
      vulnerability: fc.constantFrom('pass' as const, 'fail' as const, 'none' as const),
      license: fc.constantFrom('pass' as const, 'fail' as const, 'none' as const),
      version: fc.constantFrom('pass' as const, 'fail' as const, 'none' as const)
    }),
    delegated: fc.boolean(),
    quorum: fc.boolean(),
    witnesses: fc.constantFrom(0, 1, 3),
    reputation: fc.constantFrom(-100, -0.5, 0, 2.5),
    index: fc.nat(5),
    aheadMs: fc.constantFrom(-1000, 0, 3_600_000)
  })
  .map((of) => {
    const data = {
      ...(of.path !== '' && { repository: of.path }),
      ...(of.mediaType !== '' && { mediaType: of.mediaType }),
      ...(of.artifactType !== '' && { artifactType: of.artifactType }),
      ...(of.tag !== '' && { tag: of.tag }),
      ...(of.hasContent && { digest: someDigest }),
      size: of.size
    }
    const one = event(of.author, of.type, data, nowMs + of.aheadMs)
    return {
      evidence: evidence(one, {
        place: { log: someLog, index: of.index, author: one.source },
        witnesses: { names: ['w1', 'w2', 'w3'].slice(0, of.witnesses), newestMs: nowMs - 5000 },
        peerReputation: of.reputation,
        content: of.fetched ? someContent : undefined,
        overlap: of.fetched ? of.overlap : undefined
      }),
      standing: standing(of.author, { delegated: of.delegated, quorum: of.quorum, gates: of.fetched ? of.gates : undefined })
    }
  })

/** Any facts of an event of a known identity. */
export const anyFacts: fc.Arbitrary<Facts> = anyCase.map((one) => factsOf(one.evidence, trustFile(), one.standing))

const literal = (text: string): string => JSON.stringify(text)
const textFact = fc.constantFrom('event.type', 'event.path', 'event.mediaType', 'event.artifactType', 'event.tag', 'signer.name')
const text = fc.constantFrom(
  ...types,
  ...paths,
  ...names,
  'application/',
  'apps/',
  'edge/',
  'sbom.',
  '/web',
  'builder',
  'v1',
  'relay'
)
const order = fc.constantFrom('<', '<=', '>', '>=')
const atom: fc.Arbitrary<string> = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(textFact, fc.constantFrom('==', '!='), text).map(([a, op, b]) => `${a} ${op} ${literal(b)}`) },
  fc.tuple(text, textFact).map(([a, b]) => `${literal(a)} == ${b}`),
  fc.tuple(textFact, fc.constantFrom('startsWith', 'endsWith', 'contains'), text).map(([a, f, b]) => `${a}.${f}(${literal(b)})`),
  fc.tuple(textFact, fc.constantFrom('apps/**', 'edge/*', '**', 'apps/*/api', 'edge/eu/*')).map(([a, b]) => `glob(${a}, "${b}")`),
  fc
    .tuple(textFact, fc.array(text, { minLength: 1, maxLength: 4 }))
    .map(([a, list]) => `${a} in [${list.map(literal).join(', ')}]`),
  text.map((one) => `${literal(one)} in signer.roles`),
  fc.tuple(text, text).map(([a, b]) => `signer.roles.exists(r, r == ${literal(a)} || r == ${literal(b)})`),
  text.map((one) => `signer.roles.all(r, r != ${literal(one)})`),
  fc.constantFrom(
    'delegated',
    'witnesses.quorum',
    '!delegated',
    'event.path == event.tag',
    'overlap.size() > 0',
    'size(overlap) == 0'
  ),
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      'int(event.tag) == 1',
      '10 / event.index > 2',
      'content.components[2].name == "x"',
      'bool(event.path)'
    )
  },
  fc.tuple(order, fc.nat(6)).map(([op, n]) => `event.index ${op} ${n}`),
  fc.tuple(order, fc.nat(6)).map(([op, n]) => `${n} ${op} witnesses.count`),
  fc.tuple(order, fc.constantFrom('0.0', '2.5', '-1.0', '2')).map(([op, n]) => `peer.reputation ${op} ${n}`),
  fc.constantFrom('now > timestamp("2026-01-01T00:00:00Z")', 'now - timestamp("2026-11-01T00:00:00Z") > duration("24h")'),
  fc.constantFrom('gates.vulnerability', 'gates.license', 'gates.version').map((gate) => `${gate} == "pass"`),
  text.map((one) => `content.components.exists(c, c.purl.startsWith("pkg:npm/") && c.name == ${literal(one)})`),
  fc.constantFrom(
    'content.components.exists(c, c.licenses.exists(l, l == "AGPL-3.0-only"))',
    'content.components.all(c, c.purl in overlap)',
    '"MIT" in content.licenses',
    'content.vulnerabilities.exists(v, v.severity == "high" && v.status == "affected")',
    'content.components[1].name == "left-pad"',
    'content.components.filter(c, c.name == "openssl").size() == 1',
    '10 / event.index > 2',
    'event.index - (event.index - 1) == 1',
    'event.type == "a.b" ? delegated : event.size > 4'
  )
)

/** Any condition over the facts; it may be one that is refused as never or always true. */
export const anyCondition: fc.Arbitrary<string> = fc.letrec<{ tree: string }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    { weight: 2, arbitrary: atom },
    {
      weight: 3,
      arbitrary: fc.tuple(tie('tree'), fc.constantFrom('&&', '&&', '||'), tie('tree')).map(([a, op, b]) => `(${a}) ${op} (${b})`)
    },
    tie('tree').map((a) => `!(${a})`)
  )
})).tree
