import type { Connection, PeerId, Stream } from '@libp2p/interface'
import { RejoinError } from '../core/index.ts'
import type { ByteStream } from '../sync/index.ts'
import type { Gossip } from './gossip.ts'
import { createHost, type Libp2pHost } from './libp2p.ts'
import { Reconnect } from './reconnect.ts'
import { byteStream } from './streams.ts'

/** A connected node. */
export interface RemotePeer {
  readonly peerId: string
  /** its Ed25519 public key, 32 bytes, as the connection proved it */
  readonly publicKey: Uint8Array
  readonly address: string
  readonly direction: 'inbound' | 'outbound'
  /** relayed: heads only, never blobs */
  readonly limited: boolean
}

/** How a host is opened. */
export interface HostOptions {
  /** 32-byte Ed25519 seed: the node's key, and so its peer ID */
  readonly seed: Uint8Array
  readonly network: string
  /** multiaddrs */
  readonly listen: readonly string[]
  /** multiaddrs that are kept connected for ever */
  readonly peers: readonly string[]
  readonly mdns: boolean
  readonly isDenied?: (peerId: string) => boolean
  readonly onConnect?: (peer: RemotePeer) => void
  readonly onDisconnect?: (peer: RemotePeer) => void
}

/** The network side of a node: connections, streams and gossip. */
export interface Host extends AsyncDisposable {
  readonly peerId: string
  readonly gossip: Gossip
  /** Returns the multiaddrs that others can dial, with the peer ID. */
  readonly addresses: () => readonly string[]
  /** Returns who is connected, each peer once. */
  readonly peers: () => readonly RemotePeer[]
  readonly handle: (protocol: string, accept: (stream: ByteStream, peer: RemotePeer) => Promise<void>) => Promise<void>
  /** Opens a stream to a connected peer. @throws E_UNREACHABLE · E_NETWORK where it doesn't speak the protocol */
  readonly open: (peerId: string, protocol: string, options: { readonly signal: AbortSignal }) => Promise<ByteStream>
  /** Connects. @throws E_USAGE for a bad multiaddr · E_UNREACHABLE */
  readonly dial: (address: string, options: { readonly signal: AbortSignal }) => Promise<RemotePeer>
  readonly keepConnected: (address: string) => void
  readonly forget: (address: string) => void
  readonly hangUp: (peerId: string) => Promise<void>
}

const maxStreamsAPeer = 64
const dialTimeoutMs = 10_000

function remotePeer({ remotePeer: id, remoteAddr, direction, limits }: Connection): RemotePeer {
  const whole = remoteAddr.toString()
  const address = whole.includes('/p2p/') ? whole : `${whole}/p2p/${id.toString()}`
  return { peerId: id.toString(), publicKey: keyOf(id), address, direction, limited: limits !== undefined }
}

function keyOf(id: PeerId): Uint8Array {
  const raw = id.type === 'Ed25519' ? id.publicKey.raw : new Uint8Array(32)
  return raw.length === 32 ? raw : new Uint8Array(32)
}

function reason(cause: unknown): string {
  const error = cause as { readonly name?: string; readonly message?: string; readonly errors?: readonly { readonly message: string }[] }
  const text = error.errors?.[0]?.message ?? error.message ?? String(cause)
  return (text.split('\n')[0] ?? '').slice(0, 80)
}

/**
 * Opens a node's network.
 * @throws E_USAGE for a bad multiaddr · E_IO where an address can't be listened on
 */
export async function openHost(options: HostOptions): Promise<Host> {
  const inner = await createHost(options)
  return new RunningHost(inner, options)
}

class RunningHost implements Host {
  readonly peerId: string
  readonly gossip: Gossip
  private readonly inner: Libp2pHost
  private readonly reconnect: Reconnect
  private readonly onConnect: (peer: RemotePeer) => void
  private readonly onDisconnect: (peer: RemotePeer) => void
  private readonly connected = new Map<string, RemotePeer>()

  constructor(inner: Libp2pHost, { peers, onConnect = () => {}, onDisconnect = () => {} }: HostOptions) {
    this.inner = inner
    this.gossip = inner.gossip
    this.peerId = inner.libp2p.peerId.toString()
    this.onConnect = onConnect
    this.onDisconnect = onDisconnect
    this.reconnect = new Reconnect(
      async (address) => void (await this.dial(address, { signal: AbortSignal.timeout(dialTimeoutMs) })),
      (address) => this.isConnected(address)
    )
    inner.libp2p.addEventListener('connection:open', ({ detail }) => this.opened(detail))
    inner.libp2p.addEventListener('peer:disconnect', ({ detail }) => this.closed(detail))
    inner.onDiscovered((peerId) => void inner.libp2p.dial(peerId, { signal: AbortSignal.timeout(dialTimeoutMs) }).catch(() => {}))
    for (const address of peers) this.reconnect.keep(address)
  }

  private opened(connection: Connection): void {
    const peer = remotePeer(connection)
    if (this.connected.has(peer.peerId)) return
    this.connected.set(peer.peerId, peer)
    this.onConnect(peer)
  }

  private closed(id: PeerId): void {
    const peer = this.connected.get(id.toString())
    this.connected.delete(id.toString())
    if (peer !== undefined) this.onDisconnect(peer)
    this.reconnect.lost()
  }

  private isConnected(address: string): boolean {
    const [, peerId] = /\/p2p\/([^/]+)$/.exec(address) ?? []
    if (peerId !== undefined) return this.connected.has(peerId)
    return [...this.connected.values()].some((peer) => peer.address.startsWith(address))
  }

  addresses(): readonly string[] {
    return this.inner.libp2p.getMultiaddrs().map((address) => address.toString())
  }

  peers(): readonly RemotePeer[] {
    return [...this.connected.values()]
  }

  async handle(protocol: string, accept: (stream: ByteStream, peer: RemotePeer) => Promise<void>): Promise<void> {
    const onStream = (stream: Stream, connection: Connection): void => {
      const bytes = byteStream(stream)
      accept(bytes, remotePeer(connection)).catch((error: unknown) => bytes.abort(error as Error))
    }
    await this.inner.libp2p.handle(protocol, onStream, { maxInboundStreams: maxStreamsAPeer, maxOutboundStreams: maxStreamsAPeer })
  }

  async open(peerId: string, protocol: string, { signal }: { readonly signal: AbortSignal }): Promise<ByteStream> {
    const connection = this.inner.libp2p.getConnections().find(({ remotePeer: id, status }) => id.toString() === peerId && status === 'open')
    if (connection === undefined) throw new RejoinError('E_UNREACHABLE', `peer ${peerId} is not connected`)
    try {
      return byteStream(await connection.newStream(protocol, { signal, maxOutboundStreams: maxStreamsAPeer }))
    } catch (cause) {
      signal.throwIfAborted()
      if ((cause as Error).name === 'UnsupportedProtocolError') throw new RejoinError('E_NETWORK', `peer ${peerId} does not belong to this network: it does not speak ${protocol}`, { cause })
      throw new RejoinError('E_UNREACHABLE', `no stream to peer ${peerId}: ${reason(cause)}`, { cause })
    }
  }

  async dial(address: string, { signal }: { readonly signal: AbortSignal }): Promise<RemotePeer> {
    const target = this.inner.parseAddress(address)
    try {
      return remotePeer(await this.inner.libp2p.dial(target, { signal }))
    } catch (cause) {
      throw new RejoinError('E_UNREACHABLE', `cannot connect to ${address}: ${reason(cause)}`, { cause, hint: 'is the node up, and does its `rejoin id` print this address?' })
    }
  }

  keepConnected(address: string): void {
    this.inner.parseAddress(address)
    this.reconnect.keep(address)
  }

  forget(address: string): void {
    this.reconnect.forget(address)
  }

  async hangUp(peerId: string): Promise<void> {
    const connection = this.inner.libp2p.getConnections().find(({ remotePeer: id }) => id.toString() === peerId)
    if (connection !== undefined) await this.inner.libp2p.hangUp(connection.remotePeer)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.reconnect.close()
    await this.inner.libp2p.stop()
  }
}
