import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it, type MockInstance, vi } from 'vitest'
import {
  type Announcement,
  defaultPeerLimits,
  defaultReputation,
  digestOf,
  encodeAnnouncement,
  type EntryBlock,
  hashOfLogId,
  type LogId,
  RejoinError,
  sha256,
  signCheckpoint,
  textOf,
  utf8
} from '../../src/core/index.ts'
import { protocolId, topicId } from '../../src/net/index.ts'
import { Live, Node, runVerb } from '../../src/node/index.ts'
import type { Proof, Replica } from '../../src/replica/index.ts'
import type { BlobStore } from '../../src/store/index.ts'
import { driveSession, serveBlobs } from '../../src/sync/index.ts'
import { addIdentity } from '../../src/trust/index.ts'
import { failure, open, patient, type TestHost } from '../net/hosts.ts'

// only what src/core verifies is counted: libp2p has its own import of node:crypto
const verified = vi.hoisted(() => ({ count: 0 }))
vi.mock('node:crypto', async (original) => {
  const real = await original<typeof import('node:crypto')>()
  return {
    ...real,
    verify: (...args: Parameters<typeof real.verify>) => {
      verified.count++
      return real.verify(...args)
    }
  }
})

const topic = topicId('test', 'heads')
const sync = protocolId('test', 'sync')
const blob = protocolId('test', 'blob')

const folders: string[] = []
const closing: AsyncDisposable[] = []
afterEach(async () => {
  for (const one of closing.splice(0).toReversed()) await one[Symbol.asyncDispose]()
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

interface Up {
  readonly root: string
  readonly node: Node
  readonly live: Live
  readonly address: string
  readonly notices: string[]
  /** a checkpoint of its own log */
  readonly note: Uint8Array
  readonly down: () => Promise<void>
}

/** Brings a node up on loopback, in a folder of its own or in one that another had. */
async function up(folder?: string): Promise<Up> {
  const root = folder ?? mkdtempSync(join(tmpdir(), 'rejoin-hostile-'))
  if (folder === undefined) {
    folders.push(root)
    await Node.init(root, 'victim', 'test')
  }
  const notices: string[] = []
  const flags = { listen: ['/ip4/127.0.0.1/tcp/0'], mdns: false, peers: [] }
  const node = await Node.open(root, { flags, onNotice: (notice) => notices.push(notice) })
  const live = await Live.open(node)
  closing.push(node, live)
  const down = async (): Promise<void> => {
    await live[Symbol.asyncDispose]()
    await node[Symbol.asyncDispose]()
  }
  return { root, node, live, address: live.host.addresses()[0] ?? '', notices, note: node.writer.sign().note, down }
}

/** Opens a host that gossips with a node and does nothing by itself. */
async function gossiping(victim: Up): Promise<TestHost> {
  const one = await open({ listen: [] })
  one.host.gossip.subscribe(topic, () => 'ignore')
  await one.host.dial(victim.address, patient())
  await vi.waitFor(() => expect(one.host.gossip.subscribers(topic)).toContain(victim.node.nodeId), { timeout: 10_000 })
  return one
}

/** An announcement of the node's own log, which is nothing new to it. */
function announcement({ node, note }: Up, more: Partial<Announcement> = {}): Uint8Array {
  const text = new Uint8Array(0)
  return encodeAnnouncement({ log: hashOfLogId(node.log), from: 0, note, cose: undefined, text, ...more })
}

/** Returns a signed note with a signature that doesn't verify. */
function spoiled(note: Uint8Array): Uint8Array {
  const text = textOf(note)
  const at = text.length - 20
  return utf8(`${text.slice(0, at)}${text[at] === 'A' ? 'B' : 'A'}${text.slice(at + 1)}`)
}

/** What a liar changes of what it sends in a session. */
interface Lies {
  readonly proof?: (proof: Proof) => Proof
  readonly read?: (block: EntryBlock) => EntryBlock
}

const same = <T>(one: T): T => one

/** Resolves once a node has heard so many announcements since this was called. */
function hearing({ node }: Up): (count: number) => Promise<void> {
  const heard = vi.spyOn(node.scores, 'admit')
  return async (count) =>
    await vi.waitFor(() => expect(heard.mock.calls.length).toBeGreaterThanOrEqual(count), { timeout: 10_000 })
}

/** Counts the connections that a node takes for made, however short. */
function meeting({ live }: Up): MockInstance<() => void> {
  return vi.spyOn(live as unknown as { readonly connected: () => void }, 'connected')
}

async function peersVerb({ node, live }: Up, args: object): Promise<readonly object[]> {
  const records: object[] = []
  for await (const record of runVerb(node, live, 'peers', args, patient().signal)) records.push(record)
  return records
}

describe('a node among hostile peers', () => {
  it('PEERS-3 cuts off who sends a badly signed head, keeps it out, and keeps who sends good ones', async () => {
    const victim = await up()
    const [evil, honest] = [await gossiping(victim), await gossiping(victim)]
    const heard = hearing(victim)
    for (let n = 0; n < 20; n++) await honest.host.gossip.publish(topic, announcement(victim, { from: n }))
    await heard(20)
    await evil.host.gossip.publish(topic, announcement(victim, { note: spoiled(victim.note) }))
    await evil.went.until(({ length }) => length === 1)
    expect(victim.node.scores.view(evil.host.peerId)).toMatchObject({ score: -100, standing: 'graylisted' })
    expect(victim.notices.join('\n')).toContain(`peer ${evil.host.peerId} is graylisted and was cut off; it may come back at `)
    const met = meeting(victim)
    expect((await failure(evil.host.dial(victim.address, patient()))).code).toBe('E_UNREACHABLE')
    expect(met).not.toHaveBeenCalled()
    expect(victim.node.scores.view(honest.host.peerId)).toEqual({ score: 0, standing: 'good' })
    expect(victim.live.host.peers().map(({ peerId }) => peerId)).toEqual([honest.host.peerId])
    // decay lifts it: here in no time
    victim.node.scores.configure({ reputation: { ...defaultReputation, decayPerHour: Number.MAX_SAFE_INTEGER } })
    expect((await evil.host.dial(victim.address, patient())).peerId).toBe(victim.node.nodeId)
  })

  it('PEERS-6 ignores a flood before it verifies signatures', async () => {
    const victim = await up()
    const evil = await gossiping(victim)
    // 10 at once, and then none for years
    victim.node.scores.configure({ perPeer: { eventsPerSecond: 1e-9, bytesPerSecond: 1, burst: 1e10 } })
    const heard = hearing(victim)
    verified.count = 0
    for (let n = 0; n < 300; n++) await evil.host.gossip.publish(topic, announcement(victim, { from: n }))
    await heard(300)
    expect(verified.count).toBe(10)
    expect(victim.node.scores.pointsOf(evil.host.peerId)).toBeGreaterThan(-5)
    // and within its rate each of them is verified
    victim.node.scores.configure({ perPeer: defaultPeerLimits.perPeer })
    for (let n = 300; n < 310; n++) await evil.host.gossip.publish(topic, announcement(victim, { from: n }))
    await heard(310)
    expect(verified.count).toBe(20)
  })

  it('PEERS-4 holds nothing against who passes on a fork, or a log that is unknown here', async () => {
    const victim = await up()
    const herald = await gossiping(victim)
    const heard = hearing(victim)
    const { node } = victim
    const { note } = signCheckpoint({ log: node.log, size: 1, root: sha256(utf8('another history')) }, node.keys.signer)
    await herald.host.gossip.publish(topic, announcement(victim, { note }))
    for (let n = 0; n < 60; n++) await herald.host.gossip.publish(topic, announcement(victim, { log: sha256(utf8(`log ${n}`)) }))
    await heard(61)
    expect(node.scores.view(herald.host.peerId)).toEqual({ score: 0, standing: 'good' })
  })

  it('PEERS-1 PEERS-8 counts garbage in a sync or blob session, and no broken connection', async () => {
    const victim = await up()
    const { scores } = victim.node
    const evil = await open({ listen: [] })
    const { peerId } = evil.host
    await evil.host.dial(victim.address, patient())
    const cut = await evil.host.open(victim.node.nodeId, sync, patient())
    await cut.send(Uint8Array.of(100, 1))
    cut.abort(new Error('gone'))
    for (const [protocol, points] of [
      [sync, -10],
      [blob, -20]
    ] as const) {
      const stream = await evil.host.open(victim.node.nodeId, protocol, patient())
      await stream.send(Uint8Array.of(4, 0xff, 0xff, 0xff, 0xff))
      await expect(Array.fromAsync(stream)).rejects.toThrow()
      expect(Math.round(scores.pointsOf(peerId))).toBe(points)
    }
  })

  it('PEERS-1 counts an announcement that is too long', async () => {
    const victim = await up()
    const evil = await gossiping(victim)
    interface Inside {
      readonly node: { readonly services: { readonly gossip: { readonly sendRpc: (peerId: string, rpc: object) => boolean } } }
    }
    const { gossip } = (evil.host as unknown as Inside).node.services
    gossip.sendRpc(victim.node.nodeId, { subscriptions: [], messages: [{ topic, data: new Uint8Array(64 * 1024 + 1) }] })
    await vi.waitFor(() => expect(Math.round(victim.node.scores.pointsOf(evil.host.peerId))).toBe(-10), { timeout: 10_000 })
  })

  it.each<[string, Lies]>([
    ['badly signed', { proof: (proof) => ({ ...proof, note: spoiled(proof.note) }) }],
    ['not of the hashes beside it', { proof: (proof) => ({ ...proof, edge: proof.edge.map((byte) => byte ^ 1) }) }],
    ['not of the lines', { read: (block) => ({ ...block, text: block.text.map((byte, at) => (at === 20 ? byte ^ 1 : byte)) }) }]
  ])('PEERS-1 PEERS-3 cuts off who sends a head in a session that is %s', async (_, { proof = same, read = same }) => {
    const victim = await up()
    const folder = mkdtempSync(join(tmpdir(), 'rejoin-liar-'))
    folders.push(folder)
    await Node.init(folder, 'liar', 'test')
    const liar = await Node.open(folder)
    closing.push(liar)
    addIdentity(victim.root, 'liar', liar.did)
    victim.node.reloadTrust()
    const lying = Object.assign(Object.create(liar.replica) as Replica, {
      proof: (log: LogId, from: number) => proof(liar.replica.proof(log, from)),
      read: (log: LogId, from: number, to: number, maxBytes: number) => read(liar.replica.read(log, from, to, maxBytes))
    })
    const evil = await open({ listen: [], seed: liar.keys.seed })
    await evil.host.dial(victim.address, patient())
    const stream = await evil.host.open(victim.node.nodeId, sync, patient())
    await expect(driveSession(lying, stream, { ...patient(), share: liar.share })).rejects.toThrow(RejoinError)
    await evil.went.until(({ length }) => length === 1)
    expect(victim.node.scores.view(liar.nodeId)).toMatchObject({ score: -100, standing: 'graylisted' })
    expect(victim.node.store.folder(liar.log)).toBeUndefined()
  })

  it('PEERS-1 counts wrong bytes for a blob', async () => {
    const victim = await up()
    const lie = utf8('a lie')
    const lying: Partial<BlobStore> = {
      placeOf: () => 'shared',
      size: () => lie.length,
      readBytes: async () => await Promise.resolve(lie)
    }
    const liar = await open({ listen: [] })
    await liar.host.handle(blob, async (stream) => {
      await serveBlobs(stream, lying as BlobStore, { mayServe: () => true, signal: patient().signal })
    })
    await liar.host.dial(victim.address, patient())
    await victim.live.fetch([{ digest: digestOf(utf8('truth')), sizeBytes: 5 }], patient().signal)
    expect(Math.round(victim.node.scores.pointsOf(liar.host.peerId))).toBe(-25)
  })

  it('PEERS-5 cuts off who is blocked, at once and after a restart, until it is allowed', async () => {
    const first = await up()
    const bob = await open()
    const { peerId } = bob.host
    await bob.host.dial(first.address, patient())
    expect(await peersVerb(first, { action: 'block', peer: peerId, because: 'stolen laptop' })).toMatchObject([
      { kind: 'peer', peerId, connected: false, score: 0, standing: 'blocked', because: 'stolen laptop' }
    ])
    await bob.went.until(({ length }) => length === 1)
    expect((await failure(bob.host.dial(first.address, patient()))).code).toBe('E_UNREACHABLE')
    await first.down()
    const second = await up(first.root)
    const met = meeting(second)
    expect((await failure(bob.host.dial(second.address, patient()))).code).toBe('E_UNREACHABLE')
    expect((await failure(second.live.dial(bob.address, patient().signal))).code).toBe('E_REFUSED')
    expect(met).not.toHaveBeenCalled()
    expect(await peersVerb(second, {})).toMatchObject([{ peerId, standing: 'blocked', because: 'stolen laptop' }])
    expect(await peersVerb(second, { action: 'allow', peer: peerId })).toMatchObject([{ peerId, standing: 'allowed' }])
    await bob.host.dial(second.address, patient())
    expect(await failure(peersVerb(second, { action: 'block', peer: second.node.nodeId }))).toMatchObject({ code: 'E_USAGE' })
    expect(await failure(peersVerb(second, { action: 'block', peer: 'nobody' }))).toMatchObject({ code: 'E_NOT_FOUND' })
  })
})
