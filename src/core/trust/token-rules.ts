import { isObject, type Json } from '../json-value.ts'
import { matchGlob } from './glob.ts'
import { type KeySet, type TokenAlg, verifyTokenSignature } from './token-key.ts'
import type { Token } from './token.ts'

/** Whose tokens bind keys to identities, as a trust file says. */
export interface TrustIssuer {
  readonly name: string
  /** of an OIDC issuer */
  readonly iss?: string
  /** trust domain, of a SPIFFE one */
  readonly spiffe?: string
  /** path of the archived key set */
  readonly jwks: string
  /** SHA-256 that it must have, hexadecimal */
  readonly jwksDigest?: string
  readonly aud: string
  readonly algs: readonly TokenAlg[]
  /** claim → path pattern */
  readonly claims: ReadonlyMap<string, string>
  /** how long after the token's place in the log events count as the identity's */
  readonly bindForMs: number
}

/** Why a token binds nothing by an issuer of the trust file. */
export type TokenFault =
  | 'issuer'
  | 'subject'
  | 'audience'
  | 'algorithm'
  | 'claims'
  | 'times'
  | 'lifetime'
  | 'too-early'
  | 'too-late'
  | 'key'
  | 'signature'

/** What is wrong with a token, in words; `token` is one that could not be read. */
export const tokenFaults: Readonly<Record<TokenFault | 'token', string>> = {
  token: 'it is malformed, or not for an algorithm with a public key',
  issuer: 'it is of an issuer that no identity of the rules has',
  subject: 'its sub is not a SPIFFE ID of the trust domain',
  audience: "its audience is not the issuer's aud with the key of this log, and nothing else",
  algorithm: "it is signed with an algorithm that is not among the issuer's algs",
  claims: 'its claims do not fit',
  times: 'it does not say from when (iat, nbf) until when (exp) it is valid',
  lifetime: 'it is valid for more than a day',
  'too-early': 'it was shown before it was valid',
  'too-late': 'it was shown after it was valid',
  key: 'the key set has no key of its kid and kind',
  signature: 'its signature does not verify'
}

/** How far the clocks of issuer and writer may be apart. */
export const tokenLeewayMs = 60_000
/** A token that is valid for longer binds nothing: all may read it, and it must be worthless soon. */
export const maxTokenLifeMs = 86_400_000
const maxSeconds = 253_402_300_799
const maxClaimChars = 1024
const maxSpiffeChars = 2048

/**
 * Returns the audience to ask an issuer for that lets one have a single text.
 * @param aud what the trust file of those who are to believe the token names
 */
export function tokenAudience(aud: string, did: string): string {
  return `${aud}/${did}`
}

/** Returns the audiences of a token; undefined where they are neither a text nor a list of different texts. */
export function audiencesOf({ claims: { aud } }: Token): readonly string[] | undefined {
  if (typeof aud === 'string') return [aud]
  if (!Array.isArray(aud) || new Set(aud).size !== aud.length) return undefined
  return (aud as readonly Json[]).every((one) => typeof one === 'string') ? (aud as readonly string[]) : undefined
}

/** Returns whether a token is for a key and for nothing else: its audience is `<aud>/<did:key>`, or the two as two. */
export function isFor(token: Token, aud: string, did: string): boolean {
  const audiences = audiencesOf(token) ?? []
  if (audiences.length === 1) return audiences[0] === tokenAudience(aud, did)
  return audiences.length === 2 && audiences.includes(aud) && audiences.includes(did)
}

/** Returns the times of a token in Unix milliseconds, undefined where it lacks an end or a beginning or they are no times. */
export function timesOf({ claims }: Token): { readonly fromMs: number; readonly untilMs: number } | undefined {
  const [exp, nbf, iat] = ['exp', 'nbf', 'iat'].map((name) => claims[name])
  const starts = [nbf, iat].filter((one) => one !== undefined)
  const all = [exp, ...starts]
  if (starts.length === 0 || !all.every((one) => typeof one === 'number' && one >= 0 && one <= maxSeconds)) return undefined
  return { fromMs: Math.max(...(starts as readonly number[])) * 1000, untilMs: (exp as number) * 1000 }
}

/** Returns whether a text is the SPIFFE ID of a workload in a trust domain. @see SPIFFE-ID sections 2.1 and 2.2 */
export function isSpiffeId(text: Json | undefined, domain: string): boolean {
  const begin = `spiffe://${domain}/`
  if (typeof text !== 'string' || text.length > maxSpiffeChars || !text.startsWith(begin)) return false
  const parts = text.slice(begin.length).split('/')
  return parts.every((part) => /^[A-Za-z0-9._-]+$/.test(part) && part !== '.' && part !== '..')
}

/** Returns whether a claim, or one item of a list of them, fits a pattern. */
function claimFits(value: Json | undefined, pattern: string): boolean {
  if (Array.isArray(value)) return (value as readonly Json[]).some((one) => !Array.isArray(one) && claimFits(one, pattern))
  if (value === undefined || value === null || isObject(value)) return false
  const text = String(value as string | number | boolean)
  return text !== '' && text.length <= maxClaimChars && matchGlob(text, pattern)
}

/**
 * Returns why a token does not bind a key by an issuer, undefined where it does: a pure function. The signature is looked at last, since it
 * costs the most.
 * @param atMs Unix milliseconds of the clock of the event that carries it; the present does not matter
 * @see protocols/binding.md
 */
export function tokenFault(
  token: Token,
  issuer: TrustIssuer,
  { keys }: KeySet,
  { did, atMs }: { readonly did: string; readonly atMs: number }
): TokenFault | undefined {
  const { claims, alg, kid } = token
  if (issuer.iss !== undefined && claims['iss'] !== issuer.iss) return 'issuer'
  if (issuer.spiffe !== undefined && !isSpiffeId(claims['sub'], issuer.spiffe)) return 'subject'
  if (!isFor(token, issuer.aud, did)) return 'audience'
  if (!issuer.algs.includes(alg)) return 'algorithm'
  for (const [name, pattern] of issuer.claims)
    if (!Object.hasOwn(claims, name) || !claimFits(claims[name], pattern)) return 'claims'
  const times = timesOf(token)
  if (times === undefined) return 'times'
  if (times.untilMs <= times.fromMs || times.untilMs - times.fromMs > maxTokenLifeMs) return 'lifetime'
  if (atMs < times.fromMs - tokenLeewayMs) return 'too-early'
  if (atMs > times.untilMs + tokenLeewayMs) return 'too-late'
  const fitting = keys.filter((key) => key.algs.includes(alg) && (kid === undefined || key.kid === kid))
  if (fitting.length === 0) return 'key'
  return fitting.some((key) => verifyTokenSignature(key, alg, token.message, token.signature)) ? undefined : 'signature'
}
