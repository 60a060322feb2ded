import { getEventListeners } from 'node:events'
import { afterEach, describe, expect, it } from 'vitest'
import { RejoinError } from '../../src/core/index.ts'
import { endInTime } from '../../src/node/bounded.ts'
import { Node } from '../../src/node/index.ts'
import { type ByteStream, driveSession, pipe } from '../../src/sync/index.ts'
import { decodeSyncFrame, encodeSyncFrame } from '../../src/sync/wire.ts'
import { NodeLab } from '../node/lab.ts'
import { makeSite, removeSites } from './sites.ts'

const lab = new NodeLab()
afterEach(async () => {
  await removeSites()
  await lab[Symbol.asyncDispose]()
})

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

it('SYNC-30 E_TIMEOUT: a session ends where the other side keeps the line busy and never gives what it was asked for', async () => {
  const a = await makeSite('a')
  const trusting = await makeSite('c', [a])
  await a.writer.append(Array.from({ length: 300 }, () => ({ type: 'x.y', data: {} })))
  const [ours, theirs] = pipe()
  const { signal } = new AbortController()
  const low = Uint8Array.of(255, 255)
  const busy = encodeSyncFrame({ kind: 'range', ranges: [{ low, high: new Uint8Array(0), fingerprint: new Uint8Array(16) }] })
  let timer: NodeJS.Timeout | undefined
  const kindOf = (frame: Uint8Array): string =>
    decodeSyncFrame(frame.subarray(frame.length < 129 ? 1 : frame.length < 16_386 ? 2 : 3)).kind
  const silent: ByteStream = {
    send: async (frame) => {
      // LINES and all after them are kept back
      const kind = kindOf(frame)
      if (kind !== 'lines' && kind !== 'end' && kind !== 'bye') await theirs.send(frame)
      else timer ??= setInterval(() => void theirs.send(busy as Uint8Array).catch(() => {}), 10)
    },
    close: theirs.close.bind(theirs),
    abort: theirs.abort.bind(theirs),
    async *[Symbol.asyncIterator]() {
      for await (const frame of theirs) if (kindOf(frame) !== 'range') yield frame
    }
  }
  const faults: string[] = []
  const other = driveSession(a.replica, silent, { signal, share: a.share }).catch(() => {})
  const session = driveSession(trusting.replica, ours, {
    signal,
    share: trusting.share,
    idleMs: 100,
    onFault: ({ code }) => faults.push(code)
  })
  await expect(session).rejects.toMatchObject({ code: 'E_TIMEOUT' })
  clearInterval(timer)
  expect(faults).toEqual(['E_TIMEOUT'])
  await other
})
