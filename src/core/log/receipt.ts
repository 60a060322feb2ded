import { codeOf, RejoinError } from '../error.ts'
import type { PublicKey } from '../key.ts'
import { arrayItem, bytesItem, CborCursor, integerItem, mapItem } from './cbor.ts'
import { maxTreeSize, originOf } from './checkpoint.ts'
import { type CoseCheckpoint, type CoseSignature, encodeSign1, parseSign1, verifyRoot } from './cose.ts'
import type { LogId } from './log-id.ts'
import { leafHash } from './merkle.ts'
import { type HashReader, inclusionPath, rootOfInclusion } from './proof.ts'

// labels of RFC 9942
const verifiableDataProofs = 396
const inclusionProofs = -1
const maxPathLength = Math.log2(maxTreeSize)

/**
 * A COSE Receipt, split but not verified: `18([protected, {396: {-1: [bstr [size, index, [+ hash]]]}}, null, signature])`.
 * Size and index stand in the unprotected header. The signature covers the root alone, so they are claims of whoever made it.
 */
export interface Receipt extends CoseSignature {
  readonly size: number
  readonly index: number
  /** sibling hashes from the leaf up, at least one, 32 bytes each */
  readonly path: readonly Uint8Array[]
}

function fail(message: string): never {
  throw new RejoinError('E_RECEIPT', message)
}

function encodeReceipt(receipt: Receipt): Uint8Array {
  const { size, index, path } = receipt
  const proof = arrayItem([integerItem(size), integerItem(index), arrayItem(path.map(bytesItem))])
  const proofs = mapItem([[integerItem(inclusionProofs), arrayItem([bytesItem(proof)])]])
  return encodeSign1(receipt, mapItem([[integerItem(verifiableDataProofs), proofs]]))
}

function parseProof(bytes: Uint8Array): Pick<Receipt, 'size' | 'index' | 'path'> {
  const cursor = new CborCursor(bytes)
  cursor.arrayOf(3)
  const size = cursor.unsigned()
  const index = cursor.unsigned()
  const length = cursor.arrayLength()
  if (size > maxTreeSize || index >= size) fail('the index of a receipt is not below its size, or that is too large')
  if (length < 1 || length > maxPathLength) fail(`the path of a receipt has 1 to ${maxPathLength} hashes, not ${length}`)
  const path = Array.from({ length }, () => {
    const hash = cursor.byteString()
    return hash.length === 32 ? hash : fail('a hash in a receipt does not have 32 bytes')
  })
  cursor.end()
  return { size, index, path }
}

/**
 * Returns the parts of a COSE Receipt with one inclusion proof, none of them verified.
 * @throws E_TOO_LARGE over 16 KiB · E_UTF8 · E_RECEIPT, also for CBOR that is not deterministic
 * @see RFC 9942
 */
export function parseReceipt(bytes: Uint8Array): Receipt {
  const { unprotected, ...signature } = parseSign1(bytes, (cursor) => {
    cursor.mapOf(1)
    cursor.integer(verifiableDataProofs)
    cursor.mapOf(1)
    cursor.integer(inclusionProofs)
    cursor.arrayOf(1)
    return parseProof(cursor.byteString())
  })
  return { ...signature, ...unprotected }
}

/**
 * Returns the COSE Receipt of the entry at an index, made from the checkpoint's COSE signature without any key.
 * @param read the hashes of the log's tree, at least up to the checkpoint's size
 * @throws E_RECEIPT for a log of one entry, since RFC 9942 allows no empty path · E_PROOF where index is not below the size
 */
export function makeReceipt(cose: CoseCheckpoint, index: number, read: HashReader): Uint8Array {
  const { size } = cose.checkpoint
  const path = inclusionPath(index, size, read)
  if (path.length === 0) fail('a log of one entry can have no COSE receipt')
  return encodeReceipt({ log: cose.log, kid: cose.kid, signature: cose.signature, size, index, path })
}

/**
 * Verifies that a COSE Receipt shows an entry to be in a log. It shows no position: where that matters, take a proof file.
 * @param expect.entry the entry's bytes, without the newline
 * @returns the receipt; its size and index fit the path, but were not signed
 * @throws E_ORIGIN where it is of another log · E_RECEIPT where it does not verify · and what parseReceipt throws
 * @see protocols/proof.md
 */
export function verifyReceipt(
  bytes: Uint8Array,
  expect: { readonly log: LogId; readonly key: PublicKey; readonly entry: Uint8Array }
): Receipt {
  const receipt = parseReceipt(bytes)
  if (receipt.log !== expect.log)
    throw new RejoinError('E_ORIGIN', `the receipt is of ${originOf(receipt.log)}, not of ${originOf(expect.log)}`)
  if (!verifyRoot(receipt, rootOfReceipt(receipt, expect.entry), expect.key)) fail('the signature of a receipt does not verify')
  return receipt
}

function rootOfReceipt(receipt: Receipt, entry: Uint8Array): Uint8Array {
  try {
    return rootOfInclusion({ ...receipt, leaf: leafHash(entry) })
  } catch (cause) {
    if (codeOf(cause) !== 'E_PROOF') throw cause
    throw new RejoinError('E_RECEIPT', 'the path of a receipt does not have the length that its size and index ask for', {
      cause
    })
  }
}
