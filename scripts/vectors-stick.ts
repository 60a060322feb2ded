// Writes protocols/vectors/stick.json: a signed frontier, a receipt, and entries of which a receiver holds the first ones. Comes out the same each time.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { didOf, frontierPath, receiptPath, signFrontier, signImportReceipt, textOf, utf8 } from '../src/core/index.ts'
import { withhold } from '../src/sync/index.ts'
import { sampleLog, sampleSigner } from '../test/core/sample.ts'

const signer = sampleSigner('node')
const log = sampleLog(9, 'writer')
const is = { network: 'lab', store: '000102030405060708090a0b0c0d0e0f', seq: 42, time: '2026-11-20T10:00:00.000Z' }
const frontier = signFrontier({ ...is, heads: [log.checkpoint] }, signer)
const receipt = {
  ...is,
  node: didOf(signer.publicKey),
  events: 8,
  blobs: 1,
  bytes: 5000,
  heldCount: 0,
  refusedCount: 1,
  missingCount: 0,
  badCount: 0,
  refused: [{ log: log.log, index: 7, rule: 'default' }],
  missing: [],
  bad: []
}
const text = utf8(log.lines.map((line) => `${textOf(line)}\n`).join(''))
const held = { from: 8, known: [] }
const vectors = {
  seedOf: 'sample key node',
  frontier: { path: frontierPath(signer.publicKey), note: textOf(frontier) },
  receipt: { path: receiptPath(signer.publicKey, is.seq), value: receipt, note: textOf(signImportReceipt(receipt, signer)) },
  delta: { held: held.from, entries: textOf(text), written: textOf(withhold({ from: 0, count: 9, text }, held).text) }
}
writeFileSync(join(import.meta.dirname, '../protocols/vectors/stick.json'), `${JSON.stringify(vectors, null, 2)}\n`)
