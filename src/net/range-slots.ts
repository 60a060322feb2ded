import type { Multiaddr } from '@multiformats/multiaddr'
import { rangeOf } from './address-range.ts'

/** How much of a node one range of addresses may take up. */
export interface RangeLimits {
  /** different peers that are let in from one range */
  readonly maxPeers: number
  /** connections that are let in from one range, those included whose peer isn't known yet or is gone without a word */
  readonly maxConnections: number
  /** whether the addresses of private networks are counted too, each by its range */
  readonly countPrivate: boolean
}

/** The part of an inbound connection that is counted. */
export interface Inbound {
  readonly remoteAddr: Multiaddr
  readonly addEventListener: (type: 'close', listener: () => void, options: { readonly once: true }) => void
}

interface Slots {
  connections: number
  readonly peers: Map<string, number>
}

/**
 * Counts inbound connections and their peers by range of addresses (IPv4 /24, IPv6 /64), so that nobody with one range surrounds a node.
 * Peers are counted and not only connections: when the line of a site drops, its old connections stay for a minute beside the new ones.
 */
export class RangeSlots {
  private readonly limits: RangeLimits
  private readonly byRange = new Map<string, Slots>()

  constructor(limits: RangeLimits) {
    this.limits = limits
  }

  /** Counts a connection until it closes; returns whether there is room for it. */
  takeConnection(connection: Inbound): boolean {
    const range = rangeOf(connection.remoteAddr, this.limits)
    if (range === undefined) return true
    const slots = this.byRange.get(range) ?? { connections: 0, peers: new Map<string, number>() }
    if (slots.connections >= this.limits.maxConnections) return false
    this.byRange.set(range, slots)
    slots.connections++
    connection.addEventListener(
      'close',
      () => {
        slots.connections--
        if (slots.connections === 0) this.byRange.delete(range)
      },
      { once: true }
    )
    return true
  }

  /** Counts the peer of a connection that was counted, once the handshake has proven it; returns whether there is room for it. */
  takePeer(peerId: string, connection: Inbound): boolean {
    const range = rangeOf(connection.remoteAddr, this.limits)
    const peers = range === undefined ? undefined : this.byRange.get(range)?.peers
    if (peers === undefined) return true
    const before = peers.get(peerId) ?? 0
    if (before === 0 && peers.size >= this.limits.maxPeers) return false
    peers.set(peerId, before + 1)
    connection.addEventListener(
      'close',
      () => {
        const left = (peers.get(peerId) ?? 1) - 1
        if (left === 0) peers.delete(peerId)
        else peers.set(peerId, left)
      },
      { once: true }
    )
    return true
  }
}
