import { concat, equal, textOf, utf8 } from '../bytes.ts'
import { RejoinError } from '../error.ts'
import { closedLogOf, type Closing, closingNameOf, parseClosing, verifyClosing } from '../event/closed.ts'
import { type Opened, parseOpenedLine } from '../event/opened.ts'
import { keyIdOf } from '../key.ts'
import { withCosignatures } from './cosignature.ts'
import { claimedForkLog, encodeForkProof, type Fork, parseForkProof, verifyForkProof } from './fork.ts'
import { type LogId, logIdOf } from './log-id.ts'
import { encodeNote, parseNote } from './note.ts'

const closedMagic = 'rejoin/closed/v1'
const forkMagic = 'rejoin/fork-proof/v1'
/** An urgent record is never longer than this; a fork proof of two large logs has some 3 kB, one closing 1 kB. */
export const maxUrgentBytes: number = 16 * 1024

/** What goes before anything else: the end of a log, proven by nothing but its own bytes. Only verifyUrgent and the makers here make one. */
export type UrgentRecord =
  | {
      readonly kind: 'closed'
      readonly log: LogId
      readonly opened: Opened
      /** one closing, or two that contradict each other */
      readonly closings: readonly Closing[]
      readonly bytes: Uint8Array
    }
  | { readonly kind: 'fork'; readonly log: LogId; readonly fork: Fork; readonly bytes: Uint8Array }

function fail(message: string): never {
  throw new RejoinError('E_NOTE', message)
}

/** Returns a closing's note with the next key's signature alone: anybody can add a line to a note. */
function bareClosing({ note, log, nextKey }: Closing): Uint8Array {
  const { text, signatures } = parseNote(note)
  const name = closingNameOf(log)
  const keyId = keyIdOf(name, 1, nextKey)
  return encodeNote({ text, signatures: signatures.filter((one) => one.name === name && equal(one.keyId, keyId)) })
}

/**
 * Returns the record of what the closings of one log come to: `rejoin/closed/v1`, the log's first line, and one or two closings, with an empty
 * line before each. The same closings give the same bytes in whatever order.
 * @param openedLine the log's first line, without its newline
 * @throws E_TOO_LARGE over 16 KiB
 * @see protocols/urgent.md
 */
export function closedRecord(openedLine: Uint8Array, closings: readonly Closing[]): UrgentRecord {
  const kept = closedLogOf(closings)?.closings ?? []
  if (kept.length === 0) throw new Error('bug: a record of no closing')
  const notes = kept.map((closing) => textOf(bareClosing(closing)))
  const bytes = utf8([`${closedMagic}\n${textOf(openedLine)}\n`, ...notes].join('\n'))
  return { kind: 'closed', log: logIdOf(openedLine), opened: parseOpenedLine(openedLine), closings: kept, bytes: within(bytes) }
}

/** Returns the record of a fork: its proof without cosignatures. @throws E_TOO_LARGE over 16 KiB */
export function forkRecord(fork: Fork): UrgentRecord {
  const { opened, entry } = parseForkProof(fork.bytes)
  const notes = fork.heads.map((head) => withCosignatures(head, fork.author, []).note) as [Uint8Array, Uint8Array]
  const bytes = within(encodeForkProof({ opened, notes, ...(entry !== undefined && { entry }) }))
  return { kind: 'fork', log: fork.log, fork: { ...fork, bytes }, bytes }
}

function within(bytes: Uint8Array): Uint8Array {
  if (bytes.length > maxUrgentBytes)
    throw new RejoinError('E_TOO_LARGE', `an urgent record of ${bytes.length} bytes is over ${maxUrgentBytes}`)
  return bytes
}

/** Returns the parts of a record of closings, none of them verified. */
function splitClosed(bytes: Uint8Array): { readonly openedLine: Uint8Array; readonly notes: readonly Uint8Array[] } {
  const [head = '', ...parts] = textOf(within(bytes)).split('\n\n')
  const [magic, opened, ...rest] = head.split('\n')
  if (magic !== closedMagic || opened === undefined || rest.length > 0) fail('a record of closings does not begin as one')
  if (parts.length !== 2 && parts.length !== 4) fail('a record of closings has neither one closing nor two')
  const notes: Uint8Array[] = []
  for (let i = 0; i < parts.length; i += 2)
    notes.push(utf8(`${parts[i] as string}\n\n${parts[i + 1] as string}${i + 2 < parts.length ? '\n' : ''}`))
  return { openedLine: utf8(opened), notes }
}

function startsWith(bytes: Uint8Array, magic: string): boolean {
  const prefix = utf8(`${magic}\n`)
  return equal(bytes.subarray(0, prefix.length), prefix)
}

/**
 * Verifies an urgent record with nothing but its own bytes. Who brought it says nothing. What it returns has no line that nobody verified,
 * so its bytes may be shorter than those given.
 * @throws E_NOTE where it is neither kind · and what verifyForkProof and verifyClosing throw
 * @see protocols/urgent.md
 */
export function verifyUrgent(given: Uint8Array): UrgentRecord {
  const bytes = within(given)
  if (startsWith(bytes, forkMagic)) return forkRecord(verifyForkProof(bytes))
  if (!startsWith(bytes, closedMagic)) return fail('neither a fork proof nor a record of closings')
  const { openedLine, notes } = splitClosed(bytes)
  return closedRecord(
    openedLine,
    notes.map((note) => verifyClosing(note, openedLine))
  )
}

/** Returns which log an urgent record speaks of, without verifying it. @throws as verifyUrgent, but for signatures */
export function claimedUrgentLog(bytes: Uint8Array): LogId {
  if (startsWith(within(bytes), forkMagic)) return claimedForkLog(bytes)
  const [note] = splitClosed(bytes).notes
  return parseClosing(note ?? concat([])).log
}
