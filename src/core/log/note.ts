import { base64, concat, equal, fromBase64, textOf, utf8 } from '../bytes.ts'
import { RejoinError } from '../error.ts'
import { keyIdOf, type PublicKey, type Signer, verifySignature } from '../key.ts'

/** A note is never longer than this. */
export const maxNoteBytes: number = 16 * 1024
const maxSignatureCount = 64

/** One signature line: `— <name> base64(keyID[4] || signature)`. */
export interface NoteSignature {
  readonly name: string
  readonly keyId: Uint8Array
  readonly signature: Uint8Array
}

/** A signed note, split but not verified. */
export interface Note {
  /** what is signed, with its last newline */
  readonly text: string
  readonly signatures: readonly NoteSignature[]
}

function parseSignature(line: string): NoteSignature {
  const match = /^\u2014 ([^\s+]+) (\S+)$/u.exec(line)
  const bytes = match === null ? undefined : fromBase64(match[2] as string)
  if (match === null || bytes === undefined || bytes.length < 5)
    throw new RejoinError('E_NOTE', 'malformed signature line in a signed note')
  return { name: match[1] as string, keyId: bytes.subarray(0, 4), signature: bytes.subarray(4) }
}

/**
 * Returns the two parts of a signed note.
 * @param maxBytes 16 KiB where it is left out
 * @throws E_TOO_LARGE over it · E_UTF8 · E_NOTE
 * @see C2SP signed-note
 */
export function parseNote(bytes: Uint8Array, maxBytes: number = maxNoteBytes): Note {
  if (bytes.length > maxBytes) throw new RejoinError('E_TOO_LARGE', `a signed note of ${bytes.length} bytes is over ${maxBytes}`)
  const whole = textOf(bytes)
  const split = whole.lastIndexOf('\n\n')
  const controls = /[\u0000-\u0009\u000b-\u001f\u007f]/
  if (split < 0 || !whole.endsWith('\n') || controls.test(whole)) throw new RejoinError('E_NOTE', 'not a signed note')
  const lines = whole.slice(split + 2, -1).split('\n')
  if (lines.length > maxSignatureCount) throw new RejoinError('E_NOTE', 'a signed note has too many signatures')
  return { text: whole.slice(0, split + 1), signatures: lines.map(parseSignature) }
}

/** Returns the bytes of a signed note. */
export function encodeNote(note: Note): Uint8Array {
  const lines = note.signatures.map((one) => `\u2014 ${one.name} ${base64(concat([one.keyId, one.signature]))}\n`)
  return utf8(`${note.text}\n${lines.join('')}`)
}

/** Returns a note signed by one Ed25519 key (type 1) under a name. */
export function signNote(text: string, name: string, signer: Signer): Note {
  return { text, signatures: [{ name, keyId: keyIdOf(name, 1, signer.publicKey), signature: signer.sign(utf8(text)) }] }
}

const keyIds = new WeakMap<PublicKey, { readonly name: string; readonly keyId: Uint8Array }>()

/** The key of a log stands under one name, and each of its heads asks for it. */
function knownKeyId(name: string, key: PublicKey): Uint8Array {
  const known = keyIds.get(key)
  if (known?.name === name) return known.keyId
  const keyId = keyIdOf(name, 1, key)
  keyIds.set(key, { name, keyId })
  return keyId
}

/**
 * Verifies that a note carries a good signature by a key under a name.
 * @throws E_SIGNATURE where that signature is missing or bad
 */
export function verifyNote(note: Note, name: string, key: PublicKey): void {
  const keyId = knownKeyId(name, key)
  const ours = note.signatures.filter((one) => one.name === name && equal(one.keyId, keyId))
  const [signature] = ours
  if (signature === undefined) throw new RejoinError('E_SIGNATURE', `the note is not signed by ${name}`)
  if (ours.length > 1) throw new RejoinError('E_NOTE', `the note is signed twice by ${name}`)
  if (!verifySignature(key, utf8(note.text), signature.signature))
    throw new RejoinError('E_SIGNATURE', `the signature of ${name} does not verify`)
}
