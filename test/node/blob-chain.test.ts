import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { type Digest, digestOf, type LogId, utf8 } from '../../src/core/index.ts'
import type { Host } from '../../src/net/index.ts'
import { Fetcher } from '../../src/node/fetcher.ts'
import { Node } from '../../src/node/index.ts'
import { Reaches } from '../../src/node/reach.ts'
import { type BlobStore, openBlobs } from '../../src/store/index.ts'
import { sourceOf } from '../sync/blob-source.ts'
import { type LabNode, NodeLab, publishText, until, usedAt, writeTrust } from './lab.ts'

const never = new AbortController().signal
/** far beyond any test: what comes in time did not come by asking again */
const noRetry = { retryBlobsMs: 3_600_000 }
const lab = new NodeLab()
const folders: string[] = []
afterEach(async () => {
  await lab[Symbol.asyncDispose]()
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

function temporary(): string {
  const folder = mkdtempSync(join(tmpdir(), 'rejoin-chain-'))
  folders.push(folder)
  return folder
}

/** Brings nodes up, each of which trusts all others, to be put in a chain. @param rules YAML of the last one */
async function up(length: number, rules = ''): Promise<readonly LabNode[]> {
  const made = await Promise.all(Array.from({ length }, async (_, i) => await lab.folder(`c${i}`)))
  const identities = made.map(({ did }, i) => [`c${i}`, did] as const)
  const nodes: LabNode[] = []
  for (const [i, { root }] of made.entries()) {
    const others = identities.filter((_, other) => other !== i)
    writeTrust(root, 1, Object.fromEntries(others), i === length - 1 ? rules : '')
    nodes.push(await lab.up(`c${i}`, root, noRetry))
  }
  return nodes
}

async function connect(nodes: readonly LabNode[]): Promise<void> {
  for (const [i, node] of nodes.entries()) if (i > 0) await lab.connect(node, nodes[i - 1] as LabNode)
}

/** Appends an event about a text whose bytes are nowhere yet. */
async function say({ node }: LabNode, bytes: Uint8Array): Promise<Digest> {
  const digest = digestOf(bytes)
  const data = { digest, size: bytes.length, mediaType: 'text/plain' }
  await node.writer.append([{ type: 'artifact.published', subject: digest, data }])
  return digest
}

describe('a blob that comes late', () => {
  it('goes along a chain of five nodes as soon as each has it, though all asked for it in vain before (BLOB-19, BLOB-20)', async () => {
    const nodes = await up(5)
    await connect(nodes)
    const [first] = nodes as [LabNode]
    const { log } = first.node
    const bytes = utf8('late')
    const digest = await say(first, bytes)
    const hasLine = (node: LabNode): boolean => usedAt(node, log).some((event) => event?.subject === digest)
    await until(() => expect(nodes.every(hasLine)).toBe(true))
    await Promise.all(nodes.map(async ({ live }) => await live.fetchMissing(never)))
    const here = (): readonly boolean[] => nodes.map(({ node }) => node.blobs.placeOf(digest) === 'shared')
    expect(here()).toEqual([false, false, false, false, false])
    await first.node.blobs.put(bytes)
    await until(() => expect(here()).toEqual([true, true, true, true, true]))
  })

  it('settles an event that waits in quarantine for its content (BLOB-20)', async () => {
    const [first, last] = (await up(2, 'gates: {license: {deny: ["MIT"]}}\n')) as [LabNode, LabNode]
    const { digest } = await publishText(first, '{"bomFormat":"CycloneDX","specVersion":"1.6","version":1}', {})
    const { blobs } = first.node
    const listed = await Array.fromAsync(blobs.list())
    const gone = await Promise.all(listed.map(async (one) => await blobs.readBytes(one.digest, 1024)))
    for (const one of listed) await blobs.remove(one.digest)
    await connect([first, last])
    await until(() => expect(last.node.replica.heldCount()).toBe(1))
    await last.live.settled()
    expect(last.node.blobs.has(digest as Digest)).toBe(false)
    for (const bytes of gone) await blobs.put(bytes)
    await until(() => expect(usedAt(last, first.node.log).at(-1)?.subject).toBe(digest))
    expect(last.node.replica.heldCount()).toBe(0)
  })
})

describe('the fetcher', () => {
  it('asks all peers, not only the first eight', async () => {
    const { root } = await lab.folder('many')
    await using node = await Node.open(root)
    const stores: BlobStore[] = Array.from({ length: 20 }, () => openBlobs(temporary()))
    const bytes = utf8('only the last one has it')
    await stores.at(-1)?.put(bytes)
    const sources = stores.map((store, i) => sourceOf(`${i}`, store))
    const peers = sources.map(({ name }) => ({ peerId: name }))
    const open = async (peerId: string) => await (sources[Number(peerId)] as (typeof sources)[number]).open()
    const fetcher = new Fetcher(node, { peers: () => peers, open } as unknown as Host, never)
    expect(await fetcher.fetch([{ digest: digestOf(bytes) }], { signal: never })).toMatchObject({ fetched: 1, missing: 0 })
    expect(node.blobs.placeOf(digestOf(bytes))).toBe('shared')
  })

  it('looks again at entries whose text came while it was looking', () => {
    const log = 'a'.repeat(52) as LogId
    const reaches = new Reaches(temporary())
    const reach = reaches.of(log)
    reaches.passed(log, 0, 5, true)
    expect([reach.complete, reach.asked]).toEqual([5, 5])
    // the pass reads entries 5 to 8, of which 6 is a hash then
    reach.revisited = Number.POSITIVE_INFINITY
    reaches.revisit(log, 6)
    reaches.passed(log, 5, 9, true)
    expect([reach.complete, reach.asked]).toEqual([5, 5])
    reach.revisited = Number.POSITIVE_INFINITY
    reaches.revisit(log, 20)
    reaches.passed(log, 5, 9, true)
    expect([reach.complete, reach.asked]).toEqual([9, 9])
    reaches.revisit(log, 2)
    expect([reach.complete, reach.asked]).toEqual([2, 2])
    reaches.save()
    expect(new Reaches(temporary()).of(log).complete).toBe(0)
  })
})
