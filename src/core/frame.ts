import { RejoinError } from './error.ts'
import { maxVarintBytes, readVarint, writeVarint } from './varint.ts'

/**
 * Cuts a stream of bytes into frames: each is its length as varint, then that many bytes. A frame that `push` yields is valid
 * only until the next one is asked for: it is a view of the bytes that were pushed, or of one buffer that is used again.
 */
export class FrameSplitter {
  private readonly maxBytes: number
  /** the length's bytes, as far as they have come */
  private readonly head: Uint8Array = new Uint8Array(maxVarintBytes)
  private headLength = 0
  /** length of the frame that is being gathered, once known */
  private length: number | undefined
  private body: Uint8Array = new Uint8Array(0)
  private bodyLength = 0

  /** @param maxBytes the longest frame allowed, without its length */
  constructor(maxBytes: number) {
    this.maxBytes = maxBytes
  }

  /**
   * Yields the frames that end in these bytes.
   * @throws E_FRAME where a length is malformed · E_TOO_LARGE where it is over the limit, before anything of the frame is kept
   */
  *push(bytes: Uint8Array): Generator<Uint8Array, void, void> {
    let at = 0
    while (at < bytes.length || this.length === 0) {
      if (this.length === undefined) {
        const byte = bytes[at++] as number
        this.head[this.headLength++] = byte
        if (byte >= 128 && this.headLength < maxVarintBytes) continue
        this.length = readVarint({ bytes: this.head, at: 0, end: this.headLength })
        this.headLength = 0
        this.bodyLength = 0
        if (this.length > this.maxBytes) {
          throw new RejoinError('E_TOO_LARGE', `a frame of ${this.length} bytes is over the limit of ${this.maxBytes}`)
        }
      }
      const missing = this.length - this.bodyLength
      const part = bytes.subarray(at, at + missing)
      at += part.length
      if (part.length < missing) {
        this.keep(part, this.length)
      } else {
        const frame = this.bodyLength === 0 ? part : this.gathered(part, this.length)
        this.length = undefined
        yield frame
      }
    }
  }

  /**
   * Must be called when the stream has ended.
   * @throws E_GONE where that was in the middle of a frame
   */
  end(): void {
    if (this.length !== undefined || this.headLength > 0)
      throw new RejoinError('E_GONE', 'the stream ended in the middle of a frame')
  }

  private keep(part: Uint8Array, length: number): void {
    if (this.body.length < length) {
      const grown = new Uint8Array(length)
      grown.set(this.body.subarray(0, this.bodyLength))
      this.body = grown
    }
    this.body.set(part, this.bodyLength)
    this.bodyLength += part.length
  }

  private gathered(part: Uint8Array, length: number): Uint8Array {
    this.keep(part, length)
    return this.body.subarray(0, length)
  }
}

/** Returns bytes after their length as varint. */
export function frameOf(body: Uint8Array): Uint8Array {
  const head = new Uint8Array(maxVarintBytes)
  const headLength = writeVarint(head, 0, body.length)
  const frame = new Uint8Array(headLength + body.length)
  frame.set(head.subarray(0, headLength))
  frame.set(body, headLength)
  return frame
}
