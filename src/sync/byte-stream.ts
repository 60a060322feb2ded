/**
 * A duplex stream of bytes to another replica: a libp2p stream, or one end of a pipe in memory.
 * Whoever implements it must deliver bytes in order, hold back the sender when the reader is slow, and end the iteration
 * cleanly only when the other side closed; an abort must reject the iteration with E_GONE.
 */
export interface ByteStream extends AsyncIterable<Uint8Array> {
  /** Sends bytes; resolves once there is room for more. @throws E_GONE when the other side is no longer there */
  readonly send: (bytes: Uint8Array) => Promise<void>
  /** Closes the writing side after everything sent was flushed; idempotent. */
  readonly close: () => Promise<void>
  /** Ends both sides at once with an error; idempotent. */
  readonly abort: (error: Error) => void
}
