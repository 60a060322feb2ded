import type { Stream, StreamCloseEvent, StreamMessageEvent } from '@libp2p/interface'
import { RejoinError } from '../core/index.ts'
import type { ByteStream } from '../sync/index.ts'
import { stalledSendMs } from './settings.ts'

const batchBytes = 64 * 1024
const pieceBytes = 256 * 1024
const pauseAtBytes = 1024 * 1024
const resumeAtBytes = 256 * 1024

const gone = (cause?: unknown): RejoinError =>
  new RejoinError('E_GONE', 'the peer went away before the end of the stream', { cause })

/**
 * One libp2p stream as a ByteStream. It listens from the moment it is made, so that nothing is lost however late someone reads; holds at most some
 * 5 MiB unread and then holds back the sender; and takes a stream for complete only where the other side closed it: a lost connection,
 * which libp2p ends as cleanly, is E_GONE here. Small sends are put together to 64 KiB (1 kB at a time went at 19 MB/s).
 */
export class NetStream implements ByteStream {
  private readonly stream: Stream
  private readonly chunks: Uint8Array[] = []
  private unreadBytes = 0
  private paused = false
  private resuming = false
  private remoteClosed: boolean
  private ended: boolean
  private failure: RejoinError | undefined
  private wakeReader: () => void = () => {}
  private wakeWriter: () => void = () => {}
  private batch: Uint8Array | undefined
  private batchedBytes = 0
  private readonly outgoing: Uint8Array[] = []
  private pumping: Promise<void> | undefined
  private closing: Promise<void> | undefined
  private readonly stalledMs: number

  /**
   * @param onGone called once, when both sides have ended or the stream broke; not for one that is over already
   * @param stalledMs how long the peer may take nothing of what waits for it
   */
  constructor(stream: Stream, onGone: () => void = () => {}, stalledMs: number = stalledSendMs) {
    this.stream = stream
    this.stalledMs = stalledMs
    this.remoteClosed = stream.remoteWriteStatus === 'closed' && stream.status === 'open'
    this.ended = this.remoteClosed && stream.readableEnded
    if (stream.status !== 'open' && stream.status !== 'closing') this.failure = gone()
    stream.addEventListener('message', (event) => this.received(event))
    stream.addEventListener('remoteCloseWrite', () => void (this.remoteClosed = true))
    stream.addEventListener('end', () => this.noMore())
    stream.addEventListener('drain', () => this.wakeWriter())
    stream.addEventListener('close', (event) => {
      this.closed(event)
      onGone()
    })
  }

  private received({ data }: StreamMessageEvent): void {
    if (data instanceof Uint8Array) this.chunks.push(data)
    else for (const chunk of data) this.chunks.push(chunk)
    this.unreadBytes += data.byteLength
    if (this.unreadBytes >= pauseAtBytes && !this.resuming) this.pause()
    this.wakeReader()
  }

  private noMore(): void {
    if (this.remoteClosed) this.ended = true
    this.wakeReader()
  }

  private closed({ error }: StreamCloseEvent): void {
    const lost = !this.remoteClosed || (this.stream.status === 'aborted' && !this.ended)
    if (lost) this.failure ??= gone(error)
    this.wakeReader()
    this.wakeWriter()
  }

  private pause(): void {
    if (this.paused || this.stream.readStatus !== 'readable') return
    this.paused = true
    this.stream.pause()
  }

  /** While it resumes, libp2p hands out its buffer and then asks for more; a pause in between would be forgotten. */
  private resume(): void {
    this.paused = false
    this.resuming = true
    try {
      if (this.stream.readStatus === 'paused') this.stream.resume()
    } catch (error) {
      if (!this.remoteClosed) this.failure ??= gone(error)
    } finally {
      this.resuming = false
    }
    if (this.unreadBytes >= pauseAtBytes) this.pause()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    for (;;) {
      const chunk = this.chunks.shift()
      if (chunk !== undefined) {
        this.unreadBytes -= chunk.length
        if (this.paused && this.unreadBytes <= resumeAtBytes) this.resume()
        yield chunk
      } else if (this.ended) return
      else if (this.failure !== undefined) throw this.failure
      else {
        await new Promise<void>((resolve) => {
          this.wakeReader = resolve
        })
      }
    }
  }

  /** Sends bytes, which must not be changed afterwards; resolves once there is room for more. @throws E_GONE */
  async send(bytes: Uint8Array): Promise<void> {
    if (this.failure !== undefined) throw this.failure
    if (this.closing !== undefined) throw new Error('bug: a stream was written to after it was closed')
    if (bytes.length + this.batchedBytes > batchBytes) this.endBatch()
    if (bytes.length >= batchBytes) {
      for (let at = 0; at < bytes.length; at += pieceBytes) this.outgoing.push(bytes.subarray(at, at + pieceBytes))
    } else this.addToBatch(bytes)
    if (this.outgoing.length > 0 || this.pumping !== undefined) await this.pump()
  }

  private addToBatch(bytes: Uint8Array): void {
    if (this.batch === undefined) {
      this.batch = Buffer.allocUnsafeSlow(batchBytes)
      setImmediate(() => {
        this.endBatch()
        this.pump().catch(() => {})
      })
    }
    this.batch.set(bytes, this.batchedBytes)
    this.batchedBytes += bytes.length
  }

  private endBatch(): void {
    if (this.batch !== undefined && this.batchedBytes > 0) this.outgoing.push(this.batch.subarray(0, this.batchedBytes))
    this.batch = undefined
    this.batchedBytes = 0
  }

  /** Hands on what waits; what was added just when a write had ended is taken by another one. */
  private async pump(): Promise<void> {
    do {
      this.pumping ??= this.write().finally(() => void (this.pumping = undefined))
      await this.pumping
    } while (this.outgoing.length > 0)
  }

  /** Not libp2p's onDrain(): its promise is made once, so that from the second time on it doesn't wait. */
  private async write(): Promise<void> {
    for (;;) {
      while (this.stream.writableNeedsDrain && this.failure === undefined && this.stream.writeStatus === 'writable') {
        await this.drained()
      }
      if (this.failure !== undefined) throw this.failure
      const piece = this.outgoing.shift()
      if (piece === undefined) return
      try {
        this.stream.send(piece)
      } catch (error) {
        throw (this.failure ??= gone(error))
      }
    }
  }

  private async drained(): Promise<void> {
    const timer = setTimeout(() => this.stalled(), this.stalledMs)
    try {
      await new Promise<void>((resolve) => {
        this.wakeWriter = resolve
      })
    } finally {
      clearTimeout(timer)
    }
  }

  private stalled(): RejoinError {
    const error = new RejoinError('E_TIMEOUT', `the peer took nothing for ${this.stalledMs / 1000} s`)
    this.failure ??= error
    this.abort(error)
    return error
  }

  /** Closes the writing side. @throws E_GONE E_TIMEOUT where bytes that were sent could not be handed on */
  async close(): Promise<void> {
    this.closing ??= this.finish()
    await this.closing
  }

  private async finish(): Promise<void> {
    this.endBatch()
    if (this.outgoing.length > 0 || this.pumping !== undefined) await this.pump()
    const unsentBytes = this.stream.writeBufferLength
    const patience = new AbortController()
    let before = unsentBytes
    const watch = setInterval(() => {
      if (this.stream.writeBufferLength >= before) patience.abort()
      before = this.stream.writeBufferLength
    }, this.stalledMs)
    try {
      await this.stream.close({ signal: patience.signal })
    } catch {
      if (this.failure !== undefined && unsentBytes === 0) return
      throw this.failure ?? this.stalled()
    } finally {
      clearInterval(watch)
    }
  }

  /** Ends both sides at once; the peer's stream breaks with E_GONE. Idempotent. */
  abort(error: Error): void {
    if (!this.ended) this.failure ??= gone(error)
    this.outgoing.length = 0
    this.chunks.length = 0
    this.unreadBytes = 0
    this.stream.abort(error)
    this.wakeReader()
    this.wakeWriter()
  }
}
