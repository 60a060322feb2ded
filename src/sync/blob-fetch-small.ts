import { type Digest, hasDigest, Schedule } from '../core/index.ts'
import type { BlobClient, BlobReply } from './blob-client.ts'
import type { BlobWant, FetchRun } from './blob-fetch.ts'
import { Bell, bring, type SourceLink } from './blob-source.ts'

const batchCount = 256
const batchBytes = 8 * 1024 * 1024
/** what is assumed of a blob of unknown size */
const usualBytes = 16_384
const flushBytes = 4 * 1024 * 1024

/** Fetches blobs of at most 1 MiB, many with one request; returns those that turned out to be larger. */
export async function fetchSmall(wants: readonly BlobWant[], run: FetchRun): Promise<readonly BlobWant[]> {
  if (wants.length === 0) return []
  const schedule = new Schedule(wants.length)
  const bell = new Bell()
  const large = new Set<BlobWant>()
  const sizes = wants.reduce((sum, { sizeBytes }) => sum + (sizeBytes ?? usualBytes), 0)
  const count = Math.max(1, Math.min(batchCount, Math.floor((batchBytes * wants.length) / Math.max(1, sizes))))
  const bringFrom = async (link: SourceLink): Promise<void> => {
    await bring(link, {
      schedule,
      bell,
      batchCount: () => count,
      isOver: run.isOver,
      ask: async (client, items) => await askSmall(client, items, { wants, schedule, bell, large, run, link })
    })
  }
  await Promise.all(run.links.map(bringFrom))
  return [...large]
}

interface Asking {
  readonly wants: readonly BlobWant[]
  readonly schedule: Schedule
  readonly bell: Bell
  readonly large: Set<BlobWant>
  readonly run: FetchRun
  readonly link: SourceLink
}

async function askSmall(client: BlobClient, items: readonly number[], asking: Asking): Promise<void> {
  const { wants, schedule, bell, large, run, link } = asking
  let arrived: { readonly item: number; readonly digest: Digest; readonly bytes: Uint8Array }[] = []
  let arrivedBytes = 0
  let keeping: Promise<void> = Promise.resolve()
  const keep = async (): Promise<void> => {
    const blobs = arrived
    arrived = []
    arrivedBytes = 0
    try {
      await run.store.putMany(blobs, { private: run.isPrivate })
    } catch (error) {
      run.fail(error)
      throw error
    }
    for (const { item, digest, bytes } of blobs) {
      if (!schedule.finish(item)) continue
      run.came(bytes.length)
      run.finish(digest)
    }
    bell.ring()
  }
  /** While some are made durable, the next ones come; but not more than twice what is kept at a time. */
  const keepSoon = async (): Promise<void> => {
    await keeping
    keeping = keep()
    keeping.catch(() => {})
  }
  const cannot = (item: number): void => {
    schedule.giveBack(link.name, item, { cannot: true })
    bell.ring()
  }
  const take = (index: number, { status, bytes }: BlobReply): Promise<void> | undefined => {
    const item = items[index] as number
    const want = wants[item] as BlobWant
    if (schedule.isDone(item)) return undefined
    if (status === 'large' && want.sizeBytes === undefined) {
      large.add(want)
      schedule.finish(item)
      bell.ring()
    } else if (bytes === undefined || !hasDigest(bytes, want.digest)) {
      if (status === 'large' || bytes !== undefined) run.blame(want.digest, link.name)
      cannot(item)
    } else {
      arrived.push({ item, digest: want.digest, bytes })
      arrivedBytes += bytes.length
      if (arrivedBytes >= flushBytes) return keepSoon()
    }
    return undefined
  }
  try {
    await client.blobs(
      items.map((item) => (wants[item] as BlobWant).digest),
      take
    )
  } finally {
    // What came before a stream broke is kept.
    if (!run.isOver() && arrived.length > 0) await keepSoon()
    await keeping
  }
}
