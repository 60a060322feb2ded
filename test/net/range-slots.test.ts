import { multiaddr } from '@multiformats/multiaddr'
import { describe, expect, it } from 'vitest'
import { rangeOf } from '../../src/net/address-range.ts'
import { type Inbound, RangeSlots } from '../../src/net/range-slots.ts'
import { failure, open, patient } from './hosts.ts'

/** A connection from an address; close() ends it. */
function from(address: string): Inbound & { readonly close: () => void } {
  const closing: (() => void)[] = []
  return {
    remoteAddr: multiaddr(address),
    addEventListener: (_, listener) => void closing.push(listener),
    close: () => {
      for (const listener of closing) listener()
    }
  }
}

describe('the range of an address', () => {
  it.each([
    ['/ip4/192.0.2.7/tcp/4001', '192.0.2.0/24'],
    ['/ip4/8.8.8.8/tcp/1/ws', '8.8.8.0/24'],
    ['/ip6/2001:db8:1:2:3:4:5:6/tcp/4001', '2001:db8:1:2::/64'],
    ['/ip6/2001:db8::1/tcp/4001', '2001:db8:0:0::/64'],
    ['/ip6/::ffff:192.0.2.7/tcp/4001', '192.0.2.0/24']
  ])('PEERS-7 of %s is %s', (address, range) => {
    expect(rangeOf(multiaddr(address))).toBe(range)
  })

  it.each([
    '/ip4/127.0.0.1/tcp/4001',
    '/ip4/10.1.2.3/tcp/4001',
    '/ip4/172.31.0.1/tcp/4001',
    '/ip4/192.168.1.1/tcp/4001',
    '/ip4/169.254.1.1/tcp/4001',
    '/ip4/100.100.0.1/tcp/4001',
    '/ip6/::1/tcp/4001',
    '/ip6/fe80::1/tcp/4001',
    '/ip6/fd00::1/tcp/4001',
    '/ip6/::ffff:10.0.0.1/tcp/4001'
  ])('PEERS-7 of %s, which is private, is not counted', (address) => {
    expect(rangeOf(multiaddr(address))).toBeUndefined()
    expect(rangeOf(multiaddr(address), { countPrivate: true })).toMatch(/\/(?:24|64)$/)
  })

  it('is not known through a relay or of a name', () => {
    const relay = '/ip4/192.0.2.7/tcp/4001/p2p/12D3KooWJWoaqZhDaoEFshF7Rh1bpY9ohihFhzcW6d69Lr2NASuq/p2p-circuit'
    expect(rangeOf(multiaddr(relay))).toBeUndefined()
    expect(rangeOf(multiaddr('/dns4/node.example/tcp/4001'))).toBeUndefined()
  })
})

describe('slots by range', () => {
  it('PEERS-7 lets 64 peers in from one range, and of another one still more', () => {
    const slots = new RangeSlots({ maxPeers: 64, maxConnections: 128, countPrivate: false })
    const enter = (peerId: string, address: string): boolean => {
      const connection = from(address)
      return slots.takeConnection(connection) && slots.takePeer(peerId, connection)
    }
    const come = Array.from({ length: 100 }, (_, n) => enter(`peer ${n}`, `/ip4/192.0.2.${n}/tcp/4001`))
    expect(come.filter(Boolean)).toHaveLength(64)
    expect(come.slice(0, 64).every(Boolean)).toBe(true)
    expect(enter('other', '/ip4/198.51.100.1/tcp/4001')).toBe(true)
    // one that is in may come again: its old connection may be dead
    expect(enter('peer 3', '/ip4/192.0.2.3/tcp/4002')).toBe(true)
    expect(Array.from({ length: 100 }, (_, n) => enter(`lan ${n}`, `/ip4/10.0.0.${n}/tcp/4001`)).every(Boolean)).toBe(true)
  })

  it('PEERS-7 holds connections of one range to twice as many, before their peer is known, and frees what closes', () => {
    const slots = new RangeSlots({ maxPeers: 2, maxConnections: 4, countPrivate: false })
    const open = Array.from({ length: 4 }, (_, n) => from(`/ip4/192.0.2.${n}/tcp/4001`))
    expect(open.map((one) => slots.takeConnection(one))).toEqual([true, true, true, true])
    expect(slots.takeConnection(from('/ip4/192.0.2.9/tcp/4001'))).toBe(false)
    const [a, b, c, d] = open as [(typeof open)[0], (typeof open)[0], (typeof open)[0], (typeof open)[0]]
    expect([slots.takePeer('a', a), slots.takePeer('b', b), slots.takePeer('c', c), slots.takePeer('a', d)]).toEqual([
      true,
      true,
      false,
      true
    ])
    a.close()
    expect(slots.takePeer('c', c)).toBe(false)
    d.close()
    expect(slots.takePeer('c', c)).toBe(true)
    for (const one of [b, c]) one.close()
    expect(Array.from({ length: 5 }, () => slots.takeConnection(from('/ip4/192.0.2.1/tcp/1')))).toEqual([
      true,
      true,
      true,
      true,
      false
    ])
  })

  it('PEERS-7 keeps a third peer of one range out, and lets it in once another has left', async () => {
    const hub = await open({ ranges: { maxPeers: 2, countPrivate: true } })
    const peers = await Promise.all(Array.from({ length: 3 }, async () => await open({ listen: [] })))
    const [a, b, c] = peers as [(typeof peers)[0], (typeof peers)[0], (typeof peers)[0]]
    await a.host.dial(hub.address, patient())
    await b.host.dial(hub.address, patient())
    expect((await failure(c.host.dial(hub.address, patient()))).code).toBe('E_UNREACHABLE')
    await a.host.hangUp(hub.host.peerId)
    await hub.went.until((seen) => seen.some(({ peerId }) => peerId === a.host.peerId))
    await c.host.dial(hub.address, patient())
    await hub.came.until((seen) => seen.length === 3)
    expect(hub.host.peers().map(({ peerId }) => peerId)).toEqual([b.host.peerId, c.host.peerId])
  })
})
