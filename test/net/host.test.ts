import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { describe, expect, it } from 'vitest'
import { peerIdOf, signerOf } from '../../src/core/index.ts'
import { protocolId, topicId } from '../../src/net/index.ts'
import type { ByteStream } from '../../src/sync/index.ts'
import { failure, freshSeed, open, patient, Seen } from './hosts.ts'

const protocol = '/test/1'
const anotherKey = '12D3KooWJWoaqZhDaoEFshF7Rh1bpY9ohihFhzcW6d69Lr2NASuq'

describe('a host', () => {
  it('has the peer ID of its seed, and tells each side whom it met', async () => {
    const seed = freshSeed()
    const a = await open({ seed })
    const b = await open()
    expect(a.host.peerId).toBe(peerIdOf(signerOf(seed).publicKey))
    expect(a.address).toMatch(new RegExp(`^/ip4/127.0.0.1/tcp/\\d+/p2p/${a.host.peerId}$`))
    const met = await b.host.dial(a.address, patient())
    expect(met).toEqual({
      peerId: a.host.peerId,
      publicKey: signerOf(seed).publicKey,
      address: a.address,
      direction: 'outbound',
      limited: false
    })
    expect(b.host.peers()).toEqual([met])
    const [seen] = await a.came.until(({ length }) => length === 1)
    expect(seen).toMatchObject({ peerId: b.host.peerId, direction: 'inbound' })
    await b.host.hangUp(a.host.peerId)
    expect((await a.went.until(({ length }) => length === 1))[0]?.peerId).toBe(b.host.peerId)
    await b.went.until(({ length }) => length === 1)
    expect(b.host.peers()).toEqual([])
  })

  it('takes 20 dials at once', async () => {
    const hub = await open()
    const others = await Promise.all(Array.from({ length: 20 }, async () => await open({ listen: [] })))
    await Promise.all(others.map(async ({ host }) => await host.dial(hub.address, patient())))
    await hub.came.until(({ length }) => length === 20)
    expect(hub.host.peers().length).toBe(20)
  })

  it('speaks over WebSockets too, with as many bytes as it likes', async () => {
    const a = await open({ listen: ['/ip4/127.0.0.1/tcp/0/ws'] })
    const b = await open({ listen: [] })
    const received = new Seen<number>()
    await a.host.handle(protocol, async (stream) => {
      let bytes = 0
      for await (const chunk of stream) bytes += chunk.length
      received.add(bytes)
    })
    expect(a.address).toContain('/ws/p2p/')
    const { peerId } = await b.host.dial(a.address, patient())
    const stream = await b.host.open(peerId, protocol, patient())
    for (let sent = 0; sent < 20; sent++) await stream.send(new Uint8Array(1_000_000))
    await stream.close()
    expect(await received.until(({ length }) => length === 1)).toEqual([20_000_000])
  })

  it('opens many streams at once, up to 64 of a protocol', async () => {
    const a = await open()
    const b = await open({ listen: [] })
    await a.host.handle(protocol, async (stream) => {
      for await (const chunk of stream) await stream.send(chunk)
    })
    const { peerId } = await b.host.dial(a.address, patient())
    const streams = await Promise.all(Array.from({ length: 64 }, async () => await b.host.open(peerId, protocol, patient())))
    const echoes = await Promise.all(
      streams.map(async (stream, index) => {
        await stream.send(Uint8Array.of(index))
        await stream.close()
        let echo = -1
        for await (const chunk of stream) echo = chunk[0] as number
        return echo
      })
    )
    expect(echoes).toEqual(streams.map((_, index) => index))
  })

  it('opens a 65th stream of a protocol once one of the 64 has ended, in the order of asking', async () => {
    const a = await open()
    const b = await open({ listen: [] })
    await a.host.handle(protocol, async (stream) => {
      for await (const chunk of stream) await stream.send(chunk)
    })
    const { peerId } = await b.host.dial(a.address, patient())
    const openOne = async (): Promise<ByteStream> => await b.host.open(peerId, protocol, patient())
    const streams = await Promise.all(Array.from({ length: 64 }, openOne))
    const order = new Seen<string>()
    const late = ['65th', '66th'].map(async (name) => {
      const stream = await openOne()
      order.add(name)
      return stream
    })
    // another protocol of the same connection has slots of its own
    await a.host.handle('/other/1', async (stream) => await stream.close())
    await (await b.host.open(peerId, '/other/1', patient())).close()
    expect(order.all).toEqual([])
    await streams[7]?.close()
    expect(await order.until(({ length }) => length === 1)).toEqual(['65th'])
    streams[8]?.abort(new Error('enough'))
    expect(await order.until(({ length }) => length === 2)).toEqual(['65th', '66th'])
    for (const stream of await Promise.all(late)) {
      await stream.send(Uint8Array.of(65))
      await stream.close()
      for await (const chunk of stream) expect([...chunk]).toEqual([65])
    }
  })

  it('leaves the queue for a stream where the caller does, and fails there with E_GONE where the connection ends', async () => {
    const a = await open()
    const b = await open({ listen: [] })
    await a.host.handle(protocol, async (stream) => {
      for await (const chunk of stream) await stream.send(chunk)
    })
    const { peerId } = await b.host.dial(a.address, patient())
    await Promise.all(Array.from({ length: 64 }, async () => await b.host.open(peerId, protocol, patient())))
    const stop = new AbortController()
    const reason = new Error('the user changed their mind')
    const waiting = b.host.open(peerId, protocol, stop)
    stop.abort(reason)
    await expect(waiting).rejects.toBe(reason)
    const hungUp = failure(b.host.open(peerId, protocol, patient()))
    await b.host.hangUp(peerId)
    expect((await hungUp).code).toBe('E_GONE')
  })

  it('closes within a moment, twice if need be, and then opens and dials nothing', async () => {
    const a = await open()
    const b = await open()
    const { peerId } = await b.host.dial(a.address, patient())
    await b.host[Symbol.asyncDispose]()
    await b.host[Symbol.asyncDispose]()
    expect((await failure(b.host.dial(a.address, patient()))).code).toBe('E_TERMINATED')
    expect((await failure(b.host.open(peerId, protocol, patient()))).code).toBe('E_TERMINATED')
    await b.host.gossip.publish(topicId('test', 'heads'), new Uint8Array(1))
  })
})

describe('two networks', () => {
  it('have other protocols and topics, so that a stream fails with E_NETWORK and gossip does not cross', async () => {
    const a = await open({ network: 'one' })
    const b = await open({ network: 'two' })
    const heard = new Seen<string>()
    a.host.gossip.subscribe(topicId('one', 'heads'), () => (heard.add('a'), 'accept'))
    b.host.gossip.subscribe(topicId('two', 'heads'), () => (heard.add('b'), 'accept'))
    await a.host.handle(protocolId('one', 'sync'), async (stream) => await stream.close())
    await b.host.handle(protocolId('two', 'sync'), async (stream) => await stream.close())
    const c = await open({ network: 'one', listen: [] })
    c.host.gossip.subscribe(topicId('one', 'heads'), () => (heard.add('c'), 'accept'))
    for (const one of [b, c]) await one.host.dial(a.address, patient())
    expect(await failure(b.host.open(a.host.peerId, protocolId('two', 'sync'), patient()))).toEqual({
      code: 'E_NETWORK',
      message: `${a.host.peerId} speaks no rejoin on network two (/rejoin/two/sync/1)`
    })
    await (await c.host.open(a.host.peerId, protocolId('one', 'sync'), patient())).close()
    // c's message shows that gossip of network one is up; b is connected to the same node and has neither subscribers nor messages
    while (heard.all.length === 0) {
      await c.host.gossip.publish(topicId('one', 'heads'), crypto.getRandomValues(new Uint8Array(8)))
      await b.host.gossip.publish(topicId('two', 'heads'), crypto.getRandomValues(new Uint8Array(8)))
      await new Promise(setImmediate)
    }
    expect(new Set(heard.all)).toEqual(new Set(['a']))
    expect(a.host.gossip.subscribers(topicId('one', 'heads'))).toEqual([c.host.peerId])
    expect(b.host.gossip.subscribers(topicId('two', 'heads'))).toEqual([])
  })

  it('refuse a name that is none', async () => {
    for (const network of ['', 'A', 'a/b', 'x'.repeat(33), 'ä'])
      expect((await failure(open({ network }))).code, network).toBe('E_USAGE')
  })
})

describe('a denied peer', () => {
  it('is cut when it dials, and told so, before any stream', async () => {
    const denied = await open()
    const a = await open({ isDenied: (peerId) => peerId === denied.host.peerId })
    const { code, message } = await failure(denied.host.dial(a.address, patient()))
    expect({ code, message }).toEqual({ code: 'E_UNREACHABLE', message: `what answers at ${a.address} broke off the handshake` })
    expect(a.came.all).toEqual([])
    expect(denied.host.peers()).toEqual([])
  })

  it('is not dialled, whether or not the address says who it is', async () => {
    const denied = await open()
    const a = await open({ isDenied: (peerId) => peerId === denied.host.peerId })
    expect((await failure(a.host.dial(denied.address, patient()))).code).toBe('E_REFUSED')
    expect((await failure(a.host.dial(denied.address.replace(/\/p2p\/.*/, ''), patient()))).code).not.toBe('E_USAGE')
    expect(a.host.peers()).toEqual([])
  })
})

describe('a dial', () => {
  it('says what is wrong with an address', async () => {
    const { host, address } = await open()
    const failing = async (text: string): Promise<unknown> => await failure(host.dial(text, patient()))
    for (const text of ['', 'nonsense', '/ip4/300.1.1.1/tcp/1', '127.0.0.1:4001', '/ip4/127.0.0.1/udp/1/quic-v1', address]) {
      expect(await failing(text), text).toMatchObject({ code: 'E_USAGE' })
    }
  })

  it('says that nothing listens there', async () => {
    const { host } = await open()
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    server.close()
    await once(server, 'close')
    const address = `/ip4/127.0.0.1/tcp/${port}`
    expect(await failure(host.dial(address, patient()))).toEqual({
      code: 'E_UNREACHABLE',
      message: `${address} could not be reached: nothing listens there`
    })
  })

  it('says that what answers is no node', async () => {
    const { host } = await open()
    const server = createServer((socket) => socket.end('SSH-2.0-OpenSSH_9.6\r\n')).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = `/ip4/127.0.0.1/tcp/${(server.address() as AddressInfo).port}`
    expect(await failure(host.dial(address, patient()))).toEqual({
      code: 'E_UNREACHABLE',
      message: `what answers at ${address} broke off the handshake`
    })
    server.close()
  })

  it('says that another node answers than the address names', async () => {
    const a = await open()
    const b = await open()
    const address = a.address.replace(a.host.peerId, anotherKey)
    expect(await failure(b.host.dial(address, patient()))).toEqual({
      code: 'E_UNREACHABLE',
      message: `another node answers at ${address}: its key is not the one in the address`
    })
  })

  it('ends when its signal does, with the reason of the signal', async () => {
    const { host } = await open()
    const silent = createServer(() => {}).listen(0, '127.0.0.1')
    await once(silent, 'listening')
    const stop = new AbortController()
    const dialling = host.dial(`/ip4/127.0.0.1/tcp/${(silent.address() as AddressInfo).port}`, stop)
    const reason = new Error('the user changed their mind')
    silent.once('connection', () => stop.abort(reason))
    await expect(dialling).rejects.toBe(reason)
    silent.close()
  })

  it("works for a node whose clock is two hours behind, in both directions (its peer's TLS certificate is not valid yet there)", async () => {
    const a = await open()
    await a.host.handle(protocol, async (stream) => await stream.close())
    const late = spawn(process.execPath, [`${import.meta.dirname}/late-clock.ts`, a.address], {
      stdio: ['ignore', 'pipe', 'inherit']
    })
    const said = new Seen<string>()
    late.stdout.on('data', (data) => String(data).trim().split('\n').forEach(said.add))
    const [address] = await said.until(({ length }) => length === 1)
    const { peerId } = await a.host.dial(address as string, patient())
    for await (const _ of await a.host.open(peerId, protocol, patient())) throw new Error('nothing was sent')
    await a.host.hangUp(peerId)
    late.kill('SIGUSR2')
    expect((await said.until(({ length }) => length === 2))[1]).toBe('dialled')
    late.kill('SIGTERM')
    await once(late, 'exit')
  })
})

describe('listening', () => {
  it('names the address that is in use', async () => {
    const a = await open()
    const taken = a.address.replace(/\/p2p\/.*/, '')
    expect(await failure(open({ listen: ['/ip4/127.0.0.1/tcp/0', taken] }))).toEqual({
      code: 'E_EXISTS',
      message: `${taken} is in use by another program`
    })
  })

  it('names the address that is none, or not of this machine', async () => {
    expect((await failure(open({ listen: ['localhost:4001'] }))).code).toBe('E_USAGE')
    expect((await failure(open({ listen: ['/ip4/127.0.0.1/udp/0/quic-v1'] }))).code).toBe('E_USAGE')
    expect((await failure(open({ listen: ['/ip4/192.0.2.77/tcp/0'] }))).code).toBe('E_USAGE')
    expect((await failure(open({ peers: ['nowhere'] }))).code).toBe('E_USAGE')
  })
})
