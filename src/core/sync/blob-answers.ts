import { equal } from '../bytes.ts'
import { RejoinError } from '../error.ts'
import { maxVarintBytes, readVarint, varintSize } from '../varint.ts'
import { type BlobAnswer, blobAnswer, maxFrameBytes, pieceHead } from './blobs.ts'

/** Returns the head of the piece that fills a frame of that length alone; undefined where none does. */
function headOfPieceIn(frameBytes: number): { readonly head: Uint8Array; readonly sizeBytes: number } | undefined {
  // Two tags and two lengths stand before the bytes, and the lengths' own length depends on theirs.
  for (let lengths = 2; lengths <= 6; lengths++) {
    const sizeBytes = frameBytes - 2 - lengths
    if (sizeBytes < 1) return undefined
    if (varintSize(sizeBytes) + varintSize(1 + varintSize(sizeBytes) + sizeBytes) === lengths)
      return { head: pieceHead(sizeBytes), sizeBytes }
  }
  return undefined
}

/**
 * Cuts a stream of bytes into answers. The bytes of a piece are given out as they come, as several pieces where they come in several
 * parts, so that they need not be gathered; they are valid until the next answer is asked for.
 */
export class AnswerSplitter {
  /** the frame that is being gathered, with its length before it */
  private frame: Uint8Array = new Uint8Array(256)
  private gathered = 0
  private bodyAt = 0
  private end: number | undefined
  /** what the frame begins with if it is a piece and nothing else */
  private piece: ReturnType<typeof headOfPieceIn>
  /** bytes of a piece that are still to come */
  private left = 0

  /** Must be called when the stream has ended. @throws E_GONE where that was in the middle of a frame */
  finish(): void {
    if (this.left > 0 || this.gathered > 0) throw new RejoinError('E_GONE', 'the stream ended in the middle of a frame')
  }

  /**
   * Yields the answers in these bytes.
   * @throws E_FRAME where one is malformed · E_TOO_LARGE where a frame is over the limit, before anything of it is kept
   */
  *push(bytes: Uint8Array): Generator<BlobAnswer, void, void> {
    for (let at = 0; at < bytes.length; ) {
      const part = bytes.subarray(at, at + (this.left > 0 ? this.left : this.wanted() - this.gathered))
      at += part.length
      if (this.left > 0) {
        this.left -= part.length
        yield { kind: 'piece', bytes: part }
        continue
      }
      this.frame.set(part, this.gathered)
      this.gathered += part.length
      if (this.gathered < this.wanted()) continue
      const answer = this.decided()
      if (answer !== undefined) yield answer
    }
  }

  /** Returns how many bytes of the frame must be there before more can be said of it. */
  private wanted(): number {
    return this.end === undefined ? this.bodyAt + 1 : (this.piece?.head.length ?? this.end)
  }

  private decided(): BlobAnswer | undefined {
    if (this.end === undefined) return this.lengthDecided()
    if (this.piece !== undefined) {
      const isPiece = equal(this.frame.subarray(0, this.gathered), this.piece.head)
      if (isPiece) {
        this.left = this.piece.sizeBytes
        this.restart()
      } else {
        this.piece = undefined
        this.grow(this.end)
      }
      return undefined
    }
    const answer = blobAnswer.decode(this.frame.subarray(this.bodyAt, this.end))
    this.restart()
    return answer
  }

  private lengthDecided(): undefined {
    this.bodyAt = this.gathered
    if ((this.frame[this.bodyAt - 1] as number) >= 128 && this.bodyAt < maxVarintBytes) return
    const length = readVarint({ bytes: this.frame, at: 0, end: this.bodyAt })
    if (length > maxFrameBytes)
      throw new RejoinError('E_TOO_LARGE', `a frame of ${length} bytes is over the limit of ${maxFrameBytes}`)
    if (length === 0) throw new RejoinError('E_FRAME', 'a frame holds no message')
    this.end = this.bodyAt + length
    this.piece = headOfPieceIn(length)
    if (this.piece === undefined) this.grow(this.end)
  }

  private grow(sizeBytes: number): void {
    if (this.frame.length >= sizeBytes) return
    const frame = new Uint8Array(sizeBytes)
    frame.set(this.frame.subarray(0, this.gathered))
    this.frame = frame
  }

  private restart(): void {
    this.gathered = 0
    this.bodyAt = 0
    this.end = undefined
    this.piece = undefined
  }
}
