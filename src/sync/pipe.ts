import { RejoinError } from '../core/index.ts'
import type { ByteStream } from './byte-stream.ts'

const roomBytes = 1024 * 1024

class End implements ByteStream {
  peer: End | undefined
  private readonly chunks: Uint8Array[] = []
  private sizeBytes = 0
  private ended = false
  private error: Error | undefined
  private wakeReader: () => void = () => {}
  private wakeSenders: (() => void)[] = []

  async send(bytes: Uint8Array): Promise<void> {
    const peer = this.peer as End
    if (this.error !== undefined || peer.error !== undefined)
      throw new RejoinError('E_GONE', 'the other end of the pipe is closed')
    peer.chunks.push(bytes)
    peer.sizeBytes += bytes.length
    peer.wakeReader()
    while (peer.sizeBytes > roomBytes && peer.error === undefined) {
      await new Promise<void>((resolve) => {
        peer.wakeSenders.push(resolve)
      })
    }
  }

  async close(): Promise<void> {
    const peer = this.peer as End
    peer.ended = true
    peer.wakeReader()
    await Promise.resolve()
  }

  abort(error: Error): void {
    for (const end of [this, this.peer as End]) {
      end.error ??= new RejoinError('E_GONE', 'the pipe was cut off', { cause: error })
      end.wakeReader()
      for (const wake of end.wakeSenders.splice(0)) wake()
    }
  }

  async *[Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    for (;;) {
      if (this.error !== undefined) throw this.error
      const chunk = this.chunks.shift()
      if (chunk !== undefined) {
        this.sizeBytes -= chunk.length
        for (const wake of this.wakeSenders.splice(0)) wake()
        yield chunk
      } else if (this.ended) return
      else {
        await new Promise<void>((resolve) => {
          this.wakeReader = resolve
        })
      }
    }
  }
}

/** Returns the two ends of a stream within this process. */
export function pipe(): readonly [ByteStream, ByteStream] {
  const a = new End()
  const b = new End()
  a.peer = b
  b.peer = a
  return [a, b]
}
