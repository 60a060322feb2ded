import { createPrivateKey, sign } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { type TrustFile, type TrustKey, utf8 } from '../../src/core/index.ts'
import { contentOf, preAuthenticationEncoding, type SigningKey, signingKeys } from '../../src/trust/index.ts'
import { thrownBy } from '../thrown.ts'
import { bytesOf, contentOfOne, envelope, keyOf, manifestOf, statement, statementType } from './layers.ts'

const [ci, scanner, stranger] = [keyOf(1), keyOf(2), keyOf(3)]
const keys: readonly SigningKey[] = [
  { name: 'scanner', publicKey: scanner.publicKey },
  { name: 'release-ci', publicKey: ci.publicKey }
]
const envelopeType = 'application/vnd.dsse.envelope.v1+json'
const signersOf = (layers: readonly unknown[], subject?: string, mediaType = envelopeType): readonly string[] =>
  contentOf(
    manifestOf(
      layers.map(() => mediaType),
      subject
    ),
    layers.map((layer) => ({ mediaType, bytes: layer instanceof Uint8Array ? layer : bytesOf(layer) })),
    keys
  ).signers

describe('CONTENT-8: who signed it', () => {
  it('is told by signatures over the pre-authentication encoding', () => {
    const text = 'DSSEv1 29 http://example.com/HelloWorld 11 hello world'
    expect(new TextDecoder().decode(preAuthenticationEncoding('http://example.com/HelloWorld', utf8('hello world')))).toBe(text)
    expect(signersOf([envelope(statement(), [ci])])).toEqual(['release-ci'])
    expect(signersOf([envelope(statement(), [ci, scanner, stranger])])).toEqual(['release-ci', 'scanner'])
    expect(signersOf([envelope(statement(), [stranger])])).toEqual([])
    expect(signersOf([envelope(statement(), [])])).toEqual([])
  })

  it('is not told by key IDs, by another payload type, or by a signature over base64', () => {
    expect(signersOf([envelope(statement(), [stranger], statementType, 'release-ci')])).toEqual([])
    expect(signersOf([envelope(statement(), [ci], statementType, 'scanner')])).toEqual(['release-ci'])
    const signed = envelope(statement(), [ci]) as { payload: string }
    expect(signersOf([{ ...signed, payloadType: 'application/json' }])).toEqual([])
    expect(signersOf([{ ...signed, payload: Buffer.from('{}').toString('base64') }])).toEqual([])
    expect(signersOf([{ ...signed, payload: `${signed.payload}!` }])).toEqual([])
    const raw = { ...signed, signatures: [{ sig: Buffer.from(ci.sign(utf8(signed.payload))).toString('base64') }] }
    expect(signersOf([raw])).toEqual([])
  })

  it('is nobody where anything in it is not signed', () => {
    const signed = envelope(statement(), [ci]) as object
    expect(signersOf([signed, envelope(statement(), [ci, scanner])])).toEqual(['release-ci'])
    expect(signersOf([signed, envelope(statement(), [scanner])])).toEqual([])
    expect(signersOf([signed, statement()], undefined, 'application/octet-stream')).toEqual([])
    expect(signersOf([signed, utf8('no document')], undefined, 'application/octet-stream')).toEqual([])
    expect(signersOf([])).toEqual([])
    // an unsigned document beside the envelope, in one object
    const both = { ...signed, bomFormat: 'CycloneDX', specVersion: '1.6', components: [{ name: 'evil' }] }
    expect(signersOf([both])).toEqual([])
    expect(contentOfOne(bytesOf(both)).components.length).toBe(1)
    // a layer that was not read
    const { signers } = contentOf(
      manifestOf([envelopeType, 'application/x']),
      [{ mediaType: envelopeType, bytes: bytesOf(signed) }],
      keys
    )
    expect(signers).toEqual([])
  })

  it('is nobody where it speaks of something else than its subject', () => {
    expect(signersOf([envelope(statement('image'), [ci])], 'image')).toEqual(['release-ci'])
    expect(signersOf([envelope(statement('other'), [ci])], 'image')).toEqual([])
    expect(signersOf([envelope({ any: 'thing' }, [ci], 'application/json')], 'image')).toEqual([])
  })

  it('is told of JSON lines and of bundles, too', () => {
    const lines = [envelope(statement(), [ci]), envelope(statement(), [ci, scanner])]
      .map((line) => JSON.stringify(line))
      .join('\n')
    expect(signersOf([utf8(lines)])).toEqual(['release-ci'])
    const bundle = {
      mediaType: 'application/vnd.dev.sigstore.bundle.v0.3+json',
      verificationMaterial: {},
      dsseEnvelope: envelope(statement(), [scanner])
    }
    expect(signersOf([bundle], undefined, bundle.mediaType)).toEqual(['scanner'])
  })

  it('takes at most 4,096 verifications', () => {
    const many = envelope(
      statement(),
      Array.from({ length: 2049 }, () => stranger)
    )
    expect(thrownBy(() => signersOf([many]))).toBe('E_TOO_LARGE')
  })

  it('agrees with another signer: openssl by way of node', () => {
    const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), Buffer.alloc(32, 1)])
    const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
    const payload = Buffer.from('{}')
    const sig = sign(null, Buffer.from(`DSSEv1 1 x 2 {}`), key).toString('base64')
    const signed = { payloadType: 'x', payload: payload.toString('base64'), signatures: [{ sig }] }
    expect(signersOf([signed])).toEqual(['release-ci'])
  })

  const trustKey = (name: string, seed: number, more: Partial<TrustKey> = {}): readonly [string, TrustKey] => {
    const { publicKey } = keyOf(seed)
    return [name, { name, did: `did:key:${name}`, publicKey, ...more }]
  }
  it('counts keys by their time, and no revoked one', () => {
    const file = {
      keys: new Map([
        trustKey('k1', 1),
        trustKey('k2', 2, { fromMs: 10, untilMs: 20 }),
        trustKey('k3', 3, { revokedFrom: [] }),
        trustKey('k4', 4)
      ]),
      identities: new Map([['release-ci', { name: 'release-ci', keys: ['k1', 'k2', 'k3'], roles: [] }]])
    } as unknown as TrustFile
    const namesAt = (atMs: number): readonly string[] => signingKeys(file, atMs).map(({ name }) => name)
    expect(namesAt(5)).toEqual(['release-ci', 'did:key:k4'])
    expect(namesAt(10)).toEqual(['release-ci', 'release-ci', 'did:key:k4'])
    expect(namesAt(20)).toEqual(['release-ci', 'did:key:k4'])
  })
})
