import { cpSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import {
  base64,
  forkPath,
  hex,
  type LogId,
  parseEvent,
  signCheckpoint,
  sha256,
  utf8,
  verifyForkProof
} from '../../src/core/index.ts'
import { runVerb } from '../../src/node/index.ts'
import { openKeys, Store } from '../../src/store/index.ts'
import { patient } from '../net/hosts.ts'
import { faults, made, meet, trust, up, type Up, write } from './nodes.ts'

const patience = { timeout: 15_000 }

/** Returns a data folder whose writer wrote other events from an index on: what a cloned machine makes without any ill will. */
async function cloned(root: string, log: LogId, count: number): Promise<string> {
  const other = await made('clone')
  for (const part of ['logs', 'keys', 'replica.json']) {
    cpSync(join(root, part), join(other, part), { recursive: true, force: true })
  }
  await using store = await Store.open(other, { ownLog: log })
  const writer = store.openWriter(log, openKeys(root).signer)
  await writer.append(Array.from({ length: count }, (_, n) => ({ type: 'note.said', data: { text: `clone ${n}` } })))
  return other
}

interface Forked {
  readonly log: LogId
  readonly did: string
  /** holds one branch and trusts its author, as does the other one with the other branch */
  readonly one: Up
  readonly other: Up
}

/** Brings two nodes up that hold two histories of one log which part after `common` entries; neither is the author's. */
async function forked(common: number, [more, moreOfClone]: readonly [number, number]): Promise<Forked> {
  const a = await up(await made('alice'))
  const { log, did } = a.node
  await write(a, common - 1)
  await a.down()
  const clone = await cloned(a.root, log, moreOfClone)
  const [one, other] = [await up(await made('bob')), await up(await made('carol'))]
  for (const reader of [one, other]) trust(reader, 'alice', did)
  const first = await up(a.root)
  await write(first, more)
  await meet(one, first)
  await first.down()
  const second = await up(clone)
  await meet(other, second)
  await second.down()
  expect([one, other].map(({ node }) => node.store.head(log)?.size)).toEqual([common + more, common + moreOfClone])
  return { log, did, one, other }
}

async function status({ node, live }: Up): Promise<Readonly<Record<string, unknown>>> {
  const [record] = await Array.fromAsync(runVerb(node, live, 'status', {}, patient().signal))
  return record as unknown as Readonly<Record<string, unknown>>
}

function blameless(...all: readonly Up[]): void {
  for (const { node, live } of all)
    for (const { peerId } of live.host.peers()) expect(node.scores.pointsOf(peerId)).toBeGreaterThanOrEqual(0)
}

describe('a fork', () => {
  it.each<[string, number, readonly [number, number]]>([
    ['of one size', 4, [3, 3]],
    ['of two sizes', 4, [2, 5]],
    ['of two sizes, the other way round', 4, [5, 2]],
    ['in the middle of tiles', 300, [250, 400]],
    ['at the begin of a tile', 512, [90, 3]],
    ['behind the first line', 1, [2, 1]]
  ])('FORK-3 FORK-9 %s: two nodes that meet prove where it begins, and go on', async (_, common, sizes) => {
    const { log, one, other } = await forked(common, sizes)
    await write(other, 1, 'by carol')
    trust(one, 'carol', other.node.did)
    await meet(one, other)
    for (const { node } of [one, other])
      await vi.waitFor(() => expect(node.store.urgent.fork(log)).toMatchObject({ atIndex: common, exact: true }), patience)
    const [proof] = [one, other].map(({ root }) => readFileSync(join(root, forkPath(log))))
    expect(readFileSync(join(other.root, forkPath(log)))).toEqual(proof)
    expect(verifyForkProof(proof as Uint8Array)).toMatchObject({ log, atIndex: common })
    // each keeps its branch as it was, and other logs go on
    expect([one, other].map(({ node }) => node.store.head(log)?.size)).toEqual(sizes.map((more) => common + more))
    await vi.waitFor(() => expect(one.node.store.head(other.node.log)?.size).toBe(2), patience)
    expect((await status(one))['conflicts']).toEqual([
      { kind: 'fork', log, author: 'alice', proof: forkPath(log), endsAt: common, exact: true }
    ])
    blameless(one, other)
    for (const { root } of [one, other]) expect(await faults(root)).toEqual([])
  })

  it('FORK-7 FORK-10 URGENT-4: what was let in stays, what comes later is held; through nodes that know neither writer nor log', async () => {
    const { log, did, one, other } = await forked(3, [2, 2])
    const [stranger, late] = [await up(await made('dave')), await up(await made('eve'))]
    await meet(one, other)
    await vi.waitFor(() => expect(one.node.store.urgent.fork(log)).toBeDefined(), patience)
    await meet(stranger, one)
    await vi.waitFor(() => expect(stranger.node.store.urgent.fork(log)).toBeDefined(), patience)
    expect(stranger.node.store.folder(log)).toBeUndefined()
    expect(await faults(stranger.root)).toEqual([])
    // eve has the proof before she has anything of the log
    await meet(late, stranger)
    await vi.waitFor(() => expect(late.node.store.urgent.fork(log)).toBeDefined(), patience)
    trust(late, 'alice', did)
    await meet(late, one)
    await vi.waitFor(() => expect(late.node.store.head(log)?.size).toBe(5), patience)
    const open = ({ node }: Up): readonly boolean[] =>
      Array.from({ length: 5 }, (_, index) => node.store.needFolder(log).entry(index).line !== undefined)
    expect(open(late)).toEqual([true, true, true, false, false])
    expect(late.node.store.places.held.read(log, 4)).toBeDefined()
    expect(open(one)).toEqual([true, true, true, true, true])
    // judging again, as after a change of rules, changes neither
    for (const { node } of [one, late]) expect(await node.rejudge(log)).toBe(0)
    const ends = [one, other, stranger, late].map(({ node }) => node.store.urgent.fork(log)?.atIndex)
    expect(ends).toEqual([3, 3, 3, 3])
    blameless(one, other, stranger, late)
  })

  it('FORK-11: hashes that lead nowhere are no fork, and their sender answers for them', async () => {
    const a = await up(await made('alice'))
    const { log } = a.node
    await write(a, 300)
    const [before, c] = [await up(await made('bob')), await up(await made('carol'))]
    for (const reader of [before, c]) trust(reader, 'alice', a.node.did)
    await meet(before, a)
    await before.down()
    await write(a, 5)
    await meet(c, a)
    await a.down()
    const b = await up(before.root)
    expect([b, c].map(({ node }) => node.store.head(log)?.size)).toEqual([301, 306])
    const honest = c.node.replica.proof.bind(c.node.replica)
    const lies = vi.spyOn(c.node.replica, 'proof').mockImplementation((of, from) => {
      const proof = honest(of, from)
      return { ...proof, edge: proof.edge.map((byte) => byte ^ 1) }
    })
    await meet(b, c).catch(() => {})
    await vi.waitFor(() => expect(b.node.scores.standingOf(c.node.nodeId)).toBe('graylisted'), patience)
    expect(b.node.store.urgent.fork(log)).toBeUndefined()
    // frozen until somebody shows the log as it is
    expect(b.node.replica.conflicts()).toEqual([log])
    lies.mockRestore()
    const again = await up(a.root)
    await meet(b, again)
    await vi.waitFor(() => expect(b.node.replica.conflicts()).toEqual([]), patience)
    await meet(b, again)
    await vi.waitFor(() => expect(b.node.store.head(log)?.size).toBe(306), patience)
  })

  it('FORK-4: two announced heads of one size are proof enough', async () => {
    const a = await up(await made('alice'))
    const b = await up(await made('bob'))
    trust(b, 'alice', a.node.did)
    await write(a, 4)
    await meet(b, a)
    const { log } = a.node
    const { note } = signCheckpoint({ log, size: 5, root: sha256(utf8('another history')) }, a.node.keys.signer)
    await b.node.replica.conflict(log, note)
    expect(b.node.store.urgent.fork(log)).toMatchObject({ atIndex: 4, exact: false })
    // its own writer hears of it, and goes on in a new log that names the old one
    await vi.waitFor(() => expect(a.node.log).not.toBe(log), patience)
    expect(a.node.store.opened(a.node.log).succeeds).toMatchObject({ log, size: 5 })
    await write(a, 1, 'goes on')
    await meet(b, a)
    await vi.waitFor(() => expect(b.node.store.head(a.node.log)?.size).toBe(2), patience)
    blameless(a, b)
  })

  it('FORK-9: rejoin sync says that one was found', async () => {
    const { one, other } = await forked(4, [2, 5])
    const { peerId } = await one.live.dial(other.address, patient().signal)
    const records = await Array.fromAsync(runVerb(one.node, one.live, 'sync', { peers: [peerId] }, patient().signal))
    expect(records.at(-1)).toMatchObject({ kind: 'result', conflicts: 1 })
  })

  it('FORK-12 FORK-13: the owner adopts the branch that it has, and others have it in an undisputed log', async () => {
    const a = await up(await made('alice'))
    const { log, did } = a.node
    await write(a, 3)
    await a.down()
    const clone = await cloned(a.root, log, 4)
    const [b, c] = [await up(await made('bob')), await up(await made('carol'))]
    for (const reader of [b, c]) trust(reader, 'alice', did)
    const second = await up(clone)
    await meet(b, second)
    await second.down()
    const first = await up(a.root)
    await write(first, 2, 'mine')
    await meet(c, first)
    const adopt = async (of: string): Promise<readonly unknown[]> =>
      await Array.fromAsync(runVerb(first.node, first.live, 'doctor', { adopt: of }, patient().signal))
    await expect(adopt(log)).rejects.toMatchObject({ code: 'E_USAGE' })
    await meet(first, b)
    await vi.waitFor(() => expect(first.node.store.urgent.fork(log)).toMatchObject({ atIndex: 4, exact: true }), patience)
    await vi.waitFor(() => expect(first.node.log).not.toBe(log), patience)
    const now = first.node.log
    expect(await adopt(log)).toMatchObject([{ from: log, log: now, adopted: 2, already: 0, skipped: [] }])
    expect(await adopt(log)).toMatchObject([{ adopted: 0, already: 2 }])
    await expect(adopt(now)).rejects.toMatchObject({ code: 'E_USAGE' })
    await meet(b, first)
    await vi.waitFor(() => expect(b.node.store.head(now)?.size).toBe(4), patience)
    const said = [1, 2, 3].map((index) => parseEvent(b.node.store.lineOf(now, index) as Uint8Array))
    const [ours, other] = [first.node.store.head(log), b.node.store.head(log)]
    expect(said[0]).toMatchObject({
      type: 'log.adopted',
      data: {
        log,
        index: 4,
        adopted: { size: 6, root: base64(ours?.root as Uint8Array) },
        other: { size: 8, root: base64(other?.root as Uint8Array) }
      }
    })
    const leaf = (index: number): string => hex(first.node.store.needFolder(log).entry(index).hash)
    expect(said.slice(1).map(({ data }) => data)).toEqual([
      { text: 'mine 0', adopts: { log, index: 4, leaf: leaf(4) } },
      { text: 'mine 1', adopts: { log, index: 5, leaf: leaf(5) } }
    ])
    expect(await faults(first.root)).toEqual([])
  })

  it('FORK-12: the first line of the log that goes on names both branches where the fork is proven', async () => {
    const a = await up(await made('alice'))
    const { log } = a.node
    await write(a, 4)
    const { note } = signCheckpoint({ log, size: 5, root: sha256(utf8('another history')) }, a.node.keys.signer)
    await a.node.replica.conflict(log, note)
    await vi.waitFor(() => expect(a.node.log).not.toBe(log), patience)
    const { succeeds } = a.node.store.opened(a.node.log)
    expect(succeeds).toMatchObject({ log, size: 5, other: { size: 5 } })
    expect(hex(succeeds?.other?.root as Uint8Array)).toBe(hex(sha256(utf8('another history'))))
  })
})
