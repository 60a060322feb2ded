import { utf8 } from '../bytes.ts'
import { RejoinError } from '../error.ts'
import { canonicalize } from '../json.ts'
import { parseStrict } from '../json-strict.ts'
import { isObject, type JsonObject } from '../json-value.ts'
import { didOf, nodePathOf, parseKey, type PublicKey, type Signer } from '../key.ts'
import { encodeNote, parseNote, signNote, verifyNote } from './note.ts'

const magic = 'rejoin/receipt/v1'
/** A receipt is never longer than this. */
export const maxReceiptBytes: number = 1024 * 1024
/** Of each list in a receipt only so many are named; the counts are of all. */
export const maxReceiptItems = 1000

/** What an import took, as its node says. */
export interface ImportReceipt {
  /** did:key of the node */
  readonly node: string
  readonly network: string
  /** store and number of the change after the import, as in a frontier */
  readonly store: string
  readonly seq: number
  readonly time: string
  /** the `store` of the replica that was imported, where it has one */
  readonly from?: string
  readonly events: number
  readonly blobs: number
  readonly bytes: number
  readonly heldCount: number
  readonly refusedCount: number
  readonly missingCount: number
  readonly badCount: number
  readonly refused: readonly { readonly log: string; readonly index: number; readonly rule: string }[]
  /** digests of blobs that its events name and that did not come */
  readonly missing: readonly string[]
  readonly bad: readonly { readonly path: string; readonly reason: string }[]
}

function nameOf(node: PublicKey): string {
  return `${magic}/${nodePathOf(node)}`
}

/** Returns the path of a receipt below the root of a replica: its number is that of the change after the import. */
export function receiptPath(node: PublicKey, seq: number): string {
  return `receipts/${nodePathOf(node)}/${String(seq).padStart(10, '0')}`
}

/** Returns a receipt as a signed note: the line `rejoin/receipt/v1` and one line of canonical JSON. @see protocols/receipt.md */
export function signImportReceipt(receipt: ImportReceipt, signer: Signer): Uint8Array {
  return encodeNote(signNote(`${magic}\n${canonicalize(receipt as unknown as JsonObject)}\n`, nameOf(signer.publicKey), signer))
}

/**
 * Returns a receipt whose signature was verified with the key that it names itself.
 * @throws E_TOO_LARGE E_UTF8 E_NOTE E_JSON E_KEY E_SIGNATURE
 */
export function verifyImportReceipt(bytes: Uint8Array): ImportReceipt & { readonly key: PublicKey } {
  const note = parseNote(bytes, maxReceiptBytes)
  const [first, line = '', end, ...rest] = note.text.split('\n')
  if (first !== magic || end !== '' || rest.length > 0) throw new RejoinError('E_NOTE', 'a receipt does not begin as one')
  const value = parseStrict(utf8(line), { maxBytes: maxReceiptBytes, maxDepth: 4 })
  if (!isObject(value) || !isReceipt(value)) throw new RejoinError('E_NOTE', 'a receipt lacks a member, or one has another form')
  const key = parseKey(value['node'] as string)
  verifyNote(note, nameOf(key), key)
  if (didOf(key) !== value['node']) throw new RejoinError('E_NOTE', 'a receipt names its node in another spelling')
  return { ...(value as unknown as ImportReceipt), key }
}

const numbers = ['seq', 'events', 'blobs', 'bytes', 'heldCount', 'refusedCount', 'missingCount', 'badCount'] as const
const texts = ['node', 'network', 'store', 'time'] as const
const lists = ['refused', 'missing', 'bad'] as const

function isReceipt(value: JsonObject): boolean {
  const isCount = (member: string): boolean => Number.isSafeInteger(value[member]) && (value[member] as number) >= 0
  return (
    numbers.every(isCount) &&
    texts.every((member) => typeof value[member] === 'string') &&
    lists.every((member) => Array.isArray(value[member]) && (value[member] as readonly unknown[]).length <= maxReceiptItems) &&
    (value['from'] === undefined || typeof value['from'] === 'string')
  )
}
