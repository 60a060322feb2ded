import type { Stream } from '@libp2p/interface'
import { expect, it } from 'vitest'
import { NetStream } from '../../src/net/streams.ts'

/** As much of a libp2p stream as NetStream uses, in the hands of a test. */
class Planted extends EventTarget {
  status = 'open'
  writeStatus = 'writable'
  remoteWriteStatus = 'writable'
  readStatus = 'readable'
  readableEnded = false
  writableNeedsDrain = false
  writeBufferLength = 0
  readonly sent: Uint8Array[] = []

  send(bytes: Uint8Array): void {
    this.sent.push(bytes)
  }

  drain(): void {
    this.writableNeedsDrain = false
    this.dispatchEvent(new Event('drain'))
  }

  async close({ signal }: { readonly signal: AbortSignal }): Promise<void> {
    this.writeBufferLength = 1
    await new Promise((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error))
    })
  }

  abort(error: Error): void {
    if (this.status !== 'open') return
    this.status = 'aborted'
    this.writeStatus = 'closed'
    this.dispatchEvent(Object.assign(new Event('close'), { error }))
  }
}

const over = (planted: Planted, stalledMs: number): NetStream => new NetStream(planted as unknown as Stream, () => {}, stalledMs)

it('a send whose drain never comes ends with E_TIMEOUT, and so does what follows', async () => {
  const planted = new Planted()
  planted.writableNeedsDrain = true
  const stream = over(planted, 20)
  await expect(stream.send(new Uint8Array(100_000))).rejects.toMatchObject({ code: 'E_TIMEOUT' })
  await expect(stream.send(new Uint8Array(1))).rejects.toMatchObject({ code: 'E_TIMEOUT' })
  expect([planted.status, planted.sent]).toEqual(['aborted', []])
})

it('a send that waits is freed by abort', async () => {
  const planted = new Planted()
  planted.writableNeedsDrain = true
  const stream = over(planted, 300_000)
  const send = stream.send(new Uint8Array(100_000))
  stream.abort(new Error('stop'))
  await expect(send).rejects.toMatchObject({ code: 'E_GONE' })
})

it('a close that is never answered ends with E_TIMEOUT', async () => {
  const planted = new Planted()
  await expect(over(planted, 20).close()).rejects.toMatchObject({ code: 'E_TIMEOUT' })
  expect(planted.status).toBe('aborted')
})

it('what is sent just when a write has ended goes out, too', async () => {
  for (let turns = 0; turns < 12; turns++) {
    const planted = new Planted()
    planted.writableNeedsDrain = true
    const stream = over(planted, 300_000)
    const first = stream.send(new Uint8Array(70_000))
    planted.drain()
    // in one of these turns of the microtask queue the write has ended, and that was not yet noticed
    for (let turn = 0; turn < turns; turn++) await Promise.resolve()
    await stream.send(new Uint8Array(80_000))
    await first
    expect(
      planted.sent.map(({ length }) => length),
      `after ${turns} turns`
    ).toEqual([70_000, 80_000])
  }
})
