import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { beforeAll, describe, expect, it } from 'vitest'
import { type LogId, maxHeadsBytes } from '../../src/core/index.ts'
import { Node } from '../../src/node/index.ts'
import { importFromWeb, type WebImportResult } from '../../src/node/web-import.ts'
import { WebClient } from '../../src/replica/index.ts'
import { patient } from '../net/hosts.ts'
import { type Instead, serveFolder, serveWith } from '../replica/static-servers.ts'
import { publishBytes, reader, say } from './web-nodes.ts'
import { faults, kept } from './nodes.ts'

const big = randomBytes(5 * 1024 * 1024 + 3)
let root: string
let did: string
let log: LogId
let bigPath: string
let smallPath: string

beforeAll(async () => {
  root = await kept('source')
  const node = await Node.open(root)
  const digests = await publishBytes(node, [Buffer.from('small'), big])
  const blobs = digests.map(
    (digest) =>
      JSON.parse(readFileSync(join(root, `blobs/sha256/${digest.slice(7)}`), 'utf8')) as {
        readonly layers: readonly { readonly digest: string }[]
      }
  )
  const pathOf = (at: number): string => `blobs/sha256/${blobs[at]?.layers[0]?.digest.slice(7)}`
  smallPath = pathOf(0)
  bigPath = pathOf(1)
  await say(node, 1200)
  did = node.did
  log = node.log
  await node[Symbol.asyncDispose]()
})

async function take(node: Node, url: string): Promise<WebImportResult> {
  return await importFromWeb(node, url, { ...patient(), say: () => {} })
}

/** Takes from the folder, with some answers changed. @returns what it came to, and the node */
async function from(instead: Instead): Promise<{ readonly node: Node; readonly result: WebImportResult }> {
  await using server = await serveFolder(root, instead)
  const node = await reader(did)
  return { node, result: await take(node, server.url) }
}

const sizeOf = (node: Node): number => node.store.head(log)?.size ?? 0
const answer =
  (path: string, bytes: Uint8Array | string): Instead =>
  (asked, response) => {
    if (asked !== path) return false
    response.end(bytes)
    return true
  }
const flipped = (path: string, at: number): Buffer => {
  const bytes = readFileSync(join(root, path))
  bytes[at] = (bytes[at] ?? 0) ^ 1
  return bytes
}

describe('a web server that serves other bytes', () => {
  it('WEB-8: a blob of a wrong digest is skipped and named, and everything else is taken', async () => {
    const { node, result } = await from(answer(smallPath, 'smalk'))
    expect(result).toMatchObject({ events: 1203, missing: 1, bad: [{ path: smallPath, code: 'E_BAD_OBJECT' }] })
    expect(sizeOf(node)).toBe(1203)
    const { root: folder } = node
    await node[Symbol.asyncDispose]()
    expect(await faults(folder)).toEqual([])
  })

  it('WEB-8: what is not there is named as missing', async () => {
    const gone: Instead = (path, response) => path === bigPath && response.writeHead(404).end() !== undefined
    const { result } = await from(gone)
    expect(result).toMatchObject({ missing: 1, bad: [] })
  })

  it('WEB-4 WEB-8: a changed line is named, its hash takes its place, and all others are taken', async () => {
    const path = `logs/${log}/entries/000001.ndjson`
    const { node, result } = await from(answer(path, flipped(path, 40)))
    expect(result.bad[0]).toMatchObject({
      path: `logs/${log}`,
      code: 'E_ROOT',
      reason: expect.stringContaining('the texts of entries 1024 to 1024 are missing')
    })
    expect(result.events).toBe(1202)
    expect(sizeOf(node)).toBe(1203)
    const { root: folder } = node
    await node[Symbol.asyncDispose]()
    expect(await faults(folder)).toEqual([])
  })

  it('WEB-4: damaged tiles do not keep the lines from being taken', async () => {
    const path = `logs/${log}/tile/1/000.p/4`
    expect(readFileSync(join(root, path))).toHaveLength(128)
    const { node, result } = await from(answer(path, flipped(path, 5)))
    expect(result).toMatchObject({ bad: [], events: 1203 })
    expect(sizeOf(node)).toBe(1203)
  })

  it.each([
    ['a checkpoint of another key', () => answer(`logs/${log}/checkpoint`, flipped(`logs/${log}/checkpoint`, 190))],
    ['a checkpoint that is none', () => answer(`logs/${log}/checkpoint`, 'hello')],
    [
      'a checkpoint without end',
      () => (path: string, response: ServerResponse) => path === `logs/${log}/checkpoint` && endless(response)
    ]
  ])('WEB-5 WEB-8: %s is named, and nothing of it is stored', async (_, instead) => {
    const { node, result } = await from(instead())
    expect(result.bad[0]?.path).toContain(log)
    expect(sizeOf(node)).toBeLessThan(1203)
    expect(result.blobs).toBe(0)
  })

  it('WEB-5 WEB-8: a closing without end is told, and the log is taken', async () => {
    const path = `logs/${log}/closed`
    const heads = readFileSync(join(root, 'heads'), 'utf8').replace(/ -\n$/, ' closed\n')
    const { node, result } = await from((asked, response, request) =>
      asked === path ? endless(response) : answer('heads', heads)(asked, response, request)
    )
    expect(result).toMatchObject({ events: 1203, missing: 0, bad: [{ path: 'an urgent record' }] })
    expect(sizeOf(node)).toBe(1203)
  })

  it('WEB-8: of a file of entries that is cut off the rest is taken as hashes', async () => {
    const path = `logs/${log}/entries/000001.ndjson`
    const { node, result } = await from(answer(path, readFileSync(join(root, path)).subarray(0, 500)))
    expect(result.bad[0]).toMatchObject({ code: 'E_INCOMPLETE' })
    expect(sizeOf(node)).toBe(1203)
    expect(result.events).toBeLessThan(1030)
    const { root: folder } = node
    await node[Symbol.asyncDispose]()
    expect(await faults(folder)).toEqual([])
  })

  it('WEB-9: lies about the size of a blob are found before it is written', async () => {
    const { result } = await from(
      (path, response) => path === bigPath && response.writeHead(200, { 'content-length': 2 ** 40 }).write(big) !== undefined
    )
    expect(result.bad).toMatchObject([{ path: bigPath, code: 'E_BAD_OBJECT' }])
    const { result: shorter } = await from(answer(bigPath, big.subarray(0, 2_000_000)))
    expect(shorter.bad).toMatchObject([{ path: bigPath, code: 'E_BAD_OBJECT' }])
    const { result: more } = await from((path, response) => path === bigPath && endless(response))
    expect(more.bad).toMatchObject([{ path: bigPath, code: 'E_TOO_LARGE' }])
  })

  it.each([
    [
      'no list of logs',
      (path: string, response: ServerResponse) => path === 'heads' && response.writeHead(404).end() !== undefined,
      'E_NO_DATA'
    ],
    [
      'a list of logs without end',
      (path: string, response: ServerResponse) => path === 'heads' && endless(response),
      'E_TOO_LARGE'
    ],
    ['a list of logs that is HTML', answer('heads', '<html>'), 'E_DAMAGED'],
    ['another network', answer('replica.json', '{"format":"rejoin","version":1,"network":"other"}'), 'E_NETWORK'],
    ['another version', answer('replica.json', '{"format":"rejoin","version":7,"network":"test"}'), 'E_VERSION'],
    ['JSON that is none', answer('replica.json', 'null'), 'E_VERSION'],
    [
      'a compression bomb',
      (path: string, response: ServerResponse) =>
        path === 'heads' &&
        response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(Buffer.alloc(50 * 1024 * 1024))) !== undefined,
      'E_REFUSED'
    ],
    ['nobody may read', (_: string, response: ServerResponse) => response.writeHead(403).end() !== undefined, 'E_PERMISSION'],
    ['a failure', (_: string, response: ServerResponse) => response.writeHead(500).end() !== undefined, 'E_GONE'],
    [
      'a way to another host',
      (_: string, response: ServerResponse) =>
        response.writeHead(302, { location: 'http://192.0.2.1/heads' }).end() !== undefined,
      'E_REFUSED'
    ],
    [
      'a way to a file',
      (_: string, response: ServerResponse) => response.writeHead(302, { location: 'file:///etc/passwd' }).end() !== undefined,
      'E_REFUSED'
    ],
    [
      'a way in a circle',
      (path: string, response: ServerResponse) => response.writeHead(302, { location: `/${path}` }).end() !== undefined,
      'E_REFUSED'
    ]
  ] as readonly (readonly [string, Instead, string])[])('WEB-5 WEB-6: %s ends it with its code', async (_, instead, code) => {
    await expect(from(instead)).rejects.toMatchObject({ code })
  })

  it('WEB-7: what came before the server went away stays, and the next sync goes on behind it', async () => {
    const half = 3 * 1024 * 1024
    const node = await reader(did)
    {
      await using server = await serveFolder(root, (path, response) => {
        if (path !== bigPath) return false
        response.writeHead(200, { 'content-length': big.length })
        response.write(big.subarray(0, half), () => response.destroy())
        return true
      })
      await expect(take(node, server.url)).rejects.toMatchObject({ code: 'E_GONE' })
    }
    expect(sizeOf(node)).toBe(1203)
    const asked: (string | undefined)[] = []
    await using server = await serveFolder(root, (path, _, { headers }) => {
      if (path === bigPath) asked.push(headers.range)
      return false
    })
    expect(await take(node, server.url)).toMatchObject({ missing: 0, bad: [], events: 0 })
    const begun = asked.flatMap(
      (range) =>
        /^bytes=(\d+)-$/
          .exec(range ?? '')
          ?.slice(1)
          .map(Number) ?? []
    )
    expect(begun).toHaveLength(1)
    expect(begun[0]).toBeLessThanOrEqual(half)
    expect(begun[0]).toBeGreaterThanOrEqual(2 * 1024 * 1024)
  })

  it('WEB-9: bytes of an earlier run that were damaged meanwhile do not spoil the blob', async () => {
    const node = await reader(did)
    const digest = `sha256:${bigPath.slice(13)}`
    const part = await node.blobs.resumable(digest as never)
    await part.append(new Uint8Array(100_000))
    await part[Symbol.asyncDispose]()
    await using server = await serveFolder(root)
    expect(await take(node, server.url)).toMatchObject({ missing: 0, bad: [] })
  })
})

describe('a web server that keeps one waiting', () => {
  const limits = { idleMs: 200, slowMs: 300 }
  const read = async (url: string, path = 'x'): Promise<unknown> => {
    using client = new WebClient(url, patient().signal, limits)
    return await client.read(path, maxHeadsBytes)
  }

  it('WEB-7: that accepts and says nothing, or stops in the middle, is given up', async () => {
    await using silent = await serveWith(() => {})
    await expect(read(silent.url)).rejects.toMatchObject({ code: 'E_TIMEOUT' })
    await using stuck = await serveWith((_, response) => void response.writeHead(200, { 'content-length': 1000 }).write('some'))
    await expect(read(stuck.url)).rejects.toMatchObject({ code: 'E_TIMEOUT' })
  })

  it('WEB-7: that sends a byte now and then is given up', async () => {
    const timers: NodeJS.Timeout[] = []
    await using slow = await serveWith((_, response) => {
      response.writeHead(200)
      timers.push(setInterval(() => response.write('x'), 50))
    })
    await expect(read(slow.url)).rejects.toMatchObject({ code: 'E_TIMEOUT' })
    for (const timer of timers) clearInterval(timer)
  })

  it.each([
    ['"x"', 'Sat, 28 Nov 2026 10:00:00 GMT', { etag: '"x"' }],
    ['"x"', 'Sat, 28 Nov 2026 10:00:04 GMT', {}],
    [undefined, 'Sat, 28 Nov 2026 10:00:03 GMT', { modified: 'Sat, 28 Nov 2026 10:00:03 GMT' }],
    [undefined, 'Sat, 28 Nov 2026 10:00:04 GMT', {}],
    ['"x"', undefined, { etag: '"x"' }],
    ['"x"', 'yesterday', {}],
    [undefined, undefined, {}]
  ])('WEB-10: of ETag %s and a change at %s it keeps %j', async (etag, modified, kept) => {
    await using server = await serveWith((_, response) => {
      response.sendDate = false
      response.writeHead(200, {
        date: 'Sat, 28 Nov 2026 10:00:05 GMT',
        ...(etag !== undefined && { etag }),
        ...(modified !== undefined && { 'last-modified': modified })
      })
      response.end()
    })
    using client = new WebClient(server.url, patient().signal)
    const answer = await client.ask('heads')
    answer.drop()
    expect(answer.validator).toEqual(kept)
  })

  it('WEB-6: name and password go to the host that they are for, and are not shown', async () => {
    const seen: (string | undefined)[] = []
    await using server = await serveWith(({ headers }, response) => {
      seen.push(headers.authorization)
      response.end('x')
    })
    using client = new WebClient(server.url.replace('http://', 'http://me:p%40ss@'), patient().signal)
    expect(client.base).toBe(server.url)
    await client.read('x', 10)
    expect(seen).toEqual([`Basic ${Buffer.from('me:p@ss').toString('base64')}`])
  })

  it('is E_UNREACHABLE where nothing listens', async () => {
    await expect(read('http://127.0.0.1:1/')).rejects.toMatchObject({ code: 'E_UNREACHABLE' })
  })
})

/** Answers without end, for as long as anybody reads. */
function endless(response: ServerResponse): boolean {
  const chunk = Buffer.alloc(1024 * 1024, 'x')
  response.writeHead(200)
  const more = (): void => {
    while (!response.destroyed && response.write(chunk));
  }
  response.on('drain', more)
  more()
  return true
}
