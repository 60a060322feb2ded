import { isObject, type Json, type JsonObject, parseStrict, RejoinError, textOf } from '../core/index.ts'
import { cnabFormats } from './cnab.ts'
import { cyclonedx } from './cyclonedx.ts'
import { type AttestationLine, dsse, intoto, isAttestation, npmAttestations, sigstoreBundle } from './intoto.ts'
import type { JsonFormat } from './json-format.ts'
import { maxDocumentBytes, maxDocumentDepth, notOfType, type TypeName, typeNames } from './recognised.ts'
import { spdx } from './spdx.ts'
import { isTagValue } from './spdx-tag-value.ts'
import { csaf, openvex } from './vex.ts'

/** A document, parsed as far as its syntax goes. */
export type OpenDocument =
  | { readonly kind: 'json'; readonly format: JsonFormat; readonly document: JsonObject }
  | { readonly kind: 'lines'; readonly lines: readonly AttestationLine[] }
  /** not scanned yet */
  | { readonly kind: 'xml'; readonly text: string }
  /** not scanned yet */
  | { readonly kind: 'tag-value'; readonly text: string }

/** The formats whose documents are one JSON object; what fits several is of the first. */
export const jsonFormats: readonly JsonFormat[] = [
  cyclonedx,
  spdx,
  openvex,
  csaf,
  intoto,
  dsse,
  sigstoreBundle,
  npmAttestations,
  ...cnabFormats
]

/** What else a type takes: a signed statement is an in-toto attestation too, and a bundle of envelopes holds envelopes. */
const alsoTaken: Readonly<Partial<Record<TypeName, readonly TypeName[]>>> = {
  intoto: ['dsse', 'sigstore-bundle', 'npm-attestations', 'intoto-bundle'],
  dsse: ['intoto-bundle'],
  'sigstore-bundle': ['intoto-bundle']
}

/** Where SPDXVersion is looked for: it is the first tag of a document, but comments may come before it. */
const headBytes = 65_536
const limits = { maxBytes: maxDocumentBytes, maxDepth: maxDocumentDepth }
const typesHint = `name its kind or its media type with --type: ${typeNames.slice(0, 7).join(', ')}, …, or as in application/octet-stream`

/** Returns the error for a document of no known kind. */
export function unknownType(reason: string): RejoinError {
  return new RejoinError('E_UNKNOWN_TYPE', `the document is of no known kind: ${reason}`, { hint: typesHint })
}

function takes(type: TypeName | undefined, name: TypeName): boolean {
  return type === undefined || type === name || alsoTaken[type]?.includes(name) === true
}

/** Returns the values of JSON lines whose first line is an attestation, undefined for anything else. @throws as parseStrict; E_DOCUMENT */
function attestationLines(bytes: Uint8Array): readonly AttestationLine[] | undefined {
  const feed = bytes.indexOf(10)
  if (feed === -1 || !bytes.subarray(feed).some((byte) => byte > 32)) return undefined
  try {
    if (!isAttestation(parseStrict(bytes.subarray(0, feed), limits))) return undefined
  } catch {
    return undefined
  }
  const lines: AttestationLine[] = []
  for (let at = 0, number = 1; at < bytes.length; number++) {
    const next = bytes.indexOf(10, at)
    const end = next === -1 ? bytes.length : next
    const line = bytes.subarray(at, end)
    at = end + 1
    if (!line.some((byte) => byte > 32)) continue
    const value = parseLine(line, number)
    if (!isAttestation(value)) throw new RejoinError('E_DOCUMENT', `line ${number} is no attestation`, { at: `line ${number}` })
    lines.push({ number, value })
  }
  return lines
}

function parseLine(line: Uint8Array, number: number): Json {
  try {
    return parseStrict(line, limits)
  } catch (error) {
    if (!(error instanceof RejoinError)) throw error
    throw new RejoinError(error.code, `line ${number}: ${error.message.replace(' at line 1,', ' at')}`, {
      at: `line ${number}`,
      cause: error
    })
  }
}

function chooseFormat(document: JsonObject, type: TypeName | undefined): JsonFormat {
  if (type === undefined) {
    const found = jsonFormats.find(({ fault, tells }) => fault(document) === undefined && tells?.(document) !== false)
    if (found === undefined) throw unknownType('it is JSON')
    return found
  }
  const found = jsonFormats.find(({ name, fault }) => takes(type, name) && fault(document) === undefined)
  if (found !== undefined) return found
  throw notOfType(type, jsonFormats.find(({ name }) => name === type)?.fault(document) ?? 'it is not JSON lines of attestations')
}

function openJson(bytes: Uint8Array, type: TypeName | undefined): OpenDocument {
  const lines = attestationLines(bytes)
  if (lines !== undefined) {
    if (!takes(type, 'intoto-bundle')) throw notOfType(type as TypeName, 'it is JSON lines of attestations')
    return { kind: 'lines', lines }
  }
  const document = parseStrict(bytes, limits)
  if (!isObject(document))
    throw type === undefined ? unknownType('it is JSON, and no object') : notOfType(type, 'it is no JSON object')
  return { kind: 'json', format: chooseFormat(document, type), document }
}

function openText(bytes: Uint8Array, type: TypeName | undefined): OpenDocument {
  if (!takes(type, 'spdx')) throw notOfType(type as TypeName, 'it is neither JSON nor XML')
  const head = new TextDecoder().decode(bytes.subarray(0, headBytes))
  if (isTagValue(head)) return { kind: 'tag-value', text: textOf(bytes) }
  if (head.trim() === '') throw type === undefined ? unknownType('it is empty') : notOfType(type, 'it is empty')
  throw type === undefined
    ? unknownType('it is neither JSON, XML nor SPDX tag-value')
    : notOfType(type, 'no line begins with SPDXVersion:')
}

/** Returns whether a text begins with a byte order mark. */
export function hasByteOrderMark(bytes: Uint8Array): boolean {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf
}

/**
 * Opens a document by its first character that is no blank; a byte order mark is passed over.
 * @param bytes at most maxDocumentBytes
 * @param type what it must be; undefined: whatever it is
 * @throws E_UTF8 E_JSON E_TOO_DEEP E_DUPLICATE_KEY E_FORBIDDEN_KEY · E_DOCUMENT for what is not of the type · E_UNKNOWN_TYPE
 */
export function openDocument(bytes: Uint8Array, type: TypeName | undefined): OpenDocument {
  const text = hasByteOrderMark(bytes) ? bytes.subarray(3) : bytes
  if ((text[0] === 0xff && text[1] === 0xfe) || (text[0] === 0xfe && text[1] === 0xff)) {
    throw new RejoinError('E_UTF8', 'the text is UTF-16, not UTF-8', { hint: 'convert it: iconv -f utf-16 -t utf-8' })
  }
  const first = text.find((byte) => byte !== 32 && byte !== 9 && byte !== 10 && byte !== 13)
  if (first === 0x7b || first === 0x5b) return openJson(text, type)
  if (first !== 0x3c) return openText(text, type)
  if (!takes(type, 'cyclonedx')) throw notOfType(type as TypeName, 'it is XML')
  return { kind: 'xml', text: textOf(text) }
}
