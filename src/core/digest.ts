import { hash } from 'node:crypto'
import { fromHex, hex } from './bytes.ts'
import { RejoinError } from './error.ts'

/** The name of a blob: `sha256:` and 64 lower-case hexadecimal digits, or `sha512:` and 128. Only parseDigest and digestOf make one. */
export type Digest = string & { readonly __digest: true }

/** A digest in its two parts. */
export interface DigestParts {
  readonly algorithm: 'sha256' | 'sha512'
  readonly hex: string
}

/** Returns the SHA-256 of bytes, 32 bytes. */
export function sha256(bytes: Uint8Array): Uint8Array {
  return hash('sha256', bytes, 'buffer')
}

/** Returns the sha256 digest of bytes. */
export function digestOf(bytes: Uint8Array): Digest {
  return `sha256:${hex(sha256(bytes))}` as Digest
}

/** Returns the sha256 digest whose 32 hash bytes are given. */
export function digestOfHash(hash32: Uint8Array): Digest {
  if (hash32.length !== 32) throw new Error('bug: a sha256 hash has 32 bytes')
  return `sha256:${hex(hash32)}` as Digest
}

/** Returns whether a text is a digest of an algorithm that is allowed here. */
export function isDigest(text: string): text is Digest {
  return /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/.test(text)
}

/**
 * Returns a text as a Digest.
 * @throws E_DIGEST where it is none, or of another algorithm
 */
export function parseDigest(text: string): Digest {
  if (!isDigest(text)) throw new RejoinError('E_DIGEST', `not a digest: ${JSON.stringify(text.slice(0, 80))}`)
  return text
}

/** Returns the algorithm and the hexadecimal part of a digest. */
export function digestParts(digest: Digest): DigestParts {
  const colon = digest.indexOf(':')
  return { algorithm: digest.slice(0, colon) as DigestParts['algorithm'], hex: digest.slice(colon + 1) }
}

/** Returns the hash bytes of a digest: 32 for sha256, 64 for sha512. */
export function hashOfDigest(digest: Digest): Uint8Array {
  return fromHex(digestParts(digest).hex) as Uint8Array
}

/** Returns whether bytes have the given digest. */
export function hasDigest(bytes: Uint8Array, digest: Digest): boolean {
  const { algorithm, hex: expected } = digestParts(digest)
  return hex(hash(algorithm, bytes, 'buffer')) === expected
}
