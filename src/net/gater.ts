import type { ConnectionGater, PeerId } from '@libp2p/interface'

/**
 * Returns the gater of connections: a peer that is denied, or whose key is not Ed25519, is neither dialled nor let in. Inbound, its ID is known
 * once the handshake is done, and nothing was exchanged by then but keys.
 */
export function gater(isDenied: (peerId: string) => boolean): ConnectionGater {
  const deny = (peerId: PeerId): boolean => peerId.type !== 'Ed25519' || isDenied(peerId.toString())
  return {
    denyDialPeer: deny,
    denyOutboundConnection: deny,
    denyOutboundEncryptedConnection: deny,
    denyInboundEncryptedConnection: deny
  }
}
