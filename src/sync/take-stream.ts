import { chunkBytes, type Digest, hasDigest, RejoinError } from '../core/index.ts'
import { type FileFault, faultIn, type StreamedBlob } from '../replica/index.ts'
import type { BlobNeed, BlobTarget } from './take-blobs.ts'

/** Which blobs of a stream are wanted, and what a blob that came makes wanted besides. */
export interface StreamWants {
  /** Returns how a blob is wanted, undefined where it is not. */
  readonly of: (digest: Digest) => { readonly isPrivate: boolean; readonly need: BlobNeed } | undefined
  /** a blob is here: a manifest's blobs are wanted from now on */
  readonly came: (digest: Digest, bytes: Uint8Array | undefined) => void
  /** a blob is damaged there: it is not to be taken again */
  readonly failed: (digest: Digest) => void
}

/** What taking blobs from a stream tells. */
export interface StreamHooks {
  readonly signal: AbortSignal
  /** whether the stream ended before its end */
  readonly isCut: () => boolean
  readonly onBytes?: (count: number) => void
  readonly onBlob?: (digest: Digest) => void
  readonly onFault?: (fault: FileFault) => void
}

const groupCount = 256
const groupBytes = 16 * 1024 * 1024

/**
 * Takes the blobs that are wanted out of a stream, in its order, each verified before it gets its name; small ones become durable in groups.
 * @returns how many, and their bytes
 * @throws E_NO_SPACE E_PERMISSION of the target, E_GONE of the source
 */
export async function takeStreamedBlobs(
  blobs: AsyncIterable<StreamedBlob>,
  target: BlobTarget,
  wants: StreamWants,
  { signal, isCut, onBytes, onBlob, onFault }: StreamHooks
): Promise<{ readonly count: number; readonly bytes: number; readonly bad: number }> {
  const groups = {
    open: [] as { readonly bytes: Uint8Array; readonly digest: Digest }[],
    closed: [] as { readonly bytes: Uint8Array; readonly digest: Digest }[]
  }
  const total = { count: 0, bytes: 0, bad: 0 }
  const flush = async (): Promise<void> => {
    for (const [group, isPrivate] of [
      [groups.open, false],
      [groups.closed, true]
    ] as const)
      if (group.length > 0) await target.putMany(group.splice(0), { private: isPrivate })
  }
  let gathered = 0
  for await (const { path, digest, sizeBytes, body } of blobs) {
    signal.throwIfAborted()
    const want = wants.of(digest)
    if (want === undefined) continue
    try {
      if (want.need.sizeBytes !== undefined && want.need.sizeBytes !== sizeBytes)
        throw new RejoinError('E_BAD_OBJECT', `it has ${sizeBytes} bytes, not ${want.need.sizeBytes}`)
      if (sizeBytes > chunkBytes)
        await target.put(counted(whole(body, sizeBytes), onBytes), { digest, sizeBytes, private: want.isPrivate })
      else {
        const bytes = Buffer.concat(await Array.fromAsync(whole(body, sizeBytes)))
        if (!hasDigest(bytes, digest)) throw new RejoinError('E_BAD_OBJECT', 'its bytes have another digest')
        const group = want.isPrivate ? groups.closed : groups.open
        group.push({ bytes, digest })
        gathered += sizeBytes
        onBytes?.(sizeBytes)
        wants.came(digest, bytes)
        if (groups.open.length + groups.closed.length >= groupCount || gathered >= groupBytes) {
          await flush()
          gathered = 0
        }
      }
      if (sizeBytes > chunkBytes) wants.came(digest, undefined)
      onBlob?.(digest)
      total.count++
      total.bytes += sizeBytes
    } catch (error) {
      if (error instanceof RejoinError && (error.code === 'E_NO_SPACE' || error.code === 'E_PERMISSION')) throw error
      const fault = faultIn(error, path)
      // where the stream itself ended, that is what is told
      if (isCut()) break
      wants.failed(digest)
      total.bad++
      onFault?.(fault)
    }
  }
  await flush()
  return total
}

/** Pieces of a body, copied, since each is valid only until the next one. @throws E_BAD_OBJECT where there are fewer bytes than were said */
async function* whole(body: AsyncIterable<Uint8Array>, sizeBytes: number): AsyncGenerator<Uint8Array, void, void> {
  let length = 0
  for await (const piece of body) {
    length += piece.length
    yield piece
  }
  if (length !== sizeBytes) throw new RejoinError('E_BAD_OBJECT', `it has ${length} of its ${sizeBytes} bytes`)
}

async function* counted(
  pieces: AsyncIterable<Uint8Array>,
  onBytes: ((count: number) => void) | undefined
): AsyncGenerator<Uint8Array, void, void> {
  for await (const piece of pieces) {
    yield piece
    onBytes?.(piece.length)
  }
}
