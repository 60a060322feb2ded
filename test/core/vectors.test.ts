import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { vectorFiles } from '../../scripts/vectors.ts'
import {
  didOf,
  entriesPath,
  type ErrorCode,
  fromHex,
  hex,
  leafHash,
  type LogId,
  linesOf,
  logIdOf,
  nodePathOf,
  parseEvent,
  parseKey,
  parseWithheld,
  peerIdOf,
  type PublicKey,
  tilePath,
  Tree,
  utf8,
  verifyCheckpoint,
  verifyConsistency,
  verifyCoseCheckpoint,
  verifyReceipt,
  verifyTlogProof,
  vkeyOf
} from '../../src/core/index.ts'
import { thrownBy } from '../thrown.ts'

const folder = join(import.meta.dirname, '../../protocols/vectors')
const load = <T>(name: string): T => JSON.parse(readFileSync(join(folder, name), 'utf8')) as T
const bytesOf = (text: string): Uint8Array => fromHex(text) as Uint8Array

interface Case {
  readonly name: string
  readonly code?: ErrorCode
}
interface Expected {
  readonly log: LogId
  readonly publicKey: string
}

function table<T extends Case>(cases: readonly T[]): [string, string, T][] {
  return cases.map((one) => [one.name, one.code ?? 'valid', one])
}

describe('protocols/vectors', () => {
  it('are what scripts/vectors.ts writes', () => {
    const files = vectorFiles()
    expect(files.size).toBe(7)
    for (const [name, text] of files) expect(readFileSync(join(folder, name), 'utf8'), name).toBe(text)
  })

  const keys = load<{ readonly cases: readonly Readonly<Record<string, string>>[] }>('key.json')
  it.each(keys.cases)('key.json: $did', (one) => {
    const { publicKey = '', did = '', peerId = '', nodePath, vkeyName = '', vkey = '' } = one
    for (const spelling of [publicKey, did, peerId, vkey]) expect(hex(parseKey(spelling))).toBe(publicKey)
    const key = parseKey(did)
    expect([didOf(key), peerIdOf(key), nodePathOf(key), vkeyOf(vkeyName, key)]).toEqual([did, peerId, nodePath, vkey])
  })

  const events = load<{ readonly cases: readonly (Case & { readonly line?: string; readonly lineHex?: string })[] }>('event.json')
  it.each(table(events.cases))('event.json: EVENT-1 EVENT-6: %s: %s', (_, __, { line, lineHex, code }) => {
    expect(thrownBy(() => parseEvent(lineHex === undefined ? utf8(line ?? '') : bytesOf(lineHex)))).toBe(code)
  })

  const logs = load<
    Expected & {
      readonly lines: readonly string[]
      readonly leafHashes: readonly string[]
      readonly trees: readonly { readonly size: number; readonly root: string }[]
      readonly withheld: readonly (Case & { readonly line: string; readonly index: number })[]
      readonly entriesPaths: readonly { readonly index: number; readonly path: string }[]
      readonly tilePaths: readonly { readonly level: number; readonly index: number; readonly path: string }[]
    }
  >('log.json')
  it('log.json: LOG-1 LOG-8: the ID, the leaf hashes and the roots', () => {
    expect(logIdOf(utf8(logs.lines[0] ?? ''))).toBe(logs.log)
    expect(logs.lines.map((line) => hex(leafHash(utf8(line))))).toEqual(logs.leafHashes)
    for (const { size, root } of logs.trees) {
      const tree = new Tree()
      const text = utf8(
        logs.lines
          .slice(0, size)
          .map((line) => `${line}\n`)
          .join('')
      )
      for (const { hash } of linesOf({ from: 0, count: size, text })) tree.append(hash)
      expect(hex(tree.root())).toBe(root)
    }
  })
  it.each(table(logs.withheld))('log.json: LOG-11 LOG-12 LOG-16: %s: %s', (_, __, { line, index, code }) => {
    expect(thrownBy(() => parseWithheld(utf8(line), index))).toBe(code)
  })
  it('log.json: LOG-10 LOG-14: paths', () => {
    for (const { index, path } of logs.entriesPaths) expect(entriesPath(logs.log, index)).toBe(path)
    for (const { level, index, path } of logs.tilePaths) expect(tilePath(logs.log, level, index)).toBe(path)
  })

  const checkpoints = load<
    Expected & {
      readonly checkpoint: string
      readonly cases: readonly (Case & { readonly note: string })[]
      readonly cose: readonly (Case & { readonly cose: string })[]
    }
  >('checkpoint.json')
  const key: PublicKey = parseKey(checkpoints.publicKey)
  it.each(table(checkpoints.cases))('checkpoint.json: CHECKPOINT-1: %s: %s', (_, __, { note, code }) => {
    expect(thrownBy(() => verifyCheckpoint(utf8(note), checkpoints.log, key))).toBe(code)
  })
  it.each(table(checkpoints.cose))('checkpoint.json: CHECKPOINT-12: checkpoint.cose %s: %s', (_, __, { cose, code }) => {
    const checkpoint = verifyCheckpoint(utf8(checkpoints.checkpoint), checkpoints.log, key)
    expect(thrownBy(() => verifyCoseCheckpoint(bytesOf(cose), checkpoint, key))).toBe(code)
  })

  const proofs = load<
    Expected & {
      readonly tlogProofs: readonly (Case & { readonly entry: string; readonly file: string; readonly index?: number })[]
      readonly receipts: readonly (Case & { readonly entry: string; readonly receipt: string; readonly index?: number })[]
      readonly consistency: readonly Readonly<Record<string, string>>[]
    }
  >('proof.json')
  it.each(table(proofs.tlogProofs))('proof.json: PROOF-6: %s: %s', (_, __, { entry, file, index, code }) => {
    const verify = () => verifyTlogProof(utf8(file), { log: proofs.log, key, entry: utf8(entry) })
    expect(thrownBy(verify)).toBe(code)
    if (code === undefined) expect(verify().index).toBe(index)
  })
  it.each(table(proofs.receipts))('proof.json: PROOF-10: %s: %s', (_, __, { entry, receipt, index, code }) => {
    const verify = () => verifyReceipt(bytesOf(receipt), { log: proofs.log, key, entry: utf8(entry) })
    expect(thrownBy(verify)).toBe(code)
    if (code === undefined) expect(verify().index).toBe(index)
  })
  it.each(proofs.consistency)(
    'proof.json: PROOF-4: from $oldSize to $newSize',
    ({ oldSize, newSize, oldRoot, newRoot, path }) => {
      const roots = { oldRoot: bytesOf(oldRoot ?? ''), newRoot: bytesOf(newRoot ?? '') }
      const hashes = (path as unknown as readonly string[]).map(bytesOf)
      verifyConsistency({ oldSize: Number(oldSize), newSize: Number(newSize), ...roots, path: hashes })
    }
  )
})
