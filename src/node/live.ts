import { codeOf, parsePublicKey, RejoinError } from '../core/index.ts'
import { type Host, type NetLog, openHost, protocolId, type RemotePeer, topicId } from '../net/index.ts'
import { type BlobWant, type ByteStream, driveSession, serveBlobs, type SyncResult } from '../sync/index.ts'
import { Announcer } from './announcer.ts'
import { endInTime } from './bounded.ts'
import { BlobAsks } from './blob-asks.ts'
import type { Brought } from './bring-lacking.ts'
import { Fetcher } from './fetcher.ts'
import type { Node } from './node.ts'
import { UrgentTopic } from './urgent.ts'
import { Witnessing } from './witness.ts'
import { Settler } from './settle.ts'

/** how long an append waits for a peer that brings the own log's lost tail back, in milliseconds */
const tailWaitMs = 30_000
const retryMs = 3000
/** how long each thing gets to end when the node goes down, in milliseconds */
const endLimitMs = 10_000
/** how long texts that came as hashes are gathered before others are asked for them, in milliseconds */
const seekMs = 1000
/** how long nobody may have asked for blobs before the peers are taken to have what they want, in milliseconds */
const servedIdleMs = 500

/** How a node is brought up. */
export interface LiveOptions {
  readonly log?: NetLog
  /** how soon blobs that no peer had are asked for again, at first; in milliseconds */
  readonly retryBlobsMs?: number
}

/** A node with its network: keeps connections, syncs on connect and on a timer, announces and takes announcements in. */
export class Live implements AsyncDisposable {
  readonly node: Node
  readonly host: Host
  private readonly fetcher: Fetcher
  private readonly asks: BlobAsks
  private readonly settler: Settler
  private readonly stopping = new AbortController()
  private readonly syncing = new Map<string, Promise<SyncResult>>()
  /** sessions that peers began */
  private readonly answering = new Set<Promise<void>>()
  private readonly again = new Set<string>()
  private readonly retries = new Map<string, NodeJS.Timeout>()
  private readonly timer: NodeJS.Timeout
  private readonly urgent: UrgentTopic
  private readonly announcer: Announcer
  private readonly witnessing: Witnessing
  private readonly stopAccepted: () => void
  private readonly stopUnseen: () => void
  private seekTimer: NodeJS.Timeout | undefined
  private readonly stopDenied: () => void
  /** blob streams that peers have open; whether they were sent events; when either was last so */
  private readonly serving = { streams: 0, sentEvents: false, lastMs: 0 }

  private constructor(node: Node, host: Host, { retryBlobsMs }: LiveOptions) {
    this.node = node
    this.host = host
    this.fetcher = new Fetcher(node, host, this.stopping.signal, retryBlobsMs)
    this.asks = new BlobAsks(node, host, this.stopping.signal)
    this.settler = new Settler(node, async (log, index, event) => await this.fetcher.bring(log, index, event))
    this.witnessing = new Witnessing(node, host)
    this.urgent = new UrgentTopic(node, host, { signal: this.stopping.signal, onLearned: () => this.rulesChanged() })
    this.announcer = new Announcer(node, host, {
      urgent: this.urgent,
      witnessing: this.witnessing,
      signal: this.stopping.signal,
      pullFromAny: () => this.pullFromAny(),
      pullFrom: (peerId) => this.syncSoon(peerId),
      pullLater: (peerId) => this.retry(peerId),
      onStored: () => this.fetcher.poke()
    })
    this.stopUnseen = node.onUnseen(() => this.seekSoon())
    this.stopAccepted = node.onAccepted(([first]) => {
      if (first?.event !== undefined) this.fetcher.revisit(first.log, first.index)
    })
    this.stopDenied = node.scores.onDenied((peerId) => this.denied(peerId))
    this.timer = setInterval(() => this.syncAll(), node.config.syncEverySeconds * 1000)
  }

  /** Brings a node's network up. @throws E_EXISTS E_IO where an address can't be listened on · E_USAGE for a bad address */
  static async open(node: Node, options: LiveOptions = {}): Promise<Live> {
    let live: Live | undefined
    const { log } = options
    const { listen, peers, mdns } = node.config
    const host = await openHost({
      seed: node.keys.seed,
      network: node.store.network,
      listen,
      peers,
      mdns,
      ...(log && { log }),
      isDenied: (peerId) => node.scores.isDenied(peerId),
      onConnect: (peer) => live?.connected(peer),
      onTold: (peer) => node.peers.met(peer),
      onDisconnect: (peer) => live?.disconnected(peer)
    })
    live = new Live(node, host, options)
    node.writer.tailWaitMs = tailWaitMs
    await live.begin()
    return live
  }

  private async begin(): Promise<void> {
    const { network } = this.node.store
    await this.host.handle(protocolId(network, 'sync'), async (stream, peer) => {
      const work = this.answer(stream, peer)
      this.answering.add(work)
      try {
        await work
      } finally {
        this.answering.delete(work)
      }
    })
    await this.host.handle(protocolId(network, 'blob'), async (stream, { peerId }) => {
      this.mustMayOpen(peerId)
      this.serving.streams++
      try {
        await serveBlobs(stream, this.node.blobs, {
          mayServe: (digest) => this.node.blobs.placeOf(digest) === 'shared',
          signal: this.stopping.signal,
          onLacking: (digest) => this.asks.note(peerId, digest),
          onHave: (digests) => {
            if (this.fetcher.told(peerId, digests)) this.settler.again()
          }
        })
      } catch (error) {
        if (!this.stopping.signal.aborted) this.node.scores.fault(peerId, codeOf(error))
        throw error
      } finally {
        this.serving.streams--
        this.serving.lastMs = performance.now()
      }
    })
    this.host.gossip.subscribe(
      topicId(network, 'heads'),
      (bytes, from) => this.announcer.heard(bytes, from),
      (from) => this.node.scores.fault(from, 'E_TOO_LARGE')
    )
    this.urgent.begin()
    this.witnessing.begin()
    for (const peer of this.host.peers()) this.connected(peer)
    this.fetcher.poke()
    this.settler.again()
  }

  private connected(peer: RemotePeer): void {
    // it was let in while it was being denied
    if (this.node.scores.isDenied(peer.peerId)) {
      this.host.hangUp(peer.peerId).catch(() => {})
      return
    }
    this.node.peers.met(peer)
    if (peer.direction === 'outbound') this.syncSoon(peer.peerId)
    this.fetcher.connected(peer.peerId)
    this.settler.again()
  }

  /** Cuts a peer off that fell below the line or was blocked; the gater keeps it out. */
  private denied(peerId: string): void {
    const { standing, until } = this.node.scores.view(peerId)
    this.node.say(`peer ${peerId} is ${standing} and was cut off${until === undefined ? '' : `; it may come back at ${until}`}`)
    this.host.hangUp(peerId).catch(() => {})
  }

  private mustMayOpen(peerId: string): void {
    if (!this.node.scores.mayOpen(peerId)) throw new RejoinError('E_REFUSED', `${peerId} is denied or opens too many streams`)
  }

  private disconnected(peer: RemotePeer): void {
    this.again.delete(peer.peerId)
    this.asks.forget(peer.peerId)
  }

  private syncSoon(peerId: string): void {
    void this.sync(peerId, this.stopping.signal).catch((error: unknown) => {
      if (!(error instanceof RejoinError)) this.node.say(`sync with ${peerId} failed: ${String(error)}`)
      else if (
        error.code !== 'E_GONE' &&
        error.code !== 'E_UNREACHABLE' &&
        error.code !== 'E_INTERRUPTED' &&
        error.code !== 'E_TERMINATED'
      )
        this.node.say(`sync with ${peerId} failed: ${error.message} (${error.code})`)
      this.retry(peerId)
    })
  }

  /** A sync that failed is tried again soon, for as long as the peer is connected. */
  private retry(peerId: string): void {
    if (this.stopping.signal.aborted || this.retries.has(peerId)) return
    const timer = setTimeout(
      () => {
        this.retries.delete(peerId)
        if (this.host.peers().some((peer) => peer.peerId === peerId)) this.syncSoon(peerId)
      },
      retryMs * (0.5 + Math.random())
    )
    this.retries.set(peerId, timer)
  }

  private syncAll(): void {
    for (const { peerId, direction } of this.host.peers()) if (direction === 'outbound') this.syncSoon(peerId)
    this.node.peers.save()
  }

  /** Syncs with a connected peer; a sync under way is waited for, and followed by another where something changed meanwhile. */
  async sync(peerId: string, signal: AbortSignal, onProgress?: (entries: number, bytes: number) => void): Promise<SyncResult> {
    const running = this.syncing.get(peerId)
    if (running !== undefined) {
      this.again.add(peerId)
      return await running
    }
    const work = this.syncOnce(peerId, signal, onProgress)
    this.syncing.set(peerId, work)
    try {
      return await work
    } finally {
      this.syncing.delete(peerId)
      if (this.again.delete(peerId) && !this.stopping.signal.aborted) this.syncSoon(peerId)
    }
  }

  private async syncOnce(
    peerId: string,
    signal: AbortSignal,
    onProgress?: (entries: number, bytes: number) => void
  ): Promise<SyncResult> {
    const stream = await this.host.open(peerId, protocolId(this.node.store.network, 'sync'), { signal })
    const peer = this.host.peers().find((one) => one.peerId === peerId)
    const both = AbortSignal.any([signal, this.stopping.signal])
    const result = await driveSession(this.node.replica, stream, {
      signal: both,
      share: this.node.share,
      ...(peer && { peer: peer.publicKey }),
      onFault: ({ code }) => this.node.scores.fault(peerId, code),
      ...(onProgress && { onProgress: ({ entries, bytes }) => onProgress(entries, bytes) })
    })
    await this.urgent.inquire(peerId, result.suspects)
    this.done(peerId, result)
    return result
  }

  private async answer(stream: ByteStream, { peerId, publicKey }: RemotePeer): Promise<void> {
    this.mustMayOpen(peerId)
    try {
      const result = await driveSession(this.node.replica, stream, {
        signal: this.stopping.signal,
        share: this.node.share,
        peer: publicKey,
        onFault: ({ code }) => this.node.scores.fault(peerId, code)
      })
      await this.urgent.inquire(peerId, result.suspects)
      this.done(peerId, result)
    } catch (error) {
      if (!(error instanceof RejoinError)) throw error
      this.fetcher.poke()
    }
  }

  private done(peerId: string, { entriesSent, events, complete }: SyncResult): void {
    this.fetcher.poke()
    if (complete && this.node.writer.lacksTail && this.syncing.size <= 1) void this.node.tailSought()
    if (events > 0) this.node.scores.note(peerId, 'useful')
    if (entriesSent === 0) return
    this.serving.sentEvents = true
    this.serving.lastMs = performance.now()
  }

  /** Waits until peers that were sent events fetched the blobs that these name: a node that is up for one sync must not leave before. */
  async served(signal: AbortSignal): Promise<void> {
    while (
      this.serving.sentEvents &&
      !signal.aborted &&
      (this.serving.streams > 0 || performance.now() - this.serving.lastMs < servedIdleMs)
    ) {
      if (this.host.peers().length === 0) return
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }

  /** Asks other peers for texts that came as hashes, not more often than every second or so. */
  private seekSoon(): void {
    this.seekTimer ??= setTimeout(
      () => {
        this.seekTimer = undefined
        this.pullFromAny()
      },
      seekMs * (0.5 + Math.random())
    )
  }

  private pullFromAny(): void {
    for (const { peerId } of this.host.peers()) this.syncSoon(peerId)
  }

  /** The rules changed: once everything was judged by them, what they let in now is asked for from everybody. */
  rulesChanged(): void {
    void this.node.settled().then(() => {
      this.node.replica.forgetCursors()
      this.fetcher.again({ fromStart: true })
      this.settler.again()
      this.pullFromAny()
    })
  }

  /** Resolves once what was held until its content is known was looked into, as far as peers have it. */
  async settled(): Promise<void> {
    await this.settler.idle()
  }

  /** Connects to an address and syncs. @throws E_UNREACHABLE E_USAGE E_NETWORK */
  async dial(address: string, signal: AbortSignal): Promise<RemotePeer> {
    const peer = await this.host.dial(address, { signal })
    parsePublicKey(peer.publicKey)
    return peer
  }

  /** Returns how many blobs, and bytes of them, came from peers since the node is up. */
  get blobsCame(): { readonly fetched: number; readonly bytes: number } {
    return { ...this.fetcher.came }
  }

  /** Fetches blobs that are named by events and not here yet, and waits for that. */
  async fetchMissing(signal: AbortSignal): Promise<Brought> {
    return await this.fetcher.run(signal)
  }

  /** Fetches some blobs from the peers that are connected, and waits for that. @param isPrivate they are not passed on */
  async fetch(wants: readonly BlobWant[], signal: AbortSignal, isPrivate = false): Promise<Brought> {
    return await this.fetcher.fetch(wants, { signal, isPrivate })
  }

  /** Ends sessions and closes the network; idempotent. */
  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.timer)
    for (const timer of this.retries.values()) clearTimeout(timer)
    this.announcer[Symbol.dispose]()
    this.stopAccepted()
    this.stopUnseen()
    clearTimeout(this.seekTimer)
    this.stopDenied()
    this.stopping.abort(new RejoinError('E_TERMINATED', 'the node is going down'))
    this.witnessing.stop()
    await endInTime(
      [
        { what: 'a sync', work: async () => await Promise.allSettled([...this.syncing.values(), ...this.answering]) },
        { what: 'an urgent record', work: async () => await this.urgent.stop() },
        { what: 'an event in quarantine', work: async () => await this.settler.stop() },
        { what: 'fetching blobs', work: async () => await this.fetcher.stop() },
        { what: 'telling of blobs', work: async () => await this.asks.stop() },
        { what: 'the network', work: async () => await this.host[Symbol.asyncDispose]() }
      ],
      endLimitMs,
      (notice) => this.node.say(notice)
    )
  }
}
