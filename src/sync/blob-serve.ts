import {
  type BlobAnswer,
  type BlobRequest,
  blobAnswer,
  blobRequest,
  chunkBytes,
  chunkCount,
  codeOf,
  concat,
  type Digest,
  FrameSplitter,
  maxFrameBytes,
  pieceBytes,
  pieceHead,
  pieceHeadBytes,
  RejoinError,
  rangeBytes
} from '../core/index.ts'
import { type BlobStore, readInto, sharedMemory } from '../store/index.ts'
import type { ByteStream } from './byte-stream.ts'
import { passed } from './scavenge.ts'

/** Which blobs are served, and until when. */
export interface ServeOptions {
  /** must say no for whatever this node's rules don't pass on; private blobs are never served, whatever it says */
  readonly mayServe: (digest: Digest) => boolean
  readonly signal: AbortSignal
  /** called with each blob that was asked for and is not passed on here now */
  readonly onLacking?: ((digest: Digest) => void) | undefined
  /** called with blobs that the other side says it has now, after it was asked for them in vain */
  readonly onHave?: ((digests: readonly Digest[]) => void) | undefined
}

/** What was served on one stream. */
export interface ServedCounts {
  /** headers sent: one for each blob, leaf list or range asked for */
  readonly count: number
  readonly sizeBytes: number
}

const readAhead = 16

/**
 * Answers what is asked on one stream, until the other side says that this was all or goes away.
 * @throws E_FRAME E_TOO_LARGE E_DIGEST E_PROTOCOL where the other side breaks the protocol · E_GONE · the signal's reason; the stream is
 * then aborted
 * @see protocols/blobs.md
 */
export async function serveBlobs(stream: ByteStream, store: BlobStore, options: ServeOptions): Promise<ServedCounts> {
  const { signal } = options
  const serving = new Serving(stream, store, options)
  const stop = (): void => stream.abort(signal.reason as Error)
  signal.addEventListener('abort', stop, { once: true })
  try {
    signal.throwIfAborted()
    const splitter = new FrameSplitter(maxFrameBytes)
    for await (const bytes of stream) {
      for (const frame of splitter.push(bytes)) {
        signal.throwIfAborted()
        if (await serving.answer(blobRequest.decode(frame))) return serving.counts
      }
    }
    signal.throwIfAborted()
    throw new RejoinError('E_GONE', 'the asker closed the stream without saying that this was all')
  } catch (cause) {
    stream.abort(cause as Error)
    throw cause
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

class Serving {
  private readonly stream: ByteStream
  private readonly store: BlobStore
  private readonly options: ServeOptions
  private count = 0
  private sizeBytes = 0
  /** small frames that are sent together */
  private waiting: Uint8Array[] = []
  private waitingBytes = 0

  constructor(stream: ByteStream, store: BlobStore, options: ServeOptions) {
    this.stream = stream
    this.store = store
    this.options = options
  }

  get counts(): ServedCounts {
    return { count: this.count, sizeBytes: this.sizeBytes }
  }

  /** Answers a request; returns whether it was the last one. */
  async answer(request: BlobRequest): Promise<boolean> {
    switch (request.kind) {
      case 'blobs':
        await this.blobs(request.digests)
        break
      case 'leaves':
        await this.leaves(request.digest)
        break
      case 'chunks':
        await this.chunks(request.digest, request.first, request.count)
        break
      case 'have':
        this.options.onHave?.(request.digests)
        break
      case 'end':
        if (request.count !== this.count)
          throw new RejoinError('E_PROTOCOL', `${this.count} answers where the asker counts ${request.count} requests`)
        await this.say({ kind: 'end', ...this.counts })
        await this.flush()
        await this.stream.close()
        return true
    }
    await this.flush()
    return false
  }

  private async blobs(digests: readonly Digest[]): Promise<void> {
    const ahead: Promise<Uint8Array | number | undefined>[] = []
    for (const [i, digest] of digests.entries()) {
      for (let next = i + ahead.length; next < digests.length && ahead.length < readAhead; next++) {
        const loading = this.load(digests[next] as Digest)
        loading.catch(() => {})
        ahead.push(loading)
      }
      const found = await ahead.shift()
      if (found === undefined) await this.not(digest)
      else if (typeof found === 'number') await this.header('large', found)
      else {
        await this.header('here', found.length)
        await this.pieces(found)
      }
    }
  }

  /** Returns a blob's bytes; only their number where it is a large one; undefined where it is not served. */
  private async load(digest: Digest): Promise<Uint8Array | number | undefined> {
    if (!this.isServed(digest)) return undefined
    const size = this.store.size(digest) ?? 0
    if (size > chunkBytes) return size
    return await orAbsent(this.store.readBytes(digest, chunkBytes))
  }

  private async leaves(digest: Digest): Promise<void> {
    const leaves = this.isServed(digest) ? await orAbsent(this.store.leaves(digest)) : undefined
    const size = this.store.size(digest)
    if (leaves === undefined || size === undefined) return await this.not(digest)
    await this.header('here', size)
    await this.pieces(leaves)
  }

  private async chunks(digest: Digest, first: number, count: number): Promise<void> {
    const blob = this.isServed(digest) ? await orAbsent(this.store.openBlob(digest)) : undefined
    if (blob === undefined) return await this.not(digest)
    const { file, sizeBytes, path } = blob
    try {
      if (count < 1 || first + count > chunkCount(sizeBytes))
        throw new RejoinError('E_PROTOCOL', `blob ${digest} has no such chunks`)
      await this.header('here', sizeBytes)
      await this.flush()
      // A frame's head lies before its bytes in one buffer, so that nothing is copied.
      const load = async (chunk: number): Promise<Uint8Array> => {
        const bytes = rangeBytes(sizeBytes, chunk, 1)
        const frames = sharedMemory(bytes + Math.ceil(bytes / pieceBytes) * pieceHeadBytes)
        const pieces: Uint8Array[] = []
        let end = 0
        for (let at = 0; at < bytes; at += pieceBytes) {
          const head = pieceHead(Math.min(pieceBytes, bytes - at))
          frames.set(head, end)
          const start = end + head.length
          end = start + Math.min(pieceBytes, bytes - at)
          pieces.push(frames.subarray(start, end))
        }
        await readInto(file, pieces, chunk * chunkBytes, path)
        this.sizeBytes += bytes
        return frames.subarray(0, end)
      }
      let next = load(first)
      for (let chunk = first; chunk < first + count; chunk++) {
        const frames = await next
        if (chunk + 1 < first + count) {
          next = load(chunk + 1)
          next.catch(() => {})
        }
        await this.stream.send(frames)
        passed(frames.length)
      }
    } finally {
      await file.close()
    }
  }

  private isServed(digest: Digest): boolean {
    const isHere = this.store.placeOf(digest) === 'shared'
    // told at once: should the blob come while the answer is on its way, the asker is told of it
    if (!isHere) this.options.onLacking?.(digest)
    return isHere && this.options.mayServe(digest)
  }

  private async not(digest: Digest): Promise<void> {
    await this.header(this.options.mayServe(digest) ? 'absent' : 'refused', 0)
  }

  private async header(status: 'here' | 'absent' | 'refused' | 'large', sizeBytes: number): Promise<void> {
    this.count++
    await this.say({ kind: 'header', status, sizeBytes })
  }

  private async pieces(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; at += pieceBytes)
      await this.say({ kind: 'piece', bytes: bytes.subarray(at, at + pieceBytes) })
    this.sizeBytes += bytes.length
  }

  private async say(answer: BlobAnswer): Promise<void> {
    const frame = blobAnswer.encodeFrame(answer)
    this.waiting.push(frame)
    this.waitingBytes += frame.length
    if (this.waitingBytes >= pieceBytes) await this.flush()
  }

  private async flush(): Promise<void> {
    if (this.waitingBytes === 0) return
    const bytes = this.waiting.length === 1 ? (this.waiting[0] as Uint8Array) : concat(this.waiting)
    this.waiting = []
    this.waitingBytes = 0
    await this.stream.send(bytes)
    passed(bytes.length)
  }
}

/** What is gone or damaged is absent for the asker; it gets it elsewhere, and `rejoin verify` here names it. */
async function orAbsent<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading
  } catch (error) {
    const code = codeOf(error)
    if (code === 'E_NOT_FOUND' || code === 'E_BAD_OBJECT' || code === 'E_TOO_LARGE') return undefined
    throw error
  }
}
