import { textOf, utf8 } from '../bytes.ts'
import { type Hlc, isHlc } from '../clock.ts'
import { RejoinError } from '../error.ts'
import { canonicalizeStrict, parseCanonicalText } from '../json.ts'
import { isObject, type Json, type JsonLimits, type JsonObject } from '../json-value.ts'

/** A line of a log, without its newline, is at most this long. */
export const maxLineBytes = 65_535
const limits: JsonLimits = { maxBytes: maxLineBytes, maxDepth: 16 }

/**
 * One event: a CloudEvents 1.0 JSON object. As a line it is RFC 8785 canonical JSON, for example (wrapped here)
 * `{"data":{…},"hlc":"0193a4c2f1d80002","id":"<32 hex digits>","source":"did:key:z6Mk…","specversion":"1.0",`
 * `"subject":"sha256:…","time":"2026-11-20T10:00:00.000Z","type":"sbom.published"}`.
 */
export interface RejoinEvent {
  readonly specversion: '1.0'
  /** 128 random bits, 32 lower-case hexadecimal digits */
  readonly id: string
  /** the writer's did:key */
  readonly source: string
  /** what happened, e.g. `sbom.published` */
  readonly type: string
  /** the digest it is about, where there is one */
  readonly subject?: string
  /** what the writer's wall clock said; for people only */
  readonly time: string
  readonly hlc: Hlc
  readonly data: JsonObject
}

const members: ReadonlySet<string> = new Set(['specversion', 'id', 'source', 'type', 'subject', 'time', 'hlc', 'data'])
const typeShape = /^[a-z][a-z0-9]*(?:\.[a-z][a-z0-9]*)+$/
const subjectShape = /^[A-Za-z0-9][A-Za-z0-9._:/@+%-]*$/
const timeShape = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/

function bad(message: string): RejoinError {
  return new RejoinError('E_EVENT', message)
}

function tooLong(lineBytes: number): RejoinError {
  return new RejoinError('E_TOO_LARGE', `a line of ${lineBytes} bytes is over the limit of ${maxLineBytes}`)
}

function check(value: Json): RejoinEvent {
  if (!isObject(value)) throw bad('an event is a JSON object')
  for (const member in value) if (!members.has(member)) throw bad(`an event has no member ${JSON.stringify(member.slice(0, 40))}`)
  const { specversion, id, source, type, subject, time, hlc, data } = value as Readonly<
    Record<keyof RejoinEvent, Json | undefined>
  >
  if (specversion !== '1.0') throw bad('specversion is not "1.0"')
  if (typeof id !== 'string' || id.length !== 32 || !/^[0-9a-f]{32}$/.test(id)) throw bad('id is not 32 hexadecimal digits')
  if (typeof source !== 'string' || !source.startsWith('did:key:z') || source.length > 100) throw bad('source is not a did:key')
  if (typeof type !== 'string' || type.length > 64 || !typeShape.test(type)) throw bad('type is not words joined by dots')
  if (subject !== undefined && (typeof subject !== 'string' || subject.length > 256 || !subjectShape.test(subject)))
    throw bad('subject is not a digest or another name of 1 to 256 safe characters')
  if (typeof time !== 'string' || !timeShape.test(time)) throw bad('time is not YYYY-MM-DDThh:mm:ss.mmmZ')
  if (typeof hlc !== 'string' || !isHlc(hlc)) throw bad('hlc is not 16 hexadecimal digits')
  if (!isObject(data)) throw bad('data is not an object')
  return value as unknown as RejoinEvent
}

/**
 * Returns the event that a decoded line holds.
 * @param text the line, without its newline
 * @param bytes the same line's bytes
 * @throws E_TOO_LARGE over 65,535 bytes · E_TOO_DEEP over 16 levels · E_JSON E_DUPLICATE_KEY E_FORBIDDEN_KEY E_NOT_CANONICAL · E_EVENT
 * @see protocols/event.md
 */
export function parseEventText(text: string, bytes: Uint8Array): RejoinEvent {
  if (bytes.length > maxLineBytes) throw tooLong(bytes.length)
  return check(parseCanonicalText(text, bytes, limits))
}

/**
 * Returns the event that a line holds.
 * @param line its bytes, without the newline
 * @throws E_UTF8, and what parseEventText throws
 */
export function parseEvent(line: Uint8Array): RejoinEvent {
  if (line.length > maxLineBytes) throw tooLong(line.length)
  return parseEventText(textOf(line), line)
}

/** Returns the event that a line holds, undefined where it holds none. */
export function eventIn(line: Uint8Array): RejoinEvent | undefined {
  try {
    return parseEvent(line)
  } catch (error) {
    if (error instanceof RejoinError) return undefined
    throw error
  }
}

/**
 * Returns the line of an event, without its newline: one that parseEvent takes, so that no writer can sign what readers refuse.
 * @throws what parseEvent throws
 */
export function encodeEvent(event: RejoinEvent): Uint8Array {
  const value = event as unknown as JsonObject
  const line = utf8(canonicalizeStrict(value, limits))
  if (line.length > maxLineBytes) throw tooLong(line.length)
  check(value)
  return line
}
