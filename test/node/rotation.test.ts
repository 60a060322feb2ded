import { cpSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { closedPath, didOf, type LogId, parseEvent, type RejoinEvent, signerOf } from '../../src/core/index.ts'
import { topicId } from '../../src/net/index.ts'
import { finishRotation, rotateKeys } from '../../src/node/index.ts'
import { beginRotation, readOwnLog, readRotation, readSeed } from '../../src/store/index.ts'
import { failure, open, patient } from '../net/hosts.ts'
import { faults, made, meet, trust, up, type Up, write } from './nodes.ts'

const patience = { timeout: 10_000 }

function nextSeed(root: string): Uint8Array {
  return readSeed(root, 'keys/next') as Uint8Array
}

/** Returns the texts of a log's events that a node may pass on. */
function textsOf({ node }: Up, log: LogId): readonly (string | undefined)[] {
  const folder = node.store.folder(log)
  return Array.from({ length: folder?.size ?? 0 }, (_, index) => {
    const { line } = folder?.entry(index) ?? {}
    const event: RejoinEvent | undefined = line && parseEvent(line)
    return event?.type === 'log.opened' ? 'opened' : (event?.data['text'] as string | undefined)
  })
}

async function settled({ node }: Up): Promise<void> {
  await node.share.queue.tail
  await node.settled()
}

describe('a change of keys', () => {
  it('CLOSING-6 CLOSING-12: whoever knew the old key by a name knows the new one by it, and takes its log', async () => {
    const [a, b] = [await up(await made('alice')), await up(await made('bob'))]
    trust(b, 'alice', a.node.did)
    await write(a, 3)
    await meet(b, a)
    expect(textsOf(b, a.node.log)).toEqual(['opened', 'note 0', 'note 1', 'note 2'])
    await a.down()
    const rotated = await rotateKeys(a.root, { nextSeed: nextSeed(a.root) })
    expect(rotated).toMatchObject({ closed: a.node.log, size: 4, voided: 0 })
    expect(rotated.did).not.toBe(a.node.did)
    const again = await up(a.root)
    expect(again.node.did).toBe(rotated.did)
    await write(again, 2, 'under the new key')
    await meet(b, again)
    await vi.waitFor(() => {
      expect(textsOf(b, again.node.log)).toEqual(['opened', 'under the new key 0', 'under the new key 1'])
    }, patience)
    expect(b.node.gate.nameOf(rotated.did)).toBe('alice')
    // what was below the end is untouched, and its own writer still takes it for its own
    expect(textsOf(b, a.node.log)).toHaveLength(4)
    expect(again.node.gate.nameOf(a.node.did)).toBe('me')
    expect(await faults(b.root)).toEqual([])
    expect(await faults(a.root)).toEqual([])
    // a second change: the line goes on
    await again.down()
    const third = await rotateKeys(a.root, { nextSeed: nextSeed(a.root) })
    const last = await up(a.root)
    await meet(b, last)
    await vi.waitFor(() => expect(textsOf(b, third.log)).toEqual(['opened']), patience)
    expect(b.node.gate.nameOf(third.did)).toBe('alice')
  })

  it('CLOSING-5 CLOSING-14 URGENT-4: revoking at a size takes the text beyond it everywhere, through nodes that refuse the author', async () => {
    const [a, b, c, d] = [
      await up(await made('alice')),
      await up(await made('bob')),
      await up(await made('carol')),
      await up(await made('dave'))
    ]
    const { log } = a.node
    trust(b, 'alice', a.node.did)
    trust(d, 'alice', a.node.did)
    await write(a, 5)
    await meet(b, a)
    await meet(d, a)
    // carol, between bob and dave from here on, knows nobody
    await meet(c, b)
    await meet(d, c)
    expect(textsOf(d, log)).toHaveLength(6)
    await a.down()
    const rotated = await rotateKeys(a.root, { nextSeed: nextSeed(a.root), size: 3 })
    expect(rotated).toMatchObject({ size: 3, voided: 3 })
    const again = await up(a.root)
    await meet(again, b)
    for (const one of [again, b, d])
      await vi.waitFor(
        () => expect(textsOf(one, log)).toEqual(['opened', 'note 0', 'note 1', undefined, undefined, undefined]),
        patience
      )
    for (const one of [again, b, c, d]) await settled(one)
    expect(c.node.store.urgent.closed(log)).toMatchObject({ size: 3, conflict: false, successor: rotated.log })
    expect(
      d.node.gate.judgeOne(lineAt(5), { ...anEvent, source: a.node.did }, { log, author: a.node.did, nowMs: 0 }).decision
    ).toMatchObject({
      verdict: 'refuse',
      rule: 'closed'
    })
    // nobody is worse off for having passed it on
    for (const one of [b, c, d])
      for (const { peerId } of one.live.host.peers()) expect(one.node.scores.pointsOf(peerId)).toBeGreaterThanOrEqual(0)
    for (const one of [a, b, c, d]) expect(await faults(one.root)).toEqual([])
  })

  it('CLOSING-7: a closing that comes before its log comes to the same', async () => {
    const [a, c, d] = [await up(await made('alice')), await up(await made('carol')), await up(await made('dave'))]
    const { log } = a.node
    await write(a, 5)
    await a.down()
    const rotated = await rotateKeys(a.root, { nextSeed: nextSeed(a.root), size: 2 })
    const again = await up(a.root)
    // carol hears of the closing before she trusts anybody
    await meet(c, again)
    await vi.waitFor(() => expect(c.node.store.urgent.closed(log)?.size).toBe(2), patience)
    expect(c.node.store.folder(log)).toBeUndefined()
    trust(c, 'alice', a.node.did)
    trust(d, 'alice', a.node.did)
    await meet(d, again)
    for (const one of [c, d])
      await vi.waitFor(() => {
        expect(textsOf(one, log)).toEqual(['opened', 'note 0', undefined, undefined, undefined, undefined])
        expect(textsOf(one, rotated.log)).toEqual(['opened'])
      }, patience)
  })

  it('CLOSING-11: works with the old key lost or damaged, and the node starts with the new one', async () => {
    for (const spoil of [(path: string) => rmSync(path), (path: string) => writeFileSync(path, 'rust\n')]) {
      const root = await made('alice')
      const a = await up(root)
      await write(a, 2)
      await a.down()
      spoil(join(root, 'keys/writer'))
      const rotated = await rotateKeys(root, { nextSeed: nextSeed(root) })
      expect(rotated).toMatchObject({ closed: a.node.log, size: 3 })
      const again = await up(root)
      expect([again.node.did, again.node.log]).toEqual([rotated.did, rotated.log])
      expect(textsOf(again, a.node.log)).toEqual(['opened', 'note 0', 'note 1'])
      await again.down()
      expect(await faults(root)).toEqual([])
    }
  })

  it('CLOSING-11: goes on where it was interrupted, whatever was done by then', async () => {
    const whole = await made('alice')
    const a = await up(whole)
    await write(a, 4)
    await a.down()
    const { log } = a.node
    const seed = nextSeed(whole)
    const did = didOf(signerOf(seed).publicKey)
    beginRotation(whole, log, seed, a.node.keys.nextKey)
    const begun = readFileSync(join(whole, 'keys/rotation'))
    const rotated = await rotateKeys(whole, { nextSeed: seed, size: 2 })
    // each state is that of a crash: the keys were not replaced yet
    const crashed = await made('crashed')
    for (const left of ['begun', 'successor', 'closing'] as const) {
      rmSync(crashed, { recursive: true })
      cpSync(whole, crashed, { recursive: true, filter: (path) => !path.endsWith('/index') })
      writeFileSync(join(crashed, 'keys/log'), `${log}\n`)
      rmSync(join(crashed, 'keys/writer'))
      writeFileSync(join(crashed, 'keys/cut'), `${log} 2\n`)
      if (left !== 'closing') rmSync(join(crashed, 'logs', log, 'closed'))
      if (left === 'begun') rmSync(join(crashed, 'logs', rotated.log), { recursive: true })
      writeFileSync(join(crashed, 'keys/rotation'), begun)
      expect(readRotation(crashed)).toBeDefined()
      const again = await up(crashed)
      expect(again.notices.join('\n')).toContain('a change of keys was completed that had been interrupted')
      expect(again.node.did).toBe(did)
      expect(again.node.store.urgent.closed(log)).toMatchObject({ size: 2, conflict: false, successor: again.node.log })
      if (left !== 'begun') expect(again.node.log).toBe(rotated.log)
      await write(again, 1, 'after')
      await again.down()
      expect(readRotation(crashed)).toBeUndefined()
      expect(existsSync(join(crashed, 'keys/cut'))).toBe(false)
      expect(await finishRotation(crashed)).toBeUndefined()
      expect(readOwnLog(crashed)).toBe(again.node.log)
      expect(await faults(crashed)).toEqual([])
    }
  })

  it('CLOSING-13: is refused while the node is up, with another key, and beyond the log', async () => {
    const a = await up(await made('alice'))
    const seed = nextSeed(a.root)
    expect(await failure(rotateKeys(a.root, { nextSeed: seed }))).toMatchObject({ code: 'E_LOCKED' })
    await a.down()
    expect(await failure(rotateKeys(a.root, { nextSeed: new Uint8Array(32).fill(9) }))).toMatchObject({ code: 'E_KEY' })
    expect(await failure(rotateKeys(a.root, { nextSeed: seed, size: 2 }))).toMatchObject({ code: 'E_USAGE' })
    const again = await up(a.root)
    expect(again.node.did).toBe(a.node.did)
  })

  it('URGENT-5: what does not verify is held against its sender, what does is not, and is passed on once', async () => {
    const [a, b] = [await up(await made('alice')), await up(await made('bob'))]
    await a.down()
    await rotateKeys(a.root, { nextSeed: nextSeed(a.root) })
    const record = readFileSync(join(a.root, closedPath(a.node.log)))
    const topic = topicId('test', 'urgent')
    const [herald, liar] = [await open({ listen: [] }), await open({ listen: [] })]
    for (const { host } of [herald, liar]) {
      host.gossip.subscribe(topic, () => 'ignore')
      await host.dial(b.address, patient())
      await vi.waitFor(() => expect(host.gossip.subscribers(topic)).toContain(b.node.nodeId), patience)
    }
    await herald.host.gossip.publish(topic, record)
    await vi.waitFor(() => expect(b.node.store.urgent.closed(a.node.log)).toMatchObject({ size: 1 }), patience)
    expect(b.node.scores.view(herald.host.peerId)).toEqual({ score: 0, standing: 'good' })
    await liar.host.gossip.publish(
      topic,
      record.map((byte, at) => (at === record.length - 20 ? byte ^ 1 : byte))
    )
    await vi.waitFor(() => expect(b.node.scores.pointsOf(liar.host.peerId)).toBeLessThan(0), patience)
  })
})

const anEvent = parseEvent(
  new TextEncoder().encode(
    '{"data":{"text":"x"},"hlc":"0193a4c2f1d80002","id":"0123456789abcdef0123456789abcdef","source":"did:key:z6MkrWBU6da5XDDtcr7L6xqTzPXTkPmCheaMy2MmsCwdquFT","specversion":"1.0","time":"2026-11-20T10:00:00.000Z","type":"note.said"}'
  )
)

function lineAt(index: number): { index: number; size: number; hash: Uint8Array; withheld: boolean; start: number; end: number } {
  return { index, size: 1, hash: new Uint8Array(32), withheld: false, start: 0, end: 300 }
}
