import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { zstdCompressSync } from 'node:zlib'
import { afterAll, describe, expect, it } from 'vitest'
import {
  type Compiled,
  codeOf,
  didOf,
  type LogId,
  RejoinError,
  sha256,
  syncMessage,
  utf8,
  logFolder
} from '../../src/core/index.ts'
import { openOwnLog } from '../../src/node/open-log.ts'
import { LocalReplica } from '../../src/replica/index.ts'
import { createKeys, type Draft, openKeys, Store, type Writer } from '../../src/store/index.ts'
import { type ByteStream, driveSession, newShare, pipe, type SyncResult, type SyncShare } from '../../src/sync/index.ts'
import { decodeSyncFrame } from '../../src/sync/wire.ts'
import { addIdentity, createTrust, Gate, loadTrust } from '../../src/trust/index.ts'
import { thrownBy } from '../thrown.ts'

interface Site {
  readonly root: string
  readonly did: string
  readonly key: Uint8Array
  readonly log: LogId
  store: Store
  writer: Writer
  replica: LocalReplica
  share: SyncShare
}

const roots: string[] = []
afterAll(() => {
  for (const root of roots) rmSync(root, { recursive: true, force: true })
})

async function makeSite(
  name: string,
  trusted: readonly Site[] = [],
  rules: (trust: Compiled) => Compiled = (trust) => trust
): Promise<Site> {
  const root = mkdtempSync(join(tmpdir(), 'rejoin-drive-'))
  roots.push(root)
  Store.create(root, 'test')
  const keys = createKeys(root)
  createTrust(root, name)
  trusted.forEach((site, i) => addIdentity(root, `peer${i}`, site.did))
  const store = await Store.open(root)
  const log = await openOwnLog(store, keys, name)
  const did = didOf(keys.signer.publicKey)
  const replica = new LocalReplica(store, new Gate(did, rules(loadTrust(root))), keys.signer.publicKey)
  return {
    root,
    did,
    key: keys.signer.publicKey,
    log,
    store,
    writer: store.openWriter(log, keys.signer),
    replica,
    share: newShare()
  }
}

async function reopen(site: Site): Promise<void> {
  await site.store[Symbol.asyncDispose]()
  site.store = await Store.open(site.root, { ownLog: site.log })
  const keys = openKeys(site.root)
  site.writer = site.store.openWriter(site.log, keys.signer)
  site.replica = new LocalReplica(site.store, new Gate(site.did, loadTrust(site.root)), keys.signer.publicKey)
  site.share = newShare()
}

const draft = (i: number): Draft => ({
  type: 'sbom.published',
  subject: `sha256:${Buffer.from(sha256(utf8(`blob ${i}`))).toString('hex')}`,
  data: { mediaType: i % 2 === 0 ? 'text/plain' : 'application/json', size: i }
})
const drafts = (count: number): readonly Draft[] => Array.from({ length: count }, (_, i) => draft(i))

/** Cuts a stream after it has carried so many bytes to the reader. */
function cutAfter(stream: ByteStream, maxBytes: number): ByteStream {
  return {
    send: (bytes) => stream.send(bytes),
    close: () => stream.close(),
    abort: (error) => stream.abort(error),
    async *[Symbol.asyncIterator]() {
      let count = 0
      for await (const chunk of stream) {
        count += chunk.length
        if (count > maxBytes) {
          stream.abort(new RejoinError('E_GONE', 'cut'))
          throw new RejoinError('E_GONE', 'cut')
        }
        yield chunk
      }
    }
  } as ByteStream
}

async function sync(
  a: Site,
  b: Site,
  maxBytes = Number.POSITIVE_INFINITY
): Promise<readonly [PromiseSettledResult<SyncResult>, PromiseSettledResult<SyncResult>]> {
  const [x, y] = pipe()
  const { signal } = new AbortController()
  return await Promise.allSettled([
    driveSession(a.replica, x, { signal, share: a.share, peer: b.key }),
    driveSession(b.replica, cutAfter(y, maxBytes), { signal, share: b.share, peer: a.key })
  ])
}

function valueOf(result: PromiseSettledResult<SyncResult>): SyncResult {
  if (result.status === 'rejected') throw result.reason
  return result.value
}

const sizeAt = (site: Site, log: LogId): number => site.store.head(log)?.size ?? 0

describe('driveSession', () => {
  it('SYNC-10: an interrupted catch-up goes on from the tile that it reached', async () => {
    const a = await makeSite('a')
    const b = await makeSite('b', [a])
    await a.writer.append(drafts(12_000))
    let cutCount = 0
    for (let maxBytes = 60_000; sizeAt(b, a.log) < 12_001; maxBytes += 50_000) {
      const before = b.store.folder(a.log)?.size ?? 0
      const [, result] = await sync(a, b, maxBytes)
      if (result.status === 'rejected') {
        cutCount++
        expect(codeOf(result.reason)).toBe('E_GONE')
        continue
      }
      expect(result.value.complete).toBe(true)
      expect(result.value.entriesReceived).toBeLessThan(12_001 - before + 256)
      if (cutCount > 1) expect(before).toBeGreaterThan(256)
    }
    expect(cutCount).toBeGreaterThan(1)
    expect(b.share.catchups.size).toBe(0)
  })

  it('SYNC-10: goes on after a restart of the receiving store', async () => {
    const a = await makeSite('a')
    const b = await makeSite('b', [a])
    await a.writer.append(drafts(12_000))
    await sync(a, b, 300_000)
    const reached = b.store.folder(a.log)?.size ?? 0
    expect(reached).toBeGreaterThan(256)
    expect(reached).toBeLessThan(12_001)
    expect(sizeAt(b, a.log)).toBe(0)
    await reopen(b)
    expect(b.store.folder(a.log)?.size).toBeGreaterThanOrEqual(reached - 256)
    const [, result] = await sync(a, b)
    expect(valueOf(result).entriesReceived).toBeLessThan(12_001 - reached + 512)
    expect(sizeAt(b, a.log)).toBe(12_001)
  })

  it('SYNC-15: refused text stays behind; the log verifies at a third store that gets it from there', async () => {
    const a = await makeSite('a')
    const deny = (trust: Compiled): Compiled => ({
      ...trust,
      file: { ...trust.file, mediaTypes: { allow: [], deny: ['text/plain'] } }
    })
    const b = await makeSite('b', [a], deny)
    const c = await makeSite('c', [a])
    await a.writer.append(drafts(600))
    const [, taken] = await sync(a, b)
    expect(valueOf(taken)).toMatchObject({ refused: 300, complete: true })
    const text = readFileSync(join(b.root, logFolder(a.log), 'entries/000000.ndjson'), 'utf8')
    expect(text).not.toContain('text/plain')
    expect(text.match(/"withheld"/g)?.length).toBe(300)
    const [, third] = await sync(b, c)
    expect(valueOf(third)).toMatchObject({ events: 301, complete: true })
    const roots = [a, c].map(({ store }) => Buffer.from(store.head(a.log)?.root ?? []).toString('hex'))
    expect(roots[1]).toBe(roots[0])
    await reopen(c)
    expect(c.store.folder(a.log)?.size).toBe(601)
  })

  it('two sources for one log, at once', async () => {
    const a = await makeSite('a')
    const [b, c] = [await makeSite('b', [a]), await makeSite('c', [a])]
    await a.writer.append(drafts(20_000))
    await sync(a, b)
    const results = (await Promise.all([sync(a, c), sync(b, c)])).flat()
    for (const result of results) expect(valueOf(result).complete).toBe(true)
    expect(sizeAt(c, a.log)).toBe(20_001)
    expect(valueOf(results[1] as PromiseSettledResult<SyncResult>).entriesReceived).toBeLessThan(20_001)
    expect(valueOf(results[3] as PromiseSettledResult<SyncResult>).entriesReceived).toBeLessThan(20_001)
  })

  it('E_TIMEOUT: a peer that says nothing, and one that never reads', async () => {
    const a = await makeSite('a')
    const [x] = pipe()
    const started = driveSession(a.replica, x, { signal: new AbortController().signal, share: a.share, idleMs: 50 })
    await expect(started).rejects.toMatchObject({ code: 'E_TIMEOUT' })
  })

  it('E_FRAME: SYNC-4 LINES that decompress to more than they say are refused', () => {
    const bomb = zstdCompressSync(Buffer.alloc(64 * 1024 * 1024))
    const frame = (size: number): Uint8Array =>
      syncMessage.encode({ kind: 'lines', id: 1, from: 0, count: 1, text: bomb, size, narrowed: false })
    expect(thrownBy(() => decodeSyncFrame(frame(1000)))).toBe('E_FRAME')
    expect(thrownBy(() => decodeSyncFrame(frame(1024 * 1024)))).toBe('E_FRAME')
    expect(() => frame(1024 * 1024 + 1)).toThrow(/bug/)
  })
})
