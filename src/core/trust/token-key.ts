import { createPublicKey, type KeyObject, verify } from 'node:crypto'
import { fromBase64url, hex } from '../bytes.ts'
import { sha256 } from '../digest.ts'
import { RejoinError } from '../error.ts'
import { isObject, type JsonObject } from '../json-value.ts'
import { parseStrict } from '../json-strict.ts'

/** The algorithms that a token may be signed with: all take a public key, so that whoever can check a token can't make one. */
export const tokenAlgs = ['ES256', 'ES384', 'ES512', 'RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'EdDSA'] as const
/** One of them. */
export type TokenAlg = (typeof tokenAlgs)[number]

/** A public key of an issuer. */
export interface TokenKey {
  readonly kid?: string
  /** the algorithms that it may be used with: those of its kind, or the one that it names */
  readonly algs: readonly TokenAlg[]
  readonly key: KeyObject
}

/** The keys of an issuer, as they stand in a file beside the trust file. */
export interface KeySet {
  readonly keys: readonly TokenKey[]
  /** SHA-256 of the file's bytes, hexadecimal */
  readonly digest: string
}

/** What keeps a file from being a key set. */
export interface KeySetFault {
  readonly message: string
  readonly suggestion: string
}

/** A key set is never longer than this. */
export const maxKeySetBytes: number = 256 * 1024
const maxKeys = 100
const minRsaBits = 2048
const maxRsaBits = 8192
const privateMembers = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv']
const algsOfCurve: ReadonlyMap<string, readonly TokenAlg[]> = new Map([
  ['P-256', ['ES256']],
  ['P-384', ['ES384']],
  ['P-521', ['ES512']],
  ['Ed25519', ['EdDSA']]
])
const rsaAlgs: readonly TokenAlg[] = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512']
const signatureLength: Readonly<Partial<Record<TokenAlg, number>>> = { ES256: 64, ES384: 96, ES512: 132, EdDSA: 64 }

/** Returns whether a text names an algorithm that takes a public key. */
export function isTokenAlg(text: string): text is TokenAlg {
  return (tokenAlgs as readonly string[]).includes(text)
}

/**
 * Returns the keys of a JWK set (RFC 7517) that can check tokens, or why it is none. Keys of other kinds and for other uses are left out; one
 * with anything secret in it spoils the whole file, since whoever has read it can make tokens.
 * @see protocols/binding.md#BINDING-9
 */
export function parseKeySet(bytes: Uint8Array): KeySet | KeySetFault {
  let value: unknown
  try {
    value = parseStrict(bytes, { maxBytes: maxKeySetBytes, maxDepth: 8 })
  } catch (error) {
    if (!(error instanceof RejoinError)) throw error
    return { message: error.message, suggestion: 'save what the issuer serves at its jwks_uri as it is' }
  }
  const keys = isObject(value as never) ? (value as JsonObject)['keys'] : undefined
  if (!Array.isArray(keys)) return { message: 'it is no JWK set: it has no list "keys"', suggestion: 'write it as {"keys":[…]}' }
  if (keys.length > maxKeys) return { message: `it has more than ${maxKeys} keys`, suggestion: 'leave those that still matter' }
  const found: TokenKey[] = []
  for (const [at, one] of (keys as readonly JsonObject[]).entries()) {
    const named = isObject(one) && typeof one['kid'] === 'string' ? ` (kid ${JSON.stringify(one['kid'].slice(0, 60))})` : ''
    const read = isObject(one) ? readKey(one) : { message: 'is no object', suggestion: 'take it out' }
    if (read === undefined) continue
    if ('message' in read) return { ...read, message: `key ${at + 1}${named} ${read.message}` }
    found.push(read)
  }
  return { keys: found, digest: hex(sha256(bytes)) }
}

function readKey(jwk: JsonObject): TokenKey | KeySetFault | undefined {
  const { kty, use, key_ops: operations, kid, alg, crv = '' } = jwk
  if (kty === 'oct')
    return { message: 'is a shared secret (kty oct): who can check tokens with it can make them', suggestion: 'take it out' }
  const secret = privateMembers.find((member) => member in jwk)
  if (secret !== undefined)
    return {
      message: `is a private key: it has the member ${secret}`,
      suggestion: 'keep its public members only, and tell the issuer: who has read this file can make its tokens'
    }
  const ofKind = kty === 'RSA' ? rsaAlgs : kty === 'EC' || kty === 'OKP' ? (algsOfCurve.get(String(crv)) ?? []) : []
  const algs = alg === undefined ? ofKind : ofKind.filter((one) => one === alg)
  const isOther = use !== undefined && use !== 'sig' && use !== 'jwt-svid'
  if (algs.length === 0 || isOther || (Array.isArray(operations) && !operations.includes('verify'))) return undefined
  const key = publicKeyOf(jwk)
  if (key === undefined)
    return { message: 'is malformed, or an RSA key of too few or too many bits', suggestion: 'copy it from the issuer again' }
  return { ...(typeof kid === 'string' && { kid }), algs, key }
}

function publicKeyOf(jwk: JsonObject): KeyObject | undefined {
  const members = jwk['kty'] === 'RSA' ? ['kty', 'n', 'e'] : ['kty', 'crv', 'x', ...(jwk['kty'] === 'EC' ? ['y'] : [])]
  const key: Record<string, string> = {}
  for (const member of members) {
    const value = jwk[member]
    if (typeof value !== 'string') return undefined
    if (member !== 'kty' && member !== 'crv' && !(fromBase64url(value)?.length ?? 0)) return undefined
    key[member] = value
  }
  if (key['n'] !== undefined) {
    const modulus = fromBase64url(key['n']) as Uint8Array
    const bits = modulus.length * 8 - Math.clz32(modulus[0] as number) + 24
    if (bits < minRsaBits || bits > maxRsaBits) return undefined
  }
  try {
    return createPublicKey({ format: 'jwk', key })
  } catch {
    // not on its curve, or of another length than its coordinates have
    return undefined
  }
}

/** Returns whether a signature by a key verifies; false for an algorithm that the key is not for. */
export function verifyTokenSignature(
  { key, algs }: TokenKey,
  alg: TokenAlg,
  message: Uint8Array,
  signature: Uint8Array
): boolean {
  if (!algs.includes(alg) || (signatureLength[alg] ?? signature.length) !== signature.length) return false
  const bits = alg.slice(2)
  switch (alg) {
    case 'EdDSA':
      return verify(null, message, key, signature)
    case 'ES256':
    case 'ES384':
    case 'ES512':
      return verify(`sha${bits}`, message, { key, dsaEncoding: 'ieee-p1363' }, signature)
    case 'RS256':
    case 'RS384':
    case 'RS512':
      return verify(`sha${bits}`, message, { key, padding: 1 }, signature)
    case 'PS256':
    case 'PS384':
    case 'PS512':
      return verify(`sha${bits}`, message, { key, padding: 6, saltLength: Number(bits) / 8 }, signature)
  }
}
