import type { ConnectionGater, PeerId } from '@libp2p/interface'
import { type RangeLimits, RangeSlots } from './range-slots.ts'

/**
 * Returns the gater of connections: a peer that is denied, or whose key is not Ed25519, is neither dialled nor let in. Inbound, its ID is known
 * once the handshake is done, and nothing was exchanged by then but keys. A range of addresses that has its share already is not let in further.
 */
export function gater(isDenied: (peerId: string) => boolean, limits: RangeLimits): ConnectionGater {
  const deny = (peerId: PeerId): boolean => peerId.type !== 'Ed25519' || isDenied(peerId.toString())
  const slots = new RangeSlots(limits)
  return {
    denyDialPeer: deny,
    denyOutboundConnection: deny,
    denyOutboundEncryptedConnection: deny,
    denyInboundConnection: (connection) => !slots.takeConnection(connection),
    denyInboundEncryptedConnection: (peerId, connection) => deny(peerId) || !slots.takePeer(peerId.toString(), connection)
  }
}
