import { createHash, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { exporter } from 'ipfs-unixfs-exporter'
import { CID } from 'multiformats/cid'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Cid, cidOfDigest, type Digest } from '../../src/core/index.ts'
import { type HttpServer, openHttp } from '../../src/http/index.ts'
import { Node } from '../../src/node/index.ts'
import { kept } from '../node/nodes.ts'

// a repeated chunk, so that there is a block twice
const chunk = randomBytes(1024 * 1024)
const big = Buffer.concat([chunk, chunk, randomBytes(1024 * 1024 + 12_345)])
const small = Buffer.from('a small blob')
let node: Node
let http: HttpServer
let root: Cid
let smallCid: Cid
let hidden: Cid

beforeAll(async () => {
  node = await Node.open(await kept('gateway'))
  root = (await node.blobs.put(big)).cid
  smallCid = (await node.blobs.put(small)).cid
  hidden = (await node.blobs.put(Buffer.from('kept for this node'), { private: true })).cid
  http = await openHttp(node, '127.0.0.1:0')
})
afterAll(async () => {
  await http[Symbol.asyncDispose]()
  await node[Symbol.asyncDispose]()
})

const get = async (path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Response> =>
  await fetch(`${http.url}/ipfs/${path}`, { headers, method })
const bytesOf = async (response: Response): Promise<Buffer> => Buffer.from(await response.arrayBuffer())

interface Block {
  readonly cid: CID
  readonly bytes: Uint8Array
}

/** Reads a CAR as its specification says, and compares each block with its hash. Shares nothing with what wrote it. */
function parseCar(bytes: Uint8Array): { readonly header: string; readonly blocks: readonly Block[] } {
  let at = 0
  const varint = (): number => {
    let value = 0
    for (let shift = 1; ; shift *= 128) {
      const byte = bytes[at++] as number
      value += (byte & 127) * shift
      if (byte < 128) return value
    }
  }
  const headerLength = varint()
  const header = Buffer.from(bytes.subarray(at, at + headerLength)).toString('hex')
  at += headerLength
  const blocks: Block[] = []
  while (at < bytes.length) {
    const end = varint() + at
    const [cid, rest] = CID.decodeFirst(bytes.subarray(at, end))
    expect(Buffer.from(cid.multihash.digest).equals(createHash('sha256').update(rest).digest())).toBe(true)
    blocks.push({ cid, bytes: rest })
    at = end
  }
  expect(at).toBe(bytes.length)
  return { header, blocks }
}

async function carOf(path: string, headers: Record<string, string> = {}): Promise<ReturnType<typeof parseCar>> {
  const response = await get(path, headers)
  expect(response.status, path).toBe(200)
  return parseCar(await bytesOf(response))
}

/** Reads the file of a CAR with another implementation of UnixFS. */
async function exported(
  blocks: readonly Block[],
  cid: string,
  range: { readonly offset?: number; readonly length?: number } = {}
): Promise<Buffer> {
  const store = new Map(blocks.map((block) => [block.cid.toString(), block.bytes]))
  const entry = await exporter(cid, {
    async *get(wanted: CID) {
      const bytes = store.get(wanted.toString())
      if (bytes === undefined) throw new Error(`${wanted.toString()} is not in the CAR`)
      yield await Promise.resolve(bytes)
    }
  } as never)
  const { content } = entry as unknown as { readonly content: (range: object) => AsyncIterable<Uint8Array> }
  return Buffer.concat(await Array.fromAsync(content(range)))
}

describe('the IPFS gateway', () => {
  it('HTTP-7: gives a small blob as one raw block, and each node and leaf of a large one', async () => {
    const raw = await get(`${smallCid}?format=raw`)
    expect((await bytesOf(raw)).equals(small)).toBe(true)
    expect(Object.fromEntries(raw.headers)).toMatchObject({
      'content-type': 'application/vnd.ipld.raw',
      'cache-control': 'public, max-age=29030400, immutable',
      etag: `"${smallCid}.raw"`,
      'content-disposition': `attachment; filename="${smallCid}.bin"`,
      'x-content-type-options': 'nosniff'
    })
    const { blocks } = await carOf(`${root}?format=car`)
    for (const { cid, bytes } of blocks) {
      const one = await get(cid.toString(), { accept: 'application/vnd.ipld.raw' })
      expect(one.headers.get('content-location')).toBe(`/ipfs/${cid.toString()}?format=raw`)
      expect((await bytesOf(one)).equals(bytes)).toBe(true)
    }
  })

  it('HTTP-7: a large blob as CAR is what another implementation reads as the same bytes', async () => {
    const { header, blocks } = await carOf(`${root}?format=car`)
    expect(header).toBe(`a265726f6f747381d82a582500${Buffer.from(CID.parse(root).bytes).toString('hex')}6776657273696f6e01`)
    expect(blocks.map(({ cid }) => cid.toString())[0]).toBe(root)
    expect(blocks).toHaveLength(4)
    expect((await exported(blocks, root)).equals(big)).toBe(true)
    const twice = await get(`${root}?format=car`, { accept: 'application/vnd.ipld.car; order=dfs; dups=y' })
    expect(twice.headers.get('content-type')).toBe('application/vnd.ipld.car; version=1; order=dfs; dups=y')
    expect(parseCar(await bytesOf(twice)).blocks).toHaveLength(5)
    const leaf = await carOf(`${smallCid}?format=car`)
    expect((await exported(leaf.blocks, smallCid)).equals(small)).toBe(true)
  })

  it.each([
    ['entity-bytes=0:9', 2, 0, 10],
    ['entity-bytes=1048570:1048580', 2, 1_048_570, 11],
    ['entity-bytes=2097152:*', 3, 2_097_152, undefined],
    ['entity-bytes=-10:*', 2, big.length - 10, 10],
    ['entity-bytes=0:-1000000', 3, 0, undefined],
    ['entity-bytes=3000000:99999999', 3, 3_000_000, undefined]
  ])('HTTP-8: of %s it sends only the blocks that these bytes need', async (query, count, offset, length) => {
    const { blocks } = await carOf(`${root}?format=car&${query}`)
    expect(blocks).toHaveLength(count)
    const expected = query.endsWith('-1000000')
      ? big.subarray(0, big.length - 999_999)
      : big.subarray(offset, length === undefined ? undefined : offset + length)
    expect((await exported(blocks, root, { offset, length: expected.length })).equals(expected)).toBe(true)
  })

  it('HTTP-8: dag-scope is for one block, the file or everything', async () => {
    expect((await carOf(`${root}?format=car&dag-scope=block`)).blocks.map(({ cid }) => cid.toString())).toEqual([root])
    expect((await carOf(`${root}?format=car&dag-scope=entity`)).blocks).toHaveLength(4)
    const tags = await Promise.all(
      ['', '&dag-scope=block', '&dag-scope=entity', '&entity-bytes=0:1', '&car-dups=y'].map(async (query) =>
        (await get(`${root}?format=car${query}`, {}, 'HEAD')).headers.get('etag')
      )
    )
    expect(new Set(tags).size).toBe(5)
  })

  it('HTTP-9: answers what did not change, HEAD, and the probe', async () => {
    for (const path of [`${smallCid}?format=raw`, `${root}?format=car`]) {
      const head = await get(path, {}, 'HEAD')
      expect([head.status, (await bytesOf(head)).length]).toEqual([200, 0])
      const again = await get(path, { 'if-none-match': `"x", ${head.headers.get('etag') ?? ''}` })
      expect([again.status, (await bytesOf(again)).length]).toEqual([304, 0])
    }
    expect((await get(`${smallCid}?format=raw`, {}, 'HEAD')).headers.get('content-length')).toBe(String(small.length))
    const probe = await get('bafkqaaa?format=raw')
    expect([probe.status, (await bytesOf(probe)).length]).toEqual([200, 0])
    expect((await carOf('bafkqaaa?format=car')).header).toBe('a265726f6f747381d82a4500015500006776657273696f6e01')
    expect((await bytesOf(await get('bafkqac3imvwgy3zao5xxe3de?format=raw'))).toString()).toBe('hello world')
  })

  it.each([
    ['not-a-cid?format=raw', {}, 400],
    [`${'b'.repeat(300)}?format=raw`, {}, 400],
    ['SMALL', {}, 400],
    ['SMALL', { accept: '*/*' }, 400],
    ['SMALL', { accept: 'text/plain' }, 406],
    ['SMALL', { accept: 'application/vnd.ipld.car; version=2' }, 406],
    ['SMALL', { accept: 'application/vnd.ipld.car; order=foo, application/vnd.ipld.raw;q=0.1' }, 200],
    ['SMALL?format=tar', {}, 400],
    ['SMALL/x?format=raw', {}, 400],
    ['SMALL/x?format=car', {}, 404],
    ['SMALL?format=car&dag-scope=half', {}, 400],
    ['SMALL?format=car&entity-bytes=5', {}, 400],
    ['SMALL?format=car&entity-bytes=500:600', {}, 400],
    ['HIDDEN?format=raw', {}, 404],
    ['HIDDEN?format=car', {}, 404],
    ['bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku?format=raw', {}, 404],
    ['bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku?format=raw', { 'cache-control': 'only-if-cached' }, 412],
    ['bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi?format=car', {}, 404],
    ['QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn?format=raw', {}, 404]
  ] as readonly (readonly [string, Record<string, string>, number])[])(
    'HTTP-9 HTTP-10: %s %j is %i',
    async (path, headers, status) => {
      // fetch adds an Accept header of its own where there is none
      const asked = path.replace('SMALL', smallCid).replace('HIDDEN', hidden)
      expect((await get(asked, { accept: '', ...headers })).status).toBe(status)
    }
  )

  it('HTTP-7: other spellings of a CID are the same one; a blob over 2 MiB is no block', async () => {
    const { base58btc } = await import('multiformats/bases/base58')
    expect((await get(`${CID.parse(smallCid).toString(base58btc)}?format=raw`)).status).toBe(200)
    expect((await get(`${CID.parse(root).toV0().toString()}?format=raw`)).status).toBe(200)
    const digest = `sha256:${createHash('sha256').update(big).digest('hex')}` as Digest
    expect((await get(`${cidOfDigest(digest)}?format=raw`)).status).toBe(404)
  })

  it('HTTP-7: finds a blob that comes later, and a damaged one is not passed on', async () => {
    const later = randomBytes(2 * 1024 * 1024 + 5)
    const stored = await node.blobs.put(later)
    await expect.poll(async () => (await get(`${stored.cid}?format=raw`)).status, { timeout: 5000 }).toBe(200)
    const path = node.blobs.pathOf(stored.digest)
    const bytes = readFileSync(path)
    bytes[10] = (bytes[10] ?? 0) ^ 1
    const { writeFileSync } = await import('node:fs')
    writeFileSync(path, bytes)
    await expect(get(`${stored.cid}?format=car`).then(bytesOf)).rejects.toThrow()
    const leaf = (await carOf(`${stored.cid}?format=car&dag-scope=block`)).blocks[0] as Block
    const first = CID.decodeFirst(leaf.bytes.subarray(leaf.bytes.indexOf(0x12) + 4))[0]
    const damaged = await get(`${first.toString()}?format=raw`)
    expect([damaged.status, damaged.headers.get('etag'), damaged.headers.get('cache-control')]).toEqual([500, null, 'no-store'])
    expect(await damaged.json()).toMatchObject({ error: { code: 'E_DAMAGED' } })
  })
})
