import type { PeerId } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { CODE_P2P, multiaddr, type Multiaddr } from '@multiformats/multiaddr'
import { RejoinError } from '../core/index.ts'

/**
 * Returns a text as multiaddr.
 * @throws E_USAGE where it is none
 */
export function parseAddress(text: string): Multiaddr {
  try {
    const address = multiaddr(text)
    if (address.getComponents().length > 0) return address
  } catch (cause) {
    throw new RejoinError('E_USAGE', `not a network address: ${JSON.stringify(text.slice(0, 200))}`, { cause, hint: example })
  }
  throw new RejoinError('E_USAGE', `not a network address: ${JSON.stringify(text.slice(0, 200))}`, { hint: example })
}

const example =
  'an address looks like /ip4/192.0.2.1/tcp/4001 or /dns4/node.example/tcp/4001/p2p/12D3KooW…, as `rejoin id` prints them'

/** Returns the peer ID at the end of an address, undefined where it has none. */
export function peerIdIn(address: Multiaddr): string | undefined {
  return address.getComponents().findLast(({ code }) => code === CODE_P2P)?.value
}

/**
 * Returns a text as peer ID.
 * @throws E_USAGE where it is none
 */
export function parsePeerId(text: string): PeerId {
  try {
    return peerIdFromString(text)
  } catch (cause) {
    throw new RejoinError('E_USAGE', `not a peer ID: ${JSON.stringify(text.slice(0, 100))}`, { cause })
  }
}
