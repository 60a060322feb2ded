import { existsSync, mkdtempSync, readFileSync, rmSync, unlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  type Checkpoint,
  codeOf,
  encodeEvent,
  firstHlc,
  hex,
  hashOfLogId,
  leafHash,
  linesOf,
  logIdOf,
  type LogId,
  nextKeyDigest,
  openedEvent,
  parseHlc,
  type ProvenBlock,
  type RejoinEvent,
  signCheckpoint,
  textOf,
  tick,
  Tree,
  utf8
} from '../../src/core/index.ts'
import { LocalReplica } from '../../src/replica/index.ts'
import { Store } from '../../src/store/index.ts'
import { addIdentity, createTrust, Gate, loadTrust } from '../../src/trust/index.ts'
import { didOf } from '../../src/core/index.ts'
import { sampleEvent, sampleSigner } from '../core/sample.ts'

const me = sampleSigner('me')
const writer = sampleSigner('writer')
const hlc = tick(firstHlc, 1_795_000_000_000)

let root = ''
let store: Store
let replica: LocalReplica

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'rejoin-replica-'))
  Store.create(root, 'test')
  createTrust(root, 'test')
  addIdentity(root, 'writer', didOf(writer.publicKey))
  writeFileSync(
    join(root, 'trust.yaml'),
    `${readFileSync(join(root, 'trust.yaml'), 'utf8')}mediaTypes: {deny: ["application/secret"]}\n`
  )
  store = await Store.open(root)
  replica = new LocalReplica(store, new Gate(didOf(me.publicKey), loadTrust(root)), me.publicKey)
})
afterEach(async () => {
  await store[Symbol.asyncDispose]()
  rmSync(root, { recursive: true })
})

function event(index: number, more: Partial<RejoinEvent>): RejoinEvent {
  return { ...sampleEvent(writer, index, hlc), ...more }
}

/** A log of four: opened, relayed, refused (by media type), held (clock far ahead). */
function lines(): readonly Uint8Array[] {
  const stamp = { id: hex(new Uint8Array(16)), time: '2026-11-20T10:00:00.000Z', hlc }
  const opened = openedEvent({ publicKey: writer.publicKey, nextKey: nextKeyDigest(me.publicKey), name: 'writer' }, stamp)
  return [
    opened,
    event(1, {}),
    event(2, { data: { mediaType: 'application/secret', secret: 'refused text' } }),
    event(3, { hlc: parseHlc('ffffffffffff0000'), data: { note: 'held text' } })
  ].map(encodeEvent)
}

async function take(): Promise<LogId> {
  const all = lines()
  const log = logIdOf(all[0] as Uint8Array)
  const text = utf8(all.map((line) => `${textOf(line)}\n`).join(''))
  const block = { from: 0, count: all.length, text }
  const proven: ProvenBlock = { ...block, lines: linesOf(block), tileHash: undefined }
  const tree = new Tree()
  for (const line of all) tree.append(leafHash(line))
  expect(await replica.accept(log, [proven])).toEqual({ events: 2, refused: 1, held: 1 })
  expect(replica.heads()).toEqual([])
  await replica.commit(log, signCheckpoint({ log, size: 4, root: tree.root() }, writer), undefined)
  return log
}

describe('the local replica', () => {
  it('VERDICT-1 VERDICT-2 VERDICT-3 stores refused and held entries as hashes, held text in private/, refused text nowhere', async () => {
    const log = await take()
    const entries = readFileSync(join(root, 'logs', log, 'entries/000000.ndjson'), 'utf8').split('\n')
    const hidden = [2, 3].map((index) => `{"withheld":"${hex(leafHash(lines()[index] as Uint8Array))}"}`)
    expect(entries.slice(2, 4)).toEqual(hidden)
    const kept = readFileSync(join(root, 'private/held', log, 'entries/000000.ndjson'), 'utf8')
    expect(kept).toBe(`{"event":${textOf(lines()[3] as Uint8Array)},"index":3}\n`)
    expect(kept).not.toContain('refused text')
    expect(store.needFolder(log).tree.size).toBe(4)
  })

  it('SYNC-18 puts no head in place that is of another log or signed with another key than the first line names', async () => {
    const all = lines()
    const log = logIdOf(all[0] as Uint8Array)
    const text = utf8(all.map((line) => `${textOf(line)}\n`).join(''))
    const block = { from: 0, count: all.length, text }
    await replica.accept(log, [{ ...block, lines: linesOf(block), tileHash: undefined }])
    const { size, tree } = store.needFolder(log)
    const other = logIdOf(all[1] as Uint8Array)
    const commit = async (head: Checkpoint): Promise<string | undefined> =>
      await replica.commit(log, head, undefined).then(
        () => undefined,
        (error: unknown) => codeOf(error)
      )
    expect(await commit(signCheckpoint({ log, size, root: tree.root() }, me))).toBe('E_SIGNATURE')
    expect(await commit(signCheckpoint({ log: other, size, root: tree.root() }, writer))).toBe('E_ORIGIN')
    expect([store.head(log), existsSync(join(root, 'logs', log, 'checkpoint'))]).toEqual([undefined, false])
    expect(await commit(signCheckpoint({ log, size, root: tree.root() }, writer))).toBeUndefined()
    expect(store.head(log)?.size).toBe(4)
  })

  it('SYNC-14 FRONTIER-1: an older head that its writer signed puts none back', async () => {
    const log = await take()
    const old = new Tree()
    for (const line of lines().slice(0, 2)) old.append(leafHash(line))
    const before = store.head(log)
    await replica.commit(log, signCheckpoint({ log, size: 2, root: old.root() }, writer), undefined)
    expect(store.head(log)).toEqual(before)
    expect(store.needFolder(log).checkpoint?.size).toBe(4)
    expect(replica.survey([{ log: hashOfLogId(log), size: 2, root: old.root(), author: writer.publicKey, texts: 0 }])).toEqual([])
  })

  it('FRONTIER-1 FRONTIER-2 shows a log up to its checkpoint only, and numbers each change', async () => {
    const before = replica.journal()
    await take()
    expect(replica.heads().map(({ size }) => size)).toEqual([4])
    expect(replica.journal().seq).toBe(before.seq + 1)
    expect(replica.changedSince(before.storeId, before.seq)?.length).toBe(1)
    expect(replica.changedSince(before.storeId, before.seq + 1)).toEqual([])
  })

  it('FRONTIER-5 answers nothing about another store or a number it has not reached', async () => {
    await take()
    const { storeId, seq } = replica.journal()
    expect(replica.changedSince('0'.repeat(32), 0)).toBeUndefined()
    expect(replica.changedSince(storeId, seq + 1)).toBeUndefined()
  })

  it('FRONTIER-3 SYNC-17 keeps its ID over a restart, and takes a new one where the journal does not fit', async () => {
    await take()
    const { storeId } = store.journal
    await store[Symbol.asyncDispose]()
    store = await Store.open(root)
    expect(store.journal.storeId).toBe(storeId)
    await store[Symbol.asyncDispose]()
    unlinkSync(join(root, 'private/journal.ndjson'))
    store = await Store.open(root)
    expect(store.journal.storeId).not.toBe(storeId)
    expect(existsSync(join(root, 'private/journal.ndjson'))).toBe(true)
  })

  it('FRONTIER-4 remembers a cursor over a restart', () => {
    replica.setCursor(writer.publicKey, 'ab'.repeat(16), 7)
    const again = new LocalReplica(store, new Gate(didOf(me.publicKey), loadTrust(root)), me.publicKey)
    expect(again.cursor(writer.publicKey)).toEqual({ storeId: 'ab'.repeat(16), seq: 7 })
  })
})
