import { execFile, execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { narrow, parseTileIndex, tileIndexPath } from '../../src/core/index.ts'
import { type HttpServer, openHttp } from '../../src/http/index.ts'
import { Node } from '../../src/node/index.ts'
import { meet, kept, made, trust, up, write } from '../node/nodes.ts'
import { say } from '../node/web-nodes.ts'

const run = promisify(execFile)
let node: Node
let http: HttpServer
let base: string
let folder: string

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'rejoin-tlog-'))
  execFileSync('go', ['build', '-o', join(folder, 'tlog-client'), join(import.meta.dirname, 'tlog-client.go')], {
    env: { ...process.env, GO111MODULE: 'off', GOPATH: '/usr/share/gocode', GOFLAGS: '', GOCACHE: join(folder, 'cache') }
  })
  node = await Node.open(await kept('tiles'))
  await say(node, 1299)
  http = await openHttp(node, '127.0.0.1:0')
  base = `${http.url}/logs/${node.log}`
}, 120_000)
afterAll(async () => {
  await http[Symbol.asyncDispose]()
  await node[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true, force: true })
})

const get = async (path: string, headers: Record<string, string> = {}): Promise<Response> =>
  await fetch(`${base}/${path}`, { headers })
const client = async (vkey: string, prefix: string): Promise<string> =>
  (await run(join(folder, 'tlog-client'), [vkey, prefix])).stdout

describe('a log as C2SP tlog-tiles', () => {
  it('HTTP-5: is read and verified, entry by entry, by a client that is not ours', async () => {
    expect(await client(node.vkey, base)).toBe('1300 entries\n')
    await say(node, 3)
    expect(await client(node.vkey, base)).toBe('1303 entries\n')
  })

  it('HTTP-5: full and partial tiles have the bytes of the tree, and are immutable', async () => {
    const tile = await get('tile/0/004')
    expect(tile.headers.get('cache-control')).toBe('public, max-age=31536000, immutable')
    expect(tile.headers.get('content-type')).toBe('application/octet-stream')
    const bytes = Buffer.from(await tile.arrayBuffer())
    expect(bytes).toHaveLength(8192)
    const earlier = Buffer.from(await (await get('tile/0/004.p/200')).arrayBuffer())
    expect(earlier.equals(bytes.subarray(0, 6400))).toBe(true)
    expect((await (await get('tile/1/000.p/5')).arrayBuffer()).byteLength).toBe(160)
    const checkpoint = await get('checkpoint')
    expect(checkpoint.headers.get('cache-control')).toBe('no-cache')
    expect((await get('checkpoint', { 'if-none-match': checkpoint.headers.get('etag') ?? '' })).status).toBe(304)
  })

  it.each([
    'tile/0/005',
    'tile/0/005.p/24',
    'tile/0/005.p/0',
    'tile/0/004.p/256',
    'tile/0/004.p/0200',
    'tile/0/4',
    'tile/0/x000/004',
    'tile/00/004',
    'tile/1/000',
    'tile/2/000',
    'tile/63/000',
    'tile/64/000',
    'tile/0/x999/x999/x999/x999/x999/x999/999',
    'tile/entries/005',
    'tile/entries/900',
    'tile/-1/000',
    'checkpoint/',
    'nothing'
  ])('HTTP-5: %s is not there', async (path) => {
    expect((await get(path)).status).toBe(404)
  })

  it('HTTP-5: the spelling of a tile index comes back, and no other spelling is taken', () => {
    for (const index of [0, 7, 999, 1000, 1_234_067, 2 ** 40]) expect(parseTileIndex(tileIndexPath(index))).toBe(index)
    for (const path of ['', '1', '0001', 'x000/001', '001/002', 'x001', 'x1/000']) expect(parseTileIndex(path)).toBeUndefined()
  })

  it('HTTP-6: bundles are compressed for who takes that', async () => {
    const plain = await get('tile/entries/000', { 'accept-encoding': 'identity' })
    expect(plain.headers.get('content-encoding')).toBeNull()
    const bytes = Buffer.from(await plain.arrayBuffer())
    const { request } = await import('node:http')
    const zipped = await new Promise<Buffer>((resolve, reject) => {
      request(`${base}/tile/entries/000`, { headers: { 'accept-encoding': 'gzip' } }, (response) => {
        expect(response.headers['content-encoding']).toBe('gzip')
        void Array.fromAsync(response).then((parts) => resolve(Buffer.concat(parts as Buffer[])), reject)
      }).end()
    })
    expect(zipped.length).toBeLessThan(bytes.length)
    expect(gunzipSync(zipped).equals(bytes)).toBe(true)
  })

  it('HTTP-6: a bundle with withheld text is not there, its hashes are', async () => {
    const a = await up(await made('a'))
    const b = await up(await made('b'))
    trust(b, 'a', a.node.did)
    await write(a, 299)
    await meet(b, a)
    await using served = await openHttp(b.node, '127.0.0.1:0')
    const prefix = `${served.url}/logs/${a.node.log}`
    expect(await client(a.node.vkey, prefix)).toBe('300 entries\n')
    const log = b.node.store.needFolder(a.node.log)
    const block = log.entries.read(7, 8)
    const marker = narrow(block, () => true).text
    await b.node.store.rewrite(log, {
      lines: new Map([[7, marker.subarray(0, -1)]]),
      into: { kept: [], held: [] },
      from: { kept: new Set(), held: new Set() }
    } as never)
    const answer = await fetch(`${prefix}/tile/entries/000`)
    expect(answer.status).toBe(404)
    expect(answer.headers.get('cache-control')).toBe('no-store')
    expect(await answer.json()).toMatchObject({
      error: { code: 'E_NOT_FOUND', message: expect.stringContaining('entry 7 is withheld') }
    })
    expect((await fetch(`${prefix}/tile/entries/001.p/44`)).status).toBe(200)
    expect((await fetch(`${prefix}/tile/0/000`)).status).toBe(200)
  })
})
