import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { Live } from '../../src/node/live.ts'
import { Node } from '../../src/node/node.ts'
import type { KnownPeer } from '../../src/node/peer-book.ts'
import { syncPeers } from '../../src/node/sync-verb.ts'

const signal = AbortSignal.timeout(60_000)
const closers: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close()
})

interface Running {
  readonly node: Node
  readonly live: Live
}

/** Starts a node in this process, which knows nobody. */
async function start(name: string): Promise<Running> {
  const root = mkdtempSync(join(tmpdir(), 'rejoin-live-'))
  closers.push(async () => await Promise.resolve(rmSync(root, { recursive: true, force: true })))
  await Node.init(root, name, 'test')
  const node = await Node.open(root, { flags: { listen: ['/ip4/127.0.0.1/tcp/0'], mdns: false } })
  closers.push(async () => await node[Symbol.asyncDispose]())
  const live = await Live.open(node)
  closers.push(async () => await live[Symbol.asyncDispose]())
  return { node, live }
}

/** Waits until a node has noted something about another one. */
async function noted({ node }: Running, peer: Running, isThere: (known: KnownPeer) => boolean): Promise<KnownPeer> {
  for (;;) {
    const known = node.peers.peers().find(({ peerId }) => peerId === peer.node.nodeId)
    if (known !== undefined && isThere(known)) return known
    signal.throwIfAborted()
    await new Promise(setImmediate)
  }
}

describe('the peer book of a node that is up', () => {
  it('has of a peer that came in where it listens, not the port it came from, so that it can be synced with later', async () => {
    const [a, b] = [await start('a'), await start('b')]
    const [address] = b.live.host.addresses()
    await b.live.dial(a.live.host.addresses()[0] ?? '', signal)
    expect(await noted(a, b, ({ told }) => told !== undefined)).toMatchObject({ told: address })
    expect(a.node.peers.peers()[0]).not.toHaveProperty('address')
    await a.live.host.hangUp(b.node.nodeId)
    while (a.live.host.peers().length > 0) await new Promise(setImmediate)
    const context = { node: a.node, live: a.live, args: { peers: [b.node.nodeId] }, signal }
    const results: unknown[] = []
    for await (const record of syncPeers(context)) results.push(record)
    expect(results.at(-1)).toMatchObject({ kind: 'result', complete: true })
    expect(await noted(a, b, (known) => known.address !== undefined)).toMatchObject({ address, told: address })
  })

  it('keeps the address that it dialled when the same peer comes in by itself', async () => {
    const [a, b] = [await start('a'), await start('b')]
    const [address] = b.live.host.addresses()
    await a.live.dial(address ?? '', signal)
    await a.live.host.hangUp(b.node.nodeId)
    while (a.live.host.peers().length > 0 || b.live.host.peers().length > 0) await new Promise(setImmediate)
    await b.live.dial(a.live.host.addresses()[0] ?? '', signal)
    expect(await noted(a, b, ({ told }) => told !== undefined)).toMatchObject({ address, told: address })
    expect(a.live.host.peers()[0]?.direction).toBe('inbound')
  })
})
