import { AnswerSplitter, type BlobAnswer, RejoinError } from '../core/index.ts'
import type { ByteStream } from './byte-stream.ts'
import { passed } from './scavenge.ts'

/** How long a source may bring less than 16 KiB while it is waited for, in milliseconds. */
export const stallMs = 10_000
const stallBytes = 16_384
const looksPerLimit = 5

/** Reads the answers on one stream, one after the other; it takes from the stream only what is asked of it. */
export class AnswerReader {
  private readonly stream: ByteStream
  private readonly watch: Watch
  private readonly answers: AsyncGenerator<BlobAnswer, void, void>
  /** what was not yet taken of the piece that came last */
  private rest: Uint8Array = new Uint8Array(0)
  private received = 0

  /** @param limitMs how long the stream may stall while it is waited for; it is aborted then */
  constructor(stream: ByteStream, limitMs: number = stallMs) {
    this.stream = stream
    this.watch = new Watch(limitMs, () => stream.abort(new RejoinError('E_TIMEOUT', 'the source makes no progress')))
    this.answers = this.read()
  }

  /** How many bytes of pieces have come. */
  get receivedBytes(): number {
    return this.received
  }

  /**
   * Returns the next answer; a piece may come in parts, and its bytes are valid until the next call.
   * @throws E_GONE where the stream ended · E_TIMEOUT · E_FRAME E_TOO_LARGE
   */
  async next(): Promise<BlobAnswer> {
    const { value, done } = await this.answers.next()
    if (done === true) throw new RejoinError('E_GONE', 'the source closed the stream before the end')
    return value
  }

  /**
   * Returns the next header.
   * @throws as next · E_PROTOCOL where something else comes
   */
  async header(): Promise<Extract<BlobAnswer, { kind: 'header' }>> {
    const answer = this.rest.length === 0 ? await this.next() : undefined
    if (answer?.kind !== 'header')
      throw new RejoinError('E_PROTOCOL', `${answer?.kind ?? 'a longer piece'} came where a header must`)
    return answer
  }

  /**
   * Fills bytes from the pieces that come.
   * @throws as next · E_PROTOCOL where something else comes
   */
  async fill(target: Uint8Array): Promise<void> {
    for (let at = 0; at < target.length; ) {
      if (this.rest.length === 0) {
        const answer = await this.next()
        if (answer.kind !== 'piece' || answer.bytes.length === 0)
          throw new RejoinError('E_PROTOCOL', `${answer.kind} came where bytes must`)
        this.rest = answer.bytes
        this.received += answer.bytes.length
      }
      const part = this.rest.subarray(0, target.length - at)
      target.set(part, at)
      at += part.length
      this.rest = this.rest.subarray(part.length)
    }
  }

  /** Must be called when nothing more will be read. */
  stop(): void {
    this.watch.stop()
  }

  private async *read(): AsyncGenerator<BlobAnswer, void, void> {
    const splitter = new AnswerSplitter()
    const watch = this.watch
    watch.start()
    try {
      watch.wait()
      for await (const bytes of this.stream) {
        watch.came(bytes.length)
        passed(bytes.length)
        yield* splitter.push(bytes)
        watch.wait()
      }
      splitter.finish()
    } catch (cause) {
      if (watch.hasStalled) throw new RejoinError('E_TIMEOUT', 'the source makes no progress', { cause })
      throw cause
    } finally {
      watch.stop()
    }
  }
}

/** Measures how long a stream is waited for; the time in which this side is busy does not count. */
class Watch {
  hasStalled = false
  private readonly limitMs: number
  private readonly onStall: () => void
  private timer: NodeJS.Timeout | undefined
  private isWaiting = false
  private looks = 0
  private bytes = 0

  constructor(limitMs: number, onStall: () => void) {
    this.limitMs = limitMs
    this.onStall = onStall
  }

  start(): void {
    this.timer = setInterval(() => this.look(), this.limitMs / looksPerLimit)
    this.timer.unref()
  }

  wait(): void {
    this.isWaiting = true
  }

  came(bytes: number): void {
    this.isWaiting = false
    this.bytes += bytes
  }

  stop(): void {
    clearInterval(this.timer)
  }

  private look(): void {
    if (!this.isWaiting || ++this.looks < looksPerLimit) return
    if (this.bytes < stallBytes) {
      this.hasStalled = true
      this.stop()
      this.onStall()
    }
    this.looks = 0
    this.bytes = 0
  }
}
