import { createHmac, createPublicKey, generateKeyPairSync } from 'node:crypto'
import { exportJWK, generateKeyPair, jwtVerify, createLocalJWKSet, type JWTVerifyResult } from 'jose'
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import {
  bindingBy,
  boundData,
  boundType,
  type Bound,
  isSpiffeId,
  type KeySet,
  type KeySetFault,
  parseHlc,
  parseKeySet,
  parseToken,
  RejoinError,
  type RejoinEvent,
  shownClaims,
  tokenAlgs,
  tokenAudience,
  tokenFault,
  type TrustFile,
  type TrustIssuer
} from '../../../src/core/index.ts'
import { keySetOf, makeIssuer, sign, type TestClaims, type TestIssuer } from '../../trust/issuer.ts'
import { thrownBy } from '../../thrown.ts'
import { did, event, nowMs, trustFile } from './sample-trust.ts'

const writer = did('example worker')
const iss = 'https://forge.example'
const good: TestClaims = { iss, aud: tokenAudience('pool', writer), repository: 'team-a/app', sub: 'repo:team-a/app:ref:main' }
const issuerOf = (members: Partial<TrustIssuer> = {}): TrustIssuer => ({
  name: 'forge',
  iss,
  jwks: './jwks/forge.json',
  aud: 'pool',
  algs: tokenAlgs,
  claims: new Map([['repository', 'team-a/*']]),
  bindForMs: Infinity,
  ...members
})

let forge: TestIssuer
let rsa: TestIssuer
let keys: KeySet

function keySet(bytes: Uint8Array): KeySet {
  const read = parseKeySet(bytes)
  if ('message' in read) throw new Error(read.message)
  return read
}

beforeAll(async () => {
  forge = await makeIssuer()
  rsa = await makeIssuer('RS256', 'rsa')
  keys = keySet(keySetOf(forge, rsa))
})

const tokenOf = async (claims: TestClaims = {}, header: object = {}, by: TestIssuer = forge): Promise<string> =>
  await sign(by, { ...good, ...claims }, nowMs, header)
const faultOf = (text: string, issuer = issuerOf(), at = nowMs, of = keys): string | undefined => {
  try {
    return tokenFault(parseToken(text), issuer, of, { did: writer, atMs: at })
  } catch (error) {
    if (error instanceof RejoinError && error.code === 'E_TOKEN') return 'malformed'
    throw error
  }
}
const b64 = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')
const body = (): object => ({ ...good, iat: Math.floor(nowMs / 1000), exp: Math.floor(nowMs / 1000) + 300 })

/** A token whose two JSON texts are given, signed by the issuer all the same. */
async function signedText(header: string, claims: string): Promise<string> {
  const { sign: signBytes } = await import('node:crypto')
  const message = `${b64(header)}.${b64(claims)}`
  const { KeyObject } = await import('node:crypto')
  const key = KeyObject.from(forge.privateKey as never)
  return `${message}.${signBytes('sha256', Buffer.from(message), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`
}

describe('a token', () => {
  it.each([...tokenAlgs])('BINDING-4 signed with %s is believed, here and by jose', async (alg) => {
    const issuer = await makeIssuer(alg)
    const text = await tokenOf({}, {}, issuer)
    const set = keySetOf(issuer)
    expect(faultOf(text, issuerOf({ algs: [alg] }), nowMs, keySet(set))).toBeUndefined()
    const others = tokenAlgs.filter((one) => one !== alg)
    expect(faultOf(text, issuerOf({ algs: others }), nowMs, keySet(set))).toBe('algorithm')
    const verified: JWTVerifyResult = await jwtVerify(
      text,
      createLocalJWKSet(JSON.parse(Buffer.from(set).toString()) as { keys: never[] }),
      { currentDate: new Date(nowMs), issuer: iss, audience: tokenAudience('pool', writer) }
    )
    expect(verified.payload['repository']).toBe('team-a/app')
    const at = text.length - 20
    const forged = `${text.slice(0, at)}${text[at] === 'A' ? 'B' : 'A'}${text.slice(at + 1)}`
    expect(faultOf(forged, issuerOf(), nowMs, keySet(set))).toBe('signature')
  })

  it('BINDING-4 is not believed where its algorithm is none, or an HMAC with the public key as its secret', async () => {
    const pem = createPublicKey({ key: rsa.jwk as never, format: 'jwk' }).export({ type: 'spki', format: 'pem' })
    for (const secret of [pem.toString(), rsa.jwk.n ?? '', JSON.stringify(rsa.jwk)]) {
      const message = `${b64({ alg: 'HS256', kid: 'rsa' })}.${b64(body())}`
      const mac = createHmac('sha256', secret).update(message).digest('base64url')
      expect(faultOf(`${message}.${mac}`)).toBe('malformed')
    }
    for (const alg of ['none', 'None', 'nOnE', '', 'ES256K', 'RS1', 'HS512', 7, null, undefined, ['ES256']]) {
      expect(faultOf(`${b64({ alg })}.${b64(body())}.`)).toBe('malformed')
      expect(faultOf(`${b64({ alg })}.${b64(body())}.AAAA`)).toBe('malformed')
    }
  })

  it('BINDING-4 is not believed by a key of another kind, another kid, or one that is for another algorithm', async () => {
    expect(faultOf(await tokenOf({}, { kid: 'other' }))).toBe('key')
    const stranger = await makeIssuer('ES256', 'k1')
    expect(faultOf(await tokenOf({}, {}, stranger))).toBe('signature')
    const [head, claims, signature] = (await tokenOf({}, {}, rsa)).split('.') as [string, string, string]
    expect(faultOf(`${b64({ alg: 'ES256', kid: 'rsa' })}.${claims}.${signature}`)).toBe('key')
    expect(faultOf(`${b64({ alg: 'PS256', kid: 'rsa' })}.${claims}.${signature}`)).toBe('signature')
    expect(faultOf(`${head}.${claims}.${signature}`)).toBeUndefined()
    const only = keySet(keySetOf({ ...rsa.jwk, alg: 'PS256' }))
    expect(faultOf(`${head}.${claims}.${signature}`, issuerOf(), nowMs, only)).toBe('key')
  })

  it('BINDING-3 that carries a key, or where to get one, is believed by the file alone', async () => {
    const stranger = await makeIssuer('ES256', 'k1')
    const header = { jwk: stranger.jwk, jku: 'https://evil.example/jwks', x5u: 'https://evil.example/x' }
    expect(faultOf(await tokenOf({}, header, stranger))).toBe('signature')
    expect(faultOf(await tokenOf({}, { jku: 'https://evil.example/jwks', x5t: 'abc' }))).toBeUndefined()
  })

  it('BINDING-3 that two readers could read as two things is refused', async () => {
    const now = Math.floor(nowMs / 1000)
    const header = '{"alg":"ES256","kid":"k1"}'
    const claims = JSON.stringify(body())
    expect(faultOf(await signedText(header, claims))).toBeUndefined()
    const twice = claims.replace('"iss"', `"repository":"team-b/app","iss"`)
    for (const [head, text] of [
      [header, twice],
      ['{"alg":"ES256","kid":"k1","alg":"ES256"}', claims],
      ['{"alg":"ES256","crit":["exp"]}', claims],
      ['{"alg":"ES256","b64":true}', claims],
      ['{"alg":"ES256","zip":"DEF"}', claims],
      ['{"alg":"ES256","enc":"A128GCM"}', claims],
      ['{"alg":"ES256","typ":"at+jwt"}', claims],
      ['{"alg":"ES256","typ":7}', claims],
      ['{"alg":"ES256","kid":7}', claims],
      ['["ES256"]', claims],
      [header, '[]'],
      [header, '"x"'],
      [header, `${claims.slice(0, -1)},"__proto__":{}}`],
      [header, `${claims.slice(0, -1)},"x":${'['.repeat(9)}${']'.repeat(9)}}`],
      [header, `${claims}x`],
      [header, `\ufeff${claims}`],
      [header, claims.slice(0, -1)],
      [header, `{"exp":${now}e999}`]
    ] as const)
      expect(faultOf(await signedText(head, text)), `${head} ${text.slice(0, 40)}`).toMatch(/^malformed$|^issuer$/)
    const text = await tokenOf()
    const [head, middle, signature] = text.split('.') as [string, string, string]
    for (const other of [
      `${text}=`,
      `${text} `,
      `${text}\n`,
      `${head}.${middle}`,
      `${text}.`,
      `${text}.AA`,
      `.${middle}.${signature}`,
      `${head}..${signature}`,
      `${head}.${middle}.`,
      text.replace('-', '+').replace('_', '/').concat('='),
      `Bearer ${text}`,
      ''
    ])
      expect(faultOf(other), other.slice(-20)).toBe('malformed')
  })

  it('BINDING-3 whose last digit of base64 has bits that mean nothing is refused', async () => {
    const text = await tokenOf({}, { pad: 'x' })
    const [head, middle, signature] = text.split('.') as [string, string, string]
    // 64 bytes end in two bits too many
    const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    const last = letters.indexOf(signature.at(-1) as string)
    expect(faultOf(`${head}.${middle}.${signature.slice(0, -1)}${letters[last + 1]}`)).toBe('malformed')
  })

  it('BINDING-1 of more than 16,384 characters is refused before anything of it is read', async () => {
    expect(faultOf(await tokenOf({ padding: 'x'.repeat(20_000) }))).toBe('malformed')
    expect(faultOf(await tokenOf({ padding: 'x'.repeat(10_000) }))).toBeUndefined()
    expect(faultOf('.'.repeat(10_000_000))).toBe('malformed')
  })

  it('BINDING-3 never makes anything but its code, whatever it is', () => {
    const part = fc.oneof(fc.base64String(), fc.string(), fc.json().map(b64))
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.tuple(part, part, part).map((parts) => parts.join('.'))
        ),
        (text) => {
          try {
            parseToken(text)
          } catch (error) {
            expect((error as RejoinError).code).toBe('E_TOKEN')
          }
        }
      ),
      { numRuns: 300 }
    )
  })

  it('BINDING-5 is of the issuer whose text it has, to the last letter', async () => {
    for (const other of [`${iss}/`, 'https://FORGE.example', 'http://forge.example', 'forge.example', '', [iss], 7])
      expect(faultOf(await tokenOf({ iss: other as string }))).toBe('issuer')
    const { iss: _, ...without } = good
    expect(faultOf(await sign(forge, without, nowMs))).toBe('issuer')
  })

  it('BINDING-5 of SPIFFE has as subject an ID of the trust domain, with a path', async () => {
    const { iss: _, ...site } = issuerOf({ spiffe: 'site.example', claims: new Map([['sub', 'spiffe://site.example/ci/**']]) })
    const of = async (sub: string): Promise<string | undefined> =>
      faultOf(await sign(forge, { sub, aud: ['pool', writer] }, nowMs), site as TrustIssuer)
    expect(await of('spiffe://site.example/ci/build/7')).toBeUndefined()
    expect(await of('spiffe://site.example/ci')).toBeUndefined()
    expect(await of('spiffe://site.example/web')).toBe('claims')
    for (const bad of [
      'spiffe://site.example',
      'spiffe://site.example/',
      'spiffe://site.example.evil/ci/x',
      'spiffe://evil/site.example/ci/x',
      'SPIFFE://site.example/ci/x',
      'spiffe://site.example/ci//x',
      'spiffe://site.example/ci/../web',
      'spiffe://site.example/ci/./x',
      'spiffe://site.example/ci/x/',
      'spiffe://site.example/ci/%2e',
      'spiffe://site.example:80/ci/x',
      'spiffe://x@site.example/ci/x',
      'spiffe://site.example/ci/x?y',
      `spiffe://site.example/ci/${'x'.repeat(2048)}`
    ])
      expect(await of(bad), bad).toBe('subject')
    expect(isSpiffeId(undefined, 'site.example')).toBe(false)
  })

  it('BINDING-6 names the audience of the issuer and the key of the log, and nothing else', async () => {
    const other = did('example me')
    for (const aud of [tokenAudience('pool', writer), [tokenAudience('pool', writer)], ['pool', writer], [writer, 'pool']])
      expect(faultOf(await tokenOf({ aud }))).toBeUndefined()
    for (const aud of [
      'pool',
      writer,
      [],
      '',
      tokenAudience('pool', other),
      tokenAudience('other', writer),
      `${tokenAudience('pool', writer)}x`,
      `x${tokenAudience('pool', writer)}`,
      ['pool', other],
      ['pool', writer, 'https://bank.example'],
      [tokenAudience('pool', writer), 'https://bank.example'],
      [tokenAudience('pool', writer), tokenAudience('pool', writer)],
      ['pool', 'pool'],
      [['pool'], writer],
      7
    ])
      expect(faultOf(await tokenOf({ aud: aud as string })), JSON.stringify(aud)).toBe('audience')
  })

  it('BINDING-7 counts at the time of its event, for ever, whatever the time is now', async () => {
    const now = Math.floor(nowMs / 1000)
    const text = await tokenOf({ iat: now, exp: now + 300 })
    const at = (seconds: number): string | undefined => faultOf(text, issuerOf(), (now + seconds) * 1000)
    expect([-61, -60, 0, 300, 360, 361].map(at)).toEqual(['too-early', undefined, undefined, undefined, undefined, 'too-late'])
    // a token of 2001 is good for an event of 2001
    const old = await sign(forge, good, Date.UTC(2001, 1, 1))
    expect(faultOf(old, issuerOf(), Date.UTC(2001, 1, 1))).toBeUndefined()
    expect(faultOf(old)).toBe('too-late')
    expect(faultOf(await tokenOf({ nbf: now + 120, exp: now + 300 }))).toBe('too-early')
    expect(faultOf(await tokenOf({ iat: now - 86_400, exp: now + 1 }))).toBe('lifetime')
    expect(faultOf(await tokenOf({ iat: now - 86_400, exp: now }))).toBeUndefined()
    expect(faultOf(await tokenOf({ iat: now, exp: now }))).toBe('lifetime')
  })

  it('BINDING-7 says from when until when it is valid', async () => {
    const now = Math.floor(nowMs / 1000)
    const without = async (...names: readonly string[]): Promise<string | undefined> => {
      const claims = { ...body(), nbf: now } as Record<string, unknown>
      for (const name of names) delete claims[name]
      return faultOf(await signedText('{"alg":"ES256"}', JSON.stringify(claims)))
    }
    expect(await without('exp')).toBe('times')
    expect(await without('iat', 'nbf')).toBe('times')
    expect(await without('iat')).toBeUndefined()
    expect(await without('nbf')).toBeUndefined()
    for (const exp of [String(now + 60), null, -1, 1e300, true, [now]])
      expect(faultOf(await signedText('{"alg":"ES256"}', JSON.stringify({ ...body(), exp })))).toBe('times')
  })

  it('BINDING-8 has each claim that the file asks for, as its pattern says', async () => {
    const with1 = async (claims: object, ...wanted: (readonly [string, string])[]): Promise<string | undefined> =>
      faultOf(await tokenOf(claims as TestClaims), issuerOf({ claims: new Map(wanted) }))
    expect(await with1({ repository: 'team-b/app' }, ['repository', 'team-a/*'])).toBe('claims')
    expect(await with1({ repository: 'team-a/x/y' }, ['repository', 'team-a/*'])).toBe('claims')
    expect(await with1({ repository: 'team-a/' }, ['repository', 'team-a/*'])).toBeUndefined()
    expect(await with1({}, ['missing', '**'])).toBe('claims')
    expect(await with1({}, ['toString', '**'])).toBe('claims')
    expect(await with1({ groups: ['dev', 'ops'] }, ['groups', 'ops'])).toBeUndefined()
    expect(await with1({ groups: [['ops']] }, ['groups', 'ops'])).toBe('claims')
    expect(await with1({ groups: { ops: true } }, ['groups', '**'])).toBe('claims')
    expect(await with1({ repository_id: 7 }, ['repository_id', '7'])).toBeUndefined()
    expect(
      await with1({ email_verified: true, email: 'a@b.example' }, ['email_verified', 'true'], ['email', '*@b.example'])
    ).toBeUndefined()
    expect(await with1({ email_verified: false }, ['email_verified', 'true'])).toBe('claims')
    expect(
      await with1({ sub: 'repo:team-a/app:ref:refs/heads/main' }, ['sub', 'repo:team-a/*:ref:refs/heads/main'])
    ).toBeUndefined()
    expect(await with1({ long: 'x'.repeat(1025) }, ['long', '**'])).toBe('claims')
    expect(await with1({ empty: '' }, ['empty', '**'])).toBe('claims')
  })

  it('BINDING-2 shows conditions its claims, but those about the token itself', () => {
    const claims = { sub: 's', iss, aud: 'x', exp: 1, iat: 1, nbf: 1, jti: 'j', id: 7, ok: true, list: ['a'], none: null }
    expect(shownClaims({ claims })).toEqual(['id=7', `iss=${iss}`, 'ok=true', 'sub=s'])
    const many = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`c${i}`, 'x'.repeat(i < 50 ? 10 : 300)]))
    expect(shownClaims({ claims: many })).toHaveLength(50)
  })
})

describe('a key set', () => {
  const faultIn = (value: unknown): KeySetFault | KeySet =>
    parseKeySet(Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)))

  it('BINDING-9 with anything secret in it is refused', async () => {
    const { privateKey } = await generateKeyPair('ES256', { extractable: true })
    expect(faultIn({ keys: [forge.jwk, await exportJWK(privateKey)] })).toMatchObject({
      message: 'key 2 is a private key: it has the member d'
    })
    const { privateKey: rsaKey } = await generateKeyPair('RS256', { extractable: true })
    expect(faultIn({ keys: [{ ...(await exportJWK(rsaKey)), kid: 'r' }] })).toMatchObject({
      message: 'key 1 (kid "r") is a private key: it has the member d'
    })
    expect(faultIn({ keys: [{ kty: 'oct', k: 'c2VjcmV0' }] })).toMatchObject({
      message: expect.stringMatching(/shared secret/) as string
    })
    expect(faultIn({ keys: [{ kty: 'RSA', use: 'enc', n: 'AA', e: 'AQAB', d: 'AA' }] })).toHaveProperty('message')
  })

  it('BINDING-9 that is none is refused', () => {
    for (const [value, message] of [
      ['', /.+/],
      ['{', /.+/],
      ['[]', /no JWK set/],
      ['{}', /no JWK set/],
      [{ keys: {} }, /no JWK set/],
      ['{"keys":[],"keys":[]}', /twice/],
      [{ keys: [7] }, /key 1 is no object/],
      [{ keys: Array(101).fill({}) }, /more than 100/],
      [`{"keys":[]${' '.repeat(300_000)}}`, /.+/],
      [{ keys: [{ ...forge.jwk, x: undefined }] }, /malformed/],
      [{ keys: [{ ...forge.jwk, x: `${forge.jwk.x as string}=` }] }, /malformed/],
      [{ keys: [{ ...forge.jwk, x: forge.jwk.y }] }, /malformed/],
      [{ keys: [{ ...rsa.jwk, e: '' }] }, /malformed/]
    ] as const)
      expect(faultIn(value), JSON.stringify(value).slice(0, 60)).toMatchObject({
        message: expect.stringMatching(message) as string
      })
  })

  it('BINDING-9 with an RSA key of too few bits is refused', () => {
    const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 1024 })
    expect(faultIn({ keys: [publicKey.export({ format: 'jwk' })] })).toMatchObject({
      message: expect.stringMatching(/bits/) as string
    })
  })

  it('BINDING-9 leaves out keys that are for something else', () => {
    const { jwk } = forge
    const kinds = [
      { ...jwk, use: 'enc' },
      { ...jwk, use: 'x509-svid' },
      { ...jwk, key_ops: ['encrypt'] },
      { ...jwk, alg: 'ECDH-ES' },
      { kty: 'OKP', crv: 'X25519', x: 'AAAA' },
      { kty: 'EC', crv: 'secp256k1', x: 'AA', y: 'AA' },
      { kty: 'FUTURE' },
      {}
    ]
    expect(faultIn({ keys: kinds })).toMatchObject({ keys: [] })
    const { use: _, ...plain } = jwk
    expect(
      faultIn({ keys: [plain, { ...jwk, use: 'jwt-svid' }, { ...jwk, key_ops: ['verify'] }], spiffe_sequence: 1 })
    ).toMatchObject({
      keys: [{ algs: ['ES256'] }, {}, {}]
    })
  })
})

describe('whom a token binds', () => {
  const file = (members: Partial<TrustFile> = {}): TrustFile =>
    trustFile({
      identities: new Map([
        ['a', { name: 'a', keys: [], roles: [], issuer: 'main' }],
        ['b', { name: 'b', keys: [], roles: [], issuer: 'forge' }]
      ]),
      issuers: new Map([
        ['main', issuerOf({ name: 'main', claims: new Map([['ref', 'refs/heads/main']]) })],
        ['forge', issuerOf()]
      ]),
      keySets: new Map([
        ['main', keys],
        ['forge', keys]
      ]),
      ...members
    })
  const shows = (token: string, data: RejoinEvent['data'] = boundData(token)): RejoinEvent =>
    event('example worker', boundType, data)

  it('BINDING-2 is the first identity whose issuer it fits', async () => {
    const main = await tokenOf({ ref: 'refs/heads/main' })
    expect(bindingBy(shows(main), writer, file())).toMatchObject({ name: 'a', issuer: 'main', untilMs: Infinity })
    expect(bindingBy(shows(await tokenOf()), writer, file())).toMatchObject({ name: 'b', issuer: 'forge' })
    expect(bindingBy(shows(await tokenOf({ repository: 'x/y' })), writer, file())).toBe('claims')
    expect(bindingBy(shows(await tokenOf({ aud: 'pool' })), writer, file())).toBe('audience')
  })

  it('BINDING-1 is nobody where the event is not one of the log’s writer with a token and nothing else', async () => {
    const token = await tokenOf()
    expect(bindingBy(shows(token), did('example me'), file())).toBe('token')
    expect(bindingBy(shows(token, { token, more: 1 }), writer, file())).toBe('token')
    expect(bindingBy(shows(token, { token: [token] }), writer, file())).toBe('token')
    expect(bindingBy(shows(token, {}), writer, file())).toBe('token')
    expect(bindingBy({ ...shows(token), type: 'a.b' }, writer, file())).toBe('token')
  })

  it('BINDING-7 depends on the clock of the event alone', async () => {
    const token = await tokenOf({ ref: 'refs/heads/main' })
    const late = { ...shows(token), hlc: parseHlc(`${(nowMs + 3_600_000).toString(16).padStart(12, '0')}0000`) }
    expect(bindingBy(late, writer, file())).toBe('too-late')
    const until = bindingBy(shows(token), writer, file({ issuers: new Map([['forge', issuerOf({ bindForMs: 1000 })]]) })) as Bound
    expect(until.untilMs).toBe(nowMs + 1000)
  })

  it('BINDING-9 is nobody where the key set was not read', async () => {
    expect(bindingBy(shows(await tokenOf()), writer, file({ keySets: new Map() }))).toBe('issuer')
  })

  it('E_TOKEN is what a malformed one gives', () => {
    expect(thrownBy(() => parseToken('a.b.c'))).toBe('E_TOKEN')
  })
})
