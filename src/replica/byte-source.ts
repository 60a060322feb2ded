/** Bytes that come in pieces of any size, read as one run: some at a time, or a stretch as a stream. Whoever opened the pieces closes them. */
export class ByteSource {
  private readonly pieces: AsyncIterator<Uint8Array>
  private held: Uint8Array = new Uint8Array(0)
  private ended = false
  /** bytes that were read or passed over */
  atByte = 0

  constructor(pieces: AsyncIterable<Uint8Array>) {
    this.pieces = pieces[Symbol.asyncIterator]()
  }

  /** Returns exactly so many bytes where they are here already, without waiting. */
  takeNow(count: number): Uint8Array | undefined {
    if (this.held.length < count) return undefined
    const bytes = this.held.subarray(0, count)
    this.held = this.held.subarray(count)
    this.atByte += count
    return bytes
  }

  /** Returns so many bytes, or fewer at the end. */
  async take(count: number): Promise<Uint8Array> {
    const now = this.takeNow(count)
    if (now !== undefined) return now
    const parts: Uint8Array[] = [this.held]
    let length = this.held.length
    while (length < count && !this.ended) {
      const piece = await this.next()
      if (piece === undefined) break
      parts.push(piece)
      length += piece.length
    }
    const whole = parts.length === 1 ? (parts[0] as Uint8Array) : Buffer.concat(parts)
    this.held = whole.subarray(Math.min(count, length))
    this.atByte += Math.min(count, length)
    return whole.subarray(0, Math.min(count, length))
  }

  /** Yields so many bytes, or fewer at the end, in the pieces that they come in. */
  async *stream(count: number): AsyncGenerator<Uint8Array, void, void> {
    for (let rest = count; rest > 0; ) {
      if (this.held.length === 0) {
        const piece = await this.next()
        if (piece === undefined) return
        this.held = piece
        continue
      }
      const part = this.takeNow(Math.min(rest, this.held.length)) as Uint8Array
      rest -= part.length
      yield part
    }
  }

  private async next(): Promise<Uint8Array | undefined> {
    const { done, value } = await this.pieces.next()
    if (done === true) this.ended = true
    return done === true ? undefined : value
  }

  /** Ends the source of the pieces. */
  async close(): Promise<void> {
    await this.pieces.return?.()
  }
}
