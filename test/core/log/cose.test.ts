import { integer, property, uint8Array } from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  encodeProtected,
  hex,
  keyIdOf,
  kidOf,
  logIdOf,
  originOf,
  parseCoseCheckpoint,
  signCheckpoint,
  signCoseCheckpoint,
  signedBytes,
  utf8,
  verifyCoseCheckpoint,
  verifySignature,
  vkeyOf
} from '../../../src/core/index.ts'
import { holds } from '../../property.ts'
import { thrownBy } from '../../thrown.ts'
import { sampleLog, sampleSigner } from '../sample.ts'

const { log, signer, checkpoint, cose } = sampleLog(5)
const origin = hex(utf8(originOf(log)))

describe('checkpoint.cose', () => {
  it('CHECKPOINT-12: is a COSE_Sign1 without its payload, in deterministic CBOR', () => {
    const kid = hex(kidOf(log, signer.publicKey))
    // {1: -8, 4: kid, 15: {1: "rejoin/<logId>"}, 395: 1}
    const header = `a401270444${kid}0fa101783b${origin}19018b01`
    expect(hex(encodeProtected(cose))).toBe(header)
    // 18([protected, {}, null, signature])
    expect(hex(cose.bytes)).toBe(`d284${hex(Uint8Array.of(0x58, header.length / 2))}${header}a0f65840${hex(cose.signature)}`)
  })

  it('CHECKPOINT-13: signs the array of RFC 9052, section 4.4, over the root', () => {
    const header = encodeProtected(cose)
    const signed = `846a${hex(utf8('Signature1'))}58${hex(Uint8Array.of(header.length))}${hex(header)}405820${hex(checkpoint.root)}`
    expect(hex(signedBytes(cose, checkpoint.root))).toBe(signed)
    expect(verifySignature(signer.publicKey, signedBytes(cose, checkpoint.root), cose.signature)).toBe(true)
  })

  it('CHECKPOINT-12: has as kid the key ID of the verifier key', () => {
    expect(vkeyOf(originOf(log), signer.publicKey).split('+')[1]).toBe(hex(cose.kid))
    expect(hex(kidOf(log, signer.publicKey))).toBe(hex(keyIdOf(originOf(log), 1, signer.publicKey)))
  })

  it('comes back from its bytes and verifies', () => {
    const { log: named, kid, signature } = parseCoseCheckpoint(cose.bytes)
    expect([named, hex(kid), hex(signature)]).toEqual([log, hex(cose.kid), hex(cose.signature)])
    const verified = verifyCoseCheckpoint(cose.bytes, checkpoint, signer.publicKey)
    expect(verified.checkpoint).toBe(checkpoint)
  })

  it('CHECKPOINT-14: is of the log, key and root of the checkpoint beside it', () => {
    const other = sampleLog(5, 'other')
    const verify = (bytes: Uint8Array, key = signer.publicKey) => thrownBy(() => verifyCoseCheckpoint(bytes, checkpoint, key))
    expect(verify(cose.bytes)).toBeUndefined()
    expect(verify(other.cose.bytes)).toBe('E_ORIGIN')
    expect(verify(cose.bytes, other.signer.publicKey)).toBe('E_SIGNATURE')
    expect(verify(signCoseCheckpoint(checkpoint, sampleSigner('thief')).bytes)).toBe('E_SIGNATURE')
    expect(verify(sampleLog(6).cose.bytes)).toBe('E_SIGNATURE')
    const renamed = signCheckpoint({ ...checkpoint, log: logIdOf(utf8('x')) }, signer)
    expect(verify(signCoseCheckpoint(renamed, signer).bytes)).toBe('E_ORIGIN')
  })

  it('with a flipped bit anywhere verifies no longer', () => {
    for (let bit = 0; bit < cose.bytes.length * 8; bit++) {
      const copy = Uint8Array.from(cose.bytes)
      copy[bit >> 3] = (copy[bit >> 3] as number) ^ (1 << (bit & 7))
      const code = thrownBy(() => verifyCoseCheckpoint(copy, checkpoint, signer.publicKey))
      expect(['E_RECEIPT', 'E_UTF8', 'E_ORIGIN', 'E_SIGNATURE'], `bit ${bit}`).toContain(code)
    }
  })

  it('CHECKPOINT-12: has nothing in its unprotected header, behind its end or missing: E_RECEIPT', () => {
    const text = hex(cose.bytes)
    const parse = (bytes: Uint8Array) => thrownBy(() => parseCoseCheckpoint(bytes))
    expect(parse(Buffer.from(text.replace('a0f65840', 'a10101f65840'), 'hex'))).toBe('E_RECEIPT')
    expect(parse(Buffer.from(text.replace('a0f65840', `a05820${hex(checkpoint.root)}5840`), 'hex'))).toBe('E_RECEIPT')
    expect(parse(Buffer.from(text.slice(2), 'hex'))).toBe('E_RECEIPT')
    expect(parse(Buffer.from(`${text}00`, 'hex'))).toBe('E_RECEIPT')
    expect(parse(new Uint8Array(16 * 1024 + 1))).toBe('E_TOO_LARGE')
    holds(
      property(integer({ min: 0, max: cose.bytes.length - 1 }), (end) => {
        expect(parse(cose.bytes.slice(0, end))).toBe('E_RECEIPT')
      })
    )
    holds(property(uint8Array({ maxLength: 200 }), (bytes) => void parse(bytes)))
  })
})
