import { isObject, type Json, type JsonObject, parseStrict, RejoinError, textOf, tooLarge } from '../core/index.ts'
import { cnabFormats } from './cnab.ts'
import { cyclonedx } from './cyclonedx.ts'
import { readCyclonedxXml } from './cyclonedx-xml.ts'
import { bundleOfLines, dsse, intoto, isAttestation, npmAttestations, sigstoreBundle } from './intoto.ts'
import type { JsonFacts, JsonFormat } from './json-format.ts'
import { isMediaType } from './media-type.ts'
import {
  type Facts,
  maxDocumentBytes,
  maxDocumentDepth,
  maxWarnings,
  notOfType,
  type Recognised,
  titleOf,
  type TypeName,
  typeNames,
  type Warning,
  warning
} from './recognised.ts'
import { maxCheckedBytes, schemaWarnings } from './schema.ts'
import { spdx } from './spdx.ts'
import { isTagValue, readTagValue } from './spdx-tag-value.ts'
import { csaf, openvex } from './vex.ts'

/** How to recognise a document. */
export interface RecogniseOptions {
  /** one of typeNames: the document must be that; or a media type: the bytes are taken as they are, unread and of any size */
  readonly type?: string
  /** the file's name, the title of a document that names nothing */
  readonly fileName?: string
}

const jsonFormats: readonly JsonFormat[] = [
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

function unknownType(reason: string): RejoinError {
  return new RejoinError('E_UNKNOWN_TYPE', `the document is of no known kind: ${reason}`, { hint: typesHint })
}

function takes(type: TypeName | undefined, name: TypeName): boolean {
  return type === undefined || type === name || alsoTaken[type]?.includes(name) === true
}

/** Returns the values of JSON lines whose first line is an attestation, undefined for anything else. @throws as parseStrict; E_DOCUMENT */
function attestationLines(bytes: Uint8Array): readonly { readonly number: number; readonly value: JsonObject }[] | undefined {
  const feed = bytes.indexOf(10)
  if (feed === -1 || !bytes.subarray(feed).some((byte) => byte > 32)) return undefined
  try {
    if (!isAttestation(parseStrict(bytes.subarray(0, feed), limits))) return undefined
  } catch {
    return undefined
  }
  const lines: { number: number; value: JsonObject }[] = []
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

function checkSchema(
  { specVersion, schema }: JsonFacts,
  document: JsonObject,
  name: TypeName,
  sizeBytes: number
): readonly Warning[] {
  if (schema !== undefined && sizeBytes > maxCheckedBytes)
    return [warning('W_NOT_CHECKED', `over ${maxCheckedBytes / 1024 / 1024} MiB: not checked against its schema`)]
  if (schema !== undefined) return schemaWarnings(schema, document)
  const hasSchemas =
    name === 'cyclonedx' || name === 'openvex' || name === 'csaf' || (name === 'spdx' && document['spdxVersion'] !== undefined)
  return hasSchemas ? [warning('W_NO_SCHEMA', `no schema of ${name} ${specVersion} is here: not checked`)] : []
}

function readJson(bytes: Uint8Array, type: TypeName | undefined): readonly [TypeName, Facts] {
  const lines = attestationLines(bytes)
  if (lines !== undefined) {
    if (!takes(type, 'intoto-bundle')) throw notOfType(type as TypeName, 'it is JSON lines of attestations')
    return ['intoto-bundle', bundleOfLines(lines)]
  }
  const document = parseStrict(bytes, limits)
  if (!isObject(document))
    throw type === undefined ? unknownType('it is JSON, and no object') : notOfType(type, 'it is no JSON object')
  const { name, facts } = chooseFormat(document, type)
  const found = facts(document)
  return [name, { ...found, warnings: [...checkSchema(found, document, name, bytes.length), ...(found.warnings ?? [])] }]
}

function readXml(bytes: Uint8Array, type: TypeName | undefined): readonly [TypeName, Facts] {
  if (!takes(type, 'cyclonedx')) throw notOfType(type as TypeName, 'it is XML')
  const facts = readCyclonedxXml(textOf(bytes))
  if (facts !== undefined) return ['cyclonedx', facts]
  throw type === undefined ? unknownType('it is XML') : notOfType(type, 'its root element is not a CycloneDX bom')
}

function readText(bytes: Uint8Array, type: TypeName | undefined): readonly [TypeName, Facts] {
  if (!takes(type, 'spdx')) throw notOfType(type as TypeName, 'it is neither JSON nor XML')
  const head = new TextDecoder().decode(bytes.subarray(0, headBytes))
  if (isTagValue(head)) return ['spdx', readTagValue(textOf(bytes))]
  if (head.trim() === '') throw type === undefined ? unknownType('it is empty') : notOfType(type, 'it is empty')
  throw type === undefined
    ? unknownType('it is neither JSON, XML nor SPDX tag-value')
    : notOfType(type, 'no line begins with SPDXVersion:')
}

function opaque(type: string, fileName: string | undefined): Recognised {
  if (!isMediaType(type))
    throw new RejoinError('E_USAGE', 'the media type is malformed', {
      hint: 'such as application/octet-stream, without parameters'
    })
  const title = titleOf(fileName)
  return {
    format: 'opaque',
    mediaType: type,
    artifactType: type,
    eventType: 'artifact.published',
    ...(title !== undefined && { title }),
    warnings: []
  }
}

function typeNameOf(type: string | undefined): TypeName | undefined {
  const found = typeNames.find((name) => name === type)
  if (type !== undefined && found === undefined)
    throw new RejoinError('E_USAGE', 'the type is unknown', { hint: `a media type, or one of ${typeNames.join(', ')}` })
  return found
}

/** Reads by the first character that is no blank. */
function readBytes(bytes: Uint8Array, type: TypeName | undefined): readonly [TypeName, Facts] {
  if ((bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff)) {
    throw new RejoinError('E_UTF8', 'the text is UTF-16, not UTF-8', { hint: 'convert it: iconv -f utf-16 -t utf-8' })
  }
  const first = bytes.find((byte) => byte !== 32 && byte !== 9 && byte !== 10 && byte !== 13)
  if (first === 0x7b || first === 0x5b) return readJson(bytes, type)
  return first === 0x3c ? readXml(bytes, type) : readText(bytes, type)
}

/**
 * Returns what a document is, by its content and not by its name or schema: a fault against the official schema is a warning,
 * and so is everything else that a careful reader can live with.
 * @throws E_TOO_LARGE over maxDocumentBytes · E_UTF8 E_JSON E_TOO_DEEP E_DUPLICATE_KEY E_FORBIDDEN_KEY E_XML for what does not parse ·
 * E_DOCUMENT for what is not of options.type · E_UNKNOWN_TYPE for what is of no known kind · E_USAGE for an unknown options.type
 * @see protocols/artifact.md
 */
export function recognise(bytes: Uint8Array, options: RecogniseOptions = {}): Recognised {
  if (options.type?.includes('/') === true) return opaque(options.type, options.fileName)
  const type = typeNameOf(options.type)
  if (bytes.length > maxDocumentBytes) throw tooLarge(bytes.length, maxDocumentBytes)
  const marked = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf
  const [format, facts] = readBytes(marked ? bytes.subarray(3) : bytes, type)
  const mark = marked ? [warning('W_BYTE_ORDER_MARK', 'the text begins with a byte order mark')] : []
  const title = facts.title ?? titleOf(options.fileName)
  const specVersion = titleOf(facts.specVersion)
  return {
    format,
    mediaType: facts.mediaType,
    artifactType: facts.artifactType ?? facts.mediaType,
    eventType: facts.eventType,
    ...(specVersion !== undefined && { specVersion }),
    ...(title !== undefined && { title }),
    warnings: [...mark, ...(facts.warnings ?? [])].slice(0, maxWarnings)
  }
}
