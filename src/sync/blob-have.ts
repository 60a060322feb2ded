import { type Digest, maxDigests } from '../core/index.ts'
import { BlobClient } from './blob-client.ts'
import type { ByteStream } from './byte-stream.ts'

/**
 * Tells the other side of a new blob stream that blobs are here which it asked for in vain, and closes the stream.
 * @throws E_GONE E_TIMEOUT E_PROTOCOL · the signal's reason
 * @see protocols/blobs.md#BLOB-19
 */
export async function tellHave(
  stream: ByteStream,
  digests: readonly Digest[],
  { signal }: { readonly signal: AbortSignal }
): Promise<void> {
  const client = new BlobClient(stream)
  const stop = (): void => client.abort(signal.reason as Error)
  signal.addEventListener('abort', stop, { once: true })
  try {
    signal.throwIfAborted()
    for (let at = 0; at < digests.length; at += maxDigests) await client.have(digests.slice(at, at + maxDigests))
    await client.end()
  } catch (error) {
    client.abort(error as Error)
    throw error
  } finally {
    signal.removeEventListener('abort', stop)
  }
}
