import { bootstrap } from '@libp2p/bootstrap'
import type { PeerDiscovery } from '@libp2p/interface'
import { mdns } from '@libp2p/mdns'
import { parseAddress, peerIdIn } from './address.ts'
import { serviceTag } from './names.ts'

type Discovery = (
  components: Parameters<ReturnType<typeof mdns>>[0] & Parameters<ReturnType<typeof bootstrap>>[0]
) => PeerDiscovery

/** Returns how peers are found: the configured ones at once and marked to be spared when connections are too many, and those on the LAN. */
export function discoveries(options: {
  readonly network: string
  readonly peers: readonly string[]
  readonly mdns: boolean
}): Discovery[] {
  const found: Discovery[] = []
  const list = options.peers.filter((address) => peerIdIn(parseAddress(address)) !== undefined)
  if (list.length > 0) found.push(bootstrap({ list, timeout: 0, tagName: 'rejoin-peer', tagValue: 100 }))
  if (options.mdns) found.push(mdns({ serviceTag: serviceTag(options.network) }))
  return found
}
