import type { ByteStream } from '../sync/index.ts'
import type { Gossip } from './gossip.ts'
import type { NetLog } from './log.ts'
import type { RangeLimits } from './range-slots.ts'
import type { RemotePeer } from './remote-peer.ts'

/** What a host is opened with. */
export interface HostOptions {
  /** 32-byte Ed25519 seed; its public key is the node's peer ID */
  readonly seed: Uint8Array
  /** name of the private network, `[a-z0-9-]{1,32}` */
  readonly network: string
  /** multiaddrs to listen on, e.g. `/ip4/0.0.0.0/tcp/4001`; none: this node only dials */
  readonly listen: readonly string[]
  /** multiaddrs to keep connected to, for ever */
  readonly peers: readonly string[]
  /** whether to find and be found by nodes of the same network on the LAN */
  readonly mdns: boolean
  /** whether a peer is neither dialled nor let in; asked anew for each connection */
  readonly isDenied?: (peerId: string) => boolean
  /** what one range of addresses may take up, where it is not what the settings say */
  readonly ranges?: Partial<RangeLimits>
  /** called for each peer that connects, and once more, as outbound, where this node's own dial completes after the peer's */
  readonly onConnect?: (peer: RemotePeer) => void
  /** called where a peer of an inbound connection has said where it can be dialled, and whenever it says something else */
  readonly onTold?: (peer: RemotePeer) => void
  /** called when the last connection to a peer is gone */
  readonly onDisconnect?: (peer: RemotePeer) => void
  readonly log?: NetLog
}

/** A node on the network: connections, streams and gossip. */
export interface Host extends AsyncDisposable {
  /** e.g. `12D3KooW…` */
  readonly peerId: string
  readonly gossip: Gossip
  /** Returns the multiaddrs under which this node can be dialled, with its peer ID. */
  readonly addresses: () => readonly string[]
  /** Returns the peers that are connected now. */
  readonly peers: () => readonly RemotePeer[]
  /** Answers a protocol, but not over a relay; a stream is closed when `accept` returns and aborted when it throws. */
  readonly handle: (protocol: string, accept: (stream: ByteStream, peer: RemotePeer) => Promise<void>) => Promise<void>
  /**
   * Opens a stream; where 64 of this protocol are open with the peer, waits up to 15 s until one of them has ended.
   * @throws E_UNREACHABLE where the peer isn't connected, or through a relay only · E_GONE E_TIMEOUT · E_NETWORK where the peer doesn't know
   * the protocol
   */
  readonly open: (peerId: string, protocol: string, options: { readonly signal: AbortSignal }) => Promise<ByteStream>
  /** Connects to an address, once. @throws E_USAGE E_UNREACHABLE E_REFUSED */
  readonly dial: (address: string, options: { readonly signal: AbortSignal }) => Promise<RemotePeer>
  /** Connects to an address and does so again for ever. @throws E_USAGE */
  readonly keepConnected: (address: string) => void
  /** Ends keepConnected; the connection stays. */
  readonly forget: (address: string) => void
  /** Cuts all connections to a peer; its streams break with E_GONE. */
  readonly hangUp: (peerId: string) => Promise<void>
}

/**
 * Brings a node up on the network. libp2p is loaded here and not before: it takes a third of a second.
 * @throws E_USAGE for a bad network name or address · E_EXISTS E_PERMISSION E_IO where an address can't be listened on · E_KEY
 */
export async function openHost(options: HostOptions): Promise<Host> {
  const { startHost } = await import('./host.ts')
  return await startHost(options)
}
