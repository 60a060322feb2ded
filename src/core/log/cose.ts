import { equal } from '../bytes.ts'
import { RejoinError } from '../error.ts'
import { keyIdOf, type PublicKey, type Signer, verifySignature } from '../key.ts'
import { arrayItem, bytesItem, CborCursor, integerItem, mapItem, nullItem, tagItem, textItem } from './cbor.ts'
import { type Checkpoint, originOf } from './checkpoint.ts'
import { isLogId, type LogId } from './log-id.ts'

/** A COSE structure is never longer than this. */
export const maxCoseBytes: number = 16 * 1024

// COSE and CWT labels, RFC 9052, RFC 9597 and RFC 9942
const algorithm = 1
const eddsa = -8
const keyIdentifier = 4
const cwtClaims = 15
const issuer = 1
const verifiableDataStructure = 395
const rfc9162Sha256 = 1
const coseSign1 = 18

/** What the protected header of a checkpoint.cose or a receipt says, not verified. */
export interface CoseHeader {
  /** the log that the issuer `rejoin/<logId>` names */
  readonly log: LogId
  /** C2SP key ID of the log's key under that name, 4 bytes; a hint only */
  readonly kid: Uint8Array
}

/** A root's COSE signature. It says nothing of the size: only with its checkpoint is that known. */
export interface CoseSignature extends CoseHeader {
  /** 64 bytes */
  readonly signature: Uint8Array
}

/** A COSE signature that was verified over the root of a verified checkpoint. Only verify- and signCoseCheckpoint make one. */
export interface CoseCheckpoint extends CoseSignature {
  readonly checkpoint: Checkpoint
  /** the bytes of checkpoint.cose */
  readonly bytes: Uint8Array
  readonly __verified: true
}

/** Returns the kid of a log's key. */
export function kidOf(log: LogId, key: PublicKey): Uint8Array {
  return keyIdOf(originOf(log), 1, key)
}

/** Returns the protected header as bytes: the map {1: -8, 4: kid, 15: {1: "rejoin/<logId>"}, 395: 1}. */
export function encodeProtected({ log, kid }: CoseHeader): Uint8Array {
  return mapItem([
    [integerItem(algorithm), integerItem(eddsa)],
    [integerItem(keyIdentifier), bytesItem(kid)],
    [integerItem(cwtClaims), mapItem([[integerItem(issuer), textItem(originOf(log))]])],
    [integerItem(verifiableDataStructure), integerItem(rfc9162Sha256)]
  ])
}

function parseProtected(bytes: Uint8Array): CoseHeader {
  const cursor = new CborCursor(bytes)
  cursor.mapOf(4)
  cursor.integer(algorithm)
  cursor.integer(eddsa)
  cursor.integer(keyIdentifier)
  const kid = cursor.byteString()
  cursor.integer(cwtClaims)
  cursor.mapOf(1)
  cursor.integer(issuer)
  const origin = cursor.text()
  cursor.integer(verifiableDataStructure)
  cursor.integer(rfc9162Sha256)
  cursor.end()
  const log = origin.startsWith('rejoin/') ? origin.slice('rejoin/'.length) : ''
  if (!isLogId(log)) throw new RejoinError('E_RECEIPT', 'the issuer of a COSE structure is not rejoin/ and a log ID')
  if (kid.length !== 4) throw new RejoinError('E_RECEIPT', 'the kid of a COSE structure does not have 4 bytes')
  return { log, kid }
}

/** Returns what is signed: `["Signature1", protected, h'', root]`. @see RFC 9052 section 4.4 */
export function signedBytes(header: CoseHeader, root: Uint8Array): Uint8Array {
  return arrayItem([textItem('Signature1'), bytesItem(encodeProtected(header)), bytesItem(new Uint8Array(0)), bytesItem(root)])
}

/**
 * Returns a COSE_Sign1 with a detached payload: `18([protected, unprotected, null, signature])`.
 * @param unprotected an encoded map
 */
export function encodeSign1(signature: CoseSignature, unprotected: Uint8Array): Uint8Array {
  return tagItem(
    coseSign1,
    arrayItem([bytesItem(encodeProtected(signature)), unprotected, nullItem, bytesItem(signature.signature)])
  )
}

/**
 * Returns the signature in a COSE_Sign1 and what its unprotected header holds.
 * @param parseUnprotected takes exactly the unprotected map from the cursor
 * @throws E_TOO_LARGE over 16 KiB · E_UTF8 · E_RECEIPT
 */
export function parseSign1<T>(
  bytes: Uint8Array,
  parseUnprotected: (cursor: CborCursor) => T
): CoseSignature & { unprotected: T } {
  if (bytes.length > maxCoseBytes)
    throw new RejoinError('E_TOO_LARGE', `a COSE structure of ${bytes.length} bytes is over ${maxCoseBytes}`)
  const cursor = new CborCursor(bytes)
  cursor.tag(coseSign1)
  cursor.arrayOf(4)
  const header = parseProtected(cursor.byteString())
  const unprotected = parseUnprotected(cursor)
  cursor.null()
  const signature = cursor.byteString()
  cursor.end()
  if (signature.length !== 64) throw new RejoinError('E_RECEIPT', 'the signature of a COSE structure does not have 64 bytes')
  return { ...header, signature, unprotected }
}

/**
 * Returns whether a COSE signature is by a key over a root.
 * The kid must be that key's: a foreign reader looks the key up by it.
 */
export function verifyRoot(signature: CoseSignature, root: Uint8Array, key: PublicKey): boolean {
  return (
    equal(signature.kid, kidOf(signature.log, key)) && verifySignature(key, signedBytes(signature, root), signature.signature)
  )
}

/** Returns what a checkpoint.cose says, not verified. @throws as parseSign1 */
export function parseCoseCheckpoint(bytes: Uint8Array): CoseSignature {
  const { log, kid, signature } = parseSign1(bytes, (cursor) => cursor.mapOf(0))
  return { log, kid, signature }
}

/** Returns the root of a checkpoint signed once more, as COSE_Sign1. As for signCheckpoint, its lines must be durable. */
export function signCoseCheckpoint(checkpoint: Checkpoint, signer: Signer): CoseCheckpoint {
  const header: CoseHeader = { log: checkpoint.log, kid: kidOf(checkpoint.log, signer.publicKey) }
  const signature: CoseSignature = { ...header, signature: signer.sign(signedBytes(header, checkpoint.root)) }
  return { ...signature, checkpoint, bytes: encodeSign1(signature, mapItem([])), __verified: true }
}

/**
 * Returns a checkpoint.cose after its signature was verified over the root of the checkpoint beside it.
 * @throws E_ORIGIN where it names another log · E_SIGNATURE, also where the two files are of different sizes of the log
 * · and what parseCoseCheckpoint throws
 * @see protocols/proof.md
 */
export function verifyCoseCheckpoint(bytes: Uint8Array, checkpoint: Checkpoint, key: PublicKey): CoseCheckpoint {
  const signature = parseCoseCheckpoint(bytes)
  if (signature.log !== checkpoint.log)
    throw new RejoinError('E_ORIGIN', `the COSE signature is of ${originOf(signature.log)}, not of ${originOf(checkpoint.log)}`)
  if (!verifyRoot(signature, checkpoint.root, key))
    throw new RejoinError('E_SIGNATURE', 'the COSE signature does not verify over the root of the checkpoint')
  return { ...signature, checkpoint, bytes, __verified: true }
}
