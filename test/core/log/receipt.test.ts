import { readdirSync, readFileSync } from 'node:fs'
import { integer, property, uint8Array } from 'fast-check'
import { describe, expect, it } from 'vitest'
import { arrayItem, bytesItem, integerItem, mapItem } from '../../../src/core/log/cbor.ts'
import {
  concat,
  type CoseSignature,
  encodeSign1,
  hex,
  logIdOf,
  makeReceipt,
  parseReceipt,
  utf8,
  verifyReceipt
} from '../../../src/core/index.ts'
import { holds } from '../../property.ts'
import { sharedPath } from '../../shared.ts'
import { thrownBy } from '../../thrown.ts'
import { sampleLog, sampleSigner } from '../sample.ts'

const sample = sampleLog(13)
const { log, signer, lines, read, cose } = sample
const expected = { log, key: signer.publicKey, entry: lines[5] as Uint8Array }
const receipt = makeReceipt(cose, 5, read)
const parsed = parseReceipt(receipt)

/** Returns a receipt with any size, index and path under the log's signature, as an attacker could write it. */
function forged(
  size: number,
  index: number,
  path: readonly Uint8Array[],
  signature: CoseSignature = cose,
  count = 1
): Uint8Array {
  const proof = bytesItem(arrayItem([integerItem(size), integerItem(index), arrayItem(path.map(bytesItem))]))
  const proofs = mapItem([[integerItem(-1), arrayItem(Array.from({ length: count }, () => proof))]])
  return encodeSign1(signature, mapItem([[integerItem(396), proofs]]))
}

describe('a COSE receipt', () => {
  it('PROOF-10: is the COSE signature of the root with the inclusion proof in the unprotected header', () => {
    expect([parsed.log, parsed.size, parsed.index, parsed.path.length]).toEqual([log, 13, 5, 4])
    expect(hex(receipt)).toBe(hex(forged(13, 5, parsed.path)))
    expect(hex(parsed.signature)).toBe(hex(cose.signature))
  })

  it('PROOF-10: of each entry of logs of many sizes verifies', () => {
    for (const size of [2, 3, 5, 8, 13, 21, 300]) {
      const other = sampleLog(size)
      for (let index = 0; index < size; index += size > 100 ? 37 : 1) {
        const entry = other.lines[index] as Uint8Array
        const bytes = makeReceipt(other.cose, index, other.read)
        const verified = verifyReceipt(bytes, { log: other.log, key: other.signer.publicKey, entry })
        expect([verified.size, verified.index]).toEqual([size, index])
      }
    }
  })

  it('PROOF-12: has a path that is not empty and has at most 40 hashes: E_RECEIPT', () => {
    const single = sampleLog(1)
    expect(thrownBy(() => makeReceipt(single.cose, 0, single.read))).toBe('E_RECEIPT')
    expect(thrownBy(() => parseReceipt(forged(1, 0, [])))).toBe('E_RECEIPT')
    const path = Array.from({ length: 41 }, () => new Uint8Array(32))
    expect(thrownBy(() => parseReceipt(forged(2 ** 40, 0, path)))).toBe('E_RECEIPT')
    expect(thrownBy(() => parseReceipt(forged(2 ** 40, 0, path.slice(1))))).toBeUndefined()
    expect(thrownBy(() => parseReceipt(forged(2, 0, [new Uint8Array(31)])))).toBe('E_RECEIPT')
    expect(thrownBy(() => makeReceipt(cose, 13, read))).toBe('E_PROOF')
  })

  it('PROOF-10: has one proof, whose index is below its size: E_RECEIPT', () => {
    expect(thrownBy(() => parseReceipt(forged(13, 5, parsed.path, cose, 2)))).toBe('E_RECEIPT')
    expect(thrownBy(() => parseReceipt(forged(13, 5, parsed.path, cose, 0)))).toBe('E_RECEIPT')
    expect(thrownBy(() => parseReceipt(forged(13, 13, parsed.path)))).toBe('E_RECEIPT')
    expect(thrownBy(() => parseReceipt(forged(2 ** 40 + 1, 5, parsed.path)))).toBe('E_RECEIPT')
    expect(thrownBy(() => parseReceipt(new Uint8Array(16 * 1024 + 1)))).toBe('E_TOO_LARGE')
    expect(thrownBy(() => parseReceipt(concat([receipt, Uint8Array.of(0)])))).toBe('E_RECEIPT')
    expect(thrownBy(() => parseReceipt(cose.bytes))).toBe('E_RECEIPT')
  })

  it('PROOF-13: shows no other entry, log or key', () => {
    const verify = (changes: Partial<typeof expected>, bytes = receipt) =>
      thrownBy(() => verifyReceipt(bytes, { ...expected, ...changes }))
    expect(verify({})).toBeUndefined()
    expect(verify({ entry: lines[6] as Uint8Array })).toBe('E_RECEIPT')
    expect(verify({ log: logIdOf(utf8('x')) })).toBe('E_ORIGIN')
    expect(verify({ key: sampleSigner('other').publicKey })).toBe('E_RECEIPT')
    expect(verify({}, forged(13, 4, parsed.path))).toBe('E_RECEIPT')
    expect(verify({}, forged(13, 5, parsed.path.slice(1)))).toBe('E_RECEIPT')
    expect(verify({}, forged(13, 5, [...parsed.path, new Uint8Array(32)]))).toBe('E_RECEIPT')
    expect(verify({}, forged(13, 5, parsed.path, sampleLog(14).cose))).toBe('E_RECEIPT')
  })

  it('PROOF-14: shows no position: size and index can be changed so that it still verifies', () => {
    const three = sampleLog(3)
    const { path } = parseReceipt(makeReceipt(three.cose, 2, three.read))
    const moved = forged(2, 1, path, three.cose)
    const entry = three.lines[2] as Uint8Array
    expect(verifyReceipt(moved, { log: three.log, key: three.signer.publicKey, entry })).toMatchObject({ size: 2, index: 1 })
  })

  it('PROOF-13: with a flipped bit outside of size and index verifies no longer', () => {
    const proof = arrayItem([integerItem(13), integerItem(5)])
    const at = hex(receipt).indexOf(`83${hex(proof).slice(2)}`) / 2
    for (let bit = 0; bit < receipt.length * 8; bit++) {
      const byte = bit >> 3
      const copy = Uint8Array.from(receipt)
      copy[byte] = (copy[byte] as number) ^ (1 << (bit & 7))
      const code = thrownBy(() => verifyReceipt(copy, expected))
      if (byte === at + 1 || byte === at + 2) continue
      expect(['E_RECEIPT', 'E_UTF8', 'E_ORIGIN'], `bit ${bit}`).toContain(code)
    }
  })

  it('of arbitrary bytes, of cut ones and of foreign COSE files throws nothing but its codes', () => {
    holds(property(uint8Array({ maxLength: 300 }), (bytes) => void thrownBy(() => parseReceipt(bytes))))
    holds(
      property(integer({ min: 0, max: receipt.length - 1 }), (end) => {
        expect(thrownBy(() => parseReceipt(receipt.slice(0, end)))).toBe('E_RECEIPT')
      })
    )
    const folder = sharedPath('corpus/cose')
    const foreign = readdirSync(folder).filter((name) => /\.(?:cose|cbor)$/.test(name))
    expect(foreign.length).toBeGreaterThan(0)
    for (const name of foreign) expect(thrownBy(() => parseReceipt(readFileSync(`${folder}/${name}`)))).toBe('E_RECEIPT')
  })
})
