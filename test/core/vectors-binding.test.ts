import { createLocalJWKSet, jwtVerify } from 'jose'
import { describe, expect, it } from 'vitest'
import {
  parseKeySet,
  parseToken,
  RejoinError,
  tokenAudience,
  type KeySet,
  tokenFault,
  type TrustIssuer,
  utf8
} from '../../src/core/index.ts'
import { type BindingVectors, bindingVectors, readBindingVectors, type VectorToken } from '../../scripts/vectors-binding.ts'

const vectors = readBindingVectors() as BindingVectors
const { did, tokens } = vectors

function issuerOf(name: VectorToken['issuer']): { readonly issuer: TrustIssuer; readonly keys: KeySet } {
  const { jwks, claims, ...written } = vectors.issuers[name]
  const issuer = { ...written, name, jwks: 'x', claims: new Map(Object.entries(claims)), bindForMs: Infinity }
  return { issuer, keys: parseKeySet(utf8(JSON.stringify(jwks))) as KeySet }
}

function faultOf({ issuer: name, token, at }: VectorToken): string | null {
  const { issuer, keys } = issuerOf(name)
  try {
    return tokenFault(parseToken(token), issuer, keys, { did, atMs: Date.parse(at) }) ?? null
  } catch (error) {
    if (error instanceof RejoinError && error.code === 'E_TOKEN') return 'malformed'
    throw error
  }
}

describe('vectors/binding.json', () => {
  it('BINDING-2 comes out the same when it is written again', () => {
    expect(bindingVectors(vectors)).toEqual(vectors)
  })

  it('BINDING-3 has every fault, and no two tokens named alike', () => {
    expect(new Set(tokens.map(({ name }) => name)).size).toBe(tokens.length)
    const faults = new Set(tokens.map(({ fault }) => fault))
    for (const fault of [
      'malformed',
      'issuer',
      'subject',
      'audience',
      'claims',
      'times',
      'lifetime',
      'too-early',
      'too-late',
      'key',
      'signature'
    ])
      expect(faults).toContain(fault)
  })

  it.each(tokens.map((one) => [one.name, one] as const))('BINDING-4 a token: %s', (_, one) => {
    expect(faultOf(one)).toBe(one.fault)
  })

  // jose has no opinion on repositories, on one audience beside another and on how long a token lives
  const joint = tokens.filter(({ fault }) => ['issuer', 'too-late', 'key', 'signature', null].includes(fault))
  it.each(joint.map((one) => [one.name, one] as const))('BINDING-7 jose thinks the same of: %s', async (_, one) => {
    const { iss, aud, algs, jwks } = vectors.issuers[one.issuer]
    // a use of SPIFFE's that jose does not know
    const keys = jwks.keys.map((key) => ({ ...key, use: 'sig' }))
    const verified = jwtVerify(one.token, createLocalJWKSet({ keys } as never), {
      algorithms: [...algs],
      audience: [tokenAudience(aud, did), did],
      currentDate: new Date(one.at),
      clockTolerance: 61,
      ...(iss !== undefined && { issuer: iss })
    })
    if (one.fault === null) await expect(verified).resolves.toBeDefined()
    else await expect(verified).rejects.toThrow()
  })
})
