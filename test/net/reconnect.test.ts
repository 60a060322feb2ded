import fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import { noLog } from '../../src/net/log.ts'
import { backoffMs, Reconnect } from '../../src/net/reconnect.ts'
import { freshSeed, open, Seen } from './hosts.ts'

describe('backoff', () => {
  it('starts within 0.2 s, never ends, never goes over 60 s, and spreads by half', () => {
    expect(backoffMs(0, 0)).toBe(200)
    expect(backoffMs(0, 1)).toBe(100)
    expect([1, 2, 3].map((failures) => backoffMs(failures, 0))).toEqual([400, 800, 1600])
    fc.assert(
      fc.property(fc.nat(1e6), fc.double({ min: 0, max: 1, noNaN: true }), (failures, random) => {
        const ms = backoffMs(failures, random)
        expect(ms).toBeGreaterThanOrEqual(100)
        expect(ms).toBeLessThanOrEqual(60_000)
        expect(backoffMs(failures + 1, random)).toBeGreaterThanOrEqual(ms)
      })
    )
  })
})

describe('a connection that is kept', () => {
  const tried = (): { readonly dials: Seen<string>; readonly reconnect: Reconnect; readonly answer: { up: boolean } } => {
    const dials = new Seen<string>()
    const answer = { up: false }
    const dial = async (address: string): Promise<string> => {
      dials.add(address)
      if (!answer.up) throw new Error('down')
      return await Promise.resolve('peer')
    }
    return { dials, answer, reconnect: new Reconnect({ dial, isConnected: () => answer.up }, noLog) }
  }

  it('is dialled until it is up, again when it is lost, and no more once it is forgotten', async () => {
    const { dials, answer, reconnect } = tried()
    reconnect.keep('there', undefined)
    reconnect.keep('there', undefined)
    await dials.until(({ length }) => length === 3)
    answer.up = true
    await dials.until(({ length }) => length === 4)
    await Promise.resolve()
    reconnect.disconnected('someone else')
    reconnect.disconnected('peer')
    await dials.until(({ length }) => length === 5)
    reconnect.forget('there')
    reconnect.disconnected('peer')
    reconnect.keep('elsewhere', 'other')
    expect(dials.all).toEqual(['there', 'there', 'there', 'there', 'there', 'elsewhere'])
    reconnect.stop()
    reconnect.keep('there', undefined)
    expect(dials.all.length).toBe(6)
  })

  it('is not dialled while the peer is there by its own dial', async () => {
    const { dials, answer, reconnect } = tried()
    reconnect.keep('there', 'peer')
    await dials.until(({ length }) => length === 1)
    answer.up = true
    reconnect.connected('peer')
    reconnect.keep('beacon', undefined)
    await new Promise((resolve) => setTimeout(resolve, 450))
    expect(dials.all).toEqual(['there', 'beacon'])
    reconnect.stop()
  })
})

describe('a connection that comes and goes', () => {
  it('is dialled again within 3.2 s after a visit of a second, however long it was away before, and not without a pause', async () => {
    vi.useFakeTimers()
    try {
      let [dials, up] = [0, false]
      const dial = async (): Promise<string> => {
        dials++
        if (!up) throw new Error('down')
        return await Promise.resolve('peer')
      }
      const reconnect = new Reconnect({ dial, isConnected: () => up }, noLog)
      reconnect.keep('there', 'peer')
      await vi.advanceTimersByTimeAsync(20 * 60_000)
      up = true
      await vi.advanceTimersByTimeAsync(60_000)
      for (let visit = 0; visit < 10; visit++) {
        const before = dials
        reconnect.disconnected('peer')
        // the first visit was long, so it is dialled again after 0.1 to 0.2 s; the others were short
        const pauseMs = visit === 0 ? 99 : 199
        await vi.advanceTimersByTimeAsync(pauseMs)
        expect(dials, 'not without a pause').toBe(before)
        await vi.advanceTimersByTimeAsync(3200 - pauseMs)
        expect(dials, 'within 3.2 s').toBe(before + 1)
      }
      reconnect.stop()
    } finally {
      vi.useRealTimers()
    }
  })
})

describe('a host', () => {
  it('finds its hub again after it restarted at the same address, and when it starts before the hub', async () => {
    const seed = freshSeed()
    const hub = await open({ seed })
    const listen = [hub.address.replace(/\/p2p\/.*/, '')]
    const nodes = [await open({ peers: [hub.address], listen: [] }), await open({ peers: listen, listen: [] })]
    for (const { came } of nodes) await came.until(({ length }) => length === 1)
    await hub.host[Symbol.asyncDispose]()
    for (const { went } of nodes) await went.until(({ length }) => length === 1)
    const early = await open({ listen: [] })
    early.host.keepConnected(hub.address)
    const again = await open({ seed, listen })
    for (const { came } of nodes) await came.until(({ length }) => length === 2)
    await early.came.until(({ length }) => length === 1)
    await again.came.until(({ length }) => length === 3)
    expect(again.address).toBe(hub.address)
  })

  it('leaves a forgotten address alone, and its connection as it is', async () => {
    const hub = await open()
    const node = await open({ peers: [hub.address], listen: [] })
    await node.came.until(({ length }) => length === 1)
    node.host.forget(hub.address)
    expect(node.host.peers().length).toBe(1)
    await hub.host[Symbol.asyncDispose]()
    await node.went.until(({ length }) => length === 1)
    expect(node.host.peers()).toEqual([])
  })
})
