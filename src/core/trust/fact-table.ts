import { utf8, hex } from '../bytes.ts'
import { msOfHlc } from '../clock.ts'
import { isDigest, sha256 } from '../digest.ts'
import { canonicalize } from '../json.ts'
import type { Json } from '../json-value.ts'
import type { RejoinEvent } from '../event/event.ts'
import { oneVoice } from './claim.ts'
import type { Content, Evidence } from './facts.ts'
import type { TrustFile } from './file.ts'
import { noUsage, bytesOfEvent, type Usage } from './usage.ts'

/** Whether the key that wrote an event may be believed at the place where the event stands. */
export type KeyStanding = 'good' | 'unknown' | 'expired' | 'not-yet' | 'revoked'
/** How old the newest confirmation of an event is, by the tiers of the trust file. */
export type FreshnessTier = 'fresh' | 'warn' | 'local' | 'refuse'
/** What a gate of the trust file says of an artifact; none: nothing is known that it could judge. */
export type GateState = 'pass' | 'fail' | 'none'

/** The gates' states. */
export interface GateFacts {
  readonly vulnerability: GateState
  readonly license: GateState
  readonly version: GateState
}

/** What the trust file makes of the writer and the witnesses of an event; it is found out once per event. */
export interface Standing {
  readonly signer: {
    /** of the identity, or empty */
    readonly name: string
    readonly did: string
    readonly roles: readonly string[]
    readonly standing: KeyStanding
    /** name of the issuer whose token says who it is; absent where a key of the trust file does */
    readonly issuer?: string
    /** what that token claims, as `name=value` */
    readonly claims?: readonly string[]
  }
  /** whether a delegation covers the event's repository, media type and type now */
  readonly delegated: boolean
  /** how many keys of the identity must have said the same for that; 0, as where it is absent: no delegation covers the event */
  readonly neededVoices?: number
  /** whether the witnesses reach the quorum of the file's tlog-policy */
  readonly quorum: boolean
  /** undefined: the content that they need is not there */
  readonly gates: GateFacts | undefined
}

/** A component as conditions see it. */
export interface ComponentFacts {
  readonly name: string
  readonly version: string
  readonly purl: string
  readonly licenses: readonly string[]
}

/** An artifact's documents as conditions see them. */
export interface ContentFacts {
  readonly components: readonly ComponentFacts[]
  readonly licenses: readonly string[]
  readonly vulnerabilities: readonly { readonly id: string; readonly severity: string; readonly status: string }[]
  readonly layerTypes: readonly string[]
  readonly signers: readonly string[]
}

/**
 * The facts of one event: all that a verdict depends on beside the trust file. Conditions see every member but `line`, `usage`,
 * `voices` and `signer.standing`.
 * @see protocols/verdict.md, the table of facts
 */
export interface Facts {
  readonly event: {
    readonly type: string
    readonly path: string
    readonly tag: string
    readonly mediaType: string
    readonly artifactType: string
    readonly subject: string
    readonly size: number
    readonly index: number
    readonly log: string
    readonly id: string
    readonly source: string
    readonly timeMs: number
    readonly signatures: number
  }
  readonly signer: Required<Standing['signer']> & { readonly known: boolean }
  readonly delegated: boolean
  readonly witnesses: { readonly count: number; readonly quorum: boolean }
  readonly freshness: { readonly ageMs: number; readonly tier: FreshnessTier }
  readonly peer: { readonly reputation: number }
  /** Unix milliseconds */
  readonly now: number
  readonly budgetLeft: number
  /** undefined: waits for content; likewise the next two */
  readonly overlap: readonly string[] | undefined
  readonly gates: GateFacts | undefined
  readonly content: ContentFacts | undefined
  /** what the writer's identity has here before it, and the bytes that it would take up itself */
  readonly usage: Usage & { readonly own: number }
  /** keys of the writer's identity that said the same, and how many must have for a delegation; 0: none covers the event */
  readonly voices: { readonly said: number; readonly needed: number }
  /** of the event's line; for limits, not for conditions */
  readonly line: { readonly bytes: number; readonly depth: number; readonly author: string }
}

const noContent: ContentFacts = { components: [], licenses: [], vulnerabilities: [], layerTypes: [], signers: [] }
const noGates: GateFacts = { vulnerability: 'none', license: 'none', version: 'none' }
const maxDepth = 64

function textAt({ data }: RejoinEvent, member: string): string {
  const value = data[member]
  return typeof value === 'string' ? value : ''
}

/** Returns what an event says of its kind; members that it lacks are empty. */
export function eventText(event: RejoinEvent): Pick<Facts['event'], 'type' | 'path' | 'mediaType' | 'artifactType'> {
  return {
    type: event.type,
    path: textAt(event, 'repository'),
    mediaType: textAt(event, 'mediaType'),
    artifactType: textAt(event, 'artifactType')
  }
}

/** Returns the size that an event says its artifact has, in bytes; one that is no size of anything is rounded up and capped. */
export function sizeOf({ data: { size } }: RejoinEvent): number {
  return typeof size === 'number' && size > 0 ? Math.min(Math.ceil(size), Number.MAX_SAFE_INTEGER) : 0
}

/**
 * Returns the facts of an event.
 * @param file only its freshness tiers, and whether it has an inventory, matter here
 */
export function factsOf(evidence: Evidence, file: Pick<TrustFile, 'freshness' | 'inventory'>, standing: Standing): Facts {
  const { event, place, witnesses, voiced = oneVoice } = evidence
  const now = Math.floor(evidence.nowMs)
  const timeMs = msOfHlc(event.hlc)
  const ageMs = Math.max(0, now - (witnesses.names.length > 0 ? Math.floor(witnesses.newestMs) : timeMs))
  return {
    event: {
      ...eventText(event),
      tag: textAt(event, 'tag'),
      subject: event.subject ?? '',
      size: sizeOf(event),
      index: place.index,
      log: place.log,
      id: event.id,
      source: event.source,
      timeMs,
      signatures: voiced.signatures
    },
    signer: signerFacts(standing.signer),
    delegated: standing.delegated,
    witnesses: { count: witnesses.names.length, quorum: standing.quorum },
    freshness: { ageMs, tier: tierOf(ageMs, file.freshness) },
    peer: { reputation: evidence.peerReputation },
    now,
    budgetLeft: 0,
    ...contentFacts(evidence, file, standing.gates),
    usage: { ...(evidence.usage ?? noUsage), own: bytesOfEvent(event, evidence.lineBytes) },
    voices: { said: voiced.said, needed: standing.neededVoices ?? 0 },
    line: { bytes: evidence.lineBytes, depth: depthOf(event as unknown as Json, maxDepth), author: place.author }
  }
}

function signerFacts({ name, did, roles, standing, issuer = '', claims = [] }: Standing['signer']): Facts['signer'] {
  return { name, roles, did, standing, issuer, claims, known: standing !== 'unknown' }
}

/** Returns the facts that need content: empty for an event that has none, undefined where it was not fetched yet. */
function contentFacts(
  { event, content, overlap }: Evidence,
  { inventory }: Pick<TrustFile, 'inventory'>,
  gates: GateFacts | undefined
): Pick<Facts, 'overlap' | 'gates' | 'content'> {
  const { digest } = event.data
  if (typeof digest !== 'string' || !isDigest(digest)) return { overlap: [], gates: noGates, content: noContent }
  if (content === undefined) return { overlap: undefined, gates: undefined, content: undefined }
  return { overlap: overlap ?? (inventory === undefined ? [] : undefined), gates, content: documentFacts(content) }
}

function documentFacts({ components, licenses, vulnerabilities, layerTypes, signers }: Content): ContentFacts {
  return {
    components,
    licenses,
    vulnerabilities: vulnerabilities.map(({ id, severity, status }) => ({ id, severity, status })),
    layerTypes,
    signers
  }
}

function tierOf(ageMs: number, { warnAfterMs, localOnlyAfterMs, refuseAfterMs }: TrustFile['freshness']): FreshnessTier {
  if (ageMs > refuseAfterMs) return 'refuse'
  if (ageMs > localOnlyAfterMs) return 'local'
  return ageMs > warnAfterMs ? 'warn' : 'fresh'
}

function depthOf(value: Json, left: number): number {
  if (typeof value !== 'object' || value === null || left === 0) return 0
  let deepest = 0
  for (const item of Array.isArray(value) ? (value as readonly Json[]) : Object.values(value))
    if (typeof item === 'object' && item !== null) deepest = Math.max(deepest, depthOf(item, left - 1))
  return deepest + 1
}

/** Returns whether everything is there that conditions on content may ask for. */
export function isComplete(facts: Facts): boolean {
  return facts.content !== undefined && facts.gates !== undefined && facts.overlap !== undefined
}

/** Returns the type that rules on kinds of documents speak of: the artifact's own where it has one, else its manifest's. */
export function documentTypeOf({ mediaType, artifactType }: Pick<Facts['event'], 'mediaType' | 'artifactType'>): string {
  return artifactType === '' ? mediaType : artifactType
}

/**
 * Returns the SHA-256 of facts, hexadecimal. It leaves out `now` and the age that follows from it, so that the same event judged a minute
 * later has the same digest unless a tier changed.
 */
export function factsDigest(facts: Facts): string {
  const { now: _now, freshness, overlap, gates, content, ...rest } = facts
  const value = {
    ...rest,
    freshness: { tier: freshness.tier },
    overlap: overlap ?? null,
    gates: gates ?? null,
    content: content ?? null
  }
  return hex(sha256(utf8(canonicalize(value as unknown as Json))))
}
