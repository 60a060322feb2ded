import { base64, compare, equal, fromBase64, fromHex, hex, utf8 } from '../bytes.ts'
import { RejoinError } from '../error.ts'
import { parsePublicKey, type PublicKey, type Signer } from '../key.ts'
import { maxTreeSize } from '../log/checkpoint.ts'
import { hashOfLogId, isLogId, type LogId, logIdOf } from '../log/log-id.ts'
import { encodeNote, type Note, parseNote, signNote, verifyNote } from '../log/note.ts'
import { nextKeyDigest, type Opened, parseOpenedLine } from './opened.ts'

const prefix = 'rejoin/closing/'

/** What a closing says: a log ends at a size, and whose key may open the next one. */
export interface ClosingText {
  readonly log: LogId
  /** entries that stay valid, at least 1 */
  readonly size: number
  /** root at that size, 32 bytes */
  readonly root: Uint8Array
  /** the key that the log's first line committed to; it signs this */
  readonly nextKey: PublicKey
  /** the log that goes on from this one; absent where it is not known yet */
  readonly successor?: LogId
}

/** A closing whose signature and commitment were verified. Only verifyClosing and signClosing make one. */
export interface Closing extends ClosingText {
  /** the note's bytes */
  readonly note: Uint8Array
  readonly __verified: true
}

/** Returns the first line and key name of a closing: `rejoin/closing/<logId>`. */
export function closingNameOf(log: LogId): string {
  return `${prefix}${log}`
}

/** Returns what a closing signs: `rejoin/closing/<logId>\n<size>\n<base64 root>\nnext <hex>\n`, and `successor <logId>\n` where there is one. */
export function closingText({ log, size, root, nextKey, successor }: ClosingText): string {
  const last = successor === undefined ? '' : `successor ${successor}\n`
  return `${closingNameOf(log)}\n${size}\n${base64(root)}\nnext ${hex(nextKey)}\n${last}`
}

function fail(message: string): never {
  throw new RejoinError('E_NOTE', message)
}

function parseLogLine(text: string | undefined, before: string): LogId {
  const log = text?.startsWith(before) === true ? text.slice(before.length) : ''
  return isLogId(log) ? log : fail(`a closing has no line ${before}<log ID>`)
}

/**
 * Returns what a closing says without verifying it: of which log, so that its first line can be looked up.
 * @throws E_TOO_LARGE E_UTF8 · E_NOTE · E_KEY
 */
export function parseClosing(bytes: Uint8Array): ClosingText & { readonly parsed: Note } {
  const parsed = parseNote(bytes)
  const [name, size = '', root = '', next = '', ...rest] = parsed.text.split('\n')
  const log = parseLogLine(name, prefix)
  if (!/^[1-9][0-9]{0,15}$/.test(size) || Number(size) > maxTreeSize) fail('a closing has a malformed size')
  const rootBytes = fromBase64(root)
  if (rootBytes?.length !== 32) return fail('a closing has a malformed root')
  // the first entry is the leaf that gives the log its ID
  if (Number(size) === 1 && !equal(rootBytes, hashOfLogId(log))) fail('a closing at size 1 has another root than its log')
  const keyBytes = /^next [0-9a-f]{64}$/.test(next) ? fromHex(next.slice('next '.length)) : undefined
  if (keyBytes === undefined) return fail('a closing has a malformed next key')
  const successor = rest.length > 1 ? parseLogLine(rest.shift(), 'successor ') : undefined
  if (rest.length !== 1 || rest[0] !== '') fail('a closing has a line too many')
  if (successor === log) fail('a closing names its own log as successor')
  const text = { log, size: Number(size), root: rootBytes, nextKey: parsePublicKey(keyBytes) }
  return { ...text, ...(successor !== undefined && { successor }), parsed }
}

/**
 * Returns a closing after it was verified against the first line of its log: neither the log's key nor its entries are needed.
 * @param openedLine the first line of the log, without its newline
 * @throws E_ORIGIN where it is of another log · E_KEY where its key is not the one that the line commits to · E_SIGNATURE, and what
 * parseClosing and parseOpenedLine throw
 * @see protocols/closing.md
 */
export function verifyClosing(bytes: Uint8Array, openedLine: Uint8Array): Closing {
  const opened = parseOpenedLine(openedLine)
  const { parsed, ...text } = parseClosing(bytes)
  if (text.log !== logIdOf(openedLine)) throw new RejoinError('E_ORIGIN', `the closing is of ${text.log}, another log`)
  if (nextKeyDigest(text.nextKey) !== opened.nextKey)
    throw new RejoinError('E_KEY', `the key of the closing is not the one that the log ${text.log} committed to`)
  verifyNote(parsed, closingNameOf(text.log), text.nextKey)
  return { ...text, note: bytes, __verified: true }
}

/**
 * Returns the closing of a log, signed by its next key.
 * @param openedLine the first line of the log, without its newline
 * @param at where the log ends: a size of which the root is known to be that of its writer
 * @throws E_KEY where the signer is not the next key that the log committed to · E_NOTE for a size of 0
 */
export function signClosing(
  openedLine: Uint8Array,
  at: { readonly size: number; readonly root: Uint8Array; readonly successor?: LogId },
  nextSigner: Signer
): Closing {
  const text: ClosingText = { log: logIdOf(openedLine), nextKey: nextSigner.publicKey, ...at }
  return verifyClosing(encodeNote(signNote(closingText(text), closingNameOf(text.log), nextSigner)), openedLine)
}

/**
 * Verifies that a log is the successor of a closed one, and returns what its first line says.
 * @param successorLine the first line of the successor, without its newline
 * @throws E_OPENED where it is not: another key, it names another place, or the closing names another successor
 * @see protocols/closing.md
 */
export function verifySuccessor(closing: Closing, successorLine: Uint8Array): Opened {
  const opened = parseOpenedLine(successorLine)
  const { succeeds, publicKey } = opened
  if (!equal(publicKey, closing.nextKey))
    throw new RejoinError('E_OPENED', 'the log is not written by the key that closed the one before')
  if (succeeds?.log !== closing.log || succeeds.size !== closing.size || !equal(succeeds.root, closing.root))
    throw new RejoinError('E_OPENED', 'the log does not go on from where the one before was closed')
  if (closing.successor !== undefined && logIdOf(successorLine) !== closing.successor)
    throw new RejoinError('E_OPENED', 'the closing names another successor')
  return opened
}

/** What the closings of one log come to. */
export interface ClosedLog {
  /** the log ends here: the smallest size that any closing names */
  readonly size: number
  /** root at that size, 32 bytes */
  readonly root: Uint8Array
  /** the one successor that is accepted, where a closing names one */
  readonly successor?: LogId
  /** two closings contradict each other; then no successor is accepted */
  readonly conflict: boolean
  /** the one closing, or the two that prove the conflict: what is to be kept and passed on */
  readonly closings: readonly Closing[]
}

/** Orders closings so that the one that decides stands first. */
function byReach(a: Closing, b: Closing): number {
  const named = Number(a.successor === undefined) - Number(b.successor === undefined)
  const name = compare(utf8(a.successor ?? ''), utf8(b.successor ?? ''))
  return a.size - b.size || compare(a.root, b.root) || named || name || compare(a.note, b.note)
}

/** Returns whether the second closing says no more than the first: the same, or the same place without naming a successor. */
function covers(a: Closing, b: Closing): boolean {
  const samePlace = a.size === b.size && equal(a.root, b.root)
  return samePlace && (b.successor === undefined || a.successor === b.successor)
}

/**
 * Returns what the closings of one log come to. It depends on their set alone, not on their order, and what it keeps is enough to come to the
 * same again. A closing may be made again at the same place to name a successor; any other second closing is a conflict.
 * @see protocols/closing.md
 */
export function closedLogOf(closings: readonly Closing[]): ClosedLog | undefined {
  if (new Set(closings.map(({ log }) => log)).size > 1) throw new Error('bug: closings of several logs')
  const kept: Closing[] = []
  for (const closing of closings.toSorted(byReach)) if (!kept.some((one) => covers(one, closing))) kept.push(closing)
  const [first, second] = kept
  if (first === undefined) return undefined
  const { size, root, successor } = first
  const conflict = second !== undefined
  const accepted = !conflict && successor !== undefined ? { successor } : {}
  return { size, root, ...accepted, conflict, closings: kept.slice(0, 2) }
}

/**
 * Returns what the closing of its log makes of an entry: `void` at or beyond the size, whatever the old key signed; `good` below it in the
 * tree that the closing names; `unproven` as long as nobody has shown that the entry is in that tree; `disputed` in another tree.
 * @param rootAtSize root at the closing's size of the tree that the entry is in, or undefined where that tree is not known so far
 */
export function standingOf(
  closed: { readonly size: number; readonly root: Uint8Array },
  index: number,
  rootAtSize: Uint8Array | undefined
): 'good' | 'void' | 'unproven' | 'disputed' {
  if (index >= closed.size) return 'void'
  if (rootAtSize === undefined) return 'unproven'
  return equal(rootAtSize, closed.root) ? 'good' : 'disputed'
}
