import { base64, equal, fromBase64 } from '../bytes.ts'
import { RejoinError } from '../error.ts'
import type { PublicKey, Signer } from '../key.ts'
import { isLogId, type LogId } from './log-id.ts'
import { emptyRoot } from './merkle.ts'
import { encodeNote, type Note, parseNote, signNote, verifyNote } from './note.ts'

/** A log never grows beyond this many entries. */
export const maxTreeSize: number = 2 ** 40

/** What a checkpoint says: a log has this size and this root. */
export interface TreeHead {
  readonly log: LogId
  readonly size: number
  /** 32 bytes */
  readonly root: Uint8Array
}

/** A tree head with its signed note, whose signature was verified. Only verifyCheckpoint and signCheckpoint make one. */
export interface Checkpoint extends TreeHead {
  /** the note's bytes: `rejoin/<logId>\n<size>\n<base64 root>\n\n— rejoin/<logId> <base64>\n` */
  readonly note: Uint8Array
  readonly __verified: true
}

/** Returns the origin line and key name of a log: `rejoin/<logId>`. */
export function originOf(log: LogId): string {
  return `rejoin/${log}`
}

/** Returns the three lines that a checkpoint signs. @see C2SP tlog-checkpoint */
export function checkpointText(head: TreeHead): string {
  return `${originOf(head.log)}\n${head.size}\n${base64(head.root)}\n`
}

function parseHead(text: string): TreeHead {
  const [origin, size, root, end, ...rest] = text.split('\n')
  const log = origin?.startsWith('rejoin/') === true ? origin.slice(7) : ''
  if (!isLogId(log)) throw new RejoinError('E_CHECKPOINT', 'the origin of a checkpoint is not rejoin/ and a log ID')
  if (size === undefined || !/^(?:0|[1-9][0-9]{0,15})$/.test(size) || Number(size) > maxTreeSize)
    throw new RejoinError('E_CHECKPOINT', 'a checkpoint has a malformed size')
  const rootBytes = fromBase64(root ?? '')
  if (rootBytes?.length !== 32) throw new RejoinError('E_CHECKPOINT', 'a checkpoint has a malformed root')
  if (end !== '' || rest.length > 0)
    throw new RejoinError('E_CHECKPOINT', 'a checkpoint has extension lines, which are not allowed here')
  if (Number(size) === 0 && !equal(rootBytes, emptyRoot))
    throw new RejoinError('E_CHECKPOINT', 'a checkpoint of size 0 has another root than the empty tree')
  return { log, size: Number(size), root: rootBytes }
}

/**
 * Returns what a checkpoint says without verifying it: which log, so that its key can be looked up.
 * @throws E_TOO_LARGE E_UTF8 E_NOTE E_CHECKPOINT
 */
export function parseCheckpoint(bytes: Uint8Array): TreeHead & { readonly parsed: Note } {
  const parsed = parseNote(bytes)
  return { ...parseHead(parsed.text), parsed }
}

/**
 * Returns a checkpoint of a log after its writer's signature was verified.
 * @throws E_ORIGIN where it belongs to another log · E_SIGNATURE · and what parseCheckpoint throws
 * @see C2SP tlog-checkpoint, protocols/checkpoint.md
 */
export function verifyCheckpoint(bytes: Uint8Array, log: LogId, key: PublicKey): Checkpoint {
  const { parsed, ...head } = parseCheckpoint(bytes)
  if (head.log !== log) throw new RejoinError('E_ORIGIN', `the checkpoint is of ${originOf(head.log)}, not of ${originOf(log)}`)
  verifyNote(parsed, originOf(log), key)
  return { ...head, note: bytes, __verified: true }
}

/** Returns the signed checkpoint of a tree head. The caller must have made every line below the size durable. */
export function signCheckpoint(head: TreeHead, signer: Signer): Checkpoint {
  return { ...head, note: encodeNote(signNote(checkpointText(head), originOf(head.log), signer)), __verified: true }
}
