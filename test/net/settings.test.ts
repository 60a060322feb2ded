import type { Connection } from '@libp2p/interface'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { open, patient, Seen, type TestHost } from './hosts.ts'

const protocol = '/test/1'
const MiB = 1024 * 1024

/** What libp2p and its parts run with: what they made of what they were given, not what that was. */
interface Effective {
  readonly node: {
    readonly getConnections: () => readonly Connection[]
    readonly components: {
      readonly connectionManager: {
        readonly maxConnections: number
        readonly maxIncomingPendingConnections: number
        readonly inboundConnectionRateLimiter: { readonly points: number; readonly duration: number }
      }
      readonly connectionMonitor: {
        readonly pingIntervalMs: number
        readonly abortConnectionOnPingFailure: boolean
        readonly timeout: { readonly minTimeout: number; readonly maxTimeout: number }
      }
      readonly registrar: { readonly getHandler: (protocol: string) => { readonly options: Readonly<Record<string, unknown>> } }
    }
    readonly services: {
      readonly gossip: {
        readonly opts: Readonly<Record<string, unknown>> & {
          readonly scoreParams: { readonly IPColocationFactorWeight: number }
        }
        readonly maxInboundStreams: number
        readonly maxOutboundStreams: number
      }
    }
  }
}
interface EffectiveStream {
  readonly protocol: string
  readonly maxStreamWindowSize: number
  readonly maxReadBufferLength: number
  readonly recvWindow: number
}

const inside = ({ host }: TestHost): Effective['node'] => (host as unknown as Effective).node

describe('what a host runs with', () => {
  it('300 connections, and room for a rejoin storm from one address', async () => {
    const { maxConnections, maxIncomingPendingConnections, inboundConnectionRateLimiter } = inside(await open()).components
      .connectionManager
    expect({ maxConnections, maxIncomingPendingConnections }).toEqual({ maxConnections: 300, maxIncomingPendingConnections: 200 })
    expect(inboundConnectionRateLimiter).toMatchObject({ points: 200, duration: 1 })
  })

  it('pings that wait a minute behind the data of a slow link', async () => {
    const { pingIntervalMs, timeout, abortConnectionOnPingFailure } = inside(await open()).components.connectionMonitor
    expect({ pingIntervalMs, abortConnectionOnPingFailure }).toEqual({
      pingIntervalMs: 20_000,
      abortConnectionOnPingFailure: true
    })
    expect(timeout).toMatchObject({ minTimeout: 60_000, maxTimeout: 120_000 })
  })

  it('gossip that tells all peers outside the mesh, holds a backlog of 8 MiB, and counts no neighbours at one address', async () => {
    const { opts, maxInboundStreams, maxOutboundStreams } = inside(await open()).services.gossip
    expect(opts).toMatchObject({
      Dlazy: 300,
      Dhi: 64,
      maxOutboundBufferSize: 8 * MiB,
      maxInboundDataLength: 4 * MiB,
      globalSignaturePolicy: 'StrictNoSign'
    })
    expect(opts.scoreParams.IPColocationFactorWeight).toBe(0)
    expect([maxInboundStreams, maxOutboundStreams]).toEqual([8, 8])
  })

  it('windows of 4 MiB at both ends of a stream, which it does not outgrow, and the read buffer that they need', async () => {
    const a = await open({ listen: [] })
    const b = await open()
    const read = new Seen<number>()
    const windows: number[] = []
    const streamOf = (one: TestHost): EffectiveStream => {
      const streams = inside(one).getConnections()[0]?.streams as unknown as readonly EffectiveStream[]
      return streams.find((stream) => stream.protocol === protocol) as EffectiveStream
    }
    await b.host.handle(protocol, async (stream) => {
      let bytes = 0
      for await (const chunk of stream) {
        bytes += chunk.length
        windows.push(streamOf(b).recvWindow)
      }
      read.add(bytes)
    })
    const { peerId } = await a.host.dial(b.address, patient())
    const stream = await a.host.open(peerId, protocol, patient())
    for (const one of [a, b]) {
      if (one === b) await stream.send(new Uint8Array(64 * 1024))
      while (one === b && windows.length === 0) await new Promise(setImmediate)
      const { maxStreamWindowSize, maxReadBufferLength } = streamOf(one)
      expect({ maxStreamWindowSize, maxReadBufferLength }).toEqual({ maxStreamWindowSize: 4 * MiB, maxReadBufferLength: 4 * MiB })
    }
    for (let sent = 0; sent < 32; sent++) await stream.send(new Uint8Array(MiB))
    await stream.close()
    expect(await read.until(({ length }) => length === 1)).toEqual([32 * MiB + 64 * 1024])
    expect(Math.max(...windows)).toBeLessThanOrEqual(4 * MiB)
  })

  it('64 streams of a protocol and 512 of a connection, none of them over a relay', async () => {
    const a = await open()
    const b = await open({ listen: [] })
    await a.host.handle(protocol, async (stream) => await stream.close())
    expect(inside(a).components.registrar.getHandler(protocol).options).toEqual({
      maxInboundStreams: 64,
      maxOutboundStreams: 64,
      runOnLimitedConnection: false
    })
    await b.host.dial(a.address, patient())
    const [connection] = inside(b).getConnections() as unknown as readonly { readonly muxer: unknown }[]
    expect(connection?.muxer).toMatchObject({ maxInboundStreams: 512, maxOutboundStreams: 512, maxEarlyStreams: 64 })
  })

  it('is what docs/decisions/0003-libp2p-settings.md says', () => {
    const page = readFileSync(join(import.meta.dirname, '../../docs/decisions/0003-libp2p-settings.md'), 'utf8')
    for (const row of [
      /gossip outside the mesh \(`Dlazy`\) \| 6 peers a second \| all \(300\)/,
      /\| connections \| 300 \| 300 \|/,
      /yamux window \(`maxStreamWindowSize`\) \| 16 MiB \| 4 MiB/,
      /ping time-out of the connection monitor \| 5 s \| 60 s, every 20 s/
    ])
      expect(page).toMatch(row)
  })
})
