import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { encodeWithheld, leafHash, type LogId, utf8 } from '../../src/core/index.ts'
import { type Moves, Store, verifyFolder } from '../../src/store/index.ts'
import { sampleSigner } from '../core/sample.ts'
import { foreignLines, newNode, takeForeign, temporaryFolder } from './sample-folder.ts'

const signer = sampleSigner('alice')
const { log, lines } = foreignLines(signer, 1300)
const hidden = (index: number): Uint8Array => utf8(encodeWithheld({ hash: leafHash(lines[index] as Uint8Array), size: 1 }))
const shown = (index: number): readonly [number, Uint8Array] => [index, lines[index] as Uint8Array]

async function made(root: string, withheld: readonly number[] = [], runs: readonly number[] = []): Promise<void> {
  await newNode(root)
  await (await takeForeign(root, signer, log, lines, new Set(withheld), new Set(runs))).close()
}

async function indexOf(root: string, change: (store: Store) => Promise<void>): Promise<readonly string[]> {
  const store = await Store.open(root)
  try {
    await change(store)
    const keys: string[] = []
    for await (const key of store.index.dump()) keys.push(key)
    return keys
  } finally {
    await store[Symbol.asyncDispose]()
  }
}

async function faults(root: string): Promise<readonly string[]> {
  const found: string[] = []
  for await (const { path, reason } of verifyFolder(root, { signal: new AbortController().signal }))
    found.push(`${path} ${reason}`)
  return found
}

const moves = (lines: Iterable<readonly [number, Uint8Array]>, more: Partial<Moves> = {}): Moves => ({
  lines: new Map(lines),
  into: { kept: [], held: [] },
  from: { kept: new Set(), held: new Set() },
  ...more
})
const change = async (store: Store, lineOf: (index: number) => Uint8Array, indexes: readonly number[]): Promise<void> =>
  await store.rewrite(store.needFolder(log), moves(indexes.map((index) => [index, lineOf(index)])))

it('FOLDER-4 puts hashes in the place of text and text in the place of hashes, and the index fits as if it had been so from the start', async () => {
  using changed = temporaryFolder()
  using fresh = temporaryFolder()
  await made(changed.path, [3, 700])
  await made(fresh.path, [700, 1024, 1299])
  const after = await indexOf(changed.path, async (store) => {
    await change(store, hidden, [1024, 1299])
    await store.rewrite(store.needFolder(log), moves([shown(3)]))
  })
  const expected = await indexOf(fresh.path, async () => {})
  const ofLog = (keys: readonly string[]): readonly string[] => keys.filter((key) => key.includes(log))
  expect(ofLog(after)).toEqual(ofLog(expected))
  expect(await faults(changed.path)).toEqual([])
})

it('moves text between the log, what is kept for this node and the quarantine; what is kept is indexed', async () => {
  using folder = temporaryFolder()
  await made(folder.path)
  const entry = { index: 9, line: lines[9] as Uint8Array }
  const whole = await indexOf(folder.path, async () => {})
  const kept = await indexOf(folder.path, async (store) => {
    const target = store.needFolder(log)
    await store.rewrite(target, moves([[9, hidden(9)]], { into: { kept: [entry], held: [] } }))
    expect(target.entry(9).line).toBe(undefined)
    expect(store.lineOf(log, 9)).toEqual(Buffer.from(entry.line))
  })
  expect(kept).toEqual(whole)
  const held = await indexOf(folder.path, async (store) => {
    const from = { kept: new Set([9]), held: new Set<number>() }
    await store.rewrite(store.needFolder(log), moves([], { into: { kept: [], held: [entry] }, from }))
    expect(store.lineOf(log, 9)).toBe(undefined)
    expect(store.places.held.read(log, 9)).toEqual(Buffer.from(entry.line))
  })
  expect(held.length).toBeLessThan(whole.length)
  const reindexed = await indexOf(folder.path, async (store) => void (await store.reindex(() => {})))
  expect(reindexed).toEqual(held)
  expect(await faults(folder.path)).toEqual([])
  const open = await indexOf(folder.path, async (store) => {
    const from = { kept: new Set<number>(), held: new Set([9]) }
    await store.rewrite(store.needFolder(log), moves([shown(9)], { from }))
  })
  expect(open).toEqual(whole)
})

it('takes a withheld run apart, and refuses lines that are not the log’s', async () => {
  using folder = temporaryFolder()
  await made(folder.path, [], [1])
  await indexOf(folder.path, async (store) => {
    const target = store.needFolder(log)
    expect(target.entry(300).size).toBe(256)
    const all = moves(Array.from({ length: 256 }, (_, i) => (i === 44 ? shown(300) : [256 + i, hidden(256 + i)])))
    await store.rewrite(target, all)
    expect(target.entry(300).line).toEqual(Buffer.from(lines[300] as Uint8Array))
    expect(target.entry(301)).toMatchObject({ line: undefined, size: 1 })
    await expect(store.rewrite(target, moves([[5, lines[6] as Uint8Array]]))).rejects.toMatchObject({ code: 'E_ROOT' })
    expect(target.entry(5).line).toEqual(Buffer.from(lines[5] as Uint8Array))
  })
  expect(await faults(folder.path)).toEqual([])
})

it('tells readers by a number that other texts are there, over restarts', async () => {
  using folder = temporaryFolder()
  await made(folder.path)
  let texts = 0
  await indexOf(folder.path, async (store) => {
    expect(store.textsOf(log as LogId)).toBe(0)
    const { storeId, seq } = store.journal
    await change(store, hidden, [9])
    expect(store.changedSince(storeId, seq)?.map((head) => head.log)).toEqual([log])
    texts = store.textsOf(log)
  })
  expect(texts).toBeGreaterThan(0)
  await indexOf(folder.path, async (store) => {
    expect(store.textsOf(log)).toBe(texts)
    await Promise.resolve()
  })
})

it('FOLDER-16 makes good at the next start what a crash left between two files', async () => {
  using folder = temporaryFolder()
  await made(folder.path)
  const whole = await indexOf(folder.path, async () => {})
  await indexOf(folder.path, async (store) => {
    // the text was put back into the log, and neither private/ nor the index was changed yet
    store.places.held.keep(log, [{ index: 7, line: lines[7] as Uint8Array }])
    await Promise.resolve()
  })
  writeFileSync(join(folder.path, 'private/rewriting'), `${log}\n`)
  const again = await indexOf(folder.path, async (store) => {
    expect(store.places.held.read(log, 7)).toBe(undefined)
    await Promise.resolve()
  })
  expect(again).toEqual(whole)
  expect(await faults(folder.path)).toEqual([])
})
