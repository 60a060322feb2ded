import { setTimeout as sleep } from 'node:timers/promises'
import type { Connection, IdentifyResult, PeerId } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { RejoinError, signerOf } from '../core/index.ts'
import type { ByteStream } from '../sync/index.ts'
import { parseAddress, parsePeerId, peerIdIn } from './address.ts'
import { Acceptance } from './acceptance.ts'
import { brokeInHandshake, dialFailure, listenFailure, openFailure } from './failure.ts'
import { type Gossip, gossipOver } from './gossip.ts'
import { GossipWatch } from './gossip-watch.ts'
import { makeNode, type MadeNode, type NetNode } from './libp2p.ts'
import { type NetLog, noLog } from './log.ts'
import { checkNetwork } from './names.ts'
import type { Host, HostOptions } from './open-host.ts'
import { Reconnect } from './reconnect.ts'
import { bestOf, type RemotePeer, remotePeerOf } from './remote-peer.ts'
import { dialTimeoutMs, lingerMs, maxStreamsPerProtocol, openTimeoutMs, overRelay, stopTimeoutMs } from './settings.ts'
import { StreamSlots } from './stream-slots.ts'
import { NetStream } from './streams.ts'
import { toldAddress } from './told-address.ts'

const stopped = (): RejoinError => new RejoinError('E_TERMINATED', 'the node is going down')

class LiveHost implements Host {
  readonly peerId: string
  readonly gossip: Gossip
  private readonly node: NetNode
  private readonly preferNoise: MadeNode['preferNoise']
  private readonly options: HostOptions
  private readonly log: NetLog
  private readonly reconnect: Reconnect
  private readonly acceptance: Acceptance
  private readonly watch: GossipWatch
  private readonly known = new Map<string, RemotePeer>()
  private readonly streams = new Map<NetStream, string>()
  private readonly slots = new StreamSlots(maxStreamsPerProtocol)
  private stopping: Promise<void> | undefined

  constructor({ node, preferNoise }: MadeNode, options: HostOptions, log: NetLog) {
    this.node = node
    this.preferNoise = preferNoise
    this.options = options
    this.log = log
    this.peerId = node.peerId.toString()
    this.gossip = gossipOver(node.services.gossip, options.network, log)
    this.reconnect = new Reconnect(
      {
        dial: async (address, signal) => (await this.dial(address, { signal })).peerId,
        isConnected: (peerId) => this.known.has(peerId)
      },
      log
    )
    this.acceptance = new Acceptance(node)
    this.watch = new GossipWatch(node.services.gossip, {
      connected: () => [...this.known.keys()],
      isBusy: (peerId) => [...this.streams.values()].includes(peerId),
      cut: (peerId) => {
        log.info({ peer: peerId }, 'gossip with this peer broke; connecting anew')
        void this.hangUp(peerId)
      }
    })
    node.addEventListener('peer:connect', ({ detail }) => this.connected(detail))
    node.addEventListener('peer:disconnect', ({ detail }) => this.disconnected(detail.toString()))
    node.addEventListener('connection:open', ({ detail }) => this.opened(detail))
    node.addEventListener('peer:identify', ({ detail }) => this.identified(detail))
    node.addEventListener('peer:discovery', ({ detail }) => this.discovered(detail.id))
  }

  /** Listens, and begins to keep the configured connections. */
  async start(): Promise<void> {
    try {
      await this.node.start()
    } catch (error) {
      throw listenFailure(error)
    }
    for (const address of this.options.peers) this.keepConnected(address)
  }

  private connected(id: PeerId): void {
    const connection = bestOf(this.node.getConnections(id))
    if (connection === undefined) return
    const peer = remotePeerOf(connection)
    this.known.set(peer.peerId, peer)
    this.reconnect.connected(peer.peerId)
    this.options.onConnect?.(peer)
  }

  private opened(connection: Connection): void {
    const before = this.known.get(connection.remotePeer.toString())
    if (before?.direction !== 'inbound' || connection.direction !== 'outbound') return
    const peer = remotePeerOf(connection)
    this.known.set(peer.peerId, peer)
    this.options.onConnect?.(peer)
  }

  private identified({ peerId, listenAddrs, connection }: IdentifyResult): void {
    const peer = this.known.get(peerId.toString())
    if (peer?.direction !== 'inbound') return
    const told = toldAddress(listenAddrs, connection.remoteAddr, peer.peerId)
    if (told === undefined || told === peer.told) return
    const now = { ...peer, told }
    this.known.set(peer.peerId, now)
    this.options.onTold?.(now)
  }

  private disconnected(peerId: string): void {
    const peer = this.known.get(peerId)
    this.known.delete(peerId)
    this.reconnect.disconnected(peerId)
    if (peer !== undefined) this.options.onDisconnect?.(peer)
  }

  private discovered(id: PeerId): void {
    if (this.known.has(id.toString()) || this.options.isDenied?.(id.toString()) === true) return
    this.node.dial(id).catch((error: unknown) => this.log.debug({ peer: id.toString(), err: error }, 'found, but not reachable'))
  }

  addresses(): readonly string[] {
    return this.node.getMultiaddrs().map(String)
  }

  peers(): readonly RemotePeer[] {
    return [...this.known.values()]
  }

  async handle(protocol: string, accept: (stream: ByteStream, peer: RemotePeer) => Promise<void>): Promise<void> {
    const options = {
      maxInboundStreams: maxStreamsPerProtocol,
      maxOutboundStreams: maxStreamsPerProtocol,
      runOnLimitedConnection: overRelay.streams
    }
    await this.node.handle(
      protocol,
      (raw, connection) => {
        const peer = remotePeerOf(connection)
        const stream = this.adopt(raw, peer.peerId)
        void this.answer(stream, accept(stream, peer), protocol)
      },
      options
    )
  }

  private async answer(stream: NetStream, accepted: Promise<void>, protocol: string): Promise<void> {
    try {
      await accepted
      await stream.close()
      // the other side may never close its half; after a while that is no reason to keep ours
      if (this.streams.has(stream)) setTimeout(() => stream.abort(new Error('left half open')), lingerMs).unref()
    } catch (error) {
      this.log.debug({ protocol, peer: this.streams.get(stream), err: error }, 'a stream broke')
      stream.abort(error as Error)
    }
  }

  private adopt(raw: ConstructorParameters<typeof NetStream>[0], peerId: string, onGone: () => void = () => {}): NetStream {
    const stream: NetStream = new NetStream(raw, () => {
      this.streams.delete(stream)
      onGone()
    })
    if (raw.status === 'open') this.streams.set(stream, peerId)
    else onGone()
    return stream
  }

  async open(peerId: string, protocol: string, { signal }: { readonly signal: AbortSignal }): Promise<ByteStream> {
    signal.throwIfAborted()
    if (this.stopping !== undefined) throw stopped()
    const connection = bestOf(this.node.getConnections(parsePeerId(peerId)))
    if (connection === undefined) throw new RejoinError('E_UNREACHABLE', `${peerId} is not connected`)
    const both = AbortSignal.any([signal, AbortSignal.timeout(openTimeoutMs)])
    let giveBack: () => void = () => {}
    try {
      giveBack = await this.slots.take(connection, protocol, both)
      const limits = { maxOutboundStreams: maxStreamsPerProtocol, runOnLimitedConnection: overRelay.streams }
      return this.adopt(await connection.newStream([protocol], { signal: both, ...limits }), peerId, giveBack)
    } catch (error) {
      giveBack()
      signal.throwIfAborted()
      throw openFailure(error, peerId, protocol)
    }
  }

  async dial(address: string, { signal }: { readonly signal: AbortSignal }): Promise<RemotePeer> {
    const target = parseAddress(address)
    signal.throwIfAborted()
    if (this.stopping !== undefined) throw stopped()
    try {
      return await this.dialOnce(target, signal)
    } catch (error) {
      signal.throwIfAborted()
      if (!brokeInHandshake(error)) throw dialFailure(error, address)
    }
    // a TLS certificate is not valid yet for a clock that is more than an hour behind; noise doesn't look at the clock
    this.preferNoise(true)
    try {
      return await this.dialOnce(target, signal)
    } catch (error) {
      signal.throwIfAborted()
      throw dialFailure(error, address)
    } finally {
      this.preferNoise(false)
    }
  }

  private async dialOnce(target: Multiaddr, signal: AbortSignal): Promise<RemotePeer> {
    const connection = await this.node.dial(target, { signal: AbortSignal.any([signal, AbortSignal.timeout(dialTimeoutMs)]) })
    await this.acceptance.of(connection, signal)
    return remotePeerOf(connection)
  }

  keepConnected(address: string): void {
    this.reconnect.keep(address, peerIdIn(parseAddress(address)))
  }

  forget(address: string): void {
    this.reconnect.forget(address)
  }

  async hangUp(peerId: string): Promise<void> {
    for (const [stream, owner] of this.streams) if (owner === peerId) stream.abort(new Error('hung up'))
    await this.node.hangUp(parsePeerId(peerId), { signal: AbortSignal.timeout(1000) })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stopping ??= this.stop()
    await this.stopping
  }

  /** libp2p closes all streams as if they were complete when it stops, so those that aren't are aborted first. */
  private async stop(): Promise<void> {
    this.reconnect.stop()
    this.watch.stop()
    for (const stream of this.streams.keys()) stream.abort(stopped())
    const late = sleep(stopTimeoutMs, 'late', { ref: false })
    if ((await Promise.race([this.node.stop(), late])) !== 'late') return
    this.log.warn({}, 'the network did not stop in time; its connections are cut off')
    for (const connection of this.node.getConnections()) connection.abort(stopped())
  }
}

/** Starts a host. @throws as openHost says */
export async function startHost(options: HostOptions): Promise<Host> {
  checkNetwork(options.network)
  signerOf(options.seed)
  for (const address of [...options.listen, ...options.peers]) parseAddress(address)
  const log = options.log ?? noLog
  const host = new LiveHost(await makeNode({ ...options, isDenied: options.isDenied ?? (() => false), log }), options, log)
  await host.start()
  return host
}
