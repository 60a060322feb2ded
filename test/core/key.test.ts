import { createPublicKey, verify } from 'node:crypto'
import { peerIdFromString } from '@libp2p/peer-id'
import { property, string, uint8Array } from 'fast-check'
import { CID } from 'multiformats/cid'
import { describe, expect, it } from 'vitest'
import {
  base64,
  didOf,
  equal,
  fromHex,
  hex,
  isLowOrder,
  keyIdOf,
  nodePathOf,
  parseKey,
  parsePublicKey,
  peerIdOf,
  signerOf,
  utf8,
  verifySignature,
  vkeyOf
} from '../../src/core/index.ts'
import { holds } from '../property.ts'
import { thrownBy } from '../thrown.ts'

const bytesOf = (text: string): Uint8Array => fromHex(text) as Uint8Array
const seed = uint8Array({ minLength: 32, maxLength: 32 })

describe('a key', () => {
  it('has the public key and signature of RFC 8032, section 7.1, test 2', () => {
    const signer = signerOf(bytesOf('4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb'))
    expect(hex(signer.publicKey)).toBe('3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c')
    expect(hex(signer.sign(Uint8Array.of(0x72)))).toBe(
      '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00'
    )
  })

  it('has four spellings that parse to it', () => {
    holds(
      property(seed, (bytes) => {
        const { publicKey } = signerOf(bytes)
        for (const spelling of [didOf(publicKey), vkeyOf('example.org/log', publicKey), peerIdOf(publicKey), hex(publicKey)])
          expect(hex(parseKey(spelling))).toBe(hex(publicKey))
      })
    )
  })

  it('has the spelling of the did:key specification and of libp2p', () => {
    // https://w3c-ccg.github.io/did-key-spec/#ed25519-with-x25519
    const key = parseKey('did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK')
    expect(didOf(key)).toBe('did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK')
    const peerId = peerIdFromString(peerIdOf(key))
    expect(peerId.type).toBe('Ed25519')
    expect(hex(peerId.publicKey?.raw ?? new Uint8Array(0))).toBe(hex(key))
    expect(nodePathOf(key)).toBe(peerId.toCID().toString())
    expect(CID.parse(nodePathOf(key)).version).toBe(1)
    expect(nodePathOf(key)).toMatch(/^[a-z0-9]+$/)
  })

  it('has the key ID of the C2SP signed-note example', () => {
    const vkey = 'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW'
    const key = parseKey(vkey)
    expect(hex(keyIdOf('PeterNeumann', 1, key))).toBe('c74f20a3')
    expect(vkeyOf('PeterNeumann', key)).toBe(vkey)
  })

  it.each([
    '',
    'did:key:z',
    'did:key:z6Mk',
    'did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2do0',
    'did:key:zQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBme',
    'did:web:example.org',
    '12D3KooW',
    'QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWKPbdG',
    'PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW',
    'Peter+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW',
    'PeterNeumann+c74f20a3+BBpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW',
    'PeterNeumann+c74f20a3',
    '+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW',
    'A'.repeat(64),
    `did:key:z${'6'.repeat(100_000)}`
  ])('is not %.60j: E_KEY', (text) => {
    expect(thrownBy(() => parseKey(text))).toBe('E_KEY')
  })

  it('is no key of arbitrary text, and nothing but E_KEY is thrown', () => {
    const starts = ['did:key:z', '12D3Koo', 'a+', ''] as const
    holds(
      property(string({ maxLength: 60, unit: 'binary' }), (text) => {
        for (const start of starts) expect(thrownBy(() => parseKey(start + text)) ?? 'E_KEY').toBe('E_KEY')
      })
    )
  })

  it('CHECKPOINT-9: of low order or another length is refused: E_KEY', () => {
    for (const y of ['00', '01', 'ec', 'ed', 'ee']) {
      const rest = y === '00' || y === '01' ? '00' : 'ff'
      const last = rest === '00' ? ['00', '80'] : ['7f', 'ff']
      for (const end of last) {
        const point = bytesOf(y + rest.repeat(30) + end)
        expect(isLowOrder(point), hex(point)).toBe(true)
        expect(thrownBy(() => parsePublicKey(point))).toBe('E_KEY')
        expect(thrownBy(() => parseKey(hex(point)))).toBe('E_KEY')
      }
    }
    expect(thrownBy(() => parsePublicKey(new Uint8Array(31)))).toBe('E_KEY')
    expect(thrownBy(() => signerOf(new Uint8Array(33)))).toBe('E_KEY')
  })
})

describe('a signature', () => {
  const signer = signerOf(new Uint8Array(32).fill(7))

  it('verifies, also for the platform, and with a flipped bit in message, signature or key it does not', () => {
    const raw = { crv: 'Ed25519', kty: 'OKP', x: base64(signer.publicKey).replaceAll('+', '-').replaceAll('/', '_').slice(0, 43) }
    const foreign = createPublicKey({ key: raw, format: 'jwk' })
    holds(
      property(uint8Array({ minLength: 1 }), uint8Array({ minLength: 1, maxLength: 1 }), (message, at) => {
        const signature = signer.sign(message)
        expect(verifySignature(signer.publicKey, message, signature)).toBe(true)
        expect(verify(null, message, foreign, signature)).toBe(true)
        const flip = (bytes: Uint8Array): Uint8Array => {
          const copy = Uint8Array.from(bytes)
          const bit = (at[0] as number) % (8 * copy.length)
          copy[bit >> 3] = (copy[bit >> 3] as number) ^ (1 << (bit & 7))
          return copy
        }
        expect(verifySignature(signer.publicKey, flip(message), signature)).toBe(false)
        expect(verifySignature(signer.publicKey, message, flip(signature))).toBe(false)
        expect(verifySignature(parsePublicKey(flip(signer.publicKey)), message, signature)).toBe(false)
      })
    )
  })

  it('of another length does not verify and does not throw', () => {
    for (const length of [0, 63, 65]) expect(verifySignature(signer.publicKey, utf8('x'), new Uint8Array(length))).toBe(false)
  })

  it('by a key that is no point of the curve does not verify and does not throw', () => {
    holds(
      property(seed, (bytes) => {
        if (isLowOrder(bytes)) return
        expect(verifySignature(parsePublicKey(bytes), utf8('x'), signer.sign(utf8('x')))).toBe(equal(bytes, signer.publicKey))
      })
    )
  })
})
