import { type ErrorCode, isObject, type Json, type JsonObject, parseStrict, RejoinError, textOf } from '../core/index.ts'
import { type Format, formatOfJson, formatOfTagValue, formatOfXml, formats, formatNamed } from './formats.ts'

/** Something about a document that its readers may stumble over; it is kept with the artifact. */
export interface Warning {
  readonly code: ErrorCode
  readonly message: string
  readonly at?: string
}

/** What a document is. */
export interface Recognised {
  readonly format: string
  readonly mediaType: string
  readonly artifactType: string
  readonly eventType: string
  readonly warnings: readonly Warning[]
}

/** What is known of a document besides its bytes. */
export interface RecogniseOptions {
  /** the name of a format, or a media type for bytes that are taken as they are */
  readonly type?: string
  readonly fileName?: string
}

const limits = { maxBytes: 64 * 1024 * 1024, maxDepth: 128 } as const

/** The names that --type knows. */
export const typeNames: readonly string[] = Object.keys(formats)

function result(format: Format, warnings: readonly Warning[] = []): Recognised {
  const { name, mediaType, eventType } = format
  return { format: name, mediaType, artifactType: mediaType, eventType, warnings }
}

function firstByte(text: string): string {
  return text.trimStart()[0] ?? ''
}

/** Returns the values of a JSON text, or of JSON lines. */
function parseJson(bytes: Uint8Array, text: string): { readonly values: readonly Json[]; readonly lines: boolean } {
  try {
    return { values: [parseStrict(bytes, limits)], lines: false }
  } catch (error) {
    const lines = text.split('\n').filter((line) => line.trim() !== '')
    if (!(error instanceof RejoinError) || error.code !== 'E_JSON' || lines.length < 2) throw error
    try {
      const values = lines.map((line) => parseStrict(Buffer.from(line), limits))
      if (values.every((value) => isObject(value))) return { values, lines: true }
    } catch {
      // not JSON lines either: the first error says what is wrong
    }
    throw error
  }
}

function recogniseText(bytes: Uint8Array): Format | undefined {
  const text = textOf(bytes[0] === 0xef && bytes[1] === 0xbb ? bytes.subarray(3) : bytes)
  const first = firstByte(text)
  if (first === '<') return formatOfXml(text)
  if (first === '{' || first === '[') {
    const { values, lines } = parseJson(bytes[0] === 0xef ? bytes.subarray(3) : bytes, text)
    const [value] = values
    const format = isObject(value) ? formatOfJson(value as JsonObject) : undefined
    if (lines && format !== undefined && format.eventType !== 'attestation.published') return undefined
    return format
  }
  return formatOfTagValue(text)
}

/**
 * Returns what a document is, by its content.
 * @throws E_UNKNOWN_TYPE where it is nothing that is known here · E_DOCUMENT where it is not of the type given ·
 * E_JSON E_UTF8 E_DUPLICATE_KEY E_FORBIDDEN_KEY E_TOO_DEEP E_TOO_LARGE where it does not parse
 */
export function recognise(bytes: Uint8Array, { type }: RecogniseOptions = {}): Recognised {
  if (type?.includes('/') === true) {
    if (!/^[a-z0-9][a-z0-9!#$&^_.+-]{0,126}\/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}$/.test(type)) throw new RejoinError('E_USAGE', `not a media type: ${JSON.stringify(type.slice(0, 80))}`)
    return { format: 'opaque', mediaType: type, artifactType: type, eventType: 'artifact.published', warnings: [] }
  }
  const wanted = type === undefined ? undefined : formatNamed(type)
  if (type !== undefined && wanted === undefined) throw new RejoinError('E_USAGE', `unknown type ${JSON.stringify(type)}`, { hint: `known are ${typeNames.join(', ')}, or a media type` })
  if (bytes.length > limits.maxBytes) throw new RejoinError('E_TOO_LARGE', `a document of ${bytes.length} bytes is over the limit of ${limits.maxBytes}`)
  const found = recogniseText(bytes)
  if (found === undefined) {
    if (wanted !== undefined) throw new RejoinError('E_DOCUMENT', `the document is not ${wanted.name}`)
    throw new RejoinError('E_UNKNOWN_TYPE', 'the document is of no kind that is known here', { hint: 'say what it is: --type NAME, or --type MEDIA/TYPE for any file' })
  }
  if (wanted !== undefined && wanted.name !== found.name && wanted.family !== found.family) throw new RejoinError('E_DOCUMENT', `the document is ${found.name}, not ${wanted.name}`)
  return result(found)
}
