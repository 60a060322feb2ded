// Writes protocols/vectors/binding.json: node scripts/vectors-binding.ts. The same each time, but for signatures with ES256 and RS256 and their keys, which
// are kept as long as they verify; test/core/vectors-binding.test.ts holds it to that.
import { createHmac, generateKeyPairSync, type JsonWebKey, type KeyObject, sign } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { argv } from 'node:process'
import * as core from '../src/core/index.ts'

const file = join(import.meta.dirname, '../protocols/vectors/binding.json')
const { utf8 } = core
const timeMs = Date.UTC(2026, 10, 20, 10)
const seconds = timeMs / 1000
const signerOf = (name: string): core.Signer => core.signerOf(core.sha256(utf8(`rejoin vectors: ${name}`)))
const did = core.didOf(signerOf('writer').publicKey)
const other = core.didOf(signerOf('thief').publicKey)
const forge = signerOf('issuer')

/** An issuer as the trust file of the vectors has it, and its key set. */
export interface VectorIssuer {
  readonly iss?: string
  readonly spiffe?: string
  readonly aud: string
  readonly algs: readonly core.TokenAlg[]
  readonly claims: Readonly<Record<string, string>>
  readonly jwks: { readonly keys: readonly JsonWebKey[] }
}

/** A token that is shown at a time, and what is wrong with it; null for nothing. */
export interface VectorToken {
  readonly name: string
  readonly issuer: 'forge' | 'mesh'
  readonly at: string
  readonly token: string
  readonly fault: core.TokenFault | 'malformed' | null
}

/** What binding.json holds. */
export interface BindingVectors {
  readonly did: string
  readonly issuers: Readonly<Record<'forge' | 'mesh', VectorIssuer>>
  readonly tokens: readonly VectorToken[]
}

const b64 = (bytes: Uint8Array | string): string => Buffer.from(bytes as string).toString('base64url')
const json = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value))
const good = {
  iss: 'https://forge.example',
  sub: 'repo:team-a/app:ref:refs/heads/main',
  aud: core.tokenAudience('pool', did),
  iat: seconds,
  exp: seconds + 300,
  repository: 'team-a/app'
}
const svid = { sub: 'spiffe://mesh.example/ci/build', aud: ['pool', did], iat: seconds, exp: seconds + 300 }

/** Returns a last letter whose bits beyond the last byte are not zero; a signature of 64 bytes has 4 of them. */
function otherEnd(token: string): string {
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  return letters[letters.indexOf(token.at(-1) ?? '') + 1] ?? ''
}

/** Returns a token with the EdDSA key of the issuer, which signs alike each time. */
function signed(claims: unknown, header: unknown = { alg: 'EdDSA', kid: 'ed', typ: 'JWT' }): string {
  const message = `${b64(json(header))}.${b64(json(claims))}`
  return `${message}.${b64(forge.sign(utf8(message)))}`
}

function withKey(claims: object, header: { readonly alg: string; readonly kid: string }, key: KeyObject): string {
  const message = `${b64(json(header))}.${b64(json(claims))}`
  return `${message}.${b64(sign('sha256', utf8(message), header.alg === 'ES256' ? { key, dsaEncoding: 'ieee-p1363' } : key))}`
}

interface Kept {
  readonly jwk: JsonWebKey
  readonly token: string
}

/** Returns a key of another kind with a token of it: those in the file as long as the token verifies. */
function kept(
  before: BindingVectors | undefined,
  issuer: 'forge' | 'mesh',
  alg: 'ES256' | 'RS256',
  use: string,
  claims: object
): Kept {
  const kid = alg.toLowerCase()
  const jwk = before?.issuers[issuer].jwks.keys.find((key) => key['kid'] === kid)
  const token = before?.tokens.find(({ name }) => name === `${issuer} ${alg}`)?.token
  const keys = core.parseKeySet(utf8(JSON.stringify({ keys: [jwk] })))
  if (jwk !== undefined && token !== undefined && 'keys' in keys && keys.keys[0] !== undefined) {
    const { message, signature, claims: said } = core.parseToken(token)
    const isSame = core.canonicalize(said) === core.canonicalize(claims as core.JsonObject)
    if (isSame && core.verifyTokenSignature(keys.keys[0], alg, message, signature)) return { jwk, token }
  }
  const pair =
    alg === 'ES256' ? generateKeyPairSync('ec', { namedCurve: 'P-256' }) : generateKeyPairSync('rsa', { modulusLength: 2048 })
  const made: JsonWebKey = { ...pair.publicKey.export({ format: 'jwk' }), kid, use }
  return { jwk: made, token: withKey(claims, { alg, kid }, pair.privateKey) }
}

/** Returns the vectors. @param before those in the file */
export function bindingVectors(before: BindingVectors | undefined): BindingVectors {
  const es = kept(before, 'forge', 'ES256', 'sig', good)
  const rs = kept(before, 'forge', 'RS256', 'sig', good)
  const mesh = kept(before, 'mesh', 'ES256', 'jwt-svid', svid)
  const x = b64(forge.publicKey)
  const issuers: BindingVectors['issuers'] = {
    forge: {
      iss: good.iss,
      aud: 'pool',
      algs: ['EdDSA', 'ES256', 'RS256'],
      claims: { repository: 'team-a/*' },
      jwks: { keys: [{ kty: 'OKP', crv: 'Ed25519', x, kid: 'ed', use: 'sig', alg: 'EdDSA' }, es.jwk, rs.jwk] }
    },
    mesh: {
      spiffe: 'mesh.example',
      aud: 'pool',
      algs: ['ES256'],
      claims: { sub: 'spiffe://mesh.example/ci/**' },
      jwks: { keys: [mesh.jwk] }
    }
  }
  const tokens: VectorToken[] = []
  const add = (
    name: string,
    fault: VectorToken['fault'],
    token: string,
    afterSeconds = 0,
    issuer: 'forge' | 'mesh' = 'forge'
  ): void => void tokens.push({ name, issuer, at: new Date(timeMs + afterSeconds * 1000).toISOString(), token, fault })
  const { iat: _iat, ...noStart } = good
  const { exp: _exp, ...noEnd } = good
  const plain = signed(good)
  const [head = '', body = '', signature = ''] = plain.split('.')
  const mac = `${b64(json({ alg: 'HS256', kid: 'rs256' }))}.${b64(json(good))}`
  add('forge EdDSA', null, plain)
  add('forge ES256', null, es.token)
  add('forge RS256', null, rs.token)
  add('mesh ES256', null, mesh.token, 0, 'mesh')
  add('two audiences', null, signed({ ...good, aud: ['pool', did] }))
  add('the leeway before', null, plain, -60)
  add('before the leeway', 'too-early', plain, -61)
  add('the leeway after', null, plain, 360)
  add('after the leeway', 'too-late', plain, 361)
  add('for another key', 'audience', signed({ ...good, aud: core.tokenAudience('pool', other) }))
  add('for another audience', 'audience', signed({ ...good, aud: core.tokenAudience('lake', did) }))
  add('for the audience alone', 'audience', signed({ ...good, aud: 'pool' }))
  add('for the key alone', 'audience', signed({ ...good, aud: did }))
  add('for something else beside', 'audience', signed({ ...good, aud: ['pool', did, 'https://bank.example'] }))
  add('of another issuer', 'issuer', signed({ ...good, iss: 'https://forge.example/' }))
  add('of another trust domain', 'subject', signed({ ...svid, sub: 'spiffe://mesh.example.evil/ci/x' }), 0, 'mesh')
  add('with dots in its SPIFFE ID', 'subject', signed({ ...svid, sub: 'spiffe://mesh.example/ci/../x' }), 0, 'mesh')
  add('of another team', 'claims', signed({ ...good, repository: 'team-b/app' }))
  add('deeper than the pattern', 'claims', signed({ ...good, repository: 'team-a/app/x' }))
  add('without a beginning', 'times', signed(noStart))
  add('without an end', 'times', signed(noEnd))
  add('with a time that is a text', 'times', signed({ ...good, exp: String(good.exp) }))
  add('valid for longer than a day', 'lifetime', signed({ ...good, exp: seconds + 86_401 }))
  add('of an unknown key', 'key', signed(good, { alg: 'EdDSA', kid: 'other' }))
  add('of a key of another kind', 'key', signed(good, { alg: 'EdDSA', kid: 'es256' }))
  add('with a changed signature', 'signature', `${head}.${body}.${b64(forge.sign(utf8('something else')))}`)
  add('with a changed body', 'signature', `${head}.${b64(json({ ...good, repository: 'team-a/b' }))}.${signature}`)
  add('an HMAC with the RSA key', 'malformed', `${mac}.${createHmac('sha256', json(rs.jwk)).update(mac).digest('base64url')}`)
  add('not signed', 'malformed', `${b64('{"alg":"none"}')}.${b64(json(good))}.`)
  add('not signed, with something', 'malformed', `${b64('{"alg":"none"}')}.${b64(json(good))}.${signature}`)
  add('with crit', 'malformed', signed(good, { alg: 'EdDSA', kid: 'ed', crit: ['exp'] }))
  add('with b64', 'malformed', signed(good, { alg: 'EdDSA', kid: 'ed', b64: true }))
  add('an access token', 'malformed', signed(good, { alg: 'EdDSA', kid: 'ed', typ: 'at+jwt' }))
  add('a claim twice', 'malformed', signed(json(good).replace('{', '{"repository":"team-b/app",')))
  add('nested too deep', 'malformed', signed(`${json(good).slice(0, -1)},"x":${'['.repeat(9)}${']'.repeat(9)}}`))
  add('with padding', 'malformed', `${plain}==`)
  add('of two parts', 'malformed', `${head}.${body}`)
  add('of four parts', 'malformed', `${plain}.${signature}`)
  add('in another spelling of base64url', 'malformed', `${plain.slice(0, -1)}${otherEnd(plain)}`)
  return { did, issuers, tokens }
}

/** Returns the vectors of the file, undefined where there is none. */
export function readBindingVectors(): BindingVectors | undefined {
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as BindingVectors) : undefined
}

if (argv[1] === import.meta.filename) writeFileSync(file, `${JSON.stringify(bindingVectors(readBindingVectors()), null, 2)}\n`)
