import type { Connection, ConnectionLimits } from '@libp2p/interface'
import { describe, expect, it } from 'vitest'
import { protocolId, topicId } from '../../src/net/index.ts'
import { gossipOptions } from '../../src/net/gossip.ts'
import { failure, open, patient, Seen, type TestHost } from './hosts.ts'

interface Inside {
  readonly node: {
    readonly addEventListener: (name: 'connection:open', listener: (event: CustomEvent<Connection>) => void) => void
  }
}

/** Makes all connections of a host such as come through a relay, which libp2p tells by their limits only. */
function limitConnections({ host }: TestHost): void {
  ;(host as unknown as Inside).node.addEventListener('connection:open', ({ detail }) => {
    ;(detail as { limits?: ConnectionLimits }).limits = { bytes: 131_072n, seconds: 120 }
  })
}

const blob = protocolId('test', 'blob')
const sync = protocolId('test', 'sync')

describe('a connection through a relay', () => {
  it('carries no stream of blobs or sync: opening one says why (BLOB-18)', async () => {
    const a = await open({ listen: [] })
    const b = await open()
    limitConnections(a)
    const { peerId, limited } = await a.host.dial(b.address, patient())
    expect(limited).toBe(true)
    for (const protocol of [blob, sync]) {
      await b.host.handle(protocol, async (stream) => await stream.close())
      expect(await failure(a.host.open(peerId, protocol, patient()))).toEqual({
        code: 'E_UNREACHABLE',
        message: `${peerId} is reached through a relay only, and ${protocol} is not spoken over one`
      })
    }
  })

  it('lets no stream of blobs in from a peer that opens one all the same (BLOB-18)', async () => {
    const a = await open({ listen: [] })
    const b = await open()
    limitConnections(b)
    const accepted = new Seen<string>()
    await b.host.handle(blob, async (stream) => {
      accepted.add('blob')
      await stream.close()
    })
    const { peerId } = await a.host.dial(b.address, patient())
    const stream = await a.host.open(peerId, blob, patient())
    const read = async (): Promise<void> => {
      for await (const _ of stream) throw new Error('nothing was sent')
    }
    expect((await failure(read())).code).toBe('E_GONE')
    expect(accepted.all).toEqual([])
  })

  it('carries announcements, both ways', async () => {
    const a = await open({ listen: [] })
    const b = await open()
    const topic = topicId('test', 'heads')
    expect(gossipOptions('test').runOnLimitedConnection).toBe(true)
    const heard = new Seen<string>()
    for (const [name, one] of [
      ['a', a],
      ['b', b]
    ] as const) {
      limitConnections(one)
      one.host.gossip.subscribe(topic, () => (heard.add(name), 'accept'))
    }
    expect((await a.host.dial(b.address, patient())).limited).toBe(true)
    for (let n = 0; new Set(heard.all).size < 2; n++) {
      await a.host.gossip.publish(topic, Buffer.from(`a ${n}`))
      await b.host.gossip.publish(topic, Buffer.from(`b ${n}`))
      await new Promise(setImmediate)
    }
  })
})
