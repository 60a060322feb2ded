import { base32Of, compare, concat, equal, fromBase64, utf8 } from '../bytes.ts'
import { sha256 } from '../digest.ts'
import { RejoinError } from '../error.ts'
import { keyIdOf, parsePublicKey, type PublicKey, type Signer, verifySignature } from '../key.ts'
import { mlDsaKeyBytes, mlDsaSignatureBytes, type MlDsaSigner, verifyMlDsa } from '../ml-dsa.ts'
import { type Checkpoint, checkpointText, originOf, type TreeHead } from './checkpoint.ts'
import { encodeNote, type Note, type NoteSignature, parseNote } from './note.ts'
import { verifyConsistency } from './proof.ts'
import { parseVerifierKey, type VerifierKey, verifierKeyOf } from './vkey.ts'

/** The signature type of an Ed25519 cosignature/v1. @see C2SP tlog-cosignature */
export const ed25519CosignatureType = 0x04
/** The signature type of an ML-DSA-44 cosignature (subtree/v1). @see C2SP tlog-cosignature */
export const mlDsaCosignatureType = 0x06

/** What a witness is known by. Only cosignerKeyOf and parseCosignerKey make one. */
export interface CosignerKey extends VerifierKey {
  readonly type: typeof ed25519CosignatureType | typeof mlDsaCosignatureType
  readonly __cosigner: true
}

/** Cosigns checkpoints under a name. */
export interface Cosigner {
  readonly key: CosignerKey
  readonly sign: (message: Uint8Array) => Uint8Array
}

/** A cosignature that verified: who saw that checkpoint as the largest, and when. Only cosign and verifiedCosignatures make one. */
export interface Cosignature {
  readonly key: CosignerKey
  /** when it was given, Unix milliseconds of a whole second; 0 for "at no time in particular" */
  readonly timeMs: number
  readonly line: NoteSignature
  readonly __verified: true
}

const timeBytes = 8
/** the largest second whose milliseconds are an exact number */
const maxTimeS = Math.floor(Number.MAX_SAFE_INTEGER / 1000)
const edSignatureBytes = 64

/** Returns the name that a witness gives itself, unique to its key: `rejoin/witness/` and 52 base32 digits of the key's SHA-256. */
export function cosignerNameOf(publicKey: Uint8Array): string {
  return `rejoin/witness/${base32Of(sha256(publicKey))}`
}

function checked(key: VerifierKey): CosignerKey {
  const { type, publicKey } = key
  if (type === ed25519CosignatureType) parsePublicKey(publicKey)
  else if (type !== mlDsaCosignatureType)
    throw new RejoinError('E_KEY', `a witness has a verifier key of type 4 or 6, not ${type}`)
  else if (publicKey.length !== mlDsaKeyBytes)
    throw new RejoinError('E_KEY', `an ML-DSA-44 public key has ${mlDsaKeyBytes} bytes, not ${publicKey.length}`)
  return key as CosignerKey
}

/**
 * Returns the witness that a C2SP verifier key of type 0x04 or 0x06 names.
 * @throws E_KEY where it is none
 */
export function parseCosignerKey(vkey: string): CosignerKey {
  return checked(parseVerifierKey(vkey))
}

/** Returns a witness that cosigns with an Ed25519 key, which must not be the key of a log or of another witness. */
export function cosignerOf(signer: Signer, name: string = cosignerNameOf(signer.publicKey)): Cosigner {
  return { key: checked(verifierKeyOf(name, ed25519CosignatureType, signer.publicKey)), sign: signer.sign }
}

/** Returns a witness that cosigns with an ML-DSA-44 key. */
export function mlDsaCosignerOf(signer: MlDsaSigner, name: string = cosignerNameOf(signer.publicKey)): Cosigner {
  return { key: checked(verifierKeyOf(name, mlDsaCosignatureType, signer.publicKey)), sign: signer.sign }
}

function uint64(value: number): Uint8Array {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value))
  return bytes
}

function prefixed(text: string): Uint8Array {
  const bytes = utf8(text)
  if (bytes.length > 255) throw new RejoinError('E_NOTE', 'a name in an ML-DSA-44 cosignature is over 255 bytes')
  return concat([Uint8Array.of(bytes.length), bytes])
}

/**
 * Returns the bytes that a witness signs at a time: for Ed25519 `cosignature/v1\ntime 1679315147\n` and the note's text; for ML-DSA-44
 * `subtree/v1\n\0`, the witness's name, the time, the origin, 0, the size and the root.
 * @param text the text of a checkpoint
 * @throws E_CHECKPOINT E_NOTE
 * @see C2SP tlog-cosignature
 */
export function cosignedMessage(text: string, key: CosignerKey, timeS: number): Uint8Array {
  if (key.type === ed25519CosignatureType) return utf8(`cosignature/v1\ntime ${timeS}\n${text}`)
  const [origin = '', size = '', root = ''] = text.split('\n')
  const hash = fromBase64(root)
  if (origin === '' || !/^(?:0|[1-9][0-9]{0,15})$/.test(size) || !Number.isSafeInteger(Number(size)) || hash?.length !== 32)
    throw new RejoinError('E_CHECKPOINT', 'what is cosigned is not a checkpoint')
  const parts = [prefixed(key.name), uint64(timeS), prefixed(origin), uint64(0), uint64(Number(size)), hash]
  return concat([utf8('subtree/v1\n\0'), ...parts])
}

/**
 * Checks that a witness may cosign a checkpoint: it is of the log that it cosigned before, no smaller, and goes on from there.
 * @param last what it cosigned last of that log, or undefined where this is the first
 * @param path the consistency path from the last size; empty where that is 0 or the same
 * @throws E_ORIGIN for another log · E_PROOF for a smaller size or a wrong path · E_FORK for another root of the same size
 * @see C2SP tlog-witness, protocols/witness.md
 */
export function checkCosignable(last: TreeHead | undefined, next: Checkpoint, path: readonly Uint8Array[]): void {
  if (last === undefined) return
  if (last.log !== next.log) throw new RejoinError('E_ORIGIN', `the checkpoint is of ${next.log}, not of ${last.log}`)
  if (next.size < last.size) throw new RejoinError('E_PROOF', `a head of size ${last.size} was cosigned, ${next.size} is smaller`)
  if (next.size === last.size && !equal(next.root, last.root))
    throw new RejoinError('E_FORK', `the log ${next.log} has two roots at size ${next.size}`)
  if (last.size > 0) verifyConsistency({ oldSize: last.size, oldRoot: last.root, newSize: next.size, newRoot: next.root, path })
}

/**
 * Returns a witness's cosignature on a checkpoint. The caller must have called checkCosignable, and must have made durable that this is what
 * the witness cosigned last.
 * @param nowMs becomes a whole second
 * @see protocols/witness.md
 */
export function cosign(checkpoint: Checkpoint, { key, sign }: Cosigner, nowMs: number): Cosignature {
  const timeS = Math.max(0, Math.floor(nowMs / 1000))
  const signature = sign(cosignedMessage(checkpointText(checkpoint), key, timeS))
  const line = { name: key.name, keyId: key.keyId, signature: concat([uint64(timeS), signature]) }
  return { key, timeMs: timeS * 1000, line, __verified: true }
}

function timeOf(line: NoteSignature): number | undefined {
  const { buffer, byteOffset, length } = line.signature
  if (length !== timeBytes + edSignatureBytes && length !== timeBytes + mlDsaSignatureBytes) return undefined
  const timeS = new DataView(buffer, byteOffset).getBigUint64(0)
  return timeS > BigInt(maxTimeS) ? undefined : Number(timeS)
}

/** Returns a cosignature where a line is one by that witness and verifies. */
function verify(text: string, line: NoteSignature, key: CosignerKey): Cosignature | undefined {
  const timeS = timeOf(line)
  if (timeS === undefined) return undefined
  const message = cosignedMessage(text, key, timeS)
  const signature = line.signature.subarray(timeBytes)
  const good =
    key.type === ed25519CosignatureType
      ? verifySignature(key.publicKey as PublicKey, message, signature)
      : verifyMlDsa(key.publicKey, message, signature)
  return good ? { key, timeMs: timeS * 1000, line, __verified: true } : undefined
}

/** Returns a negative number where the first of two cosignatures of one witness is to be kept: the newer one, else the smaller bytes. */
function preferred(a: Cosignature, b: Cosignature): number {
  return b.timeMs - a.timeMs || compare(a.line.signature, b.line.signature)
}

/**
 * Returns the cosignatures by known witnesses that verify, of each witness the newest, in the order of the witnesses given.
 * A line by an unknown witness, and one that does not verify, is passed over: anybody can add such a line to a note.
 * @see protocols/witness.md
 */
export function verifiedCosignatures(note: Note, witnesses: readonly CosignerKey[]): readonly Cosignature[] {
  return witnesses.flatMap((key) => {
    const own = note.signatures.filter((line) => line.name === key.name && equal(line.keyId, key.keyId))
    const good = own.flatMap((line) => verify(note.text, line, key) ?? [])
    return good.toSorted(preferred).slice(0, 1)
  })
}

/** What a line in a note claims to be, from its length alone; nothing of it was verified. */
export interface ClaimedCosignature {
  readonly name: string
  readonly algorithm: 'ed25519' | 'ml-dsa-44'
  readonly timeMs: number
  readonly line: NoteSignature
}

/** Returns the lines of a note that look like cosignatures, verified or not, for showing them or for asking who the witness is. */
export function claimedCosignatures(note: Note): readonly ClaimedCosignature[] {
  return note.signatures.flatMap((line) => {
    const timeS = timeOf(line)
    if (timeS === undefined) return []
    const algorithm = line.signature.length === timeBytes + edSignatureBytes ? 'ed25519' : 'ml-dsa-44'
    return [{ name: line.name, algorithm, timeMs: timeS * 1000, line }]
  })
}

/** Orders lines so that the same set gives the same note whatever came first. */
function byWitness(a: Cosignature, b: Cosignature): number {
  return compare(utf8(a.key.name), utf8(b.key.name)) || compare(a.key.keyId, b.key.keyId) || preferred(a, b)
}

/**
 * Returns a checkpoint whose note has its log's signature and exactly the given cosignatures, of each witness the newest. Any other
 * line goes. The same cosignatures give the same bytes in whatever order they are given.
 * @param key the log's
 * @param cosignatures on that checkpoint, and no other
 * @throws E_TOO_LARGE where they don't fit into a note · E_NOTE where there are more than a note may have · E_SIGNATURE for another key
 */
export function withCosignatures(checkpoint: Checkpoint, key: PublicKey, cosignatures: readonly Cosignature[]): Checkpoint {
  const { text, signatures } = parseNote(checkpoint.note)
  const origin = originOf(checkpoint.log)
  const keyId = keyIdOf(origin, 1, key)
  const own = signatures.filter((line) => line.name === origin && equal(line.keyId, keyId))
  if (own.length === 0) throw new RejoinError('E_SIGNATURE', `the note is not signed by ${origin} with that key`)
  const sorted = cosignatures.toSorted(byWitness)
  const kept = sorted.filter((one, i) => i === 0 || !isSame(one, sorted[i - 1] as Cosignature))
  const note = encodeNote({ text, signatures: [...own, ...kept.map(({ line }) => line)] })
  // so that no node makes what others refuse
  parseNote(note)
  return { ...checkpoint, note }
}

function isSame(a: Cosignature, b: Cosignature): boolean {
  return a.key.name === b.key.name && equal(a.key.keyId, b.key.keyId)
}
