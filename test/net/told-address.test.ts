import { multiaddr } from '@multiformats/multiaddr'
import { describe, expect, it } from 'vitest'
import { toldAddress } from '../../src/net/told-address.ts'
import { open, patient, Seen } from './hosts.ts'
import type { RemotePeer } from '../../src/net/index.ts'

const peerId = '12D3KooWJWoaqZhDaoEFshF7Rh1bpY9ohihFhzcW6d69Lr2NASuq'
const another = '12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp'
const told = (listens: readonly string[], seenAt = '/ip4/192.0.2.1/tcp/53211'): string | undefined =>
  toldAddress(
    listens.map((text) => multiaddr(text)),
    multiaddr(seenAt),
    peerId
  )

describe('where a peer says that it can be dialled', () => {
  it('is the address of the host that it comes from, with its peer ID', () => {
    expect(told(['/ip4/127.0.0.1/tcp/4001', '/ip4/10.0.0.7/tcp/4001', '/ip4/192.0.2.1/tcp/4001'])).toBe(
      `/ip4/192.0.2.1/tcp/4001/p2p/${peerId}`
    )
    expect(told([`/dns4/node.example/tcp/4002/ws/p2p/${peerId}`])).toBe(`/dns4/node.example/tcp/4002/ws/p2p/${peerId}`)
  })

  it('is no loopback address, unless the peer is on this machine', () => {
    expect(told(['/ip4/127.0.0.1/tcp/4001', '/ip6/::1/tcp/4001'])).toBeUndefined()
    expect(told(['/ip4/127.0.0.1/tcp/4001', '/ip4/10.0.0.7/tcp/4001'])).toBe(`/ip4/10.0.0.7/tcp/4001/p2p/${peerId}`)
    expect(told(['/ip4/127.0.0.1/tcp/4001'], '/ip4/127.0.0.1/tcp/53211')).toBe(`/ip4/127.0.0.1/tcp/4001/p2p/${peerId}`)
  })

  it('is nothing that names another peer, goes over a relay, can not be dialled, or is as long as a book', () => {
    expect(
      told([
        `/ip4/192.0.2.1/tcp/4001/p2p/${another}`,
        `/ip4/192.0.2.9/tcp/4001/p2p/${another}/p2p-circuit/p2p/${peerId}`,
        '/ip4/192.0.2.1/udp/4001/quic-v1',
        '/ip4/192.0.2.1/tcp/0',
        `/p2p/${peerId}`,
        `/dns4/${'x'.repeat(400)}/tcp/4001`
      ])
    ).toBeUndefined()
  })
})

describe('a host', () => {
  it('tells of an inbound peer where it listens, as soon as that is known', async () => {
    const heard = new Seen<RemotePeer>()
    const a = await open({ onTold: heard.add })
    const b = await open()
    await b.host.dial(a.address, patient())
    const [peer] = await heard.until(({ length }) => length === 1)
    expect(peer).toMatchObject({ peerId: b.host.peerId, direction: 'inbound', told: b.address })
    expect(peer?.address).not.toBe(b.address)
    expect(a.host.peers()).toEqual([peer])
    expect((await a.host.dial(peer?.told ?? '', patient())).peerId).toBe(b.host.peerId)
  })

  it('tells nothing of a peer that listens nowhere', async () => {
    const heard = new Seen<RemotePeer>()
    const a = await open({ onTold: heard.add })
    const b = await open({ listen: [] })
    const c = await open()
    await b.host.dial(a.address, patient())
    await c.host.dial(a.address, patient())
    await heard.until(({ length }) => length === 1)
    expect(heard.all.map((one) => one.peerId)).toEqual([c.host.peerId])
  })
})
