import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { exportJWK } from 'jose'
import { basisOf, type TrustFile, utf8 } from '../../src/core/index.ts'
import { compileTrustBytes, diffTrust, inspectTrustFile, loadTrust, readBeside } from '../../src/trust/index.ts'
import { thrownBy } from '../thrown.ts'
import { keySetOf, makeIssuer, type TestIssuer } from './issuer.ts'

let root: string
let forge: TestIssuer
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'rejoin-issuers-'))
  mkdirSync(join(root, 'jwks'))
  forge = await makeIssuer()
  writeFileSync(join(root, 'jwks/forge.json'), keySetOf(forge))
})
afterAll(() => rmSync(root, { recursive: true, force: true }))

const head = 'apiVersion: rejoin/v1\nkind: TrustPolicy\nissuers:\n'
const forgeLine = '  forge: {iss: "https://forge.example", jwks: ./jwks/forge.json, aud: pool}\n'
const team = 'identities:\n  team: {issuer: forge}\n'

/** Returns `line:column message; suggestion` of each problem. */
function problems(text: string, read = readBeside(root)): readonly string[] {
  const inspected = inspectTrustFile(utf8(text), undefined, read)
  if (inspected.kind === 'good') return []
  return inspected.problems.map(({ line, column, message, suggestion }) => `${line}:${column} ${message}; ${suggestion ?? ''}`)
}

const withSet = (bytes: Uint8Array | string, more = ''): readonly string[] => {
  writeFileSync(join(root, 'jwks/other.json'), bytes)
  return problems(`${head}  forge: {iss: "https://forge.example", jwks: ./jwks/other.json, aud: pool${more}}\n${team}`)
}

describe('issuers of a trust file', () => {
  it('BINDING-9 whose key set is missing, or can check nothing, keep it from being put in force', async () => {
    expect(problems(`${head}${forgeLine}${team}`)).toEqual([])
    expect(problems(`${head}  forge: {iss: "https://forge.example", jwks: ./jwks/none.json, aud: pool}\n${team}`)).toEqual([
      '4:47 the key set ./jwks/none.json: there is no such file; save what the issuer serves at its jwks_uri there; nothing fetches it by itself'
    ])
    expect(withSet('{"keys": [')).toEqual([expect.stringMatching(/^4:47 the key set \.\/jwks\/other\.json: .+; save what/)])
    expect(withSet('{"keys": []}')).toEqual([expect.stringMatching(/^4:47 .*it has no key that can check a token; /)])
    expect(withSet(keySetOf(forge), ', algs: [RS256]')).toEqual([expect.stringMatching(/it has no key that can check RS256; /)])
    expect(withSet('{"keys": [{"kty":"oct","k":"c2VjcmV0"}]}')).toEqual([expect.stringMatching(/shared secret.*; take it out$/)])
    const secret = await exportJWK(forge.privateKey)
    expect(withSet(keySetOf(secret))).toEqual([
      expect.stringMatching(/key 1 is a private key: it has the member d; keep its public members only, and tell the issuer/)
    ])
    expect(problems(`${head}  forge: {iss: "https://forge.example", jwks: ./jwks, aud: pool}\n${team}`)[0]).toMatch(
      /^4:47 the key set/
    )
    // where nobody reads the file, tokens bind nobody
    const unread = inspectTrustFile(utf8(`${head}  forge: {iss: "https://forge.example", jwks: ./none, aud: pool}\n${team}`))
    expect(unread).toMatchObject({ kind: 'good' })
    expect(unread).not.toHaveProperty('file.keySets')
  })

  it('BINDING-9 hold a key set to its digest', () => {
    const { keySets } = compileTrustBytes(utf8(`${head}${forgeLine}${team}`), 'x', readBeside(root)).file
    const digest = keySets?.get('forge')?.digest ?? ''
    expect(withSet(keySetOf(forge), `, jwksDigest: "sha256:${digest}"`)).toEqual([])
    expect(withSet(keySetOf(forge), `, jwksDigest: "sha256:${'0'.repeat(64)}"`)).toEqual([
      expect.stringMatching(new RegExp(`^4:\\d+ .*another file than the one with this digest; write sha256:${digest}, where`))
    ])
  })

  it('TRUST-12 have algorithms with public keys, patterns and durations', () => {
    const wrong = (more: string): string => problems(`${head}${forgeLine.replace('pool}', `pool, ${more}}`)}${team}`).join('\n')
    expect(wrong('algs: [HS256]')).toMatch(
      /issuers\.forge\.algs\[0\] is not a signature algorithm: "HS256"; did you mean [A-Z]+256\?$/
    )
    expect(wrong('algs: [none]')).toMatch(/is not a signature algorithm: "none"/)
    expect(wrong('claims: {sub: "a**b"}')).toMatch(/^4:\d+ not a pattern of claims: "a\*\*b"; did you mean "a\*b"\?/)
    expect(wrong('claims: {sub: "repo:team-a/*:ref:refs/heads/main", "https://x/y": "a@b"}')).toBe('')
    expect(wrong('claims: {sub: "spiffe://site.example/ci/**"}')).toBe('')
    expect(wrong('bindFor: 0d')).toMatch(/^4:\d+ bindFor 0 binds nothing/)
    expect(wrong('bindFor: 90d')).toBe('')
    expect(wrong('claim: {sub: a}')).toMatch(/unknown member "claim" in issuers\.forge; did you mean claims\?/)
    expect(problems(`${head}  f: {spiffe: Site.Example, jwks: ./jwks/forge.json, aud: pool}\n`)[0]).toMatch(
      /not a SPIFFE trust domain/
    )
    expect(problems(`${head}  f: {spiffe: site.example, jwks: ./jwks/forge.json, aud: pool, algs: [EdDSA]}\n`)[0]).toMatch(
      /a JWT-SVID is never signed with EdDSA; write algs: \[ES256\]/
    )
  })

  it('TRUST-25 belong to one identity each', () => {
    expect(problems(`${head}${forgeLine}${team}  others: {issuer: forge}\n`)).toEqual([
      '7:20 can never be bound: each token that fits forge binds team; give others an issuer of its own, with the same iss and other claims'
    ])
    expect(problems(`${head}${forgeLine}identities:\n  team: {issuer: forgo}\n`)).toEqual([
      '6:18 identity team names the unknown issuer forgo; did you mean forge?'
    ])
  })

  it('BINDING-12 are part of what verdicts name as their rules', () => {
    const text = `${head}${forgeLine}${team}`
    const file = (): TrustFile => compileTrustBytes(utf8(text), 'x', readBeside(root)).file
    const before = file()
    expect(basisOf(before)).not.toBe(before.digest)
    expect(basisOf(file())).toBe(basisOf(before))
    writeFileSync(join(root, 'jwks/forge.json'), `${Buffer.from(keySetOf(forge)).toString()}\n`)
    expect([file().digest === before.digest, basisOf(file()) === basisOf(before)]).toEqual([true, false])
    const plain = compileTrustBytes(utf8('apiVersion: rejoin/v1\nkind: TrustPolicy\n'), 'x', readBeside(root)).file
    expect(basisOf(plain)).toBe(plain.digest)
  })

  it('BINDING-9 of a data folder are read beside its trust file', () => {
    writeFileSync(join(root, 'trust.yaml'), `${head}${forgeLine}${team}`)
    expect(loadTrust(root).file.keySets?.get('forge')?.keys).toHaveLength(1)
    writeFileSync(join(root, 'trust.yaml'), `${head}${forgeLine.replace('forge.json', 'gone.json')}${team}`)
    expect(thrownBy(() => loadTrust(root))).toBe('E_TRUST_FILE')
  })

  it('are compared by trust diff', () => {
    const of = (more: string): TrustFile =>
      compileTrustBytes(utf8(`${head}${forgeLine.replace('pool', `pool${more}`)}${team}`)).file
    expect(diffTrust(of(''), of(', claims: {sub: x}'))).toEqual([
      { part: 'issuer', name: 'forge', change: 'changed', text: 'claims gains sub: x' }
    ])
    expect(diffTrust(of(''), of(', bindFor: 1d'))[0]?.text).toBe('binds for is now 86400 s')
  })
})
