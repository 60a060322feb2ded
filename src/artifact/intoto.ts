import { isObject, type Json, type JsonObject, parseStrict, RejoinError } from '../core/index.ts'
import { itemsOf, type JsonFacts, type JsonFormat, stringOf } from './json-format.ts'
import { type Facts, maxDocumentDepth, titleOf, type Warning, warning } from './recognised.ts'

const statementType = /^https:\/\/in-toto\.io\/Statement\/v([0-9.]+)$/
/** payloadType of an envelope that holds an in-toto statement. */
export const intotoPayload: string = 'application/vnd.in-toto+json'
const bundlePrefix = 'application/vnd.dev.sigstore.bundle'
const maxPayloadChars = 4 * 1024 * 1024
const eventType = 'attestation.published'

function content(message: string, at?: string): Warning {
  return warning('W_CONTENT', message, at)
}

function statementWarnings(statement: JsonObject): readonly Warning[] {
  const faults: Warning[] = []
  if (typeof statement['predicateType'] !== 'string') faults.push(content('"predicateType" is missing'))
  const subjects = itemsOf(statement['subject'])
  if (subjects.length === 0) faults.push(content('there is no subject'))
  const bare = subjects.findIndex(
    (subject) => !isObject(subject) || !isObject(subject['digest']) || Object.keys(subject['digest']).length === 0
  )
  if (bare !== -1) faults.push(content('a subject has no digest', `/subject/${bare}`))
  return faults
}

/** An in-toto statement that nobody signed: `{"_type":"https://in-toto.io/Statement/v1","subject":[…],"predicateType":"…","predicate":{…}}` */
export const intoto: JsonFormat = {
  name: 'intoto',
  fault: ({ _type: type }) => (statementType.test(String(type)) ? undefined : '"_type" is not of https://in-toto.io/Statement'),
  facts: (statement) => ({
    mediaType: intotoPayload,
    eventType,
    specVersion: statementType.exec(String(statement['_type']))?.[1],
    title: titleOf(statement['predicateType']),
    warnings: statementWarnings(statement)
  })
}

/**
 * Returns the bytes of base64, url-safe or not, padded or not; undefined for anything else. core's fromBase64 takes 0.3 s for each
 * MB, and JSON lines may hold 64 of them.
 */
export function payloadBytes(payload: string): Uint8Array | undefined {
  const text = payload
    .replace(/={1,2}$/, '')
    .replaceAll('-', '+')
    .replaceAll('_', '/')
  const bytes = Buffer.from(text, 'base64')
  const again = bytes.toString('base64').replace(/={1,2}$/, '')
  return again === text ? bytes : undefined
}

/** What an envelope carries: the statement, or why it is not to be had. Signatures are not this room's business. */
function openEnvelope(envelope: JsonObject): { readonly statement?: JsonObject; readonly warnings: readonly Warning[] } {
  const payload = String(envelope['payload'])
  const signatures = itemsOf(envelope['signatures'])
  const faults: Warning[] = signatures.length === 0 ? [content('there is no signature')] : []
  if (envelope['payloadType'] !== intotoPayload) return { warnings: faults }
  if (payload.length > maxPayloadChars)
    return { warnings: [...faults, warning('W_NOT_CHECKED', 'the payload is too large to be looked at')] }
  const bytes = payloadBytes(payload)
  if (bytes === undefined) return { warnings: [...faults, content('the payload is not base64', '/payload')] }
  let statement: Json
  try {
    statement = parseStrict(bytes, { maxBytes: bytes.length, maxDepth: maxDocumentDepth })
  } catch (error) {
    if (!(error instanceof RejoinError)) throw error
    return { warnings: [...faults, content(`the payload does not parse: ${error.message}`, '/payload')] }
  }
  if (!isObject(statement) || intoto.fault(statement) !== undefined)
    return { warnings: [...faults, content('the payload is no in-toto statement', '/payload')] }
  return { statement, warnings: [...faults, ...statementWarnings(statement)] }
}

/** Returns why a value is no DSSE envelope, undefined where it is one. */
export function envelopeFault(envelope: Json | undefined): string | undefined {
  if (!isObject(envelope)) return 'there is no envelope'
  if (typeof envelope['payload'] !== 'string') return '"payload" is missing'
  if (typeof envelope['payloadType'] !== 'string') return '"payloadType" is missing'
  return Array.isArray(envelope['signatures']) ? undefined : '"signatures" is missing'
}

/** A DSSE envelope: `{"payloadType":"application/vnd.in-toto+json","payload":"eyJ…","signatures":[{"sig":"…"}]}` */
export const dsse: JsonFormat = {
  name: 'dsse',
  fault: envelopeFault,
  facts: (envelope) => {
    const { statement, warnings } = openEnvelope(envelope)
    return {
      mediaType: 'application/vnd.dsse.envelope.v1+json',
      eventType,
      title: titleOf(statement?.['predicateType'] ?? envelope['payloadType']),
      warnings
    }
  }
}

function bundleFacts(bundle: JsonObject): JsonFacts {
  const named = String(bundle['mediaType'])
  const specVersion = /(?:;version=|\.v)([0-9.]+)/.exec(named)?.[1]
  const envelope = bundle['dsseEnvelope']
  const faults: Warning[] = isObject(bundle['verificationMaterial']) ? [] : [content('"verificationMaterial" is missing')]
  const opened = isObject(envelope) && envelopeFault(envelope) === undefined ? openEnvelope(envelope) : undefined
  if (opened === undefined && !isObject(bundle['messageSignature']))
    faults.push(content('there is neither an envelope nor a signature'))
  return {
    // parameters, as in ;version=0.1, are not allowed in a descriptor
    mediaType: specVersion !== undefined && named === `${bundlePrefix}.v${specVersion}+json` ? named : `${bundlePrefix}+json`,
    eventType,
    specVersion,
    title: titleOf(opened?.statement?.['predicateType']),
    warnings: [...faults, ...(opened?.warnings ?? [])]
  }
}

/** A sigstore bundle: `{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{…},"dsseEnvelope":{…}}` */
export const sigstoreBundle: JsonFormat = {
  name: 'sigstore-bundle',
  fault: ({ mediaType }) => (String(mediaType).startsWith(bundlePrefix) ? undefined : `"mediaType" is not of ${bundlePrefix}`),
  facts: bundleFacts
}

/** What the npm registry serves beside a package: `{"attestations":[{"predicateType":"…","bundle":{…}}]}` */
export const npmAttestations: JsonFormat = {
  name: 'npm-attestations',
  fault: ({ attestations }) => {
    const all = itemsOf(attestations)
    const ours = all.every(
      (item) => isObject(item) && isObject(item['bundle']) && sigstoreBundle.fault(item['bundle']) === undefined
    )
    return all.length > 0 && ours ? undefined : '"attestations" is no list of sigstore bundles'
  },
  facts: ({ attestations }) => {
    const warnings: Warning[] = []
    const titles: (string | undefined)[] = []
    for (const [i, item] of itemsOf(attestations).entries()) {
      if (!isObject(item) || !isObject(item['bundle'])) continue
      const { title, warnings: inner = [] } = bundleFacts(item['bundle'])
      const said = stringOf(item['predicateType'])
      titles.push(title)
      if (said !== undefined && title !== undefined && titleOf(said) !== title)
        warnings.push(content('"predicateType" is not that of the statement', `/attestations/${i}`))
      for (const { code, message, at } of inner) warnings.push(warning(code, message, `/attestations/${i}/bundle${at ?? ''}`))
    }
    return {
      mediaType: 'application/json',
      artifactType: 'application/vnd.npm.attestations+json',
      eventType,
      title: titleOf(...titles),
      warnings
    }
  }
}

const lineFormats: readonly JsonFormat[] = [dsse, sigstoreBundle, intoto]

/** A line of a bundle of attestations. */
export interface AttestationLine {
  /** from 1 */
  readonly number: number
  readonly value: JsonObject
}

/** Returns whether an object may be a line of a bundle of attestations. */
export function isAttestation(value: Json): value is JsonObject {
  return isObject(value) && lineFormats.some(({ fault }) => fault(value) === undefined)
}

/**
 * Returns the facts of a bundle of attestations: JSON lines, each an envelope, a sigstore bundle or a statement.
 * @param lines values that isAttestation accepts, with the number of their line
 * @see https://github.com/in-toto/attestation/blob/main/spec/v1/bundle.md
 */
export function bundleOfLines(lines: readonly AttestationLine[]): Facts {
  const warnings: Warning[] = []
  const titles = new Set<string>()
  for (const { number, value } of lines) {
    const facts = lineFormats.find(({ fault }) => fault(value) === undefined)?.facts(value)
    if (facts?.title !== undefined) titles.add(facts.title)
    for (const { code, message } of facts?.warnings ?? []) warnings.push(warning(code, message, `line ${number}`))
  }
  return { mediaType: 'application/vnd.in-toto.bundle', eventType, title: titleOf(...titles), warnings }
}
