import { createECDH, createPrivateKey, type JsonWebKey, sign } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  boundData,
  boundType,
  type LogId,
  type RejoinEvent,
  sha256,
  type Signer,
  tokenAudience,
  utf8
} from '../../src/core/index.ts'
import { did, event } from '../core/trust/sample-trust.ts'
import { sampleLog, sampleSigner } from '../core/sample.ts'

/** The three trust files of protocols/trust.md. */
export const exampleNames = ['air-gapped', 'edge', 'pool'] as const

/** Returns the bytes of an example. */
export function exampleBytes(name: (typeof exampleNames)[number]): Uint8Array {
  return readFileSync(join(import.meta.dirname, 'examples', `${name}.yaml`))
}

/** Returns the signer of a key of the examples, by its name there. */
export function exampleSigner(name: string): Signer {
  return sampleSigner(`example ${name}`)
}

/** Returns the ID of the log of a key of the examples. */
export function exampleLog(name: string): LogId {
  return sampleLog(2, `example ${name}`).log
}

/** The folder of the examples, in which their key sets lie. */
export const exampleFolder: string = join(import.meta.dirname, 'examples')

/** Returns the ES256 key of an issuer of the examples, by its name there; its public members are in `examples/jwks/`. */
export function exampleIssuerKey(name: string): JsonWebKey {
  const ecdh = createECDH('prime256v1')
  const secret = Buffer.from(sha256(utf8(`example issuer ${name}`)))
  ecdh.setPrivateKey(secret)
  const point = ecdh.getPublicKey()
  const [d, x, y] = [secret, point.subarray(1, 33), point.subarray(33)].map((part) => part.toString('base64url')) as [
    string,
    string,
    string
  ]
  return { kty: 'EC', crv: 'P-256', kid: `${name}-1`, use: 'sig', d, x, y }
}

/** Returns an identity.bound of the owner of an example's key, with a token of an issuer of the examples that is good for five minutes. */
export function exampleBound(key: string, issuer: string, claims: object, atMs: number): RejoinEvent {
  const jwk = exampleIssuerKey(issuer)
  const iat = Math.floor(atMs / 1000)
  const aud = tokenAudience('pool', did(`example ${key}`))
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const message = `${part({ alg: 'ES256', kid: jwk['kid'], typ: 'JWT' })}.${part({ iss: `https://${issuer}.example`, aud, iat, exp: iat + 300, ...claims })}`
  const signature = sign('sha256', utf8(message), {
    key: createPrivateKey({ key: jwk, format: 'jwk' }),
    dsaEncoding: 'ieee-p1363'
  })
  return event(`example ${key}`, boundType, boundData(`${message}.${signature.toString('base64url')}`), atMs)
}
