import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { digestOf, makeLayout, settleDisk, skopeoAloneSeconds, syncedCopySeconds, syncedPushesPerSecond } from './limits.ts'
import { peakMegabytes, startDocker, startNode, type Subject } from './registry-subjects.ts'
import type { Row } from './rows.ts'

const manifestType = 'application/vnd.oci.image.manifest.v1+json'
const agent = new Agent({ keepAlive: true, maxSockets: 1 })
const seconds = (since: number): number => (performance.now() - since) / 1000

/** A server ends a connection that is idle for long, as while wrk or skopeo ran, and this process was asleep meanwhile. */
function connectAnew(): void {
  agent.destroy()
}

async function ask(
  method: string,
  url: string,
  body: Uint8Array | undefined,
  type = 'application/octet-stream'
): Promise<string> {
  return await new Promise((resolve, reject) => {
    const sent = request(
      url,
      { method, agent, headers: { 'content-type': type, 'content-length': body?.length ?? 0 } },
      (answer) => {
        answer.resume()
        answer.on('end', () => {
          if ((answer.statusCode ?? 500) >= 300) reject(new Error(`${method} ${url}: ${answer.statusCode}`))
          else resolve(new URL(answer.headers.location ?? '/', url).href)
        })
      }
    )
    sent.on('error', reject)
    sent.end(body)
  })
}

async function blob(
  { port }: Subject,
  name: string,
  bytes: Uint8Array
): Promise<{ readonly digest: string; readonly size: number }> {
  const location = await ask('POST', `http://127.0.0.1:${port}/v2/${name}/blobs/uploads/`, undefined)
  const digest = digestOf(bytes)
  await ask('PUT', `${location}${location.includes('?') ? '&' : '?'}digest=${digest}`, bytes)
  return { digest, size: bytes.length }
}

async function push(subject: Subject, name: string, tag: string, layerBytes: number): Promise<void> {
  const config = { mediaType: 'application/vnd.oci.image.config.v1+json', ...(await blob(subject, name, randomBytes(200))) }
  const layer = { mediaType: 'application/vnd.oci.image.layer.v1.tar', ...(await blob(subject, name, randomBytes(layerBytes))) }
  const manifest = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: manifestType, config, layers: [layer] }))
  await ask('PUT', `http://127.0.0.1:${subject.port}/v2/${name}/manifests/${tag}`, manifest, manifestType)
}

/**
 * Returns how many pushes a second a registry takes that has taken some before: of a node's first 900, the first 300 took 5.8 ms each, the next
 * 4.6 and the last 3.3, as V8 compiles what is used much; docker-registry's 14.8 ms became 13.6.
 */
async function pushesPerSecond(subject: Subject, count: number): Promise<number> {
  for (let i = 0; i < count; i++) await push(subject, 'bench/warm', `t${i}`, 10_000)
  const since = performance.now()
  for (let i = 0; i < count; i++) await push(subject, 'bench/push', `t${i}`, 10_000)
  return count / seconds(since)
}

function requestsPerSecond({ port }: Subject, forSeconds: number): number {
  const url = `http://127.0.0.1:${port}/v2/bench/push/manifests/t1`
  const text = execFileSync('wrk', ['-t1', '-c16', `-d${forSeconds}s`, '-H', `Accept: ${manifestType}`, url], {
    encoding: 'utf8'
  })
  if (/Non-2xx/.test(text)) throw new Error(`wrk: ${text}`)
  return Number(/Requests\/sec:\s+([\d.]+)/.exec(text)?.[1])
}

/** Reads all that comes on a connection, and throws it away; returns bytes a second. */
async function drain(port: number, line: string): Promise<number> {
  const since = performance.now()
  const memory = Buffer.allocUnsafe(1024 * 1024)
  let bytes = 0
  const socket = connect({ port, host: '127.0.0.1', onread: { buffer: memory, callback: (count) => ((bytes += count), true) } })
  socket.write(line)
  await once(socket, 'close')
  return bytes / seconds(since)
}

const getLine = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n`

async function rawTcp(bytes: number): Promise<number> {
  const worker = new Worker(
    `const { createServer } = require('node:net'); const { parentPort } = require('node:worker_threads')
     const piece = Buffer.alloc(1048576, 1)
     const server = createServer((socket) => { let left = ${bytes}; socket.once('data', function more() { const go = () => { if (left <= 0) return socket.end(); left -= piece.length; socket.write(piece, go) }; go() }) })
     server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port))`,
    { eval: true }
  )
  const [port] = (await once(worker, 'message')) as [number]
  const rate = await best(3, async () => await drain(port, 'go\n'))
  await worker.terminate()
  return rate
}

async function best(times: number, measure: () => Promise<number>): Promise<number> {
  let most = 0
  for (let i = 0; i < times; i++) most = Math.max(most, await measure())
  return most
}

/** Returns how long skopeo takes to copy an image in and out, in seconds. */
function skopeoSeconds({ port }: Subject, layout: string, to: string): number {
  const remote = `docker://127.0.0.1:${port}/bench/skopeo:1`
  const since = performance.now()
  execFileSync('skopeo', ['copy', '-q', '--preserve-digests', '--dest-tls-verify=false', `oci:${layout}:1`, remote])
  execFileSync('skopeo', ['copy', '-q', '--preserve-digests', '--src-tls-verify=false', remote, `oci:${to}:1`])
  rmSync(to, { recursive: true, force: true })
  return seconds(since)
}

/** Copies images that neither registry has seen, the best of three by each, and what the machine allows at most. */
function skopeoRows(ours: Subject, docker: Subject, folder: string, bytes: number): readonly Row[] {
  const taken = { ours: Number.POSITIVE_INFINITY, docker: Number.POSITIVE_INFINITY, alone: Number.POSITIVE_INFINITY }
  for (let round = 0; round < 3; round++) {
    const layout = join(folder, `layout${round}`)
    makeLayout(layout, bytes)
    const to = join(folder, 'to')
    const keep = (name: keyof typeof taken, found: number): void => void (taken[name] = Math.min(taken[name], found))
    settleDisk()
    keep('ours', skopeoSeconds(ours, layout, to))
    settleDisk()
    keep('docker', skopeoSeconds(docker, layout, to))
    settleDisk()
    keep('alone', skopeoAloneSeconds(layout, to))
    rmSync(layout, { recursive: true })
  }
  const name = 'skopeo copy of 200 MB, in and out'
  return [
    { name: 'skopeo copy twice, folder to folder: the limit', value: taken.alone, unit: 's', target: 0, better: 'more' },
    {
      name: '200 MB written and synced: the limit',
      value: syncedCopySeconds(folder, bytes),
      unit: 's',
      target: 0,
      better: 'more'
    },
    { name: `${name}, docker-registry`, value: taken.docker, unit: 's', target: 0, better: 'more' },
    { name, value: taken.ours, unit: 's', target: taken.docker, better: 'less' }
  ]
}

/** Measures the registry beside Debian's docker-registry, in the same run. @param scale divides what is moved */
export async function registryRows(scale: number): Promise<readonly Row[]> {
  const folder = mkdtempSync(join(tmpdir(), 'rejoin-bench-layout-'))
  const [ours, docker] = [await startNode(), await startDocker()]
  try {
    const rows: Row[] = []
    const beside = (name: string, unit: string, own: number, theirs: number, times: number): void => {
      rows.push({ name: `${name}, docker-registry`, value: theirs, unit, target: 0, better: 'more' })
      rows.push({ name, value: own, unit, target: theirs * times, better: 'more' })
    }
    const pushes = Math.ceil(500 / scale)
    const limit = syncedPushesPerSecond(folder, pushes, 10_000)
    rows.push({ name: 'the same files, synced one by one: the limit', value: limit, unit: 'pushes/s', target: 0, better: 'more' })
    const [ownPushes, theirPushes] = [await pushesPerSecond(ours, pushes), await pushesPerSecond(docker, pushes)]
    beside('pushes of 10 KB, durable', 'pushes/s', ownPushes, theirPushes, 4)
    const forSeconds = Math.ceil(10 / scale)
    beside('manifest GET, 16 connections', 'req/s', requestsPerSecond(ours, forSeconds), requestsPerSecond(docker, forSeconds), 4)
    connectAnew()
    const large = Buffer.alloc(Math.ceil((256 * 1024 * 1024) / Math.min(scale, 4)), 7)
    const path = `/v2/bench/large/blobs/${(await blob(ours, 'bench/large', large)).digest}`
    await blob(docker, 'bench/large', large)
    const own = await best(3, async () => await drain(ours.port, getLine(path)))
    const theirs = await best(3, async () => await drain(docker.port, getLine(path)))
    beside('blob GET, 256 MiB', 'MB/s', own / 1e6, theirs / 1e6, 0.5)
    const raw = await rawTcp(large.length)
    rows.push({ name: 'blob GET against a raw TCP copy', value: own / raw, unit: '×', target: 0.6, better: 'more' })
    rows.push(...skopeoRows(ours, docker, folder, Math.ceil(200_000_000 / scale)))
    connectAnew()
    const huge = Buffer.alloc(Math.ceil(1024 ** 3 / Math.min(scale, 16)), 9)
    const hugePath = `/v2/bench/huge/blobs/${(await blob(ours, 'bench/huge', huge)).digest}`
    await Promise.all(Array.from({ length: 64 }, async () => await drain(ours.port, getLine(hugePath))))
    rows.push({
      name: 'RSS under 64 parallel pulls of 1 GiB',
      value: peakMegabytes(ours.pid),
      unit: 'MB',
      target: 400,
      better: 'less'
    })
    return rows
  } finally {
    await ours.end()
    await docker.end()
    rmSync(folder, { recursive: true, force: true })
  }
}
