import { fromBase64url, utf8 } from '../bytes.ts'
import { RejoinError } from '../error.ts'
import { isObject, type Json, type JsonObject } from '../json-value.ts'
import { parseStrict } from '../json-strict.ts'
import { isTokenAlg, type TokenAlg } from './token-key.ts'

/** A token is never longer than this, in characters. */
export const maxTokenChars: number = 16 * 1024
const maxHeaderBytes = 4096
/** members of a header that change what is signed or how it is read */
const refusedMembers = ['crit', 'b64', 'zip', 'enc'] as const

/**
 * A JWT in its compact form, split and not verified: `<header>.<claims>.<signature>`, each base64url; the first two are JSON, e.g.
 * `{"alg":"ES256","kid":"1"}` and `{"iss":"https://…","aud":"pool/did:key:z6Mk…","iat":1795168800,"exp":1795169100,…}`.
 */
export interface Token {
  readonly alg: TokenAlg
  readonly kid?: string
  readonly claims: JsonObject
  /** what is signed: the first two parts with the point between them */
  readonly message: Uint8Array
  readonly signature: Uint8Array
}

function bad(message: string, hint?: string): RejoinError {
  return new RejoinError('E_TOKEN', message, hint === undefined ? {} : { hint })
}

function objectIn(part: string, what: string, maxBytes: number): JsonObject {
  const bytes = fromBase64url(part)
  if (bytes === undefined) throw bad(`the ${what} of the token is not base64url`)
  let value: Json
  try {
    value = parseStrict(bytes, { maxBytes, maxDepth: 8 })
  } catch (cause) {
    if (!(cause instanceof RejoinError)) throw cause
    throw new RejoinError('E_TOKEN', `the ${what} of the token: ${cause.message}`, { cause })
  }
  if (!isObject(value)) throw bad(`the ${what} of the token is no JSON object`)
  return value
}

/**
 * Returns the parts of a JWT. What would let two readers see two things in it is refused: another spelling of base64url, a key twice in one
 * object, members of the header that change its meaning.
 * @throws E_TOKEN
 * @see RFC 7519, RFC 7515 section 7.1, RFC 8725; protocols/binding.md#BINDING-3
 */
export function parseToken(text: string): Token {
  if (text.length > maxTokenChars) throw bad(`a token of ${text.length} characters is over ${maxTokenChars}`)
  const parts = text.split('.')
  if (parts.length !== 3)
    throw bad('not a token: it has not three parts with points between them', 'it is one line, as the issuer gave it')
  const [head, body, signed] = parts as [string, string, string]
  const header = objectIn(head, 'header', maxHeaderBytes)
  const claims = objectIn(body, 'body', maxTokenChars)
  const signature = fromBase64url(signed)
  if (signature === undefined || signature.length === 0) throw bad('the token is not signed, or its signature is not base64url')
  const { alg, kid, typ } = header
  if (typeof alg !== 'string' || !isTokenAlg(alg))
    throw bad(`the token is signed with ${JSON.stringify(alg ?? null).slice(0, 40)}, which is not an algorithm with a public key`)
  if (kid !== undefined && typeof kid !== 'string') throw bad('kid of the token is no text')
  if (typ !== undefined && (typeof typ !== 'string' || !/^(?:application\/)?jwt$|^jose$/i.test(typ)))
    throw bad('typ of the token is not JWT: it is for another use')
  for (const member of refusedMembers) if (member in header) throw bad(`the header of the token has ${member}`)
  return { alg, ...(kid !== undefined && { kid }), claims, message: utf8(`${head}.${body}`), signature }
}
