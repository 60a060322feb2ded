import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import {
  didOf,
  FrameSplitter,
  type LogId,
  maxSyncFrameBytes,
  signCheckpoint,
  signCoseCheckpoint,
  type Signer
} from '../../src/core/index.ts'
import { LocalReplica } from '../../src/replica/index.ts'
import { LogFolder, Store } from '../../src/store/index.ts'
import { driveSession, newShare, type SyncResult, type SyncShare } from '../../src/sync/index.ts'
import { decodeSyncFrame } from '../../src/sync/wire.ts'
import { createTrust, Gate, loadTrust } from '../../src/trust/index.ts'
import { sampleSigner } from '../core/sample.ts'
import { blockOf, foreignLines } from '../store/sample-folder.ts'
import { slowLink } from './slow-link.ts'

const logCount = 1000
const differing = 10
const beforeCount = 3
const moreCount = 5
const afterCount = beforeCount + moreCount

interface Writer {
  readonly signer: Signer
  readonly log: LogId
  readonly lines: readonly Uint8Array[]
}
interface Side {
  readonly store: Store
  readonly replica: LocalReplica
  readonly share: SyncShare
  readonly key: Uint8Array
}
/** What one session cost, both ways together; a hop is one way of a round trip. */
interface Cost {
  readonly results: readonly [SyncResult, SyncResult]
  readonly frames: Readonly<Record<string, number>>
  readonly frameCount: number
  readonly bytes: number
  /** of all frames but LINES */
  readonly overheadBytes: number
  readonly hops: number
}

let root = ''
let writers: readonly Writer[] = []
const opened: Store[] = []

/** Appends entries to a log and signs its head, without waiting for the disk. */
function grow(folder: LogFolder, { signer, log, lines }: Writer, to: number): void {
  folder.append(blockOf(lines.slice(folder.size, to), folder.size, new Set()))
  const head = signCheckpoint({ log, size: to, root: folder.tree.root() }, signer)
  folder.commit(head, signCoseCheckpoint(head, signer).bytes, false)
}

async function open(path: string, name: string): Promise<Side> {
  Store.create(path, 'test')
  createTrust(path, name)
  cpSync(join(root, 'base/logs'), join(path, 'logs'), { recursive: true })
  const { publicKey } = sampleSigner(name)
  const store = await Store.open(path)
  opened.push(store)
  const trust = loadTrust(path)
  const known = writers.map(({ signer }, i) => ({
    name: `writer ${i}`,
    publicKey: signer.publicKey,
    did: didOf(signer.publicKey)
  }))
  const keys = new Map(known.map((key) => [key.name, key]))
  const identities = new Map(known.map(({ name }) => [name, { name, keys: [name], roles: [] }]))
  const gate = new Gate(didOf(publicKey), { ...trust, file: { ...trust.file, keys, identities } })
  return { store, replica: new LocalReplica(store, gate, publicKey), share: newShare(), key: publicKey }
}

/** Returns two sides that hold the same 1,000 logs and have not met. */
async function openPair(): Promise<readonly [Side, Side]> {
  const path = mkdtempSync(join(root, 'pair-'))
  return [await open(join(path, 'a'), 'a'), await open(join(path, 'b'), 'b')]
}

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'rejoin-many-'))
  writers = Array.from({ length: logCount }, (_, i) => {
    const signer = sampleSigner(`writer ${i}`)
    return { signer, ...foreignLines(signer, i < differing ? afterCount : beforeCount) }
  })
  for (const writer of writers) {
    const folder = LogFolder.create(join(root, 'base'), writer.log, writer.lines[0] as Uint8Array)
    grow(folder, writer, beforeCount)
    await folder.close()
  }
})
afterEach(async () => {
  for (const store of opened.splice(0)) await store[Symbol.asyncDispose]()
})
afterAll(() => rmSync(root, { recursive: true, force: true }))

/** Adds five entries to ten logs of one side, as if they had come from their writers. */
async function more({ store, replica }: Side): Promise<void> {
  for (const { signer, log, lines } of writers.slice(0, differing)) {
    const from = store.needFolder(log).size
    await replica.accept(log, [blockOf(lines.slice(from), from, new Set())])
    const head = signCheckpoint({ log, size: afterCount, root: store.needFolder(log).tree.root() }, signer)
    await replica.commit(log, head, signCoseCheckpoint(head, signer).bytes)
  }
}

/** Lets two sides sync over a link on which only round trips count. */
async function cost([a, b]: readonly [Side, Side]): Promise<Cost> {
  const frames: Record<string, number> = {}
  let [bytes, overheadBytes] = [0, 0]
  const link = slowLink((chunk) => {
    bytes += chunk.length
    for (const frame of new FrameSplitter(maxSyncFrameBytes + 64).push(chunk)) {
      const { kind } = decodeSyncFrame(frame)
      frames[kind] = (frames[kind] ?? 0) + 1
      if (kind !== 'lines') overheadBytes += frame.length
    }
  })
  const { signal } = new AbortController()
  const work = Promise.all([
    driveSession(a.replica, link.ends[0], { signal, share: a.share, peer: b.key }),
    driveSession(b.replica, link.ends[1], { signal, share: b.share, peer: a.key })
  ])
  const hops = await link.carry(work, async () => void (await Promise.all([a.share.queue.tail, b.share.queue.tail])))
  const results = await work
  return { results, frames, bytes, overheadBytes, hops, frameCount: Object.values(frames).reduce((sum, count) => sum + count, 0) }
}

const sizes = ({ store }: Side): readonly number[] => writers.map(({ log }) => store.head(log)?.size ?? 0)
const all = { complete: true, refused: 0, held: 0, conflicts: 0 }

/** What CHANGED takes of one log, at most. */
const changedBytes = 110

describe('two replicas of 1,000 logs', () => {
  it('SYNC-7: that meet first and are equal compare ranges: three round trips, a quarter of what listing them takes', async () => {
    const pair = await openPair()
    const { results, frames, hops, bytes } = await cost(pair)
    expect(results).toMatchObject([all, all])
    expect(frames).toMatchObject({ range: 4, changed: 2 })
    expect(hops).toBeLessThanOrEqual(6)
    expect(bytes).toBeLessThan((2 * logCount * changedBytes) / 4)
  })

  it('SYNC-7: of which ten differ at the first meeting: four round trips, and only those ten are asked for', async () => {
    const pair = await openPair()
    const [a, b] = pair
    await more(a)
    const { results, frames, hops, overheadBytes } = await cost(pair)
    expect(results).toMatchObject([
      { ...all, entriesSent: differing * moreCount, entriesReceived: 0 },
      { ...all, entriesSent: 0, entriesReceived: differing * moreCount, events: differing * moreCount }
    ])
    expect(frames).toMatchObject({ want: differing, checkpoint: differing, end: differing })
    expect(hops).toBeLessThanOrEqual(8)
    expect(overheadBytes).toBeLessThan(2 * logCount * changedBytes * 0.3)
    expect(sizes(b)).toEqual(sizes(a))
  })

  it('SYNC-5: that meet again with nothing new: 8 frames, under 600 bytes, two round trips', async () => {
    const pair = await openPair()
    await cost(pair)
    const { results, frames, frameCount, hops, bytes } = await cost(pair)
    expect(results).toMatchObject([all, all])
    expect(frames).toEqual({ hello: 2, since: 2, changed: 2, bye: 2 })
    expect(frameCount).toBe(8)
    expect(hops).toBeLessThanOrEqual(4)
    expect(bytes).toBeLessThan(600)
  })

  it('SYNC-5: of which ten changed since: two round trips to the last line, one way more for BYE, 700 bytes a log', async () => {
    const pair = await openPair()
    const [a, b] = pair
    await cost(pair)
    await more(a)
    const { results, frames, hops, overheadBytes } = await cost(pair)
    expect(results).toMatchObject([
      { ...all, entriesSent: differing * moreCount },
      { ...all, events: differing * moreCount }
    ])
    expect(frames).toEqual({
      hello: 2,
      since: 2,
      changed: 2,
      want: differing,
      checkpoint: differing,
      hashes: differing,
      lines: differing,
      end: differing,
      bye: 2
    })
    expect(hops).toBeLessThanOrEqual(5)
    expect(overheadBytes).toBeLessThan(differing * 700)
    expect(sizes(b)).toEqual(sizes(a))
  })
})
