import {
  bindingBy,
  type Compiled,
  type Content,
  decideBy,
  decideOn,
  didOf,
  type Evidence,
  factsOf,
  type GateFacts,
  gateLicense,
  gateVersion,
  gateVulnerability,
  type LogId,
  msOfHlc,
  type RejoinEvent,
  type Ruling,
  type Verdict,
  writerStanding
} from '../../src/core/index.ts'
import { did, event, evidence, nowMs, someDigest } from '../core/trust/sample-trust.ts'
import { exampleLog, exampleSigner } from './examples.ts'

/** What is known of an event beside its text; what is left out is as in most events. */
export interface Known extends Partial<Omit<Evidence, 'event' | 'place'>> {
  readonly log?: LogId
  readonly index?: number
  /** name of the key that wrote the log; that of the event's source where absent */
  readonly writer?: string
  /** an identity.bound before it in its log */
  readonly after?: RejoinEvent
  /** facts that are the same for all events until worker pools exist */
  readonly budgetLeft?: number
  readonly signatures?: number
}

/** An event with what is known of it, and the verdict that the trust file must give. */
export type VerdictRow = readonly [
  name: string,
  event: RejoinEvent,
  known: Known,
  verdict: Verdict,
  rule: string,
  more?: Pick<Ruling, 'waits'> & Partial<Pick<Ruling, 'warnings'>>
]

/** This node's did:key. */
export const own: string = did('example this node')
/** A day, in milliseconds. */
export const day: number = 86_400_000
/** What a verdict that waits says beside its rule. */
export const waits = { waits: 'content' } as const
/** What verdicts on old events say beside their rule. */
export const warn = { warnings: ['freshness:warn'] } as const
/** Likewise, of still older ones. */
export const local = { warnings: ['freshness:local'] } as const
/** A log of nobody in the examples. */
export const otherLog: LogId = exampleLog('nobody')

/** The media type of a manifest. */
export const manifestType = 'application/vnd.oci.image.manifest.v1+json'
/** The type of an SBOM, as an artifact. */
export const sbomType = 'application/vnd.cyclonedx+json'

/** Returns an event of the owner of an example's key. */
export function told(key: string, type: string, data: RejoinEvent['data'] = {}, atMs: number = nowMs): RejoinEvent {
  return event(`example ${key}`, type, data, atMs)
}

/** Returns an event on an SBOM that can be fetched. */
export function sbom(key: string, data: RejoinEvent['data'] = {}, atMs?: number): RejoinEvent {
  const about = { repository: 'apps/web', mediaType: manifestType, artifactType: sbomType, digest: someDigest }
  return told(key, 'sbom.published', { ...about, ...data }, atMs)
}

/** Returns an event on an image that can be fetched. */
export function image(key: string, data: RejoinEvent['data'] = {}, atMs?: number): RejoinEvent {
  return told(key, 'manifest.published', { repository: 'apps/web', mediaType: manifestType, digest: someDigest, ...data }, atMs)
}

/** Documents of which no gate disapproves. */
export const clean: Content = {
  components: [{ name: 'left-pad', version: '1.3.0', purl: 'pkg:npm/left-pad@1.3.0', licenses: ['MIT'] }],
  licenses: ['MIT'],
  vulnerabilities: [],
  layerTypes: [],
  signers: []
}

/** Returns documents that speak of one vulnerability. */
export function vulnerable(severity: Content['vulnerabilities'][number]['severity'], status = ''): Content {
  return { ...clean, vulnerabilities: [{ id: 'CVE-2026-1', products: [], severity, status, justification: '' }] }
}

/** Returns documents whose one component has a licence. */
export function licensed(license: string): Content {
  const components = clean.components.map((one) => ({ ...one, licenses: [license] }))
  return { ...clean, components, licenses: [license] }
}

/** Returns documents that list a version of the package of which the air-gapped site denies some. */
export function wrapper(version: string): Content {
  const purl = `pkg:npm/openssl-wrapper@${version}`
  return { ...clean, components: [...clean.components, { name: 'openssl-wrapper', version, purl, licenses: ['MIT'] }] }
}

/** Returns what somebody with a role says of the vulnerability of `vulnerable`. */
export function vex(role: string, status: string, justification = 'component_not_present'): Evidence['vex'] {
  return [{ statement: { id: 'CVE-2026-1', products: [], severity: 'unknown', status, justification }, roles: [role] }]
}

/** Returns cosignatures of two witnesses, the newest of an age. */
export function witnessed(ageMs: number): Pick<Evidence, 'witnesses'> {
  return { witnesses: { names: ['w1', 'w2'], newestMs: nowMs - ageMs } }
}

/** What the gates of a trust file say of content, as the gate before the rules finds it out. */
function gatesOf({ content, vex: statements }: Evidence, { file }: Compiled): GateFacts | undefined {
  return (
    content && {
      vulnerability: gateVulnerability(content, statements, file.gates.vulnerability),
      license: gateLicense(content, file.gates.license),
      version: gateVersion(content.components, file.versions)
    }
  )
}

/** Returns the verdict of an example's rules on an event. */
export function rulingOn([, of, known]: VerdictRow, compiled: Compiled): Ruling {
  const { log = exampleLog('ci-2'), index = 7, writer, after, budgetLeft, signatures, ...more } = known
  const author = writer === undefined ? of.source : didOf(exampleSigner(writer).publicKey)
  const found = after && bindingBy(after, author, compiled.file)
  const bound =
    found === undefined || typeof found === 'string' ? undefined : { ...found, isOver: msOfHlc(of.hlc) > found.untilMs }
  const all = evidence(of, { place: { log, index, author, ...(bound && { bound }) }, ...more })
  const gates = gatesOf(all, compiled)
  const standing = writerStanding(all, compiled.file, { quorum: false, gates })
  if (budgetLeft === undefined && signatures === undefined) return decideBy(all, compiled, own, standing)
  const facts = factsOf(all, compiled.file, standing)
  const said = { ...facts.event, signatures: signatures ?? facts.event.signatures }
  return decideOn({ ...facts, event: said, budgetLeft: budgetLeft ?? facts.budgetLeft }, compiled, own)
}
