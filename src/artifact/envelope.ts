import { isObject, type Json, type JsonObject, parseStrict, RejoinError } from '../core/index.ts'
import { envelopeFault, intoto, intotoPayload, payloadBytes } from './intoto.ts'
import { itemsOf, stringOf } from './json-format.ts'
import { maxDocumentDepth } from './recognised.ts'

/** A DSSE envelope. @see https://github.com/secure-systems-lab/dsse/blob/master/envelope.md */
export interface Envelope {
  readonly payloadType: string
  readonly payload: Uint8Array
  /** those whose bytes could be read */
  readonly signatures: readonly {
    /** a hint that nobody signed; may be empty */
    readonly keyid: string
    readonly sig: Uint8Array
  }[]
  /** the payload, where it is one JSON object */
  readonly document: JsonObject | undefined
  /** digests of what an in-toto statement is about, `sha256:…`; none for other payloads */
  readonly subjects: readonly string[]
}

function objectOf(payload: Uint8Array): JsonObject | undefined {
  try {
    const value = parseStrict(payload, { maxBytes: payload.length, maxDepth: maxDocumentDepth })
    return isObject(value) ? value : undefined
  } catch (error) {
    if (error instanceof RejoinError) return undefined
    throw error
  }
}

function subjectsOf(statement: JsonObject): readonly string[] {
  return itemsOf(statement['subject']).flatMap((subject) => {
    const digests = isObject(subject) ? subject['digest'] : undefined
    if (!isObject(digests)) return []
    return Object.entries(digests).flatMap(([algorithm, hex]) => (typeof hex === 'string' ? [`${algorithm}:${hex}`] : []))
  })
}

function readEnvelope(envelope: JsonObject): Envelope {
  const payloadType = stringOf(envelope['payloadType']) ?? ''
  const payload = payloadBytes(stringOf(envelope['payload']) ?? '')
  // a payload that can't be read was signed by nobody
  if (payload === undefined) return { payloadType, payload: new Uint8Array(), signatures: [], document: undefined, subjects: [] }
  const document = objectOf(payload)
  const isStatement = payloadType === intotoPayload && document !== undefined && intoto.fault(document) === undefined
  return {
    payloadType,
    payload,
    signatures: itemsOf(envelope['signatures']).flatMap((signature) => {
      const sig = isObject(signature) ? payloadBytes(stringOf(signature['sig']) ?? '') : undefined
      return sig === undefined || !isObject(signature) ? [] : [{ keyid: stringOf(signature['keyid']) ?? '', sig }]
    }),
    document,
    subjects: isStatement ? subjectsOf(document) : []
  }
}

/** Returns the envelopes in a document: the document itself, the one of a sigstore bundle, or those of npm's attestations. */
export function envelopesOf(document: JsonObject): readonly Envelope[] {
  const bundles = itemsOf(document['attestations']).map((item) => (isObject(item) ? item['bundle'] : undefined))
  const held: readonly (Json | undefined)[] = [
    document,
    document['dsseEnvelope'],
    ...bundles.map((bundle) => (isObject(bundle) ? bundle['dsseEnvelope'] : undefined))
  ]
  return held
    .filter((item) => isObject(item))
    .filter((item) => envelopeFault(item) === undefined)
    .map(readEnvelope)
}
