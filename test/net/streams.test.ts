import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import type { ByteStream } from '../../src/sync/index.ts'
import { failure, open, patient, Seen } from './hosts.ts'

const protocol = '/test/1'
const MB = 1_000_000

/** Opens a stream from one new host to another; the other end is given to `accept`. */
async function streamTo(accept: (stream: ByteStream) => Promise<void>): Promise<ByteStream> {
  const a = await open({ listen: [] })
  const b = await open()
  await b.host.handle(protocol, accept)
  const { peerId } = await a.host.dial(b.address, patient())
  return await a.host.open(peerId, protocol, patient())
}

/** Bytes that show when a piece is lost, doubled or out of order. */
function pattern(from: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  for (let at = 0; at < length; at++) bytes[at] = ((from + at) * 2654435761) >>> 24
  return bytes
}

async function readAll(stream: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  for await (const chunk of stream) chunks.push(chunk)
  return Buffer.concat(chunks)
}

describe('a stream', () => {
  it('carries bytes both ways, unchanged, in pieces of any size', async () => {
    const stream = await streamTo(async (other) => {
      for await (const chunk of other) await other.send(chunk)
    })
    const sizes = [0, 1, 2, 1000, 65_535, 65_536, 65_537, 10, 700_000, 3]
    const echoed = readAll(stream)
    let at = 0
    for (const size of sizes) {
      await stream.send(pattern(at, size))
      at += size
    }
    await stream.close()
    expect(Buffer.from(await echoed).equals(pattern(0, at))).toBe(true)
  })

  it('keeps the order of sends that are not waited for', async () => {
    const received = new Seen<Uint8Array>()
    const stream = await streamTo(async (other) => received.add(await readAll(other)))
    const sends: Promise<void>[] = []
    for (let at = 0; at < 3 * MB; at += 100_000) sends.push(stream.send(pattern(at, 100_000)))
    await Promise.all(sends)
    await stream.close()
    const [all] = await received.until(({ length }) => length === 1)
    expect(Buffer.from(all as Uint8Array).equals(pattern(0, 3 * MB))).toBe(true)
  })

  it('holds back the sender of a slow reader, who gets all 30 MB', async () => {
    let sentBytes = 0
    let readBytes = 0
    let mostBytes = 0
    const done = new Seen<boolean>()
    const stream = await streamTo(async (other) => {
      let right = true
      for await (const chunk of other) {
        right &&= Buffer.from(chunk).equals(pattern(readBytes, chunk.length))
        readBytes += chunk.length
        mostBytes = Math.max(mostBytes, sentBytes - readBytes)
        if (readBytes % 16 === 0) await sleep(1)
      }
      done.add(right)
    })
    while (sentBytes < 30 * MB) {
      await stream.send(pattern(sentBytes, 100_000))
      sentBytes += 100_000
    }
    await stream.close()
    expect((await done.until(({ length }) => length === 1))[0]).toBe(true)
    expect(readBytes).toBe(30 * MB)
    // a window of 4 MiB, 1 MiB in the reader, and what the sockets of this machine hold
    expect(mostBytes).toBeLessThan(16 * MB)
  })

  it('loses nothing for a handler that waits 600 ms before it reads', async () => {
    const received = new Seen<Uint8Array>()
    const stream = await streamTo(async (other) => {
      await sleep(600)
      received.add(await readAll(other))
    })
    await stream.send(pattern(0, 200_000))
    await stream.close()
    const [all] = await received.until(({ length }) => length === 1)
    expect(Buffer.from(all as Uint8Array).equals(pattern(0, 200_000))).toBe(true)
  })

  it('can be read on by a second loop after the first one was left', async () => {
    const received = new Seen<number>()
    const stream = await streamTo(async (other) => {
      let bytes = 0
      for await (const chunk of other) {
        bytes += chunk.length
        break
      }
      for await (const chunk of other) bytes += chunk.length
      received.add(bytes)
    })
    await stream.send(pattern(0, 2 * MB))
    await stream.close()
    expect(await received.until(({ length }) => length === 1)).toEqual([2 * MB])
  })
})

describe('the end of a stream', () => {
  const endSeenBy = async (act: (stream: ByteStream) => Promise<void>): Promise<string> => {
    const end = new Seen<string>()
    const stream = await streamTo(async (other) => {
      await readAll(other).then(
        ({ length }) => end.add(`clean ${length}`),
        (error: unknown) => end.add((error as { code?: string }).code ?? String(error))
      )
    })
    await stream.send(pattern(0, 300_000))
    await act(stream)
    return (await end.until(({ length }) => length === 1))[0] as string
  }

  it('is clean where the other side closed', async () => {
    expect(await endSeenBy(async (stream) => await stream.close())).toBe('clean 300000')
  })

  it('is E_GONE where the other side aborted', async () => {
    expect(
      await endSeenBy(async (stream) => {
        stream.abort(new Error('enough'))
        await Promise.resolve()
      })
    ).toBe('E_GONE')
  })

  it('is E_GONE where the other node stopped or hung up in the middle, which libp2p alone ends cleanly', async () => {
    for (const how of ['stop', 'hangUp'] as const) {
      const end = new Seen<string>()
      const a = await open({ listen: [] })
      const b = await open()
      await b.host.handle(protocol, async (other) => {
        await readAll(other).catch((error: unknown) => end.add((error as { code: string }).code))
      })
      const { peerId } = await a.host.dial(b.address, patient())
      const stream = await a.host.open(peerId, protocol, patient())
      await stream.send(pattern(0, 1000))
      await (how === 'stop' ? a.host[Symbol.asyncDispose]() : a.host.hangUp(peerId))
      expect(await end.until(({ length }) => length === 1), how).toEqual(['E_GONE'])
    }
  })

  it('makes sending and reading fail with E_GONE on the side that is left', async () => {
    const stream = await streamTo(async (other) => {
      other.abort(new Error('no'))
      await Promise.resolve()
    })
    expect((await failure(readAll(stream))).code).toBe('E_GONE')
    expect((await failure(stream.send(pattern(0, 10)))).code).toBe('E_GONE')
    await stream.close()
    stream.abort(new Error('twice is fine'))
    stream.abort(new Error('twice is fine'))
  })

  it('reaches the opener as E_GONE where the handler throws', async () => {
    const stream = await streamTo(async () => {
      await Promise.reject(new Error('a handler that fails'))
    })
    expect((await failure(readAll(stream))).code).toBe('E_GONE')
  })

  it('wakes a sender that waits for room', async () => {
    const stuck = new Seen<ByteStream>()
    const stream = await streamTo(async (other) => {
      stuck.add(other)
      await new Promise(() => {})
    })
    const sending = (async () => {
      for (;;) await stream.send(pattern(0, MB))
    })()
    const [other] = await stuck.until(({ length }) => length === 1)
    other?.abort(new Error('never mind'))
    expect((await failure(sending)).code).toBe('E_GONE')
  })
})
