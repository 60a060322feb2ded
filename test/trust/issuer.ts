import { exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWK } from 'jose'

/** An issuer of tokens, made with another implementation than the one under test. */
export interface TestIssuer {
  readonly alg: string
  readonly kid: string
  readonly privateKey: CryptoKey
  /** its public key, as it serves it */
  readonly jwk: JWK
}

/** What a token says; times in seconds. */
export interface TestClaims {
  readonly iss?: string
  readonly sub?: string
  readonly aud?: string | string[]
  readonly iat?: number
  readonly nbf?: number
  readonly exp?: number
  readonly [claim: string]: unknown
}

/** Makes an issuer. */
export async function makeIssuer(alg = 'ES256', kid = 'k1', use = 'sig'): Promise<TestIssuer> {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true })
  return { alg, kid, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, use } }
}

/** Returns the bytes of a JWK set. */
export function keySetOf(...keys: readonly (JWK | TestIssuer)[]): Uint8Array {
  return Buffer.from(JSON.stringify({ keys: keys.map((one) => ('jwk' in one ? (one as TestIssuer).jwk : one)) }))
}

/** Returns a token that is good for five minutes from a time on, with what is given in the place of that. */
export async function sign(issuer: TestIssuer, claims: TestClaims, atMs: number, header: object = {}): Promise<string> {
  const iat = Math.floor(atMs / 1000)
  return await new SignJWT({ iat, exp: iat + 300, ...claims })
    .setProtectedHeader({ alg: issuer.alg, kid: issuer.kid, typ: 'JWT', ...header })
    .sign(issuer.privateKey)
}
