import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseCid } from '../../src/core/index.ts'
import { Live, Node } from '../../src/node/index.ts'
import { protocolId } from '../../src/net/index.ts'
import { fetchBlobs, type SyncResult } from '../../src/sync/index.ts'
import { addIdentity } from '../../src/trust/index.ts'
import { draft, drafts } from './events.ts'
import { type Other, startOther } from './other.ts'

/** One measured figure. */
export interface Row {
  readonly name: string
  readonly value: number
  readonly unit: string
  readonly target: number
  readonly better: 'more' | 'less'
}

const flags = { listen: [], mdns: false, peers: [] }
const never = new AbortController().signal
const seconds = (since: number): number => (performance.now() - since) / 1000

/** Makes a data folder in a temporary place. */
export async function makeNode(name: string): Promise<string> {
  const root = mkdtempSync(join(tmpdir(), `rejoin-bench-${name}-`))
  await Node.init(root, name, 'bench')
  return root
}

/** Lets two data folders trust each other. */
export async function introduce(a: string, b: string): Promise<void> {
  const dids: string[] = []
  for (const root of [a, b]) {
    await using node = await Node.open(root)
    dids.push(node.did)
  }
  addIdentity(b, 'a', dids[0] as string)
  addIdentity(a, 'b', dids[1] as string)
}

/** Appends events to a data folder. */
export async function fill(root: string, count: number): Promise<void> {
  await using node = await Node.open(root)
  for (let done = 0; done < count; done += 4096) await node.writer.append(drafts(Math.min(4096, count - done)))
}

async function lineBytesOf(root: string, from: number): Promise<number> {
  await using node = await Node.open(root)
  const folder = node.store.needFolder(node.log)
  let bytes = 0
  for (let at = from; at < folder.size; ) {
    const block = folder.entries.read(at, folder.size)
    bytes += block.text.length
    at = block.from + block.count
  }
  return bytes
}

/** Syncs a data folder with the other process once. */
export async function syncWith(root: string, other: Other): Promise<{ readonly result: SyncResult; readonly seconds: number }> {
  await using node = await Node.open(root, { flags })
  await using live = await Live.open(node)
  const peer = await live.host.dial(other.address, { signal: never })
  const start = performance.now()
  const result = await live.sync(peer.peerId, never)
  return { result, seconds: seconds(start) }
}

/** Appends, one batch of 100 after the other and one by one, each waiting for its fsync. */
export async function appendRows(scale: number): Promise<readonly Row[]> {
  const root = await makeNode('append')
  const batches = Math.ceil(1000 / scale)
  const singles = Math.ceil(3000 / scale)
  await using node = await Node.open(root)
  const batch = Array.from({ length: batches }, () => drafts(100))
  let start = performance.now()
  for (const one of batch) await node.writer.append(one)
  const batched = (batches * 100) / seconds(start)
  start = performance.now()
  for (let i = 0; i < singles; i++) await node.writer.append([draft()])
  const single = singles / seconds(start)
  rmSync(root, { recursive: true })
  return [
    { name: 'durable appends in batches of 100', value: batched, unit: 'events/s', target: 50_000, better: 'more' },
    { name: 'durable appends one at a time', value: single, unit: 'events/s', target: 1500, better: 'more' }
  ]
}

/** A catch-up from nothing, then one with 100 events missing, and a start with everything. */
export async function syncRows(catchUpEvents: number, largeEvents: number): Promise<readonly Row[]> {
  const [a, b] = [await makeNode('a'), await makeNode('b')]
  await introduce(a, b)
  await fill(a, catchUpEvents)
  let other = await startOther(a)
  const catchUp = await syncWith(b, other)
  await other.end()
  const lineBytes = await lineBytesOf(a, 0)
  await fill(a, Math.max(0, largeEvents - catchUpEvents))
  other = await startOther(a)
  await syncWith(b, other)
  await other.ask({ append: 100 })
  const rejoin = await syncWith(b, other)
  await other.end()
  const newBytes = await lineBytesOf(b, largeEvents + 1)
  const start = await startRow(b)
  for (const root of [a, b]) rmSync(root, { recursive: true })
  return [
    {
      name: `catch-up of ${catchUpEvents} events`,
      value: catchUpEvents / catchUp.seconds,
      unit: 'events/s',
      target: 50_000,
      better: 'more'
    },
    {
      name: 'bytes on the wire for it, of the lines’ own',
      value: catchUp.result.bytesReceived / lineBytes,
      unit: '×',
      target: 0.2,
      better: 'less'
    },
    { name: `rejoin with 100 of ${largeEvents} missing`, value: rejoin.seconds, unit: 's', target: 0.3, better: 'less' },
    {
      name: 'bytes for it, lines included',
      value: rejoin.result.bytesReceived + rejoin.result.bytesSent,
      unit: 'bytes',
      target: 65_536 + newBytes * 0.2,
      better: 'less'
    },
    ...start
  ]
}

async function startRow(root: string): Promise<readonly Row[]> {
  const { spawn } = await import('node:child_process')
  const begun = performance.now()
  const child = spawn(
    process.execPath,
    [
      join(import.meta.dirname, '../../dist/cli/main.js'),
      'up',
      '--data',
      root,
      '--json',
      '--no-mdns',
      '--listen',
      '/ip4/127.0.0.1/tcp/0'
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] }
  )
  await new Promise<void>((resolve) => child.stdout.once('data', () => resolve()))
  const readySeconds = seconds(begun)
  await new Promise((resolve) => setTimeout(resolve, 3000))
  const { readFileSync } = await import('node:fs')
  const rssKb = Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid ?? 0}/status`, 'utf8'))?.[1] ?? 0)
  child.kill('SIGTERM')
  await new Promise<void>((resolve) => child.once('exit', () => resolve()))
  return [
    { name: 'start with that many events: ready', value: readySeconds, unit: 's', target: 2, better: 'less' },
    { name: 'start with that many events: peak memory', value: rssKb / 1024, unit: 'MiB', target: 300, better: 'less' }
  ]
}

/** One large blob from peer to peer. */
export async function blobRow(sizeBytes: number): Promise<readonly Row[]> {
  const [a, b] = [await makeNode('blob-a'), await makeNode('blob-b')]
  const other = await startOther(a)
  const { digest, size, cid } = await other.ask({ blobBytes: sizeBytes })
  await using node = await Node.open(b, { flags })
  await using live = await Live.open(node)
  const peer = await live.host.dial(other.address, { signal: never })
  const start = performance.now()
  const open = async (): ReturnType<typeof live.host.open> =>
    await live.host.open(peer.peerId, protocolId('bench', 'blob'), { signal: never })
  const { done } = await fetchBlobs(
    [{ digest: digest as never, sizeBytes: Number(size), cid: parseCid(String(cid)) }],
    [{ name: 'a', open }],
    node.blobs,
    { signal: never }
  )
  const rate = done.length === 1 ? sizeBytes / 1e6 / seconds(start) : 0
  await other.end()
  for (const root of [a, b]) rmSync(root, { recursive: true })
  return [
    {
      name: `blob of ${Math.round(sizeBytes / 1024 / 1024)} MiB, peer to peer`,
      value: rate,
      unit: 'MB/s',
      target: 200,
      better: 'more'
    }
  ]
}
