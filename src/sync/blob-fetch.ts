import { type Cid, chunkBytes, codeOf, type Digest, type RejoinError } from '../core/index.ts'
import type { BlobStore } from '../store/index.ts'
import { fetchLarge } from './blob-fetch-large.ts'
import { fetchSmall } from './blob-fetch-small.ts'
import { type BlobSource, SourceLink } from './blob-source.ts'

/** A blob that is wanted, with what the signed event says of it. */
export interface BlobWant {
  readonly digest: Digest
  readonly sizeBytes?: number | undefined
  /** the root of its UnixFS DAG: with it each chunk is verified against what was signed, and any source can bring any chunk */
  readonly cid?: Cid | undefined
}

/** Wrong bytes, or a wrong list of hashes, and who sent them. */
export interface BadBlob {
  readonly digest: Digest
  readonly source: string
}

/** What has come so far. */
export interface FetchProgress {
  readonly doneCount: number
  readonly wantCount: number
  /** of verified bytes, since the fetch began */
  readonly receivedBytes: number
}

/** What became of the wants: each digest is in `done` or in `missing`. */
export interface FetchResult {
  readonly done: readonly Digest[]
  readonly missing: readonly Digest[]
  readonly bad: readonly BadBlob[]
}

/** How blobs are fetched. */
export interface FetchOptions {
  readonly signal: AbortSignal
  readonly onProgress?: ((progress: FetchProgress) => void) | undefined
  /** true: into private/, so that they aren't passed on */
  readonly private?: boolean | undefined
}

/** What the parts of one fetch share. */
export interface FetchRun {
  readonly store: BlobStore
  readonly links: readonly SourceLink[]
  readonly isPrivate: boolean
  /** Whether the fetch must end: this side failed, or was told to stop. */
  readonly isOver: () => boolean
  /** Whether no space was left: then what was fetched in part is deleted. */
  readonly isFull: () => boolean
  /** Ends the fetch with an error of this side. */
  readonly fail: (error: unknown) => void
  readonly blame: (digest: Digest, source: string) => void
  readonly came: (receivedBytes: number) => void
  readonly finish: (digest: Digest) => void
}

const maxSources = 8

/**
 * Fetches blobs into the store from several sources at once; what was fetched in part by an earlier run is gone on with. Small ones
 * come first. A source that is slow, goes away or sends wrong bytes is done without; what nobody brings is in `missing`.
 * @param sources the first eight are asked
 * @throws the signal's reason · E_NO_SPACE (then the parts are deleted) E_IO E_PERMISSION where it can't be kept
 */
export async function fetchBlobs(
  wants: readonly BlobWant[],
  sources: readonly BlobSource[],
  store: BlobStore,
  options: FetchOptions
): Promise<FetchResult> {
  const { signal } = options
  signal.throwIfAborted()
  const done = new Set<Digest>()
  const bad: BadBlob[] = []
  let failure: { readonly error: unknown } | undefined
  let receivedBytes = 0
  const unique = [...new Map(wants.map((want) => [want.digest, want])).values()]
  const links = sources.slice(0, maxSources).map((source) => new SourceLink(source))
  const report = (): void => options.onProgress?.({ doneCount: done.size, wantCount: unique.length, receivedBytes })
  const stop = (): void => {
    failure ??= { error: signal.reason }
    for (const link of links) link.drop()
  }
  const run: FetchRun = {
    store,
    links,
    isPrivate: options.private === true,
    isOver: () => failure !== undefined,
    isFull: () => codeOf(failure?.error) === 'E_NO_SPACE',
    fail: (error) => {
      failure ??= { error }
      for (const link of links) link.drop()
    },
    blame: (digest, source) => {
      if (!bad.some((one) => one.digest === digest && one.source === source)) bad.push({ digest, source })
    },
    came: (count) => {
      receivedBytes += count
      report()
    },
    finish: (digest) => {
      done.add(digest)
      report()
    }
  }
  signal.addEventListener('abort', stop, { once: true })
  try {
    const open = unique.filter((want) => {
      if (store.has(want.digest)) done.add(want.digest)
      return !done.has(want.digest)
    })
    const small = open.filter(({ sizeBytes }) => sizeBytes === undefined || sizeBytes <= chunkBytes)
    const large = open.filter(({ sizeBytes }) => sizeBytes !== undefined && sizeBytes > chunkBytes)
    const turnedOutLarge = await fetchSmall(small, run)
    for (const want of [...large, ...turnedOutLarge]) if (!run.isOver()) await fetchLarge(want, run)
    if (failure === undefined) await Promise.all(links.map(async (link) => await link.end()))
  } finally {
    signal.removeEventListener('abort', stop)
    for (const link of links) link.drop()
  }
  if (failure !== undefined) throw (failure as { readonly error: RejoinError }).error
  return { done: [...done], missing: unique.map(({ digest }) => digest).filter((digest) => !done.has(digest)), bad }
}
