import {
  type Announcement,
  type Checkpoint,
  decideAnnouncement,
  didOf,
  encodeAnnouncement,
  hashOfLogId,
  type KnownLog,
  type LogId,
  maxAnnouncedTextBytes,
  parsePublicKey,
  RejoinError,
  Tree
} from '../core/index.ts'
import { type Host, openHost, protocolId, type RemotePeer, topicId } from '../net/index.ts'
import type { StoredHead } from '../store/index.ts'
import { type ByteStream, driveSession, serveBlobs, type SyncResult } from '../sync/index.ts'
import { Fetcher } from './fetcher.ts'
import type { Node } from './node.ts'

/** Where a live node is to be found. */
export interface LiveOptions {
  readonly signal: AbortSignal
  readonly onReady?: () => void
}

const announceDelayMs = 5
const retryMs = 3000
/** how long nobody may have asked for blobs before the peers are taken to have what they want, in milliseconds */
const servedIdleMs = 500

/** A node with its network: keeps connections, syncs on connect and on a timer, announces and takes announcements in. */
export class Live implements AsyncDisposable {
  readonly node: Node
  readonly host: Host
  private readonly fetcher: Fetcher
  private readonly stopping = new AbortController()
  private readonly syncing = new Map<string, Promise<SyncResult>>()
  private readonly again = new Set<string>()
  private readonly announced = new Map<LogId, number>()
  private readonly toAnnounce = new Set<LogId>()
  private readonly retries = new Map<string, NodeJS.Timeout>()
  private announceTimer: NodeJS.Timeout | undefined
  private readonly timer: NodeJS.Timeout
  private readonly stopGrown: () => void
  /** blob streams that peers have open; whether they were sent events; when either was last so */
  private readonly serving = { streams: 0, sentEvents: false, lastMs: 0 }

  private constructor(node: Node, host: Host) {
    this.node = node
    this.host = host
    this.fetcher = new Fetcher(node, host, this.stopping.signal)
    this.stopGrown = node.store.onGrown((head) => this.grown(head))
    this.timer = setInterval(() => this.syncAll(), node.config.syncEverySeconds * 1000)
  }

  /** Brings a node's network up. @throws E_EXISTS E_IO where an address can't be listened on · E_USAGE for a bad address */
  static async open(node: Node): Promise<Live> {
    let live: Live | undefined
    const { listen, peers, mdns } = node.config
    const host = await openHost({
      seed: node.keys.seed,
      network: node.store.network,
      listen,
      peers,
      mdns,
      onConnect: (peer) => live?.connected(peer),
      onDisconnect: (peer) => live?.disconnected(peer)
    })
    live = new Live(node, host)
    await live.begin()
    return live
  }

  private async begin(): Promise<void> {
    const { network } = this.node.store
    await this.host.handle(protocolId(network, 'sync'), async (stream, peer) => await this.answer(stream, peer))
    await this.host.handle(protocolId(network, 'blob'), async (stream) => {
      this.serving.streams++
      try {
        await serveBlobs(stream, this.node.blobs, {
          mayServe: (digest) => this.node.blobs.placeOf(digest) === 'shared',
          signal: this.stopping.signal
        })
      } finally {
        this.serving.streams--
        this.serving.lastMs = performance.now()
      }
    })
    this.host.gossip.subscribe(topicId(network, 'heads'), (bytes) => this.heard(bytes))
    for (const peer of this.host.peers()) this.connected(peer)
    this.fetcher.start()
  }

  private connected(peer: RemotePeer): void {
    this.node.peers.met(peer.peerId, peer.address)
    if (peer.direction === 'outbound') this.syncSoon(peer.peerId)
  }

  private disconnected(peer: RemotePeer): void {
    this.again.delete(peer.peerId)
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
      ...(onProgress && { onProgress: ({ entries, bytes }) => onProgress(entries, bytes) })
    })
    this.sent(result)
    this.fetcher.poke()
    return result
  }

  private async answer(stream: ByteStream, peer: RemotePeer): Promise<void> {
    try {
      this.sent(
        await driveSession(this.node.replica, stream, {
          signal: this.stopping.signal,
          share: this.node.share,
          peer: peer.publicKey
        })
      )
    } catch (error) {
      if (!(error instanceof RejoinError)) throw error
    }
    this.fetcher.poke()
  }

  private sent({ entriesSent }: SyncResult): void {
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

  /** A log has a new head: announced soon, together with what follows at once. */
  private grown({ log }: StoredHead): void {
    this.toAnnounce.add(log)
    this.announceTimer ??= setTimeout(() => {
      this.announceTimer = undefined
      for (const one of this.toAnnounce) void this.announce(one)
      this.toAnnounce.clear()
    }, announceDelayMs)
  }

  private async announce(log: LogId): Promise<void> {
    const folder = this.node.store.needFolder(log)
    const { checkpoint, coseCheckpoint } = folder
    if (checkpoint === undefined || this.stopping.signal.aborted) return
    const before = this.announced.get(log) ?? Math.max(0, checkpoint.size - 1)
    if (before >= checkpoint.size) return
    this.announced.set(log, checkpoint.size)
    const block = folder.entries.read(before, checkpoint.size)
    const whole =
      block.from === before && block.from + block.count === checkpoint.size && block.text.length <= maxAnnouncedTextBytes
    const announcement: Announcement = {
      log: hashOfLogId(log),
      from: whole ? before : checkpoint.size,
      note: checkpoint.note,
      cose: coseCheckpoint,
      text: whole ? block.text : new Uint8Array(0)
    }
    await this.host.gossip.publish(topicId(this.node.store.network, 'heads'), encodeAnnouncement(announcement))
  }

  private known(log: LogId): KnownLog {
    const folder = this.node.store.folder(log)
    if (folder === undefined) return { key: undefined, admitted: false, frozen: false, tree: new Tree() }
    const admitted = this.node.gate.admits(didOf(folder.opened.publicKey))
    return {
      key: folder.opened.publicKey,
      admitted,
      frozen: this.node.replica.isFrozen(log) || this.node.share.catchups.has(log),
      tree: folder.tree
    }
  }

  /** Decides on an announcement at once; what is let in is stored in the background. */
  private heard(bytes: Uint8Array): 'accept' | 'ignore' | 'reject' {
    const decision = decideAnnouncement(bytes, (log) => this.known(log))
    switch (decision.verdict) {
      case 'reject':
        return 'reject'
      case 'accept':
        return 'accept'
      case 'ignore':
        if (decision.action !== 'none') this.pullFromAny()
        return 'ignore'
      case 'judge': {
        const { log, checkpoint, cose, block } = decision
        if (this.node.log === log) {
          this.pullFromAny()
          return 'ignore'
        }
        const relayed = this.node.replica.takeAnnounced(log, block)
        if (relayed) this.announced.set(log, checkpoint.size)
        void this.commit(log, checkpoint, cose)
        return relayed ? 'accept' : 'ignore'
      }
    }
  }

  private async commit(log: LogId, checkpoint: Checkpoint, cose: Uint8Array | undefined): Promise<void> {
    try {
      await this.node.replica.commit(log, checkpoint, cose)
      this.fetcher.poke()
    } catch (error) {
      this.node.say(`an announced event could not be stored: ${(error as Error).message}`)
    }
  }

  private pullFromAny(): void {
    for (const { peerId } of this.host.peers()) this.syncSoon(peerId)
  }

  /** The rules changed: what they let in now is asked for from everybody. */
  rulesChanged(): void {
    this.node.replica.forgetCursors()
    this.pullFromAny()
  }

  /** Connects to an address and syncs. @throws E_UNREACHABLE E_USAGE E_NETWORK */
  async dial(address: string, signal: AbortSignal): Promise<RemotePeer> {
    const peer = await this.host.dial(address, { signal })
    parsePublicKey(peer.publicKey)
    return peer
  }

  /** Fetches blobs that are named by events and not here yet, and waits for that. */
  async fetchMissing(
    signal: AbortSignal
  ): Promise<{ readonly fetched: number; readonly missing: number; readonly bytes: number }> {
    return await this.fetcher.run(signal)
  }

  /** Ends sessions and closes the network; idempotent. */
  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.timer)
    clearTimeout(this.announceTimer)
    for (const timer of this.retries.values()) clearTimeout(timer)
    this.stopGrown()
    this.stopping.abort(new RejoinError('E_TERMINATED', 'the node is going down'))
    await Promise.allSettled(this.syncing.values())
    await this.fetcher.stop()
    await this.host[Symbol.asyncDispose]()
  }
}
