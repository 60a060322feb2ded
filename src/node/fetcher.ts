import { type Digest, type LogId, parseEvent, type RejoinEvent } from '../core/index.ts'
import { type Host, protocolId } from '../net/index.ts'
import { type BlobWant, fetchBlobs } from '../sync/index.ts'
import { type Brought, bringLacking, type Placed, placedIn } from './bring-lacking.ts'
import type { Node } from './node.ts'
import { Reaches } from './reach.ts'

interface Place {
  readonly log: LogId
  readonly index: number
}

/** Entries of a log that are looked after together with others. */
interface Part {
  readonly log: LogId
  readonly from: number
  readonly end: number
  readonly events: readonly Placed[]
}

/** Which entries a pass goes over: those that came since, all of which something is missing, or those of them that were asked for already. */
type Scope = 'new' | 'missing' | 'asked'

/** How blobs are fetched for events. */
interface Asking {
  readonly signal: AbortSignal
  readonly isPrivate: boolean
  /** the peers that are asked; all that are connected where it is left out */
  readonly peers?: ReadonlySet<string> | undefined
}

const pokeMs = 2
/** how long no event came, in milliseconds, before it is looked after what new ones name; a session's end does not wait */
const quietMs = 200
const maxRetryMs = 300_000
/** text of the events that are looked after at a time, in bytes: what a pass keeps in memory depends on it */
const windowBytes = 256 * 1024
/** blobs that are missing of which it is remembered which event names them */
const maxRemembered = 65_536
/** peers that are asked at the same time */
const sourcesAtOnce = 8

/**
 * Fetches the blobs that accepted events name, from any connected peer. It goes along the logs and remembers in a file up to where
 * everything is here, so that neither a start nor a wait keeps a list of what is missing. What nobody has is asked for again, ever
 * more rarely; of a peer that says that it has it now, or that connects, at once.
 */
export class Fetcher {
  private readonly node: Node
  private readonly host: Host
  private readonly signal: AbortSignal
  private readonly reaches: Reaches
  private running: Promise<unknown> | undefined
  private pokeTimer: NodeJS.Timeout | undefined
  private quietTimer: NodeJS.Timeout | undefined
  private retryTimer: NodeJS.Timeout | undefined
  private readonly firstRetryMs: number
  private retryMs: number
  /** blobs that the last whole pass did not get */
  private missing = 0
  /** what came since the node is up, whoever asked for it */
  readonly came: { fetched: number; bytes: number } = { fetched: 0, bytes: 0 }
  /** by missing blob, the entry that names it */
  private readonly namedBy = new Map<Digest, Place>()
  /** peers that have connected and were not yet asked for what others don't have */
  private readonly met = new Set<string>()
  /** by peer, the events whose blobs it says it has now */
  private readonly toldOf = new Map<string, Map<string, Placed>>()
  private telling: Promise<void> | undefined

  /** @param firstRetryMs how soon blobs that no peer had are asked for again, at first */
  constructor(node: Node, host: Host, signal: AbortSignal, firstRetryMs = 2000) {
    this.node = node
    this.host = host
    this.signal = signal
    this.firstRetryMs = firstRetryMs
    this.retryMs = firstRetryMs
    this.reaches = new Reaches(node.root, () => !node.blobs.index.isBehind)
  }

  /** Takes note that an event's text came, perhaps in the place of its hash: what was passed over is looked after. */
  revisit(log: LogId, index: number): void {
    const wasPassed = index < this.reaches.of(log).asked
    this.reaches.revisit(log, index)
    if (wasPassed) this.poke()
    else this.pokeWhenQuiet()
  }

  /** Fetches once nothing new came for a while: in the middle of a catch-up the blobs would only hold it up. */
  private pokeWhenQuiet(): void {
    clearTimeout(this.quietTimer)
    this.quietTimer = setTimeout(() => this.poke(), quietMs)
  }

  /** Fetches soon what new events name. */
  poke(): void {
    this.pokeTimer ??= setTimeout(() => {
      this.pokeTimer = undefined
      if (this.host.peers().length > 0) this.background(async () => await this.lookAfterNew())
    }, pokeMs)
  }

  private async lookAfterNew(): Promise<void> {
    const peers = new Set(this.met)
    this.met.clear()
    if (peers.size > 0 && this.missing > 0) await this.run(this.signal, 'asked', peers)
    await this.run(this.signal, 'new')
  }

  /** Asks again for everything that is missing: the rules may have let in more. */
  again({ fromStart = false }: { readonly fromStart?: boolean } = {}): void {
    this.reaches.reset({ fromStart })
    this.retryMs = this.firstRetryMs
    this.poke()
  }

  /** A peer connected: it is asked for what is missing, and all are for what is new. */
  connected(peerId: string): void {
    this.met.add(peerId)
    this.retryMs = this.firstRetryMs
    this.poke()
  }

  /**
   * A peer says that it has blobs now for which it was asked in vain: those that are missing here are fetched from it.
   * @returns whether an event in quarantine names any of them
   */
  told(peerId: string, digests: readonly Digest[]): boolean {
    const events = this.toldOf.get(peerId) ?? new Map<string, Placed>()
    let isHeld = false
    for (const digest of digests) {
      const place = this.namedBy.get(digest)
      if (place === undefined) continue
      const placed = this.placed(place)
      if (placed === undefined) isHeld = true
      else events.set(`${place.log}/${place.index}`, placed)
    }
    if (events.size > 0) this.toldOf.set(peerId, events)
    this.fetchToldSoon()
    return isHeld
  }

  private fetchToldSoon(): void {
    if (this.toldOf.size === 0 || this.signal.aborted) return
    this.telling ??= this.fetchTold().finally(() => {
      this.telling = undefined
      this.fetchToldSoon()
    })
  }

  private async fetchTold(): Promise<void> {
    for (let [next] = this.toldOf; next !== undefined && !this.signal.aborted; [next] = this.toldOf) {
      const [peerId, placed] = [next[0], [...next[1].values()]]
      this.toldOf.delete(peerId)
      const peers = new Set([peerId])
      try {
        for (const isPrivate of [false, true]) {
          const events = placed.filter((one) => one.isPrivate === isPrivate)
          if (events.length > 0) await this.fetchOf(events, { signal: this.signal, isPrivate, peers })
        }
      } catch (error) {
        this.failed(error)
      }
    }
  }

  /** Returns the event of an entry, where it is used here. */
  private placed({ log, index }: Place): Placed | undefined {
    const { line } = this.node.store.needFolder(log).entry(index)
    const text = line ?? this.node.store.places.kept.read(log, index)
    return text && { log, index, event: parseEvent(text), isPrivate: line === undefined }
  }

  private background(work: () => Promise<unknown>): void {
    void work().catch((error: unknown) => this.failed(error))
  }

  private failed(error: unknown): void {
    if (!this.signal.aborted) this.node.say(`fetching blobs failed: ${(error as Error).message}`)
  }

  /** Fetches what is missing from the peers that are connected; one pass at a time. */
  async run(signal: AbortSignal, scope: Scope = 'missing', peers?: ReadonlySet<string>): Promise<Brought> {
    while (this.running !== undefined) await this.running
    const work = this.pass(signal, scope, peers)
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
        if (this.host.peers().length > 0) this.background(async () => await this.run(this.signal))
      },
      this.retryMs * (0.5 + Math.random())
    )
    this.retryMs = Math.min(this.retryMs * 1.5, maxRetryMs)
  }

  private async pass(signal: AbortSignal, scope: Scope, peers: ReadonlySet<string> | undefined): Promise<Brought> {
    const total = { fetched: 0, missing: scope === 'new' ? this.missing : 0, bytes: 0 }
    let parts: Part[] = []
    let gatheredBytes = 0
    const settle = async (): Promise<void> => {
      const { fetched, missing, bytes } = await this.settle(parts, signal, peers)
      total.fetched += fetched
      total.missing += missing
      total.bytes += bytes
      parts = []
      gatheredBytes = 0
      await new Promise((resolve) => setImmediate(resolve))
    }
    for (const { log, size } of this.node.store.listHeads()) {
      const reach = this.reaches.of(log)
      reach.revisited = Number.POSITIVE_INFINITY
      const to = scope === 'asked' ? Math.min(reach.asked, size) : size
      for (let at = scope === 'new' ? reach.asked : reach.complete; at < to; ) {
        signal.throwIfAborted()
        const block = this.node.store.needFolder(log).entries.read(at, to, windowBytes)
        const end = block.from + block.count
        parts.push({ log, from: at, end, events: placedIn(this.node, log, block) })
        gatheredBytes += block.text.length
        if (gatheredBytes >= windowBytes) await settle()
        at = end
      }
    }
    if (parts.length > 0) await settle()
    if (total.fetched > 0) this.retryMs = this.firstRetryMs
    this.missing = total.missing
    return total
  }

  /** Fetches what some entries lack, and notes how far that reached. */
  private async settle(parts: readonly Part[], signal: AbortSignal, peers: ReadonlySet<string> | undefined): Promise<Brought> {
    const total = { fetched: 0, missing: 0, bytes: 0 }
    const lacking = new Set<Placed>()
    const events = parts.flatMap((part) => part.events)
    for (const isPrivate of [false, true]) {
      const some = events.filter((one) => one.isPrivate === isPrivate)
      const got = await this.fetchOf(some, { signal, isPrivate, peers })
      total.fetched += got.fetched
      total.missing += got.missing
      total.bytes += got.bytes
      for (const one of got.lacking) lacking.add(one)
    }
    for (const { log, from, end, events: own } of parts) this.reaches.passed(log, from, end, !own.some((one) => lacking.has(one)))
    return total
  }

  /** Fetches what a few events lack. */
  private async fetchOf(
    events: readonly Placed[],
    { signal, isPrivate, peers }: Asking
  ): Promise<Brought & { readonly lacking: readonly Placed[] }> {
    let asked = peers
    return await bringLacking(this.node, events, {
      isPrivate,
      bring: async (wants) => {
        const got = await this.fetch(wants, { signal, isPrivate, peers: asked })
        for (const { digest } of wants) if (this.node.blobs.has(digest)) this.namedBy.delete(digest)
        asked = undefined
        return got
      },
      onLacking: (digest, one) => this.remember(digest, one)
    })
  }

  /** Remembers which entry names a blob that is missing, for when a peer says that it has it. */
  private remember(digest: Digest, { log, index }: Placed): void {
    this.namedBy.delete(digest)
    const [oldest] = this.namedBy.keys()
    if (this.namedBy.size >= maxRemembered && oldest !== undefined) this.namedBy.delete(oldest)
    this.namedBy.set(digest, { log, index })
  }

  /** Fetches some blobs from peers that are connected, a few at a time, until all of them were asked. */
  async fetch(
    wants: readonly BlobWant[],
    { signal, isPrivate = false, peers }: Partial<Asking> & Pick<Asking, 'signal'>
  ): Promise<Brought> {
    const { blobs, store } = this.node
    const asked = this.host.peers().filter(({ peerId }) => peers?.has(peerId) ?? true)
    let open = wants
    let bytes = 0
    for (let at = 0; at < asked.length && open.length > 0; at += sourcesAtOnce) {
      const sources = asked.slice(at, at + sourcesAtOnce).map(({ peerId }) => ({
        name: peerId,
        open: async () => await this.host.open(peerId, protocolId(store.network, 'blob'), { signal })
      }))
      const { done, missing, bad } = await fetchBlobs(open, sources, blobs, { signal, private: isPrivate })
      for (const { digest, source } of bad) this.node.scores.badBlob(source, digest)
      bytes += done.reduce((sum, digest) => sum + (blobs.size(digest) ?? 0), 0)
      const left = new Set(missing)
      open = open.filter(({ digest }) => left.has(digest))
    }
    this.came.fetched += wants.length - open.length
    this.came.bytes += bytes
    return { fetched: wants.length - open.length, missing: open.length, bytes }
  }

  /** Brings what the artifact of an event in quarantine lacks there. @returns whether all of it is here */
  async bring(log: LogId, index: number, event: RejoinEvent): Promise<boolean> {
    const { missing } = await this.fetchOf([{ log, index, event, isPrivate: true }], { signal: this.signal, isPrivate: true })
    return missing === 0
  }

  /** Stops fetching; the signal must have ended what is under way. */
  async stop(): Promise<void> {
    clearTimeout(this.pokeTimer)
    clearTimeout(this.quietTimer)
    clearTimeout(this.retryTimer)
    await this.running
    await this.telling
    this.node.blobs.index.close()
    this.reaches.save()
  }
}
