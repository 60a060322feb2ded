import { createPrivateKey, createPublicKey, type KeyObject, sign as platformSign, verify as platformVerify } from 'node:crypto'
import { base64, concat, fromBase64, fromHex } from './bytes.ts'
import { RejoinError } from './error.ts'

/** Bytes of an ML-DSA-44 public key. @see FIPS 204, table 2 */
export const mlDsaKeyBytes = 1312
/** Bytes of an ML-DSA-44 signature. @see FIPS 204, table 2 */
export const mlDsaSignatureBytes = 2420

const spkiPrefix = fromHex('30820532300b06096086480165030403110382052100') as Uint8Array
/** a PKCS #8 key that holds the 32-byte seed alone (RFC 9881, section 6) */
const pkcs8Prefix = fromHex('3034020100300b060960864801650304031104228020') as Uint8Array

function pem(label: 'PUBLIC' | 'PRIVATE', der: Uint8Array): string {
  return `-----BEGIN ${label} KEY-----\n${base64(der)}\n-----END ${label} KEY-----\n`
}

/** Signs with one ML-DSA-44 key; the seed itself stays inside. Two signatures of one message differ. */
export interface MlDsaSigner {
  /** 1,312 bytes */
  readonly publicKey: Uint8Array
  /** Returns the 2,420-byte signature of a message, with an empty context. */
  readonly sign: (message: Uint8Array) => Uint8Array
}

/**
 * Returns a signer for the 32-byte seed of an ML-DSA-44 key.
 * @throws E_KEY where the seed does not have 32 bytes
 * @see FIPS 204, algorithm 6; RFC 9881
 */
export function mlDsaSignerOf(seed: Uint8Array): MlDsaSigner {
  if (seed.length !== 32) throw new RejoinError('E_KEY', 'an ML-DSA-44 seed has 32 bytes')
  const privateKey = createPrivateKey(pem('PRIVATE', concat([pkcs8Prefix, seed])))
  const { pub } = privateKey.export({ format: 'jwk' }) as { readonly pub?: string }
  const text = (pub ?? '').replaceAll('-', '+').replaceAll('_', '/')
  const publicKey = fromBase64(text.padEnd(Math.ceil(text.length / 4) * 4, '=')) as Uint8Array
  return { publicKey, sign: (message) => platformSign(null, message, privateKey) }
}

const verifierOf = new WeakMap<Uint8Array, KeyObject>()

/**
 * Returns whether an ML-DSA-44 signature verifies, with an empty context.
 * @param publicKey 1,312 bytes, which must not be changed afterwards
 */
export function verifyMlDsa(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (publicKey.length !== mlDsaKeyBytes || signature.length !== mlDsaSignatureBytes) return false
  let verifier = verifierOf.get(publicKey)
  if (verifier === undefined) {
    verifier = createPublicKey(pem('PUBLIC', concat([spkiPrefix, publicKey])))
    verifierOf.set(publicKey, verifier)
  }
  return platformVerify(null, message, verifier, signature)
}
