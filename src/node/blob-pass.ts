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
import type { BlobNeed } from '../sync/index.ts'
import type { ArrivedLines } from './arrived-lines.ts'
import { lackingOf } from './blob-wants.ts'
import type { Node } from './node.ts'
import { Reaches } from './reach.ts'

/** What a pass over the events came to. */
export interface Brought {
  readonly fetched: number
  readonly missing: number
  readonly bytes: number
}

/** Brings wanted blobs out of a replica of files. */
export type BringBlobs = (
  needs: readonly BlobNeed[],
  isPrivate: boolean
) => Promise<{ readonly fetched: number; readonly bytes: number }>

/** text of the events that are looked after at a time, in bytes: what a pass keeps in memory depends on it */
const windowBytes = 1024 * 1024

/** Goes along the logs of a node once and brings the blobs that used events name and that are missing, as far as a replica of files has them. */
export class BlobPass {
  private readonly node: Node
  private readonly bring: BringBlobs
  /** the first entry of each log whose text came */
  private readonly revisits = new Map<LogId, number>()
  private readonly arrived: ArrivedLines

  constructor(node: Node, bring: BringBlobs, arrived: ArrivedLines) {
    this.node = node
    this.bring = bring
    this.arrived = arrived
  }

  /** Takes note that the text of an entry came, which may be one that was passed over. */
  revisit(log: LogId, index: number): void {
    this.revisits.set(log, Math.min(index, this.revisits.get(log) ?? index))
  }

  /** Goes over all entries up to which not all blobs are known to be here. */
  async run(signal: AbortSignal): Promise<Brought> {
    const total = { fetched: 0, missing: 0, bytes: 0 }
    const reaches = new Reaches(this.node.root)
    for (const { log, size } of this.node.store.listHeads()) {
      const { entries } = this.node.store.needFolder(log)
      for (let at = Math.min(reaches.of(log).complete, this.revisits.get(log) ?? size); at < size; ) {
        signal.throwIfAborted()
        const block = entries.read(at, size, windowBytes)
        const { shared, kept } = this.eventsOf(log, block)
        const parts = [await this.bringFor(shared, false, log), await this.bringFor(kept, true, log)]
        this.arrived.tell()
        const end = block.from + block.count
        reaches.passed(log, at, end, sum(parts, 'missing') === 0)
        total.fetched += sum(parts, 'fetched')
        total.missing += sum(parts, 'missing')
        total.bytes += sum(parts, 'bytes')
        at = end
        await new Promise((resolve) => setImmediate(resolve))
      }
    }
    reaches.save()
    return total
  }

  /** Brings what the artifacts of a few events lack: manifests first, then what these name. */
  async bringFor(events: readonly RejoinEvent[], isPrivate: boolean, log?: LogId): Promise<Brought> {
    const { blobs, config } = this.node
    const hidden = new Set<Digest>()
    const onHere = (digest: Digest): void => {
      if (!isPrivate && blobs.placeOf(digest) === 'private') hidden.add(digest)
    }
    const context = { blobs, maxBytes: config.fetchMaxBytes, onHere }
    const total = { fetched: 0, missing: 0, bytes: 0 }
    let open = events
    for (;;) {
      const wants = new Map<Digest, BlobNeed>()
      const roots: Descriptor[] = []
      const still: RejoinEvent[] = []
      for (const event of open) {
        const { wants: lacking, root } = await lackingOf(event, context)
        for (const want of lacking) wants.set(want.digest, want)
        if (lacking.length > 0) still.push(event)
        else if (root !== undefined) roots.push(root)
        if (lacking.length === 0 && log !== undefined) await this.arrived.event(event, log)
      }
      // what was kept for this node only is passed on, now that an event of it is
      for (const digest of hidden) await blobs.move(digest, 'shared')
      hidden.clear()
      if (!isPrivate) this.list(roots)
      const got = wants.size === 0 ? { fetched: 0, bytes: 0 } : await this.bring([...wants.values()], isPrivate)
      total.fetched += got.fetched
      total.bytes += got.bytes
      if (got.fetched === 0) {
        total.missing = wants.size
        return total
      }
      open = still
    }
  }

  /** Lists artifacts in index.json that are whole now. */
  private list(roots: readonly Descriptor[]): void {
    if (roots.length === 0) return
    const { index } = this.node.blobs
    // what a tag names needs no second mention
    const tagged = new Set(index.tags().map(({ digest }) => digest))
    const added = roots.filter(({ digest }) => !tagged.has(digest) && index.untaggedRoot(digest) === undefined)
    if (added.length > 0) index.change(added.map((descriptor) => ({ kind: 'add', descriptor })))
  }

  /** The events of a block whose blobs are passed on, and those whose blobs are for this node only. */
  private eventsOf(
    log: LogId,
    { from, text }: EntryBlock
  ): { readonly shared: readonly RejoinEvent[]; readonly kept: readonly RejoinEvent[] } {
    const shared: RejoinEvent[] = []
    const kept: RejoinEvent[] = []
    let index = from
    for (let start = 0, end = text.indexOf(10); end >= 0; start = end + 1, end = text.indexOf(10, start)) {
      const line = text.subarray(start, end)
      if (!isWithheld(line)) {
        shared.push(parseEvent(line))
        index++
        continue
      }
      for (const { size } of parseWithheld(line, index)) {
        const own = size === 1 ? this.node.store.places.kept.read(log, index) : undefined
        if (own !== undefined) kept.push(parseEvent(own))
        index += size
      }
    }
    return { shared, kept }
  }
}

function sum(parts: readonly Brought[], member: keyof Brought): number {
  return parts.reduce((total, part) => total + part[member], 0)
}
