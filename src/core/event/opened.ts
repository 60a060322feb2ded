import { base64, fromBase64, fromHex, hex } from '../bytes.ts'
import { type Digest, digestOf, isDigest } from '../digest.ts'
import { RejoinError } from '../error.ts'
import { isObject, type Json, type JsonObject } from '../json-value.ts'
import { didOf, parsePublicKey, type PublicKey } from '../key.ts'
import { isLogId, type LogId } from '../log/log-id.ts'
import type { Hlc } from '../clock.ts'
import { parseEvent, type RejoinEvent } from './event.ts'

/** The type of the first event of each log. */
export const openedType = 'log.opened'
/** A node's name: 1 to 64 characters that are safe to print. */
const nameShape = /^[\p{L}\p{N}][\p{L}\p{N} ._@-]{0,63}$/u

/** The log that a new one goes on from, and where. */
export interface Succeeds {
  readonly log: LogId
  readonly size: number
  /** root at that size, 32 bytes */
  readonly root: Uint8Array
  /** where that log forked: the head of its other branch */
  readonly other?: { readonly size: number; readonly root: Uint8Array }
}

/** What the first line of a log says. */
export interface Opened {
  readonly publicKey: PublicKey
  /** digest of the 32 bytes of the only key that may close this log and open its successor */
  readonly nextKey: Digest
  readonly name: string
  readonly succeeds?: Succeeds
}

/** Returns whether a text may be the name of a node or an identity. */
export function isName(text: string): boolean {
  return nameShape.test(text)
}

/** Returns the first event of a log. The ID must be 32 random hexadecimal digits. */
export function openedEvent(
  opened: Opened,
  stamp: { readonly id: string; readonly time: string; readonly hlc: Hlc }
): RejoinEvent {
  const { publicKey, nextKey, name, succeeds } = opened
  const predecessor = succeeds && {
    log: succeeds.log,
    ...headOf(succeeds),
    ...(succeeds.other && { other: headOf(succeeds.other) })
  }
  const data: JsonObject = { name, next: nextKey, publicKey: hex(publicKey), ...(predecessor && { succeeds: predecessor }) }
  return { specversion: '1.0', type: openedType, source: didOf(publicKey), ...stamp, data }
}

/** Returns the digest that a log's first line commits to for its next key. */
export function nextKeyDigest(nextKey: PublicKey): Digest {
  return digestOf(nextKey)
}

function parseSucceeds(value: Json): Succeeds {
  const { log, other, ...rest } = isObject(value) ? value : ({} as JsonObject)
  const head = parseHead(rest)
  const fork = other === undefined ? undefined : parseHead(other)
  if (typeof log !== 'string' || !isLogId(log) || head === undefined || (other !== undefined && fork === undefined))
    throw new RejoinError('E_OPENED', 'succeeds of log.opened is not {log, size, root, other?}')
  return { log, ...head, ...(fork && { other: fork }) }
}

/** Returns the size and root that an object says, undefined where it says anything else. */
function parseHead(value: Json): Pick<Succeeds, 'size' | 'root'> | undefined {
  const { size, root, ...rest } = isObject(value) ? value : ({} as JsonObject)
  const bytes = typeof root === 'string' ? fromBase64(root) : undefined
  const isSane = Number.isSafeInteger(size) && (size as number) >= 0 && bytes?.length === 32
  return isSane && Object.keys(rest).length === 0 ? { size: size as number, root: bytes } : undefined
}

function headOf({ size, root }: Pick<Succeeds, 'size' | 'root'>): JsonObject {
  return { root: base64(root), size }
}

/**
 * Returns what an event says that is the first of a log.
 * @throws E_OPENED where it is no log.opened or its members don't fit together
 */
export function parseOpened(event: RejoinEvent): Opened {
  const { publicKey, next, name, succeeds, ...rest } = event.data
  if (event.type !== openedType) throw new RejoinError('E_OPENED', `a log begins with ${openedType}, not with ${event.type}`)
  const keyBytes = typeof publicKey === 'string' ? fromHex(publicKey) : undefined
  if (keyBytes === undefined || Object.keys(rest).length > 0)
    throw new RejoinError('E_OPENED', 'data of log.opened is not {publicKey, next, name, succeeds?}')
  const key = parsePublicKey(keyBytes)
  if (event.source !== didOf(key)) throw new RejoinError('E_OPENED', 'the source of log.opened is not its public key')
  if (typeof next !== 'string' || !isDigest(next)) throw new RejoinError('E_OPENED', 'next of log.opened is not a digest')
  if (typeof name !== 'string' || !isName(name)) throw new RejoinError('E_OPENED', 'name of log.opened is not a name')
  return { publicKey: key, nextKey: next, name, ...(succeeds !== undefined && { succeeds: parseSucceeds(succeeds) }) }
}

/**
 * Returns what the first line of a log says.
 * @param line its bytes, without the newline
 * @throws E_OPENED, and what parseEvent throws
 */
export function parseOpenedLine(line: Uint8Array): Opened {
  return parseOpened(parseEvent(line))
}
