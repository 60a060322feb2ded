import type { Connection } from '@libp2p/interface'

/** A peer that is connected now. */
export interface RemotePeer {
  /** e.g. `12D3KooW…` */
  readonly peerId: string
  /** its 32-byte Ed25519 key, proven by the handshake */
  readonly publicKey: Uint8Array
  /** the multiaddr of its end; of an inbound connection that is no address to dial */
  readonly address: string
  /** outbound where at least one connection was dialled by this node */
  readonly direction: 'inbound' | 'outbound'
  /** whether all connections go through a relay that limits time and bytes */
  readonly limited: boolean
  /** of an inbound connection, once the peer has identified itself: where it says that it can be dialled */
  readonly told?: string
}

/** Returns the connection to use, of all there are to one peer: open, unlimited and dialled by this node where possible. */
export function bestOf(connections: readonly Connection[]): Connection | undefined {
  const rank = (one: Connection): number => (one.limits === undefined ? 0 : 2) + (one.direction === 'outbound' ? 0 : 1)
  return connections.filter(({ status }) => status === 'open').toSorted((a, b) => rank(a) - rank(b))[0]
}

/** Returns what is told about the peer at the other end of a connection. */
export function remotePeerOf(connection: Connection): RemotePeer {
  const { remotePeer, remoteAddr, direction, limits } = connection
  const publicKey = remotePeer.publicKey?.raw ?? new Uint8Array(0)
  return { peerId: remotePeer.toString(), publicKey, address: remoteAddr.toString(), direction, limited: limits !== undefined }
}
