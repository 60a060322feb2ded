import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  frontierPath,
  type ImportReceipt,
  linesOf,
  receiptPath,
  signFrontier,
  signImportReceipt,
  textOf,
  utf8,
  verifyFrontier,
  verifyImportReceipt
} from '../../src/core/index.ts'
import { withhold } from '../../src/sync/index.ts'
import { sampleSigner } from '../core/sample.ts'

interface Vectors {
  readonly frontier: { readonly path: string; readonly note: string }
  readonly receipt: { readonly path: string; readonly value: ImportReceipt; readonly note: string }
  readonly delta: { readonly held: number; readonly entries: string; readonly written: string }
}

const path = join(import.meta.dirname, '../../protocols/vectors/stick.json')
const { frontier, receipt, delta } = JSON.parse(readFileSync(path, 'utf8')) as Vectors
const signer = sampleSigner('node')

describe('the vectors of sticks', () => {
  it('are signed frontiers and receipts, byte for byte (FRONTIER-7, RECEIPT-2)', () => {
    const found = verifyFrontier(utf8(frontier.note))
    expect(frontierPath(found.node)).toBe(frontier.path)
    expect(textOf(signFrontier(found, signer))).toBe(frontier.note)
    const { key, ...value } = verifyImportReceipt(utf8(receipt.note))
    expect(value).toEqual(receipt.value)
    expect(receiptPath(key, value.seq)).toBe(receipt.path)
    expect(textOf(signImportReceipt(receipt.value, signer))).toBe(receipt.note)
  })

  it('are entries of which a receiver holds the first ones (STICK-12)', () => {
    const count = delta.entries.split('\n').length - 1
    const written = withhold({ from: 0, count, text: utf8(delta.entries) }, { from: delta.held, known: [] })
    expect(textOf(written.text)).toBe(delta.written)
    expect(linesOf(written).map(({ size, withheld }) => [size, withheld])).toEqual(
      Array.from({ length: count }, (_, index) => [1, index > 0 && index < delta.held])
    )
  })
})
