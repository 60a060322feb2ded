import type { IssuerDocument, TrustDocument } from './document.ts'
import type { PatternFault } from './glob.ts'
import type { Report } from './problem.ts'
import { parseDuration } from './quantity.ts'
import { type TokenAlg, tokenAlgs } from './token-key.ts'
import type { TrustIssuer } from './token-rules.ts'

/** Returns what is wrong with a pattern of claims: as one of paths, but any printable character may stand in it. */
function claimFault(pattern: string): PatternFault | undefined {
  const message = `not a pattern of claims: ${JSON.stringify(pattern.slice(0, 60))}`
  if (/[\u0000-\u001f\u007f]/.test(pattern)) return { message, suggestion: 'leave control characters out' }
  const mixed = pattern.split('/').find((part) => part.includes('**') && part !== '**')
  if (mixed === undefined) return undefined
  const meant = pattern.replace(mixed, mixed.replaceAll(/\*+/g, '*'))
  return { message, suggestion: `did you mean ${JSON.stringify(meant)}? "**" is a part of its own` }
}

function checkIssuer(name: string, written: IssuerDocument, report: Report): TrustIssuer {
  const { iss, spiffe, jwks, jwksDigest, aud, algs = tokenAlgs, claims = {}, bindFor = 'never' } = written
  const at = ['issuers', name]
  for (const [claim, pattern] of Object.entries(claims)) {
    const fault = claimFault(pattern)
    if (fault !== undefined)
      report([...at, 'claims', claim], fault.message, fault.suggestion === undefined ? {} : { suggestion: fault.suggestion })
  }
  const bindForMs = parseDuration(bindFor) ?? Infinity
  if (bindForMs === 0) report([...at, 'bindFor'], 'bindFor 0 binds nothing', { suggestion: 'write a duration, or leave it out' })
  if (spiffe !== undefined && algs.every((alg) => alg === 'EdDSA'))
    report([...at, 'algs'], 'a JWT-SVID is never signed with EdDSA', { suggestion: 'write algs: [ES256]' })
  return {
    name,
    ...(iss !== undefined && { iss }),
    ...(spiffe !== undefined && { spiffe }),
    jwks,
    ...(jwksDigest !== undefined && { jwksDigest: jwksDigest.slice('sha256:'.length) }),
    aud,
    algs: (algs as readonly TokenAlg[]).filter((alg) => spiffe === undefined || alg !== 'EdDSA'),
    claims: new Map(Object.entries(claims)),
    bindForMs
  }
}

/** Returns the issuers of a file by name. Two identities of one issuer would be the same to every token. */
export function checkIssuers({ issuers = {}, identities = {} }: TrustDocument, report: Report): ReadonlyMap<string, TrustIssuer> {
  const owners = new Map<string, string>()
  for (const [name, { issuer }] of Object.entries(identities)) {
    const owner = issuer === undefined ? undefined : owners.get(issuer)
    if (issuer === undefined) continue
    if (owner !== undefined)
      report(['identities', name, 'issuer'], `can never be bound: each token that fits ${issuer} binds ${owner}`, {
        suggestion: `give ${name} an issuer of its own, with the same iss and other claims`
      })
    owners.set(issuer, owner ?? name)
  }
  return new Map(Object.entries(issuers).map(([name, written]) => [name, checkIssuer(name, written, report)]))
}
