import { readManifest } from '../artifact/index.ts'
import { type Digest, isDigest, isObject, linesOf, parseEvent, type RejoinEvent } from '../core/index.ts'
import type { Changed } from '../replica/index.ts'
import type { Verdict } from '../core/index.ts'
import type { BlobStore, Store } from '../store/index.ts'

const maxManifestBytes = 16 * 1024 * 1024
/** blobs of one artifact that are followed */
const maxClosure = 100_000

/** Returns the digest of the artifact that an event is about, where it is about one. */
export function artifactOf({ data, subject }: RejoinEvent): Digest | undefined {
  const { digest } = data
  return typeof digest === 'string' && isDigest(digest) && digest === subject ? digest : undefined
}

/** What a changed verdict means for the blobs of an artifact. */
export interface BlobChange {
  readonly artifact: Digest
  /** large blobs that the event names by itself */
  readonly large: readonly Digest[]
  readonly before: Verdict
  readonly after: Verdict
}

/** Returns what a changed verdict means for blobs, undefined where its event is about none. */
export function blobChangeOf({ event, before, after }: Changed): BlobChange | undefined {
  const artifact = event && artifactOf(event)
  if (event === undefined || artifact === undefined) return undefined
  const large = new Set<Digest>()
  addLarge(event, large)
  return { artifact, large: [...large], before, after }
}

/** Adds the blobs of an artifact that are here to a set, which may have those of others already. */
export async function addClosure(blobs: BlobStore, root: Digest, found: Set<Digest>): Promise<void> {
  const queue: { readonly digest: Digest; readonly isManifest: boolean }[] = [{ digest: root, isManifest: true }]
  let count = 0
  for (let next = queue.shift(); next !== undefined && count < maxClosure; next = queue.shift()) {
    const { digest, isManifest } = next
    if (found.has(digest) || !blobs.has(digest)) continue
    found.add(digest)
    count++
    if (!isManifest) continue
    try {
      const manifest = readManifest(await blobs.readBytes(digest, maxManifestBytes))
      for (const child of manifest.manifests) queue.push({ digest: child.digest, isManifest: true })
      for (const child of [manifest.config, ...manifest.layers])
        if (child !== undefined) queue.push({ digest: child.digest, isManifest: false })
    } catch {
      // no manifest: a document of its own, which names nothing
    }
  }
}

/** Adds the large blobs that an event names by itself to a set. */
export function addLarge({ data }: RejoinEvent, found: Set<Digest>): void {
  for (const blob of Array.isArray(data['blobs']) ? data['blobs'] : []) {
    const digest: unknown = isObject(blob) ? blob['digest'] : undefined
    if (typeof digest === 'string' && isDigest(digest)) found.add(digest)
  }
}

/** Yields the events that are passed on. */
export function* relayedEvents(store: Store): Generator<RejoinEvent, void, void> {
  for (const { log } of store.listHeads()) {
    // of the own log also what was appended just now and is not signed yet
    const { entries, size } = store.needFolder(log)
    for (let at = 0; at < size; ) {
      const block = entries.read(at, size)
      for (const { withheld, start, end } of linesOf(block)) if (!withheld) yield parseEvent(block.text.subarray(start, end))
      at = block.from + block.count
    }
  }
}

/** Yields the events that are kept for this node only, and those that are held. */
export function* privateEvents(store: Store): Generator<RejoinEvent, void, void> {
  for (const place of [store.places.kept, store.places.held])
    for (const { entries } of place.list()) for (const { line } of entries) yield parseEvent(line)
}

async function neededBy(blobs: BlobStore, events: Iterable<RejoinEvent>): Promise<ReadonlySet<Digest>> {
  const found = new Set<Digest>()
  for (const event of events) {
    const digest = artifactOf(event)
    if (digest === undefined) continue
    addLarge(event, found)
    await addClosure(blobs, digest, found)
  }
  return found
}

/**
 * Moves blobs after verdicts changed: those of what is passed on now to where peers are served from, those of what is not away from there,
 * and deletes those that nothing here needs any more.
 */
export async function moveBlobs(store: Store, blobs: BlobStore, changes: readonly BlobChange[]): Promise<void> {
  const opened = new Set<Digest>()
  const shut = new Set<Digest>()
  for (const { artifact, large, before, after } of changes) {
    if (after !== 'relay' && before !== 'relay' && after !== 'refuse') continue
    const closure = after === 'relay' ? opened : shut
    for (const digest of large) closure.add(digest)
    await addClosure(blobs, artifact, closure)
  }
  for (const digest of opened) if (blobs.placeOf(digest) === 'private') await blobs.move(digest, 'shared')
  if (shut.size === 0) return
  const shared = await neededBy(blobs, relayedEvents(store))
  const kept = await neededBy(blobs, privateEvents(store))
  for (const digest of shut) {
    if (shared.has(digest) || !blobs.has(digest)) continue
    blobs.index.change([{ kind: 'drop', digest }])
    if (!kept.has(digest)) await blobs.remove(digest)
    else if (blobs.placeOf(digest) === 'shared') await blobs.move(digest, 'private')
  }
}
