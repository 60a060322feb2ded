import { blobPath, chunkBytes, codeOf, type Digest, hasDigest, RejoinError } from '../core/index.ts'
import type { BlobStore, ResumableBlob } from '../store/index.ts'
import type { WebClient } from './web-client.ts'
import type { WebFaults } from './web-faults.ts'

/** A blob that is wanted from the web. */
export interface WebWant {
  readonly digest: Digest
  readonly sizeBytes?: number | undefined
}

/** How blobs are fetched from the web. */
export interface WebFetch {
  readonly store: BlobStore
  readonly faults: WebFaults
  /** the largest blob that is taken where nothing says how large it is, in bytes */
  readonly maxBytes: number
  readonly isPrivate: boolean
  readonly signal: AbortSignal
}

const atOnce = 6
/** small blobs that are made durable together */
const groupCount = 64

/**
 * Fetches blobs from a folder on the web into the store; what an earlier run got of a large one is gone on with. Each is compared with its
 * digest before it has its name. What is not there, or is not what it should be, is noted in the faults.
 * @returns those that are here now
 * @throws E_GONE E_TIMEOUT where the server went away · E_NO_SPACE E_IO · the signal's reason
 */
export async function fetchWebBlobs(client: WebClient, wants: readonly WebWant[], options: WebFetch): Promise<readonly Digest[]> {
  const done: Digest[] = []
  const isSmall = ({ sizeBytes }: WebWant): boolean => sizeBytes !== undefined && sizeBytes <= chunkBytes
  const small = wants.filter(isSmall)
  for (let at = 0; at < small.length; at += groupCount) {
    const group = await each(small.slice(at, at + groupCount), async (want) => await readSmall(client, want, options))
    const stored = await options.store.putMany(group, { private: options.isPrivate })
    done.push(...stored.map(({ digest }) => digest))
  }
  for (const want of wants) {
    if (isSmall(want)) continue
    options.signal.throwIfAborted()
    if (await fetchLarge(client, want, options)) done.push(want.digest)
  }
  return done
}

/** Runs a task for each item, some at a time, in order; those that give nothing are left out. */
async function each<Item, Result>(
  items: readonly Item[],
  task: (item: Item) => Promise<Result | undefined>
): Promise<readonly Result[]> {
  const results: (Result | undefined)[] = []
  let next = 0
  const lane = async (): Promise<void> => {
    for (let at = next++; at < items.length; at = next++) results[at] = await task(items[at] as Item)
  }
  await Promise.all(Array.from({ length: atOnce }, lane))
  return results.filter((result) => result !== undefined)
}

async function readSmall(
  client: WebClient,
  { digest, sizeBytes = chunkBytes }: WebWant,
  { faults }: WebFetch
): Promise<{ readonly digest: Digest; readonly bytes: Uint8Array } | undefined> {
  const path = blobPath(digest)
  try {
    const bytes = await client.read(path, sizeBytes)
    if (bytes === undefined) throw absent(client, path)
    if (bytes.length !== sizeBytes || !hasDigest(bytes, digest)) throw wrong(client, path)
    return { digest, bytes }
  } catch (error) {
    const thrown = faults.note(error, path)
    if (thrown === error) throw error
    return undefined
  }
}

async function fetchLarge(client: WebClient, want: WebWant, options: WebFetch): Promise<boolean> {
  const part = await options.store.resumable(want.digest)
  await using _closing = part
  try {
    const resumed = part.sizeBytes > 0
    await bringLarge(client, want, part, options)
    try {
      await part.finish({ private: options.isPrivate })
    } catch (error) {
      if (!resumed || codeOf(error) !== 'E_BAD_OBJECT') throw error
      // what an earlier run left may be of a power cut: only bytes of one run say that the server's are wrong
      await bringLarge(client, want, part, options)
      await part.finish({ private: options.isPrivate })
    }
    return true
  } catch (error) {
    const thrown = options.faults.note(error, blobPath(want.digest))
    if (thrown !== error || codeOf(error) === 'E_NO_SPACE') await part.drop()
    if (thrown === error) throw error
    return false
  }
}

/** Fetches what is behind the bytes that are there. */
async function bringLarge(
  client: WebClient,
  { digest, sizeBytes }: WebWant,
  part: ResumableBlob,
  { maxBytes }: WebFetch
): Promise<void> {
  const path = blobPath(digest)
  const limit = sizeBytes ?? maxBytes
  if (part.sizeBytes > limit) await part.restart()
  if (part.sizeBytes === sizeBytes) return
  const answer = await client.ask(path, { from: part.sizeBytes })
  try {
    if (answer.status === 404) throw absent(client, path)
    if (sizeBytes !== undefined && answer.sizeBytes !== undefined && answer.sizeBytes !== sizeBytes)
      throw new RejoinError('E_BAD_OBJECT', `${client.base}${path} has ${answer.sizeBytes} bytes, not ${sizeBytes}`)
    // a server that knows no ranges sends everything again
    let skip = part.sizeBytes - answer.from
    for await (const bytes of answer.body) {
      const fresh = bytes.subarray(Math.min(skip, bytes.length))
      skip -= bytes.length - fresh.length
      if (part.sizeBytes + fresh.length > limit)
        throw new RejoinError('E_BAD_OBJECT', `${client.base}${path} is over ${limit} bytes`)
      if (fresh.length > 0) await part.append(fresh)
    }
  } finally {
    answer.drop()
  }
  if (sizeBytes !== undefined && part.sizeBytes < sizeBytes)
    throw new RejoinError('E_BAD_OBJECT', `${client.base}${path} has ${part.sizeBytes} bytes, not ${sizeBytes}`)
}

function absent(client: WebClient, path: string): RejoinError {
  return new RejoinError('E_NOT_FOUND', `${client.base}${path} is not there`)
}

function wrong(client: WebClient, path: string): RejoinError {
  return new RejoinError('E_BAD_OBJECT', `${client.base}${path} has other bytes than its name says`)
}
