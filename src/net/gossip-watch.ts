import type { PeerId } from '@libp2p/interface'
import type { GossipService } from './gossip.ts'

/** What GossipWatch needs of the host. */
export interface Watched {
  readonly connected: () => readonly string[]
  /** Whether a stream of ours is open with the peer, which a cut would break. */
  readonly isBusy: (peerId: string) => boolean
  readonly cut: (peerId: string) => void
}

/** gossipsub's streams by peer ID; they are not in its exported type. */
interface WithStreams {
  readonly streamsInbound: ReadonlyMap<string, unknown>
  readonly streamsOutbound: ReadonlyMap<string, unknown>
}

const patienceBeats = 3

/**
 * Repairs gossip. When a frame is too large or too much waits for a peer, gossipsub drops its streams with that peer and at best opens one of the
 * two again, while the connection lives on. So a peer that was in gossip and lacks one of them for three heartbeats (3 s) is cut, once no stream
 * of ours is open with it: who dialled it dials again, and the sync on connect brings what was lost.
 */
export class GossipWatch {
  private readonly service: GossipService
  private readonly watched: Watched
  private readonly beatsMissed = new Map<string, number>()
  private readonly onBeat = (): void => this.beat()
  private readonly onSubscription = ({ detail }: CustomEvent<{ readonly peerId: PeerId }>): void => {
    this.beatsMissed.set(detail.peerId.toString(), 0)
  }

  constructor(service: GossipService, watched: Watched) {
    this.service = service
    this.watched = watched
    service.addEventListener('gossipsub:heartbeat', this.onBeat)
    service.addEventListener('subscription-change', this.onSubscription)
  }

  /** Ends the watch; idempotent. */
  stop(): void {
    this.service.removeEventListener('gossipsub:heartbeat', this.onBeat)
    this.service.removeEventListener('subscription-change', this.onSubscription)
  }

  private beat(): void {
    const { streamsInbound, streamsOutbound } = this.service as unknown as WithStreams
    const connected = new Set(this.watched.connected())
    for (const [peerId, missed] of this.beatsMissed) {
      const whole = streamsInbound.has(peerId) && streamsOutbound.has(peerId)
      if (!connected.has(peerId)) this.beatsMissed.delete(peerId)
      else this.beatsMissed.set(peerId, whole ? 0 : missed + 1)
      if (connected.has(peerId) && !whole && missed + 1 >= patienceBeats && !this.watched.isBusy(peerId)) this.watched.cut(peerId)
    }
  }
}
