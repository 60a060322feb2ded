import { getEventListeners } from 'node:events'
import { afterEach, describe, expect, it } from 'vitest'
import { RejoinError } from '../../src/core/index.ts'
import { endInTime } from '../../src/node/bounded.ts'
import { Node } from '../../src/node/index.ts'
import { type ByteStream, driveSession, pipe } from '../../src/sync/index.ts'
import { NodeLab } from '../node/lab.ts'

const lab = new NodeLab()
afterEach(async () => await lab[Symbol.asyncDispose]())

const never = async (): Promise<void> => await new Promise<void>(() => {})

/** What of a stream never comes back, whatever happens to it. */
type Stuck = 'send' | 'close' | 'end'

/** Returns a stream of which one thing never settles, not even when it is aborted. */
function stuckStream(stream: ByteStream, what: Stuck): ByteStream & { readonly aborted: () => boolean } {
  let isAborted = false
  return {
    send: what === 'send' ? never : stream.send.bind(stream),
    close: what === 'close' ? never : stream.close.bind(stream),
    abort: (error) => {
      isAborted = true
      stream.abort(error)
    },
    aborted: () => isAborted,
    async *[Symbol.asyncIterator]() {
      yield* stream
      // the other side never closes its half
      if (what === 'end') await never()
    }
  }
}

describe('a session over a stream that never lets go', () => {
  const node = async (name: string): Promise<Node> => await Node.open((await lab.folder(name)).root)

  it('ends when the other side takes nothing and says nothing', async () => {
    await using a = await node('a')
    const [ours] = pipe()
    const stream = stuckStream(ours, 'send')
    const { signal } = new AbortController()
    const session = driveSession(a.replica, stream, { signal, share: a.share, idleMs: 50 })
    await expect(session).rejects.toMatchObject({ code: 'E_TIMEOUT' })
    expect(stream.aborted()).toBe(true)
    expect([a.share.pokes.size, getEventListeners(signal, 'abort').length]).toEqual([0, 0])
  })

  it.each(['send', 'close'] as const)('ends when the node goes down while %s waits', async (what) => {
    await using a = await node('a')
    await using b = await node('b')
    const [ours, theirs] = pipe()
    const stopping = new AbortController()
    const other = driveSession(b.replica, theirs, { signal: stopping.signal, share: b.share }).catch(() => {})
    const stream = stuckStream(ours, what)
    const down = (): void => stopping.abort(new RejoinError('E_TERMINATED', 'down'))
    const close = async (): Promise<void> => {
      down()
      await stream.close()
    }
    const session = driveSession(a.replica, { ...stream, close }, { signal: stopping.signal, share: a.share })
    if (what === 'send') down()
    await expect(session).rejects.toMatchObject({ code: 'E_TERMINATED' })
    await other
  })

  it('is complete, and ends, where the other side never closes its half', async () => {
    await using a = await node('a')
    await using b = await node('b')
    const [ours, theirs] = pipe()
    const { signal } = new AbortController()
    const stream = stuckStream(ours, 'end')
    const results = await Promise.all([
      driveSession(a.replica, stream, { signal, share: a.share, idleMs: 200 }),
      driveSession(b.replica, theirs, { signal, share: b.share })
    ])
    expect(results.map(({ complete }) => complete)).toEqual([true, true])
    expect(stream.aborted()).toBe(true)
  })
})

describe('a node that goes down', () => {
  it('waits for each thing only so long, says what it left behind, and ends the others', async () => {
    const said: string[] = []
    const ended: string[] = []
    const fails = async (): Promise<void> => await Promise.reject(new Error('broken'))
    await endInTime(
      [
        { what: 'one', work: never },
        { what: 'two', work: fails },
        { what: 'three', work: async () => await Promise.resolve(ended.push('three')) }
      ],
      20,
      (notice) => said.push(notice)
    )
    expect(said).toEqual(['going down: one did not end within 0.02 s and was left behind', 'going down: two failed: broken'])
    expect(ended).toEqual(['three'])
  })
})
