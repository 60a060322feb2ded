import { describe, expect, it } from 'vitest'
import {
  canonicalize,
  didOf,
  encodeNote,
  type ImportReceipt,
  type JsonObject,
  nodePathOf,
  parseNote,
  receiptPath,
  signImportReceipt,
  signNote,
  utf8,
  verifyFrontier,
  verifyImportReceipt
} from '../../../src/core/index.ts'
import { thrownBy } from '../../thrown.ts'
import { sampleSigner } from '../sample.ts'

const signer = sampleSigner('node')
const receipt: ImportReceipt = {
  node: didOf(signer.publicKey),
  network: 'lab',
  store: '0123456789abcdef0123456789abcdef',
  seq: 42,
  time: '2026-11-20T10:00:00.000Z',
  events: 3,
  blobs: 2,
  bytes: 100,
  heldCount: 0,
  refusedCount: 1,
  missingCount: 1,
  badCount: 0,
  refused: [{ log: 'a', index: 7, rule: 'default' }],
  missing: [`sha256:${'0'.repeat(64)}`],
  bad: []
}
const bytes = signImportReceipt(receipt, signer)
const name = `rejoin/receipt/v1/${nodePathOf(signer.publicKey)}`
const signed = (value: JsonObject, key = signer): Uint8Array =>
  encodeNote(signNote(`rejoin/receipt/v1\n${canonicalize(value)}\n`, name, key))
const value = receipt as unknown as JsonObject

describe('the receipt of an import', () => {
  it('comes back as it was, and says whose it is (RECEIPT-2)', () => {
    const { key, ...found } = verifyImportReceipt(bytes)
    expect(found).toEqual(receipt)
    expect(key).toEqual(signer.publicKey)
    expect(receiptPath(key, 42)).toBe(`receipts/${nodePathOf(key)}/0000000042`)
  })

  it('is refused with any byte changed, by another key, and as a frontier (RECEIPT-2)', () => {
    for (let at = 0; at < bytes.length; at += 5) {
      const changed = bytes.slice()
      changed[at] = (changed[at] as number) ^ 1
      expect(thrownBy(() => verifyImportReceipt(changed))).toBeDefined()
    }
    expect(thrownBy(() => verifyImportReceipt(signed(value, sampleSigner('other'))))).toBe('E_SIGNATURE')
    expect(thrownBy(() => verifyFrontier(bytes))).toBe('E_NOTE')
  })

  it('is refused without a member, with one of another type, and where it is too large (RECEIPT-3)', () => {
    expect(verifyImportReceipt(signed(value)).seq).toBe(42)
    for (const member of Object.keys(value)) {
      const { [member]: _, ...rest } = value
      expect([member, thrownBy(() => verifyImportReceipt(signed(rest)))]).toEqual([member, 'E_NOTE'])
      expect([member, thrownBy(() => verifyImportReceipt(signed({ ...value, [member]: true })))]).toEqual([member, 'E_NOTE'])
    }
    expect(thrownBy(() => verifyImportReceipt(signed({ ...value, events: -1 })))).toBe('E_NOTE')
    expect(thrownBy(() => verifyImportReceipt(signed({ ...value, missing: Array.from({ length: 1001 }, () => 'x') })))).toBe(
      'E_NOTE'
    )
    const deep = encodeNote(signNote(`rejoin/receipt/v1\n${'['.repeat(99)}\n`, name, signer))
    expect(thrownBy(() => verifyImportReceipt(deep))).toMatch(/^E_/)
    expect(thrownBy(() => verifyImportReceipt(utf8('x'.repeat(2 ** 20 + 1))))).toBe('E_TOO_LARGE')
    expect(parseNote(bytes).text.split('\n')).toHaveLength(3)
  })
})
