import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { openHttp } from '../../src/http/index.ts'
import { Node } from '../../src/node/index.ts'
import { importFromWeb, type WebImportResult } from '../../src/node/web-import.ts'
import { patient } from '../net/hosts.ts'
import { serveNginx, servePython, type WebServer } from '../replica/static-servers.ts'
import { faults, made, opened } from './nodes.ts'
import { publishBytes, reader, say } from './web-nodes.ts'

const big = randomBytes(3 * 1024 * 1024 + 17)

/** Makes a node with events and blobs. @returns its folder and did:key */
async function source(events: number): Promise<{ readonly root: string; readonly did: string; readonly log: string }> {
  const root = await made('source')
  const node = await Node.open(root)
  await publishBytes(node, [Buffer.from('one'), Buffer.from('two'), big])
  await say(node, events)
  const { did, log } = node
  await node[Symbol.asyncDispose]()
  return { root, did, log }
}

async function grow(root: string, count: number, documents: readonly Uint8Array[] = []): Promise<void> {
  const node = await Node.open(root)
  await say(node, count, 'more')
  await publishBytes(node, documents)
  await node[Symbol.asyncDispose]()
}

async function take(node: Node, { url }: { readonly url: string }): Promise<WebImportResult> {
  return await importFromWeb(node, url, { ...patient(), say: () => {} })
}

const sizeOf = (node: Node, log: string): number => node.store.head(log as never)?.size ?? 0

const servers: readonly (readonly [string, (root: string) => Promise<WebServer>])[] = [
  ['Python', servePython],
  ['nginx', serveNginx]
]

describe.each(servers)('a folder that %s serves', (_, serve) => {
  it('WEB-1 WEB-2 WEB-3: is taken whole, then with one request nothing, then only what is new', async () => {
    const from = await source(1500)
    await using server = await serve(from.root)
    const node = await reader(from.did)
    const first = await take(node, server)
    expect(first).toMatchObject({ missing: 0, events: 1504, bad: [] })
    expect(sizeOf(node, from.log)).toBe(1504)
    expect((await take(node, server)).requests).toBe(1)

    await grow(from.root, 3, [Buffer.from('three')])
    const second = await take(node, server)
    expect(second).toMatchObject({ missing: 0, events: 4, bad: [] })
    expect(second.requests).toBeLessThan(14)
    const again = await take(node, server)
    expect([again.requests, again.events, again.blobs]).toEqual([1, 0, 0])
    const { root } = node
    await node[Symbol.asyncDispose]()
    expect(await faults(root)).toEqual([])
    for (const path of ['blobs/sha256', `logs/${from.log}/entries`])
      for (const name of readdirSync(join(from.root, path)))
        expect(readFileSync(join(root, path, name)).equals(readFileSync(join(from.root, path, name))), name).toBe(true)
  })
})

describe('a folder that a node serves', () => {
  it('HTTP-4 WEB-1: is taken while the node is up, and holds nothing of what stays with the node', async () => {
    const from = await source(300)
    const up = await opened(from.root)
    await using http = await openHttp(up, '127.0.0.1:0')
    const node = await reader(from.did)
    const url = `${http.url}/replica/`
    expect(await take(node, { url })).toMatchObject({ missing: 0, events: 304, bad: [] })
    await say(up, 2)
    expect(await take(node, { url })).toMatchObject({ missing: 0, events: 2, bad: [] })
    expect((await take(node, { url })).requests).toBe(1)
    for (const path of [
      'keys/writer',
      'trust.yaml',
      'config.yaml',
      'peers',
      'private/journal.ndjson',
      'verdicts/decisions.ndjson',
      '../keys/writer',
      '%2e%2e/keys/writer',
      'logs/../keys/writer',
      'index/CURRENT',
      'tmp/document',
      'logs'
    ])
      expect((await fetch(`${url}${path}`)).status, path).toBe(404)
  })
})
