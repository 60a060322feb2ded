import { randomBytes } from 'node:crypto'
import { symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { blobPath } from '../../src/core/index.ts'
import { type HttpServer, openHttp } from '../../src/http/index.ts'
import { matches, spanOf } from '../../src/http/range.ts'
import { Node } from '../../src/node/index.ts'
import { kept } from '../node/nodes.ts'

describe('a Range header', () => {
  it.each([
    [undefined, 10, undefined],
    ['bytes=0-', 10, { from: 0, to: 10 }],
    ['bytes=3-5', 10, { from: 3, to: 6 }],
    ['bytes=3-99', 10, { from: 3, to: 10 }],
    ['bytes=-4', 10, { from: 6, to: 10 }],
    ['bytes=-40', 10, { from: 0, to: 10 }],
    ['bytes=9-9', 10, { from: 9, to: 10 }],
    ['bytes=10-', 10, 'none'],
    ['bytes=-0', 10, 'none'],
    ['bytes=0-', 0, 'none'],
    ['bytes=5-3', 10, undefined],
    ['bytes=0-1,3-4', 10, undefined],
    ['bytes=-', 10, undefined],
    ['lines=0-1', 10, undefined],
    ['bytes=0-99999999999999999', 10, undefined]
  ])('%s of %i bytes', (header, size, span) => expect(spanOf(header, size)).toEqual(span))

  it('If-None-Match names versions, weak or not, or any', () => {
    expect(['"a"', 'W/"a"', '"b", "a"', '*'].map((header) => matches(header, '"a"'))).toEqual([true, true, true, true])
    expect([undefined, '"b"', 'a', ''].map((header) => matches(header, '"a"'))).toEqual([false, false, false, false])
  })
})

describe('the folder of a node over HTTP', () => {
  const bytes = randomBytes(700_000)
  let node: Node
  let http: HttpServer
  let path: string
  const get = async (name: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Response> =>
    await fetch(`${http.url}/replica/${name}`, { headers, method })
  const bytesOf = async (response: Response): Promise<Buffer> => Buffer.from(await response.arrayBuffer())

  beforeAll(async () => {
    node = await Node.open(await kept('folder'))
    path = blobPath((await node.blobs.put(bytes)).digest)
    http = await openHttp(node, '127.0.0.1:0')
  })
  afterAll(async () => {
    await http[Symbol.asyncDispose]()
    await node[Symbol.asyncDispose]()
  })

  it('HTTP-4: gives blobs by ranges and says what did not change', async () => {
    const whole = await get(path)
    const etag = whole.headers.get('etag') ?? ''
    expect((await bytesOf(whole)).equals(bytes)).toBe(true)
    expect(whole.headers.get('cache-control')).toContain('immutable')
    const part = await get(path, { range: 'bytes=1000-1999', 'if-range': etag })
    expect([part.status, part.headers.get('content-range')]).toEqual([206, 'bytes 1000-1999/700000'])
    expect((await bytesOf(part)).equals(bytes.subarray(1000, 2000))).toBe(true)
    expect((await get(path, { range: 'bytes=1000-', 'if-range': '"other"' })).status).toBe(200)
    const behind = await get(path, { range: 'bytes=700000-' })
    expect([behind.status, behind.headers.get('content-range')]).toEqual([416, 'bytes */700000'])
    expect((await get(path, { 'if-none-match': etag })).status).toBe(304)
    const head = await get(path, {}, 'HEAD')
    expect([head.status, head.headers.get('content-length'), (await bytesOf(head)).length]).toEqual([200, '700000', 0])
  })

  it('HTTP-4: what it serves is named, what grows is to be asked for again, and the list of logs has an ETag', async () => {
    for (const name of [
      '',
      'replica.json',
      'heads',
      'index.json',
      'oci-layout',
      `logs/${node.log}/checkpoint`,
      `logs/${node.log}/entries/000000.ndjson`
    ])
      expect([name, (await get(name)).status]).toEqual([name, 200])
    expect((await get(`logs/${node.log}/entries/000000.ndjson`)).headers.get('cache-control')).toBe('no-cache')
    const heads = await get('heads')
    expect((await get('heads', { 'if-none-match': heads.headers.get('etag') ?? '' })).status).toBe(304)
    await node.writer.append([{ type: 'note.said', data: { text: 'more' } }])
    expect((await get('heads', { 'if-none-match': heads.headers.get('etag') ?? '' })).status).toBe(200)
  })

  it('HTTP-4: has the unfinished tiles of a log that is being written', async () => {
    await node.writer.append(Array.from({ length: 300 }, (_, n) => ({ type: 'note.said', data: { text: `note ${n}` } })))
    const { size } = node.writer.sign()
    for (const [name, length] of [
      ['tile/0/001.p/1', 32],
      [`tile/0/001.p/${size - 256}`, (size - 256) * 32],
      ['tile/1/000.p/1', 32]
    ] as const) {
      const answer = await get(`logs/${node.log}/${name}`)
      expect([name, answer.status, (await bytesOf(answer)).length]).toEqual([name, 200, length])
    }
    for (const name of ['tile/1/000.p/2', 'tile/0/001.p/0', 'tile/9/000.p/1', `tile/0/001.p/${size - 255}`])
      expect((await get(`logs/${node.log}/${name}`)).status).toBe(404)
  })

  it('HTTP-10: gives no blob that is private, and follows no link', async () => {
    const { digest } = await node.blobs.put(Buffer.from('private'), { private: true })
    expect((await get(blobPath(digest))).status).toBe(404)
    const link = `blobs/sha256/${'a'.repeat(64)}`
    symlinkSync(join(node.root, 'trust.yaml'), join(node.root, link))
    const answer = await get(link)
    expect(answer.status).toBeGreaterThanOrEqual(400)
    expect(await answer.text()).not.toContain('apiVersion')
  })
})
