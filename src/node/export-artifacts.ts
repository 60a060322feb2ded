import { readManifest } from '../artifact/index.ts'
import {
  chunkBytes,
  type Digest,
  isDigest,
  isObject,
  type LogId,
  parseCid,
  parseEvent,
  type RejoinEvent,
  linesOf
} from '../core/index.ts'
import type { BlobPlace, BlobStore, Store } from '../store/index.ts'
import type { BlobNeed } from '../sync/index.ts'
import { artifactOf } from './blob-moves.ts'

const maxManifestBytes = 16 * 1024 * 1024
const maxClosure = 100_000

/** Entries of a log whose artifacts are looked at. */
export interface EntrySpan {
  readonly log: LogId
  readonly from: number
  readonly to: number
}

/** An artifact that an event names, with the blobs that it consists of. */
export interface ArtifactNeeds {
  readonly digest: Digest
  readonly event: RejoinEvent
  readonly log: LogId
  readonly index: number
  /** what it is about: of an SBOM the image, of a signature what was signed */
  readonly refers: Digest | undefined
  /** the manifest first */
  readonly blobs: readonly BlobNeed[]
  /** blobs that it names and that are not here */
  readonly missing: readonly Digest[]
}

/** Yields the artifacts that the relayed events of some entries name, each once, with their blobs. */
export async function* artifactsIn(
  store: Store,
  blobs: BlobStore,
  spans: readonly EntrySpan[]
): AsyncGenerator<ArtifactNeeds, void, void> {
  const seen = new Set<Digest>()
  for (const { log, from, to } of spans) {
    const { entries } = store.needFolder(log)
    for (let at = from; at < to; ) {
      const block = entries.read(at, to)
      for (const { index, withheld, start, end } of linesOf(block)) {
        if (withheld || index < from) continue
        const event = parseEvent(block.text.subarray(start, end))
        const digest = artifactOf(event)
        if (digest === undefined || seen.has(digest)) continue
        seen.add(digest)
        yield await needsOf(blobs, { digest, event, log, index }, (place) => place === 'shared')
      }
      at = block.from + block.count
    }
  }
}

/** Returns an artifact with the blobs that it consists of. @param counts whether a blob that lies there counts as being here */
export async function needsOf(
  blobs: BlobStore,
  artifact: Pick<ArtifactNeeds, 'digest' | 'event' | 'log' | 'index'>,
  counts: (place: BlobPlace) => boolean
): Promise<ArtifactNeeds> {
  const { refers } = artifact.event.data
  return {
    ...artifact,
    refers: typeof refers === 'string' && isDigest(refers) ? refers : undefined,
    ...(await closure(blobs, artifact.digest, artifact.event, counts))
  }
}

async function closure(
  blobs: BlobStore,
  root: Digest,
  { data }: RejoinEvent,
  counts: (place: BlobPlace) => boolean
): Promise<{ readonly blobs: readonly BlobNeed[]; readonly missing: readonly Digest[] }> {
  const found = new Map<Digest, BlobNeed>()
  const missing = new Set<Digest>()
  const cids = new Map<Digest, string>()
  for (const blob of Array.isArray(data['blobs']) ? data['blobs'] : []) {
    const { digest, cid } = isObject(blob) ? blob : {}
    if (typeof digest === 'string' && isDigest(digest) && typeof cid === 'string') cids.set(digest, cid)
  }
  const queue: { readonly digest: Digest; readonly isManifest: boolean }[] = [
    { digest: root, isManifest: true },
    ...[...cids.keys()].map((digest) => ({ digest, isManifest: false }))
  ]
  for (let next = queue.shift(); next !== undefined && found.size < maxClosure; next = queue.shift()) {
    const { digest, isManifest } = next
    if (found.has(digest) || missing.has(digest)) continue
    const here = blobs.find(digest)
    if (here === undefined || !counts(here.place)) {
      missing.add(digest)
      continue
    }
    const { sizeBytes } = here
    const cid = cids.get(digest)
    found.set(digest, { digest, sizeBytes, ...(cid !== undefined && sizeBytes > chunkBytes && { cid: parseCid(cid) }) })
    if (isManifest) queue.push(...(await childrenOf(blobs, digest)))
  }
  return { blobs: [...found.values()], missing: [...missing] }
}

async function childrenOf(
  blobs: BlobStore,
  digest: Digest
): Promise<readonly { readonly digest: Digest; readonly isManifest: boolean }[]> {
  try {
    const manifest = readManifest(await blobs.readBytes(digest, maxManifestBytes))
    return [
      ...manifest.manifests.map((child) => ({ digest: child.digest, isManifest: true })),
      ...[manifest.config, ...manifest.layers].flatMap((child) =>
        child === undefined ? [] : [{ digest: child.digest, isManifest: false }]
      )
    ]
  } catch {
    // no manifest: a document of its own, which names nothing
    return []
  }
}
