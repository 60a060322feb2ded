import {
  type Digest,
  type EntryBlock,
  isWithheld,
  type LogId,
  parseEvent,
  parseWithheld,
  type RejoinEvent
} from '../core/index.ts'
import type { Descriptor } from '../store/index.ts'
import type { BlobWant } from '../sync/index.ts'
import { lackingOf } from './blob-wants.ts'
import type { Node } from './node.ts'

/** An event whose blobs are looked after. */
export interface Placed {
  readonly log: LogId
  readonly index: number
  readonly event: RejoinEvent
  /** it is used here and not passed on, and so are its blobs */
  readonly isPrivate: boolean
}

/** What looking after events came to. */
export interface Brought {
  readonly fetched: number
  readonly missing: number
  readonly bytes: number
}

/** How blobs are brought. */
export interface Bringing {
  readonly isPrivate: boolean
  /** brings some blobs, as far as they can be had */
  readonly bring: (wants: readonly BlobWant[]) => Promise<Pick<Brought, 'fetched' | 'bytes'>>
  /** called for each blob that an event lacks */
  readonly onLacking?: (digest: Digest, one: Placed) => void
  /** called for each event that lacks nothing, maybe again */
  readonly onWhole?: (one: Placed) => Promise<void>
}

/** Brings what the artifacts of a few events lack: manifests first, then what these name, until nothing more comes. @returns also the events that still lack something */
export async function bringLacking(
  { blobs, config }: Node,
  events: readonly Placed[],
  { isPrivate, bring, onLacking, onWhole }: Bringing
): Promise<Brought & { readonly lacking: readonly Placed[] }> {
  const hidden = new Set<Digest>()
  const onHere = (digest: Digest): void => {
    if (!isPrivate && blobs.placeOf(digest) === 'private') hidden.add(digest)
  }
  const context = { blobs, maxBytes: config.fetchMaxBytes, onHere }
  const total = { fetched: 0, bytes: 0 }
  for (let open = events; ; ) {
    const wants = new Map<Digest, BlobWant>()
    const roots: Descriptor[] = []
    const lacking: Placed[] = []
    for (const one of open) {
      const { wants: some, root } = await lackingOf(one.event, context)
      for (const want of some) {
        wants.set(want.digest, want)
        onLacking?.(want.digest, one)
      }
      if (some.length > 0) {
        lacking.push(one)
        continue
      }
      if (root !== undefined) roots.push(root)
      await onWhole?.(one)
    }
    // what was kept for this node only is passed on, now that an event of it is
    for (const digest of hidden) await blobs.move(digest, 'shared')
    hidden.clear()
    if (!isPrivate) list(blobs.index, roots)
    const got = wants.size === 0 ? { fetched: 0, bytes: 0 } : await bring([...wants.values()])
    total.fetched += got.fetched
    total.bytes += got.bytes
    if (got.fetched === 0) return { ...total, missing: wants.size, lacking }
    open = lacking
  }
}

/** Lists artifacts in index.json that are whole now. */
function list(index: Node['blobs']['index'], roots: readonly Descriptor[]): void {
  if (roots.length === 0) return
  // what a tag names needs no second mention
  const tagged = new Set(index.tags().map(({ digest }) => digest))
  const added = roots.filter(({ digest }) => !tagged.has(digest) && index.untaggedRoot(digest) === undefined)
  if (added.length > 0) index.change(added.map((descriptor) => ({ kind: 'add', descriptor })))
}

/** Returns the events of a block that are used here: those that are passed on, and those that are for this node only. */
export function placedIn({ store }: Node, log: LogId, { from, text }: EntryBlock): readonly Placed[] {
  const events: Placed[] = []
  let index = from
  for (let start = 0, end = text.indexOf(10); end >= 0; start = end + 1, end = text.indexOf(10, start)) {
    const line = text.subarray(start, end)
    if (!isWithheld(line)) {
      events.push({ log, index, event: parseEvent(line), isPrivate: false })
      index++
      continue
    }
    for (const { size } of parseWithheld(line, index)) {
      const own = size === 1 ? store.places.kept.read(log, index) : undefined
      if (own !== undefined) events.push({ log, index, event: parseEvent(own), isPrivate: true })
      index += size
    }
  }
  return events
}
