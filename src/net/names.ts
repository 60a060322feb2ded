import { RejoinError } from '../core/index.ts'

/**
 * Returns the name when it is one that a private network may have: `[a-z0-9-]{1,32}`, so that it fits in a DNS label.
 * @throws E_USAGE where it is not
 */
export function checkNetwork(network: string): string {
  if (/^[a-z0-9-]{1,32}$/.test(network)) return network
  throw new RejoinError('E_USAGE', `not the name of a network: ${JSON.stringify(network.slice(0, 64))}`, {
    hint: 'a network name has 1 to 32 of the characters a-z, 0-9 and -'
  })
}

/** Returns the ID of a stream protocol in a network, e.g. `/rejoin/home/sync/1`. */
export function protocolId(network: string, name: 'sync' | 'blob'): string {
  return `/rejoin/${checkNetwork(network)}/${name}/1`
}

/** Returns the gossip topic of a network, e.g. `rejoin/1/home/heads`. */
export function topicId(network: string, name: 'heads' | 'urgent'): string {
  return `rejoin/1/${checkNetwork(network)}/${name}`
}

/** Returns the mDNS service that nodes of one network ask for on a LAN, e.g. `_rejoin-home._udp.local`. @see RFC 6763 */
export function serviceTag(network: string): string {
  return `_rejoin-${checkNetwork(network)}._udp.local`
}
