import type { Digest } from '../../src/core/index.ts'
import type { BlobStore } from '../../src/store/index.ts'
import type { BlobSource } from '../../src/sync/blob-source.ts'
import { serveBlobs } from '../../src/sync/blob-serve.ts'
import type { ByteStream } from '../../src/sync/byte-stream.ts'
import { pipe } from '../../src/sync/pipe.ts'

/** How a source in a test behaves. */
export interface Behaviour {
  readonly mayServe?: (digest: Digest) => boolean
  /** Changes what the asker gets; called with each piece of the stream and the bytes before it. */
  readonly spoil?: (bytes: Uint8Array, atByte: number) => Uint8Array | Promise<Uint8Array>
}

/** A source in this process, with what was counted there. */
export interface TestSource extends BlobSource {
  readonly counts: { opened: number; sentBytes: number; readonly errors: unknown[] }
}

/** Returns a source that serves a store through a pipe. */
export function sourceOf(name: string, store: BlobStore, { mayServe = () => true, spoil }: Behaviour = {}): TestSource {
  const counts = { opened: 0, sentBytes: 0, errors: [] as unknown[] }
  const open = async (): Promise<ByteStream> => {
    counts.opened++
    const [ours, theirs] = pipe()
    serveBlobs(theirs, store, { mayServe, signal: new AbortController().signal }).catch((error: unknown) =>
      counts.errors.push(error)
    )
    let cut: (error: Error) => void = () => {}
    const aborted = new Promise<never>((_, reject) => {
      cut = reject
    })
    aborted.catch(() => {})
    const stream: ByteStream = {
      send: ours.send.bind(ours),
      close: ours.close.bind(ours),
      abort: (error) => {
        cut(error)
        ours.abort(error)
      },
      async *[Symbol.asyncIterator]() {
        let at = 0
        for await (const bytes of ours) {
          const seen = spoil === undefined ? bytes : await Promise.race([spoil(bytes, at), aborted])
          at += bytes.length
          counts.sentBytes += seen.length
          yield seen
        }
      }
    }
    return await Promise.resolve(stream)
  }
  return { name, open, counts }
}
