import {
  type BlobRequest,
  type BlobStatus,
  blobRequest,
  chunkBytes,
  chunkCount,
  type Digest,
  type ItemRange,
  maxBlobBytes,
  RejoinError,
  rangeBytes
} from '../core/index.ts'
import { sharedMemory } from '../store/index.ts'
import { AnswerReader } from './blob-reader.ts'
import type { ByteStream } from './byte-stream.ts'

/** What a source says of a blob, with its bytes (or leaf hashes) where they follow. */
export interface BlobReply {
  readonly status: BlobStatus
  readonly sizeBytes: number
  readonly bytes: Uint8Array | undefined
}

function checkSize(digest: Digest, expected: number | undefined, found: number): void {
  if (expected !== undefined && expected !== found) {
    throw new RejoinError('E_BAD_OBJECT', `a source says ${found} bytes of ${digest}, which has ${expected}`)
  }
}

/**
 * The asking end of one stream. Requests may be made while others are being answered; answers come in the order of the requests.
 * After an error the stream is aborted, and everything asked fails with that error.
 */
export class BlobClient {
  private readonly stream: ByteStream
  private readonly reader: AnswerReader
  /** settled when the answers to all requests so far were read */
  private turn: Promise<void> = Promise.resolve()
  private sending: Promise<void> = Promise.resolve()
  private count = 0
  private error: Error | undefined
  private readonly buffers: Uint8Array[] = []

  /** @param limitMs see AnswerReader */
  constructor(stream: ByteStream, limitMs?: number) {
    this.stream = stream
    this.reader = new AnswerReader(stream, limitMs)
  }

  /** Whether the stream has failed, so that nothing more can be asked here. */
  get hasFailed(): boolean {
    return this.error !== undefined
  }

  /**
   * Asks for small blobs.
   * @param onReply is called for each, in order; what it returns is waited for before more is taken from the stream
   * @throws E_GONE E_TIMEOUT · E_FRAME E_PROTOCOL where the source breaks the protocol · what onReply throws
   */
  async blobs(
    digests: readonly Digest[],
    onReply: (index: number, reply: BlobReply) => Promise<void> | undefined
  ): Promise<void> {
    await this.exchange({ kind: 'blobs', digests }, digests.length, async () => {
      for (let index = 0; index < digests.length; index++) {
        const { status, sizeBytes } = await this.reader.header()
        let bytes: Uint8Array | undefined
        if (status === 'here') {
          if (sizeBytes > chunkBytes) throw new RejoinError('E_PROTOCOL', `a blob of ${sizeBytes} bytes is sent as a small one`)
          bytes = new Uint8Array(sizeBytes)
          await this.reader.fill(bytes)
        }
        await onReply(index, { status, sizeBytes, bytes })
      }
    })
  }

  /**
   * Asks for the leaf hashes of a large blob.
   * @param sizeBytes of the blob, where it is known
   * @throws as blobs · E_BAD_OBJECT where the source says another size
   */
  async leaves(digest: Digest, sizeBytes: number | undefined): Promise<BlobReply> {
    return await this.exchange({ kind: 'leaves', digest }, 1, async () => {
      const head = await this.reader.header()
      if (head.status !== 'here') return { ...head, bytes: undefined }
      checkSize(digest, sizeBytes, head.sizeBytes)
      if (head.sizeBytes > maxBlobBytes) throw new RejoinError('E_TOO_LARGE', `${digest} has ${head.sizeBytes} bytes`)
      const bytes = new Uint8Array(chunkCount(head.sizeBytes) * 32)
      await this.reader.fill(bytes)
      return { ...head, bytes }
    })
  }

  /**
   * Asks for a range of chunks of a blob.
   * @param onChunk is given each chunk in memory that it may use until what it returns is settled; meanwhile the next chunk is gathered
   * @returns the status: no chunk came where it is not `here`
   * @throws as leaves · what onChunk throws
   */
  async chunks(
    digest: Digest,
    { first, count }: ItemRange,
    sizeBytes: number,
    onChunk: (chunk: number, bytes: Uint8Array) => Promise<void>
  ): Promise<BlobStatus> {
    return await this.exchange({ kind: 'chunks', digest, first, count }, 1, async () => {
      const head = await this.reader.header()
      if (head.status !== 'here') return head.status
      checkSize(digest, sizeBytes, head.sizeBytes)
      // One chunk is verified and written while the next one is gathered: two buffers by turns, so that a kill loses one at most.
      let writing: Promise<void> = Promise.resolve()
      try {
        for (let chunk = first; chunk < first + count; chunk++) {
          const bytes = this.buffer(chunk % 2).subarray(0, rangeBytes(sizeBytes, chunk, 1))
          await this.reader.fill(bytes)
          await writing
          writing = onChunk(chunk, bytes)
          writing.catch(() => {})
        }
      } finally {
        await writing
      }
      return head.status
    })
  }

  /** Says that blobs are here now which the other side asked for in vain. @throws E_GONE */
  async have(digests: readonly Digest[]): Promise<void> {
    await this.exchange({ kind: 'have', digests }, 0, async () => await Promise.resolve())
  }

  /**
   * Says that nothing more is asked, and compares the counts.
   * @throws E_PROTOCOL where the source counts otherwise · E_GONE E_TIMEOUT
   */
  async end(): Promise<void> {
    await this.exchange({ kind: 'end', count: this.count }, 0, async () => {
      const answer = await this.reader.next()
      if (answer.kind !== 'end' || answer.count !== this.count || answer.sizeBytes !== this.reader.receivedBytes) {
        throw new RejoinError('E_PROTOCOL', 'the source counts other answers than came')
      }
    })
    this.reader.stop()
    await this.stream.close()
  }

  /** Ends the stream at once; everything asked fails. */
  abort(error: Error): void {
    this.error ??= error
    this.reader.stop()
    this.stream.abort(error)
  }

  private async exchange<T>(request: BlobRequest, answerCount: number, receive: () => Promise<T>): Promise<T> {
    if (this.error !== undefined) throw this.error
    this.count += answerCount
    // Not waited for before reading: the source may send, and wait for us to read, before it takes the request.
    this.sending = this.sending.then(async () => await this.stream.send(blobRequest.encodeFrame(request)))
    this.sending.catch((cause: unknown) => this.abort(cause as Error))
    const mine = this.turn.then(async () => {
      if (this.error !== undefined) throw this.error
      return await receive()
    })
    this.turn = mine.then(
      () => {},
      (cause: unknown) => this.abort(cause as Error)
    )
    try {
      return await mine
    } catch (cause) {
      throw this.error ?? cause
    }
  }

  private buffer(turn: number): Uint8Array {
    this.buffers[turn] ??= sharedMemory(chunkBytes)
    return this.buffers[turn]
  }
}
