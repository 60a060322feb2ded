import { hex, utf8 } from '../bytes.ts'
import { msOfHlc } from '../clock.ts'
import { sha256 } from '../digest.ts'
import { RejoinError } from '../error.ts'
import type { RejoinEvent } from '../event/event.ts'
import type { JsonObject } from '../json-value.ts'
import type { TrustFile } from './file.ts'
import { parseToken, type Token } from './token.ts'
import { type TokenFault, tokenFault } from './token-rules.ts'

/** The type of the event with which a log's writer shows a token: `{"token":"<JWT>"}` is its data. */
export const boundType = 'identity.bound'
/** A log of a writer whom nobody knows is looked into only so far. */
export const doorEntries = 16

/** To whom a token binds a log, from its event on. */
export interface Bound {
  /** name of the identity */
  readonly name: string
  /** name of the issuer in the trust file */
  readonly issuer: string
  /** what the token claims, as `name=value`, in the order of the names */
  readonly claims: readonly string[]
  /** events whose clock is later are no longer the identity's; Infinity: for ever */
  readonly untilMs: number
}

const maxClaims = 64
const maxClaimChars = 256
/** claims about the token itself */
const ofToken: ReadonlySet<string> = new Set(['aud', 'exp', 'nbf', 'iat', 'jti'])

/** Returns the data of an identity.bound. */
export function boundData(token: string): JsonObject {
  return { token }
}

/** Returns the token of an event, or why it has none that could be read. */
export function tokenIn({ type, data }: Pick<RejoinEvent, 'type' | 'data'>): Token | undefined {
  const { token } = data
  if (type !== boundType || typeof token !== 'string' || Object.keys(data).length !== 1) return undefined
  try {
    return parseToken(token)
  } catch (error) {
    if (error instanceof RejoinError) return undefined
    throw error
  }
}

/** Returns what conditions can ask of a token's claims: texts, numbers and truth values that are not too long, and not what is about the token itself. */
export function shownClaims({ claims }: Pick<Token, 'claims'>): readonly string[] {
  return Object.entries(claims)
    .flatMap(([name, value]) =>
      ofToken.has(name) || !['string', 'number', 'boolean'].includes(typeof value) ? [] : [`${name}=${String(value)}`]
    )
    .filter((text) => text.length <= maxClaimChars)
    .toSorted((a, b) => (a < b ? -1 : 1))
    .slice(0, maxClaims)
}

/**
 * Returns to whom an event binds its log, by a trust file: the first identity of the file whose issuer the token fits. Else why none of them.
 * @param did did:key of the log's writer
 * @see protocols/binding.md#BINDING-2
 */
export function bindingBy(event: RejoinEvent, did: string, file: TrustFile): Bound | TokenFault | 'token' {
  const token = event.source === did ? tokenIn(event) : undefined
  if (token === undefined) return 'token'
  const atMs = msOfHlc(event.hlc)
  let nearest: TokenFault = 'issuer'
  for (const identity of file.identities.values()) {
    const issuer = identity.issuer === undefined ? undefined : file.issuers?.get(identity.issuer)
    const keys = issuer && file.keySets?.get(issuer.name)
    if (issuer === undefined || keys === undefined) continue
    const fault = tokenFault(token, issuer, keys, { did, atMs })
    if (fault === undefined)
      return { name: identity.name, issuer: issuer.name, claims: shownClaims(token), untilMs: atMs + issuer.bindForMs }
    if (nearest === 'issuer') nearest = fault
  }
  return nearest
}

/** Returns whether a trust file lets tokens bind keys that it does not name. */
export function bindsByToken({ identities, keySets }: TrustFile): boolean {
  return [...identities.values()].some(({ issuer }) => issuer !== undefined && keySets?.has(issuer) === true)
}

const bases = new WeakMap<TrustFile, string>()

/**
 * Returns the SHA-256, hexadecimal, of a trust file and the key sets beside it: that of the file alone where it has none. Verdicts record it.
 * @see protocols/binding.md#BINDING-12
 */
export function basisOf(file: TrustFile): string {
  const { digest, keySets } = file
  if (keySets === undefined || keySets.size === 0) return digest
  let basis = bases.get(file)
  if (basis === undefined) {
    const lines = [...keySets].map(([name, set]) => `${set.digest} ${name}\n`).toSorted()
    basis = hex(sha256(utf8(`rejoin/trust-basis/v1\n${digest}\n${lines.join('')}`)))
    bases.set(file, basis)
  }
  return basis
}
