import type { GossipSub } from '@chainsafe/libp2p-gossipsub'

/** What GossipWatch needs of the host. */
export interface Watched {
  readonly connected: () => readonly string[]
  /** Whether a stream of ours is open with the peer, which a cut would break. */
  readonly isBusy: (peerId: string) => boolean
  readonly cut: (peerId: string) => void
}

const patienceBeats = 3

/**
 * Repairs gossip. gossipsub drops a peer for good, on a connection that lives on, when a frame is too large or too much waits for it. So a connected
 * peer that was in gossip and isn't for three heartbeats (3 s) is cut as soon as no stream is open with it: who dialled it dials again.
 */
export class GossipWatch {
  private readonly service: GossipSub
  private readonly watched: Watched
  private readonly beatsMissed = new Map<string, number>()
  private readonly onBeat = (): void => this.beat()

  constructor(service: GossipSub, watched: Watched) {
    this.service = service
    this.watched = watched
    service.addEventListener('gossipsub:heartbeat', this.onBeat)
  }

  /** Ends the watch; idempotent. */
  stop(): void {
    this.service.removeEventListener('gossipsub:heartbeat', this.onBeat)
  }

  private beat(): void {
    const connected = new Set(this.watched.connected())
    for (const peerId of this.beatsMissed.keys()) if (!connected.has(peerId)) this.beatsMissed.delete(peerId)
    const inGossip = new Set(this.service.getPeers().map(String))
    for (const peerId of connected) {
      if (inGossip.has(peerId)) this.beatsMissed.set(peerId, 0)
      const missed = this.beatsMissed.get(peerId)
      if (missed === undefined || inGossip.has(peerId)) continue
      this.beatsMissed.set(peerId, missed + 1)
      if (missed + 1 >= patienceBeats && !this.watched.isBusy(peerId)) this.watched.cut(peerId)
    }
  }
}
