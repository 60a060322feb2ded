import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import type { Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execPath } from 'node:process'
import { createInterface } from 'node:readline'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { vectorBytes } from '../../scripts/vectors-blobs.ts'
import { blobPath } from '../../src/core/index.ts'
import { type BlobStore, openBlobs, type StoredBlob } from '../../src/store/index.ts'
import { serveBlobs } from '../../src/sync/blob-serve.ts'
import type { ByteStream } from '../../src/sync/byte-stream.ts'
import { listenTcp } from './tcp-stream.ts'

const mib = 1_048_576
const sizeBytes = 40 * mib + 7
let folder: string
let store: BlobStore
let server: Server
let port: number
let blob: StoredBlob

/** Serves, but not faster than a chunk in 5 ms, so that there is a middle to be killed in. */
function serveSlowly(stream: ByteStream): void {
  const slow: ByteStream = {
    send: async (bytes) => {
      await stream.send(bytes)
      await new Promise((resolve) => {
        setTimeout(resolve, 5)
      })
    },
    close: stream.close,
    abort: stream.abort,
    [Symbol.asyncIterator]: () => stream[Symbol.asyncIterator]()
  }
  serveBlobs(slow, store, { mayServe: () => true, signal: new AbortController().signal }).catch(() => {})
}

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'rejoin-kill-'))
  store = openBlobs(join(folder, 'a'))
  blob = await store.put(vectorBytes(sizeBytes))
  ;({ server, port } = await listenTcp(serveSlowly))
})
afterEach(() => {
  server.close()
  rmSync(folder, { recursive: true, force: true })
})

function startChild(): ChildProcess {
  const file = join(import.meta.dirname, 'blob-fetch-child.ts')
  return spawn(execPath, [file, join(folder, 'b'), String(port), blob.digest, blob.cid], { stdio: ['ignore', 'pipe', 'inherit'] })
}

/** Returns the last number that a child prints; kills it once that is at least `killAt`. */
async function run(killAt: number): Promise<{ readonly receivedBytes: number; readonly isDone: boolean }> {
  const child = startChild()
  let receivedBytes = 0
  let isDone = false
  const exited = once(child, 'exit')
  if (child.stdout === null) throw new Error('bug: stdout is a pipe')
  for await (const line of createInterface(child.stdout)) {
    if (line.startsWith('done')) isDone = line === 'done 1'
    else receivedBytes = Number(line)
    if (receivedBytes >= killAt) child.kill('SIGKILL')
  }
  await exited
  return { receivedBytes, isDone }
}

describe('a process that is killed while it fetches a large blob', () => {
  test('twice: what was verified is not fetched again, and nothing has the final name before (BLOB-3, BLOB-5)', async () => {
    const first = await run(8 * mib)
    expect([first.isDone, existsSync(join(folder, 'b', blobPath(blob.digest)))]).toEqual([false, false])
    const second = await run(10 * mib)
    const third = await run(Number.POSITIVE_INFINITY)
    expect(third.isDone).toBe(true)
    expect(first.receivedBytes + second.receivedBytes + third.receivedBytes).toBeLessThanOrEqual(sizeBytes)
    expect(third.receivedBytes).toBeGreaterThan(0)
    const here = openBlobs(join(folder, 'b'))
    expect(await here.verify(blob.digest)).toBeUndefined()
    expect(readdirSync(join(folder, 'b/tmp'))).toEqual([])
  })
})
