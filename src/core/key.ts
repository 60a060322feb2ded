import { createPrivateKey, createPublicKey, sign as platformSign, verify as platformVerify, type KeyObject } from 'node:crypto'
import { base58btc } from 'multiformats/bases/base58'
import { base32Of, base64, concat, equal, fromBase32, fromBase64, fromHex, hex, utf8 } from './bytes.ts'
import { sha256 } from './digest.ts'
import { RejoinError } from './error.ts'

/** A 32-byte Ed25519 public key that is not of low order; off the curve, it verifies nothing. Only parsePublicKey makes one. */
export type PublicKey = Uint8Array & { readonly __publicKey: true }

const spkiPrefix = fromHex('302a300506032b6570032100') as Uint8Array
const pkcs8Prefix = fromHex('302e020100300506032b657004220420') as Uint8Array

/** y coordinates (little-endian, sign bit cleared) of the points of order 1, 2, 4 and 8, with their non-canonical spellings. */
const lowOrderY: readonly Uint8Array[] = [
  '0100000000000000000000000000000000000000000000000000000000000000',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  '0000000000000000000000000000000000000000000000000000000000000000',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f'
].map((text) => fromHex(text) as Uint8Array)

/** Returns whether the 32 bytes spell a point of low order, as used in keys and in the R of a signature. */
export function isLowOrder(point: Uint8Array): boolean {
  const y = Uint8Array.from(point)
  y[31] = (y[31] as number) & 0x7f
  return lowOrderY.some((low) => equal(low, y))
}

/**
 * Returns the 32 bytes as a public key.
 * @throws E_KEY where they are not 32 bytes or a point of low order
 */
export function parsePublicKey(bytes: Uint8Array): PublicKey {
  if (bytes.length !== 32) throw new RejoinError('E_KEY', `an Ed25519 public key has 32 bytes, not ${bytes.length}`)
  if (isLowOrder(bytes)) throw new RejoinError('E_KEY', 'the public key is a point of low order')
  return bytes as PublicKey
}

function pem(label: 'PUBLIC' | 'PRIVATE', der: Uint8Array): string {
  return `-----BEGIN ${label} KEY-----\n${base64(der)}\n-----END ${label} KEY-----\n`
}

const verifierOf = new WeakMap<PublicKey, KeyObject>()

/**
 * Returns whether a signature verifies. The one verifier of the project: node:crypto, and R must not be of low order.
 * @param signature 64 bytes
 * @see RFC 8032; shared/TRUST.md on why runtimes differ
 */
export function verifySignature(key: PublicKey, message: Uint8Array, signature: Uint8Array): boolean {
  if (signature.length !== 64 || isLowOrder(signature.subarray(0, 32))) return false
  let verifier = verifierOf.get(key)
  if (verifier === undefined) {
    verifier = createPublicKey(pem('PUBLIC', concat([spkiPrefix, key])))
    verifierOf.set(key, verifier)
  }
  return platformVerify(null, message, verifier, signature)
}

/** Signs with one Ed25519 key; the seed itself stays inside. */
export interface Signer {
  readonly publicKey: PublicKey
  /** Returns the 64-byte signature of a message. */
  readonly sign: (message: Uint8Array) => Uint8Array
}

/**
 * Returns a signer for the 32-byte seed of an Ed25519 private key (RFC 8032, section 5.1.5).
 * @throws E_KEY where the seed does not have 32 bytes
 */
export function signerOf(seed: Uint8Array): Signer {
  if (seed.length !== 32) throw new RejoinError('E_KEY', 'an Ed25519 seed has 32 bytes')
  const privateKey = createPrivateKey(pem('PRIVATE', concat([pkcs8Prefix, seed])))
  const x = privateKey.export({ format: 'jwk' }).x ?? ''
  const publicKey = fromBase64(`${x.replaceAll('-', '+').replaceAll('_', '/')}=`) as Uint8Array
  return { publicKey: parsePublicKey(publicKey), sign: (message) => platformSign(null, message, privateKey) }
}

const libp2pPrefix = Uint8Array.of(0x00, 0x24, 0x08, 0x01, 0x12, 0x20)

/** Returns a key as did:key, e.g. `did:key:z6Mk…`. @see https://w3c-ccg.github.io/did-key-spec/ */
export function didOf(key: PublicKey): string {
  return `did:key:z${base58btc.baseEncode(concat([Uint8Array.of(0xed, 0x01), key]))}`
}

/** Returns a key as libp2p peer ID, e.g. `12D3KooW…`. @see https://github.com/libp2p/specs/blob/master/peer-ids/peer-ids.md */
export function peerIdOf(key: PublicKey): string {
  return base58btc.baseEncode(concat([libp2pPrefix, key]))
}

/** Returns a key's peer ID as lower-case base32 CID, the form that is a file name everywhere, e.g. `bafzaajaiaejc…`. */
export function nodePathOf(key: PublicKey): string {
  return `b${base32Of(concat([Uint8Array.of(0x01, 0x72), libp2pPrefix, key]))}`
}

/** Returns the key that a file name of nodePathOf's form spells. @throws E_KEY */
export function keyOfNodePath(name: string): PublicKey {
  const bytes = name.length === 65 && name.startsWith('b') ? fromBase32(name.slice(1)) : undefined
  const prefix = concat([Uint8Array.of(0x01, 0x72), libp2pPrefix])
  if (bytes?.length !== prefix.length + 32 || !equal(bytes.subarray(0, prefix.length), prefix))
    throw new RejoinError('E_KEY', `not a node's name: ${JSON.stringify(name.slice(0, 80))}`)
  return parsePublicKey(bytes.slice(prefix.length))
}

/** Returns whether a file name has the form of a node's name. */
export function isNodePath(name: string): boolean {
  return /^bafzaajaiaejc[a-z2-7]{52}$/.test(name)
}

/** Returns the C2SP key ID: the first 4 bytes of SHA-256(name || 0x0A || type || key). @see C2SP signed-note */
export function keyIdOf(name: string, type: number, key: Uint8Array): Uint8Array {
  return sha256(concat([utf8(`${name}\n`), Uint8Array.of(type), key])).subarray(0, 4)
}

/** Returns the C2SP verifier key `name+hex(keyID)+base64(type || key)` of an Ed25519 key (type 1). */
export function vkeyOf(name: string, key: PublicKey): string {
  return `${name}+${hex(keyIdOf(name, 1, key))}+${base64(concat([Uint8Array.of(1), key]))}`
}

function afterPrefix(text: string, prefix: Uint8Array): PublicKey {
  let bytes: Uint8Array
  try {
    bytes = base58btc.baseDecode(text)
  } catch (cause) {
    throw new RejoinError('E_KEY', 'the key is not base58', { cause })
  }
  if (bytes.length !== prefix.length + 32 || !equal(bytes.subarray(0, prefix.length), prefix)) {
    throw new RejoinError('E_KEY', 'the key is not an Ed25519 key')
  }
  return parsePublicKey(bytes.slice(prefix.length))
}

function parseVkey(text: string): PublicKey {
  const [name, id, encoded, ...rest] = splitVkey(text)
  const bytes = fromBase64(encoded ?? '')
  if (name === undefined || id === undefined || bytes === undefined || rest.length > 0)
    throw new RejoinError('E_KEY', 'malformed verifier key')
  if (bytes.length !== 33 || bytes[0] !== 1) throw new RejoinError('E_KEY', 'the verifier key is not an Ed25519 key (type 1)')
  const key = parsePublicKey(bytes.slice(1))
  if (hex(keyIdOf(name, 1, key)) !== id)
    throw new RejoinError('E_KEY', 'the key ID in the verifier key does not belong to its name and key')
  return key
}

/** Splits name+id+key; base64 itself may hold a plus sign, so only the first two count. */
function splitVkey(text: string): readonly string[] {
  const first = text.indexOf('+')
  const second = text.indexOf('+', first + 1)
  return first <= 0 || second < 0 ? [] : [text.slice(0, first), text.slice(first + 1, second), text.slice(second + 1)]
}

/**
 * Returns the public key that a text spells: a did:key, a C2SP verifier key, a peer ID or 64 hexadecimal digits.
 * @throws E_KEY where it is none of them
 */
export function parseKey(text: string): PublicKey {
  // base58 takes quadratic time: 60,000 digits took 2.4 s
  if (text.length > 512) throw new RejoinError('E_KEY', `a key of ${text.length} characters is too long`)
  if (text.startsWith('did:key:z')) return afterPrefix(text.slice(9), Uint8Array.of(0xed, 0x01))
  if (text.startsWith('12D3Koo')) return afterPrefix(text, libp2pPrefix)
  if (/^[0-9a-f]{64}$/.test(text)) return parsePublicKey(fromHex(text) as Uint8Array)
  if (text.includes('+')) return parseVkey(text)
  throw new RejoinError('E_KEY', `not a key: ${JSON.stringify(text.slice(0, 80))}`, {
    hint: 'a key is a did:key, a verifier key or a peer ID, as `rejoin id` prints them'
  })
}
