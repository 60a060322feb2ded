import { once } from 'node:events'
import { createServer, type IncomingMessage, request } from 'node:http'
import { connect } from 'node:net'
import { describe, expect, it } from 'vitest'
import { bodyOf } from '../../src/registry/body.ts'
import type { Exchange } from '../../src/registry/exchange.ts'
import { digestOf, fresh } from './conformance/client.ts'

type Take = (pieces: AsyncIterable<Buffer>, incoming: IncomingMessage) => Promise<string>

/** A server that answers with what is made of a body. */
async function listening(take: Take): Promise<{ readonly port: number; readonly [Symbol.asyncDispose]: () => Promise<void> }> {
  const server = createServer((incoming, response) => {
    take(bodyOf({ request: incoming } as Exchange), incoming).then(
      (text) => {
        incoming.resume()
        response.end(text)
      },
      () => response.destroy()
    )
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { readonly port: number }
  return {
    port,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    }
  }
}

async function sent(port: number, parts: readonly Buffer[]): Promise<string> {
  const asked = request({ port, host: '127.0.0.1', method: 'PUT' })
  for (const part of parts) asked.write(part)
  asked.end()
  const [answer] = (await once(asked, 'response')) as [IncomingMessage]
  return Buffer.concat(await Array.fromAsync(answer as AsyncIterable<Buffer>)).toString()
}

describe('the body of a request', () => {
  it('comes whole and in order to a reader that is slower than its client, and waits for it', async () => {
    let most = 0
    await using server = await listening(async (pieces, incoming) => {
      const kept: Buffer[] = []
      for await (const piece of pieces) {
        kept.push(Buffer.from(piece))
        if (kept.length % 20 === 0) await new Promise((resolve) => setImmediate(resolve))
        most = Math.max(most, incoming.readableLength)
      }
      return digestOf(Buffer.concat(kept))
    })
    const bytes = fresh(5_000_000)
    const parts = Array.from({ length: 500 }, (_, i) => bytes.subarray(i * 10_000, i * 10_000 + 10_000))
    expect(await sent(server.port, parts)).toBe(digestOf(bytes))
    expect(await sent(server.port, [])).toBe(digestOf(Buffer.alloc(0)))
    expect(most).toBeLessThan(1_000_000)
  })

  it('can be left where it is, and the request answered', async () => {
    await using server = await listening(async (pieces) => {
      for await (const piece of pieces) return `${piece.length > 0}`
      return 'nothing'
    })
    expect(await sent(server.port, [fresh(1_000_000)])).toBe('true')
  })

  it('gives back the memory of a piece once the next one is asked for', async () => {
    let given: Buffer[] = []
    await using server = await listening(async (pieces) => {
      given = await Array.fromAsync(pieces)
      return 'read'
    })
    expect(await sent(server.port, [fresh(2_000_000)])).toBe('read')
    expect(given.length).toBeGreaterThan(10)
    expect(given.filter(({ length }) => length > 0)).toEqual([])
  })

  it('ends with an error where the connection breaks', async () => {
    const broken = Promise.withResolvers<unknown>()
    await using server = await listening(async (pieces) => {
      try {
        for await (const piece of pieces) if (piece.length === 0) throw new Error('bug: an empty piece')
        broken.resolve('whole')
      } catch (error) {
        broken.resolve(error)
      }
      return ''
    })
    const socket = connect(server.port, '127.0.0.1')
    socket.write('PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nabc', () => socket.destroy())
    expect(await broken.promise).toBeInstanceOf(Error)
  })
})
