import { describe, expect, it } from 'vitest'
import { discoveries } from '../../src/net/discovery.ts'
import { serviceTag } from '../../src/net/index.ts'
import { open } from './hosts.ts'

describe('discovery', () => {
  it('finds a peer of the same network by mDNS and connects, and none of another network', async () => {
    const a = await open({ mdns: true })
    const other = await open({ mdns: true, network: 'other' })
    const b = await open({ mdns: true })
    const [met] = await b.came.until(({ length }) => length > 0)
    expect(met?.peerId).toBe(a.host.peerId)
    await a.came.until(({ length }) => length > 0)
    expect([...a.came.all, ...b.came.all].map(({ peerId }) => peerId)).not.toContain(other.host.peerId)
    expect(other.host.peers()).toEqual([])
  })

  it('does not connect to a denied peer it finds', async () => {
    const a = await open({ mdns: true })
    const b = await open({ mdns: true, isDenied: (peerId) => peerId === a.host.peerId })
    const c = await open({ mdns: true })
    await c.came.until((all) => all.some(({ peerId }) => peerId === a.host.peerId))
    expect(b.came.all.map(({ peerId }) => peerId)).not.toContain(a.host.peerId)
  })

  it('has a service of its own for each network, which fits in a DNS label', () => {
    expect(serviceTag('home')).toBe('_rejoin-home._udp.local')
    expect((serviceTag('x'.repeat(32)).split('.')[0] as string).length).toBeLessThanOrEqual(63)
  })

  it('is made of what is asked for only', () => {
    const id = '12D3KooWJWoaqZhDaoEFshF7Rh1bpY9ohihFhzcW6d69Lr2NASuq'
    const address = '/ip4/192.0.2.1/tcp/4001'
    expect(discoveries({ network: 'test', peers: [], mdns: false }).length).toBe(0)
    expect(discoveries({ network: 'test', peers: [address], mdns: false }).length).toBe(0)
    expect(discoveries({ network: 'test', peers: [`${address}/p2p/${id}`], mdns: true }).length).toBe(2)
  })
})
