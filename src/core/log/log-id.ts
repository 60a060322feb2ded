import { base32Of, fromBase32 } from '../bytes.ts'
import { RejoinError } from '../error.ts'
import { leafHash } from './merkle.ts'

/** The name of a log: the 52 lower-case base32 digits of the leaf hash of its first line. Only parseLogId and logIdOf make one. */
export type LogId = string & { readonly __logId: true }

/** Returns whether a text is a log ID. */
export function isLogId(text: string): text is LogId {
  return text.length === 52 && fromBase32(text)?.length === 32
}

/**
 * Returns a text as log ID.
 * @throws E_CHECKPOINT where it is none
 */
export function parseLogId(text: string): LogId {
  if (!isLogId(text)) throw new RejoinError('E_CHECKPOINT', `not a log ID: ${JSON.stringify(text.slice(0, 60))}`)
  return text
}

/** Returns the ID of the log that begins with a line (without its newline). */
export function logIdOf(firstLine: Uint8Array): LogId {
  return logIdOfHash(leafHash(firstLine))
}

/** Returns the log ID whose 32 bytes are given. */
export function logIdOfHash(hash32: Uint8Array): LogId {
  return base32Of(hash32) as LogId
}

/** Returns the 32 bytes of a log ID. */
export function hashOfLogId(log: LogId): Uint8Array {
  return fromBase32(log) as Uint8Array
}
