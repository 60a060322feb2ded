import { base64, concat, fromBase64, hex } from '../bytes.ts'
import { RejoinError } from '../error.ts'
import { keyIdOf } from '../key.ts'

/** A C2SP verifier key, taken apart: `<name>+<hex of keyID>+<base64 of type || public key>`. */
export interface VerifierKey {
  readonly name: string
  /** signature type, e.g. 1 for Ed25519 notes, 4 for Ed25519 cosignatures, 6 for ML-DSA-44 cosignatures */
  readonly type: number
  readonly publicKey: Uint8Array
  /** 4 bytes */
  readonly keyId: Uint8Array
}

const maxVkeyLength = 4096

/** Returns whether a text may be the name of a key in a signed note: not empty, without blanks and plus signs. */
export function isKeyName(name: string): boolean {
  return /^[^\s+]+$/u.test(name)
}

/** Returns the verifier key of a name, type and public key. */
export function verifierKeyOf(name: string, type: number, publicKey: Uint8Array): VerifierKey {
  if (!isKeyName(name)) throw new RejoinError('E_KEY', 'the name of a key is empty or has a blank or a plus sign')
  return { name, type, publicKey, keyId: keyIdOf(name, type, publicKey) }
}

/**
 * Returns a verifier key in its parts, of whatever type.
 * @throws E_KEY where it is malformed, or the key ID does not belong to its name and key
 * @see C2SP signed-note, Verifier keys
 */
export function parseVerifierKey(text: string): VerifierKey {
  // base64 itself may hold a plus sign, so only the first two count
  const match = text.length > maxVkeyLength ? null : /^([^\s+]+)\+([0-9a-f]{8})\+(\S+)$/u.exec(text)
  const bytes = match === null ? undefined : fromBase64(match[3] as string)
  if (match === null || bytes === undefined || bytes.length < 2) throw new RejoinError('E_KEY', 'malformed verifier key')
  const key = verifierKeyOf(match[1] as string, bytes[0] as number, bytes.slice(1))
  if (hex(key.keyId) !== match[2])
    throw new RejoinError('E_KEY', 'the key ID in the verifier key does not belong to its name and key')
  return key
}

/** Returns the text of a verifier key. */
export function encodeVerifierKey({ name, type, publicKey, keyId }: VerifierKey): string {
  return `${name}+${hex(keyId)}+${base64(concat([Uint8Array.of(type), publicKey]))}`
}
