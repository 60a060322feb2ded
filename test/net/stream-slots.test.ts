import type { Connection } from '@libp2p/interface'
import { describe, expect, it } from 'vitest'
import { StreamSlots } from '../../src/net/stream-slots.ts'
import { failure } from './hosts.ts'

const connection = { remotePeer: '12D3KooWpeer' } as unknown as Connection
const { signal } = new AbortController()

describe('slots for streams', () => {
  it('are counted for each connection and protocol', async () => {
    const slots = new StreamSlots(1)
    await slots.take(connection, '/a/1', signal)
    await slots.take(connection, '/b/1', signal)
    await slots.take({ ...connection }, '/a/1', signal)
    expect(await failure(slots.take(connection, '/a/1', AbortSignal.abort()))).toEqual({
      code: 'E_TIMEOUT',
      message: '1 streams of /a/1 are open with 12D3KooWpeer, and none of them ended in time'
    })
  })

  it('go to who waits longest; who has left the queue gets none, and giving one back twice gives one', async () => {
    const slots = new StreamSlots(2)
    const [first, second] = [await slots.take(connection, '/a/1', signal), await slots.take(connection, '/a/1', signal)]
    const got: string[] = []
    const leaving = new AbortController()
    const take = async (name: string, until: AbortSignal): Promise<() => void> => {
      const giveBack = await slots.take(connection, '/a/1', until)
      got.push(name)
      return giveBack
    }
    const gone = failure(take('left', leaving.signal))
    const third = take('third', signal)
    const fourth = take('fourth', signal)
    leaving.abort()
    expect((await gone).code).toBe('E_TIMEOUT')
    first()
    first()
    const giveBackThird = await third
    expect(got).toEqual(['third'])
    second()
    await fourth
    expect(got).toEqual(['third', 'fourth'])
    giveBackThird()
    await take('fifth', signal)
    expect((await failure(slots.take(connection, '/a/1', AbortSignal.abort()))).code).toBe('E_TIMEOUT')
  })
})
