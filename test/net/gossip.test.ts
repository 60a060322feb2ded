import { describe, expect, it, vi } from 'vitest'
import { topicId } from '../../src/net/index.ts'
import { failure, open, patient, Seen, type TestHost } from './hosts.ts'

const topic = topicId('test', 'heads')
const text = (message: Uint8Array): string => Buffer.from(message).toString()

interface Listener extends TestHost {
  readonly heard: Seen<string>
}

/** Opens a host that judges what it hears by its first word. */
async function listener(options: Parameters<typeof open>[0] = {}): Promise<Listener> {
  const one = await open(options)
  const heard = new Seen<string>()
  one.host.gossip.subscribe(topic, (message) => {
    heard.add(text(message))
    const [verdict] = text(message).split(' ')
    if (verdict === 'bug') throw new Error('a validator that fails')
    return verdict === 'reject' || verdict === 'ignore' ? verdict : 'accept'
  })
  return { ...one, heard }
}

/** Publishes fresh messages until someone has heard one: from then on gossip between the two is up. */
async function warmUp(from: Listener, to: readonly Listener[]): Promise<void> {
  for (let n = 0; to.some(({ heard }) => heard.all.length === 0); n++) {
    await from.host.gossip.publish(topic, Buffer.from(`warm ${from.host.peerId} ${n}`))
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

/** Sends messages in one frame, which gossipsub does only where it answers a peer that asks for what it missed. */
function sendFrame(from: Listener, to: Listener, messages: readonly string[]): void {
  interface Inside {
    readonly node: { readonly services: { readonly gossip: { readonly sendRpc: (peerId: string, rpc: object) => boolean } } }
  }
  const rpc = { subscriptions: [], messages: messages.map((message) => ({ topic, data: Buffer.from(message) })) }
  expect((from.host as unknown as Inside).node.services.gossip.sendRpc(to.host.peerId, rpc)).toBe(true)
}

/** Opens a chain a – b – c. */
async function chain(): Promise<readonly [Listener, Listener, Listener]> {
  const b = await listener()
  const [a, c] = [await listener({ listen: [] }), await listener({ listen: [] })] as const
  for (const { host } of [a, c]) await host.dial(b.address, patient())
  await warmUp(a, [b, c])
  return [a, b, c]
}

describe('gossip', () => {
  it('delivers all messages of 24 nodes at one address to all others (#2: the default scores more than 10 peers of one address down)', async () => {
    const hub = await listener()
    const nodes = await Promise.all(Array.from({ length: 23 }, async () => await listener({ listen: [] })))
    await Promise.all(nodes.map(async ({ host }) => await host.dial(hub.address, patient())))
    await Promise.all(nodes.map(async (node) => await warmUp(node, [hub])))
    await warmUp(hub, nodes)
    for (const node of nodes)
      await warmUp(
        node,
        nodes.filter((other) => other !== node)
      )
    const all = [hub, ...nodes]
    const perNode = 10
    const sent = all.flatMap((_, from) => Array.from({ length: perNode }, (_, n) => `event ${from} ${n}`))
    for (let n = 0; n < perNode; n++) {
      for (const [from, { host }] of all.entries()) await host.gossip.publish(topic, Buffer.from(`event ${from} ${n}`))
    }
    const expected = sent.length - perNode
    const counts = await Promise.all(
      all.map(async ({ heard }) => {
        const events = (seen: readonly string[]): readonly string[] => seen.filter((message) => message.startsWith('event'))
        return new Set(events(await heard.until((seen) => events(seen).length >= expected))).size
      })
    )
    expect(counts).toEqual(all.map(() => expected))
    for (const { host } of nodes) expect(hub.host.gossip.scoreOf(host.peerId)).toBe(0)
  })

  it('passes on what is accepted; what is ignored, or breaks the validator, goes no further and costs the sender nothing', async () => {
    const [a, b, c] = await chain()
    for (const message of ['ignore 1', 'bug 2', 'accept 3']) await a.host.gossip.publish(topic, Buffer.from(message))
    await c.heard.until((seen) => seen.includes('accept 3'))
    expect(b.heard.all).toEqual(expect.arrayContaining(['ignore 1', 'bug 2', 'accept 3']))
    expect(c.heard.all.filter((message) => !message.startsWith('warm'))).toEqual(['accept 3'])
    expect(b.host.gossip.scoreOf(a.host.peerId)).toBe(0)
  })

  it('does not pass on what is rejected, lowers the score of its sender, and stops listening to one who goes on', async () => {
    const [a, b, c] = await chain()
    await a.host.gossip.publish(topic, Buffer.from('reject 1'))
    await b.heard.until((seen) => seen.includes('reject 1'))
    await a.host.gossip.publish(topic, Buffer.from('accept 2'))
    await c.heard.until((seen) => seen.includes('accept 2'))
    expect(c.heard.all).not.toContain('reject 1')
    // a score is computed once a second
    const scored = async (below: number): Promise<void> => {
      await vi.waitFor(() => expect(b.host.gossip.scoreOf(a.host.peerId)).toBeLessThan(below), { timeout: 10_000 })
    }
    await scored(-9)
    for (let n = 3; n < 8; n++) await a.host.gossip.publish(topic, Buffer.from(`reject ${n}`))
    await b.heard.until((seen) => seen.includes('reject 5'))
    await scored(-80)
    expect(b.host.gossip.scoreOf(c.host.peerId)).toBe(0)
  })

  it('takes 64 KiB, and not a byte more', async () => {
    const [a, b] = await chain()
    const most = Buffer.alloc(64 * 1024, 'x')
    await a.host.gossip.publish(topic, most)
    await b.heard.until((seen) => seen.includes(text(most)))
    expect(await failure(a.host.gossip.publish(topic, Buffer.alloc(64 * 1024 + 1)))).toEqual({
      code: 'E_TOO_LARGE',
      message: 'a gossip message of 65537 bytes is over 65536'
    })
  })

  it('survives a frame of many messages, as they answer a node that missed them (with 128 KiB a frame, half of 24 nodes went deaf)', async () => {
    const [a, b] = await chain()
    const many = Array.from({ length: 400 }, (_, n) => `burst ${n} ${'y'.repeat(2000)}`)
    sendFrame(a, b, many)
    await b.heard.until((seen) => many.every((message) => seen.includes(message)))
    await a.host.gossip.publish(topic, Buffer.from('accept after'))
    await b.heard.until((seen) => seen.includes('accept after'))
  })

  it('is up again soon after a frame that was too large had ended it', async () => {
    const b = await listener()
    const a = await listener({ peers: [b.address], listen: [] })
    await warmUp(a, [b])
    // a length of 2^28 - 1 bytes
    const stream = await a.host.open(b.host.peerId, '/meshsub/1.2.0', patient())
    await stream.send(Uint8Array.of(0xff, 0xff, 0xff, 0x7f))
    await a.came.until(({ length }) => length === 2)
    b.heard.all.length = 0
    await warmUp(a, [b])
    expect(b.heard.all[0]).toMatch(/^warm/)
  })

  it('says nothing where nobody listens, or where a message was sent before', async () => {
    const { host } = await open()
    await host.gossip.publish(topic, Buffer.from('alone'))
    await host.gossip.publish(topic, Buffer.from('alone'))
    expect(host.gossip.subscribers(topic)).toEqual([])
    await expect(host.gossip.publish('rejoin/1/other/heads', Buffer.from('x'))).rejects.toThrow(/^bug:/)
  })
})
