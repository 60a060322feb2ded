import { join } from 'node:path'
import {
  type Digest,
  type EntryBlock,
  isWithheld,
  type LogId,
  parseEvent,
  parseWithheld,
  RejoinError,
  type RejoinEvent,
  textOf,
  utf8
} from '../core/index.ts'
import { type Host, protocolId } from '../net/index.ts'
import { type Descriptor, readFileRangeSync, replaceFileSync } from '../store/index.ts'
import { type BlobWant, fetchBlobs } from '../sync/index.ts'
import { lackingOf } from './blob-wants.ts'
import type { Node } from './node.ts'

/** What a pass over the events came to. */
export interface Fetched {
  readonly fetched: number
  readonly missing: number
  readonly bytes: number
}

/** How far into a log its blobs were looked after. */
interface Reach {
  /** all blobs of the entries before this one are here */
  complete: number
  /** the entries before this one were asked for in this run of the node */
  asked: number
}

const reachFile = 'private/fetched.json'
const maxReachBytes = 64 * 1024 * 1024
const pokeMs = 2
const firstRetryMs = 2000
const maxRetryMs = 300_000
/** text of the events that are looked after at a time, in bytes: what a pass keeps in memory depends on it */
const windowBytes = 256 * 1024

/**
 * Fetches the blobs that accepted events name, from any connected peer. It goes along the logs and remembers in a file up to where
 * everything is here, so that neither a start nor a wait keeps a list of what is missing. What nobody has is asked for again, ever
 * more rarely, and at once when a peer connects.
 */
export class Fetcher {
  private readonly node: Node
  private readonly host: Host
  private readonly signal: AbortSignal
  private readonly reach: Map<LogId, Reach>
  private running: Promise<unknown> | undefined
  private pokeTimer: NodeJS.Timeout | undefined
  private retryTimer: NodeJS.Timeout | undefined
  private retryMs = firstRetryMs
  /** blobs that the last whole pass did not get */
  private missing = 0

  constructor(node: Node, host: Host, signal: AbortSignal) {
    this.node = node
    this.host = host
    this.signal = signal
    this.reach = readReach(node.root)
  }

  /** Takes note that an event's text came in the place of its hash: what was passed over is looked after. */
  revisit(log: LogId, index: number): void {
    const reach = this.reachOf(log)
    if (index >= reach.asked) return
    reach.complete = Math.min(reach.complete, index)
    reach.asked = Math.min(reach.asked, index)
    this.poke()
  }

  /** Fetches soon what new events name. */
  poke(): void {
    this.pokeTimer ??= setTimeout(() => {
      this.pokeTimer = undefined
      if (this.host.peers().length > 0) this.background('asked')
    }, pokeMs)
  }

  /** Asks again for everything that is missing: a peer connected, or the rules let in more. */
  again({ fromStart = false }: { readonly fromStart?: boolean } = {}): void {
    for (const reach of this.reach.values()) {
      reach.asked = reach.complete
      if (fromStart) reach.asked = reach.complete = 0
    }
    this.retryMs = firstRetryMs
    this.poke()
  }

  private background(from: 'complete' | 'asked'): void {
    void this.run(this.signal, from).catch((error: unknown) =>
      this.signal.aborted ? undefined : this.node.say(`fetching blobs failed: ${(error as Error).message}`)
    )
  }

  /** Fetches what is missing from the peers that are connected; one pass at a time. */
  async run(signal: AbortSignal, from: 'complete' | 'asked' = 'complete'): Promise<Fetched> {
    while (this.running !== undefined) await this.running
    const work = this.pass(signal, from)
    this.running = work.catch(() => {})
    try {
      return await work
    } finally {
      this.running = undefined
      if (this.missing > 0) this.retryLater()
    }
  }

  private retryLater(): void {
    if (this.signal.aborted || this.retryTimer !== undefined) return
    this.retryTimer = setTimeout(
      () => {
        this.retryTimer = undefined
        if (this.host.peers().length > 0) this.background('complete')
      },
      this.retryMs * (0.5 + Math.random())
    )
    this.retryMs = Math.min(this.retryMs * 1.5, maxRetryMs)
  }

  private reachOf(log: LogId): Reach {
    let reach = this.reach.get(log)
    if (reach === undefined) {
      reach = { complete: 0, asked: 0 }
      this.reach.set(log, reach)
    }
    return reach
  }

  private async pass(signal: AbortSignal, from: 'complete' | 'asked'): Promise<Fetched> {
    const total = { fetched: 0, missing: from === 'asked' ? this.missing : 0, bytes: 0 }
    let moved = false
    for (const { log, size } of this.node.store.listHeads()) {
      const reach = this.reachOf(log)
      const before = reach.complete
      const { entries } = this.node.store.needFolder(log)
      for (let at = reach[from]; at < size; ) {
        signal.throwIfAborted()
        const block = entries.read(at, size, windowBytes)
        const { shared, kept } = this.eventsOf(log, block)
        const parts = [await this.fetchOf(shared, signal, false), await this.fetchOf(kept, signal, true)]
        const [fetched, missing, bytes] = [sum(parts, 'fetched'), sum(parts, 'missing'), sum(parts, 'bytes')]
        const end = block.from + block.count
        if (missing === 0 && reach.complete >= at) reach.complete = Math.max(reach.complete, end)
        reach.asked = Math.max(reach.asked, end)
        total.fetched += fetched
        total.missing += missing
        total.bytes += bytes
        at = end
        await new Promise((resolve) => setImmediate(resolve))
      }
      moved ||= reach.complete !== before
    }
    if (total.fetched > 0) this.retryMs = firstRetryMs
    this.missing = total.missing
    if (moved) writeReach(this.node.root, this.reach)
    return total
  }

  /** Fetches what a few events lack: manifests first, then what these name. */
  private async fetchOf(events: readonly RejoinEvent[], signal: AbortSignal, isPrivate: boolean): Promise<Fetched> {
    const { blobs, config } = this.node
    const hidden = new Set<Digest>()
    const onHere = (digest: Digest): void => {
      if (!isPrivate && blobs.placeOf(digest) === 'private') hidden.add(digest)
    }
    const context = { blobs, maxBytes: config.fetchMaxBytes, onHere }
    const total = { fetched: 0, missing: 0, bytes: 0 }
    let open = events
    for (;;) {
      const wants = new Map<Digest, BlobWant>()
      const roots: Descriptor[] = []
      const still: RejoinEvent[] = []
      for (const event of open) {
        const { wants: lacking, root } = await lackingOf(event, context)
        for (const want of lacking) wants.set(want.digest, want)
        if (lacking.length > 0) still.push(event)
        else if (root !== undefined) roots.push(root)
      }
      // what was kept for this node only is passed on, now that an event of it is
      for (const digest of hidden) await blobs.move(digest, 'shared')
      hidden.clear()
      if (!isPrivate) this.list(roots)
      const got = await this.fetch([...wants.values()], signal, isPrivate)
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
    const listed = new Set(index.roots().map(({ digest }) => digest))
    const added = roots.filter(({ digest }) => !listed.has(digest))
    if (added.length > 0) index.change(added.map((descriptor) => ({ kind: 'add', descriptor })))
  }

  /** Fetches some blobs from the peers that are connected. */
  async fetch(wants: readonly BlobWant[], signal: AbortSignal, isPrivate = false): Promise<Fetched> {
    const { blobs, store } = this.node
    const sources = this.host.peers().map(({ peerId }) => ({
      name: peerId,
      open: async () => await this.host.open(peerId, protocolId(store.network, 'blob'), { signal })
    }))
    if (wants.length === 0 || sources.length === 0) return { fetched: 0, missing: wants.length, bytes: 0 }
    const { done, bad } = await fetchBlobs(wants, sources, blobs, { signal, private: isPrivate })
    for (const { digest, source } of bad) this.node.scores.badBlob(source, digest)
    const bytes = done.reduce((sum, digest) => sum + (blobs.size(digest) ?? 0), 0)
    return { fetched: done.length, missing: wants.length - done.length, bytes }
  }

  /** Brings what an event's artifact lacks into quarantine. @returns whether all of it is here */
  async bring(event: RejoinEvent): Promise<boolean> {
    return (await this.fetchOf([event], this.signal, true)).missing === 0
  }

  /** The events of a block whose blobs are passed on, and those whose blobs are for this node only. */
  private eventsOf(
    log: LogId,
    block: EntryBlock
  ): { readonly shared: readonly RejoinEvent[]; readonly kept: readonly RejoinEvent[] } {
    const { text } = block
    const shared: RejoinEvent[] = []
    const kept: RejoinEvent[] = []
    let index = block.from
    for (let start = 0, end = text.indexOf(10); end >= 0; start = end + 1, end = text.indexOf(10, start)) {
      const line = text.subarray(start, end)
      if (!isWithheld(line)) shared.push(parseEvent(line))
      else {
        const own = this.node.store.places.kept.read(log, index)
        if (own !== undefined) kept.push(parseEvent(own))
      }
      index += isWithheld(line) ? parseWithheld(line, index).size : 1
    }
    return { shared, kept }
  }

  /** Stops fetching. */
  async stop(): Promise<void> {
    clearTimeout(this.pokeTimer)
    clearTimeout(this.retryTimer)
    await this.running
  }
}

function sum(parts: readonly Fetched[], member: keyof Fetched): number {
  return parts.reduce((total, part) => total + part[member], 0)
}

function readReach(root: string): Map<LogId, Reach> {
  const bytes = readFileRangeSync(join(root, reachFile), 0, maxReachBytes)
  try {
    const sizes = bytes === undefined ? {} : (JSON.parse(textOf(bytes)) as Readonly<Record<LogId, number>>)
    return new Map(Object.entries(sizes).map(([log, complete]) => [log as LogId, { complete, asked: complete }]))
  } catch (error) {
    // it only saves work: where it is unreadable, everything is looked after once more
    if (error instanceof SyntaxError || error instanceof RejoinError) return new Map()
    throw error
  }
}

function writeReach(root: string, reach: ReadonlyMap<LogId, Reach>): void {
  const sizes = Object.fromEntries([...reach].map(([log, { complete }]) => [log, complete]))
  replaceFileSync(join(root, reachFile), utf8(`${JSON.stringify(sizes)}\n`), { durable: false })
}
