import { setImmediate as turn } from 'node:timers/promises'
import { RejoinError } from '../../src/core/index.ts'
import type { ByteStream } from '../../src/sync/index.ts'

const quietTurns = 8

class End implements ByteStream {
  /** what is on its way to the other end; undefined: the end of the stream */
  readonly sent: (Uint8Array | undefined)[] = []
  private readonly arrived: (Uint8Array | undefined)[] = []
  private error: Error | undefined
  private wake: () => void = () => {}
  private closed = false
  private readonly onSend: () => void

  constructor(onSend: () => void) {
    this.onSend = onSend
  }

  async send(bytes: Uint8Array): Promise<void> {
    if (this.error !== undefined) throw this.error
    this.sent.push(bytes)
    this.onSend()
    await Promise.resolve()
  }

  async close(): Promise<void> {
    if (!this.closed) this.sent.push(undefined)
    this.closed = true
    this.onSend()
    await Promise.resolve()
  }

  abort(cause: Error): void {
    this.error ??= new RejoinError('E_GONE', 'the link was cut', { cause })
    this.wake()
  }

  arrive(all: readonly (Uint8Array | undefined)[]): void {
    this.arrived.push(...all)
    this.wake()
  }

  async *[Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    for (;;) {
      if (this.error !== undefined) throw this.error
      if (this.arrived.length > 0) {
        const chunk = this.arrived.shift()
        if (chunk === undefined) return
        yield chunk
        continue
      }
      await new Promise<void>((resolve) => {
        this.wake = resolve
      })
    }
  }
}

/** A link that is so slow that each side has said all that it can say before anything of it arrives. */
export interface SlowLink {
  readonly ends: readonly [ByteStream, ByteStream]
  /**
   * Carries what is sent until the work of both sides has ended.
   * @param settled resolves when neither side has work of its own under way
   * @returns how many times something was carried, both ways at once: two of them are a round trip
   */
  readonly carry: (work: Promise<unknown>, settled: () => Promise<void>) => Promise<number>
}

/** Returns a link for two sessions in this process; it has no clock: what is on its way arrives when both sides wait for it. */
export function slowLink(onBytes: (bytes: Uint8Array) => void): SlowLink {
  let sends = 0
  const [x, y] = [new End(() => sends++), new End(() => sends++)] as const
  const quiet = async (settled: () => Promise<void>): Promise<void> => {
    for (let turns = 0, before = sends; turns < quietTurns; turns++) {
      await settled()
      await turn()
      if (before !== sends) turns = 0
      before = sends
    }
  }
  return {
    ends: [x, y],
    carry: async (work, settled) => {
      let over = false
      const end = work.then(
        () => void (over = true),
        () => void (over = true)
      )
      let hops = 0
      while (!over) {
        await quiet(settled)
        const [fromX, fromY] = [x.sent.splice(0), y.sent.splice(0)]
        const bytes = [...fromX, ...fromY].filter((chunk) => chunk !== undefined)
        bytes.forEach(onBytes)
        if (bytes.length > 0) hops++
        y.arrive(fromX)
        x.arrive(fromY)
      }
      await end
      return hops
    }
  }
}
