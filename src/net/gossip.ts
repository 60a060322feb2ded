import {
  gossipsub,
  type GossipSub,
  type GossipsubOpts,
  StrictNoSign,
  type TopicValidatorResult
} from '@chainsafe/libp2p-gossipsub'
import { RejoinError, sha256 } from '../core/index.ts'
import type { NetLog } from './log.ts'
import { topicId } from './names.ts'
import { maxGossipBacklogBytes, maxGossipBytes, maxGossipLazyPeers, maxGossipRpcBytes, overRelay } from './settings.ts'

/** The running gossipsub; its package is named in this file only, since it may move again. */
export type GossipService = GossipSub

/** What a validator says: pass it on, drop it, or drop it and hold it against the sender. */
export type GossipVerdict = 'accept' | 'ignore' | 'reject'

/** Announcements to all nodes of the network: fast, of at most 64 KiB, and perhaps lost. */
export interface Gossip {
  /**
   * Joins a topic of this network. The validator must answer at once; a message is passed on only where it accepts. A message over 64 KiB is
   * rejected before it is asked.
   */
  readonly subscribe: (
    topic: string,
    validate: (message: Uint8Array, fromPeerId: string) => GossipVerdict,
    onTooLarge?: (fromPeerId: string) => void
  ) => void
  /** Sends a message to whoever listens; nobody listening is no error. @throws E_TOO_LARGE over 64 KiB */
  readonly publish: (topic: string, message: Uint8Array) => Promise<void>
  /** Returns the peer IDs of the connected peers that joined a topic. */
  readonly subscribers: (topic: string) => readonly string[]
  /** Returns gossipsub's score of a peer, up to a second old: 0 as long as it behaves, far below after a rejected message. */
  readonly scoreOf: (peerId: string) => number
}

// only what is wrong counts (P4): delivery quotas (P3) would punish a quiet network, and the default counts more than 10 peers of one address (P6)
const topicScore = {
  topicWeight: 1,
  timeInMeshWeight: 0,
  firstMessageDeliveriesWeight: 0,
  meshMessageDeliveriesWeight: 0,
  meshFailurePenaltyWeight: 0,
  invalidMessageDeliveriesWeight: -10,
  invalidMessageDeliveriesDecay: 0.99
}

/** Returns gossipsub's options for a network; docs/decisions/0003-libp2p-settings.md says why each is set. */
export function gossipOptions(network: string): Partial<GossipsubOpts> {
  const topics = [topicId(network, 'heads'), topicId(network, 'urgent')]
  return {
    globalSignaturePolicy: StrictNoSign,
    // of all bytes, never of (log, root): else a bad copy that comes first would make the good one "seen"
    msgIdFn: ({ data }) => sha256(data),
    msgIdToStrFn: (id) => Buffer.from(id.buffer, id.byteOffset, id.byteLength).toString('latin1'),
    allowedTopics: topics,
    allowPublishToZeroTopicPeers: true,
    ignoreDuplicatePublishError: true,
    fallbackToFloodsub: false,
    maxOutboundBufferSize: maxGossipBacklogBytes,
    maxInboundDataLength: maxGossipRpcBytes,
    // a hub takes 64 nodes that have no other neighbour into its mesh, not 12: the others hear a second later, and not everything
    Dhi: 64,
    // whoever is outside the mesh is told of each message within a heartbeat; the default tells 6 peers:
    // of 16 spokes beyond the mesh 3 or 4 heard nothing
    Dlazy: maxGossipLazyPeers,
    maxInboundStreams: 8,
    maxOutboundStreams: 8,
    runOnLimitedConnection: overRelay.gossip,
    scoreParams: { IPColocationFactorWeight: 0, topics: Object.fromEntries(topics.map((topic) => [topic, topicScore])) as never }
  }
}

/** Returns the libp2p service for gossip in a network. */
export function gossipService(network: string): ReturnType<typeof gossipsub> {
  return gossipsub(gossipOptions(network))
}

/** Returns Gossip over a started gossipsub. */
export function gossipOver(service: GossipService, network: string, log: NetLog): Gossip {
  const topics = new Set([topicId(network, 'heads'), topicId(network, 'urgent')])
  const must = (topic: string): void => {
    if (!topics.has(topic)) throw new Error(`bug: ${topic} is no topic of the network ${network}`)
  }
  // what is not listened to is not passed on
  for (const topic of topics) service.topicValidators.set(topic, () => 'ignore' as TopicValidatorResult)
  return {
    subscribe: (topic, validate, onTooLarge) => {
      must(topic)
      service.topicValidators.set(topic, (peer, { data }) => {
        if (data.length > maxGossipBytes) {
          onTooLarge?.(peer.toString())
          return 'reject' as TopicValidatorResult
        }
        try {
          return validate(data, peer.toString()) as TopicValidatorResult
        } catch (error) {
          log.warn({ err: error, topic }, 'a gossip message could not be judged')
          return 'ignore' as TopicValidatorResult
        }
      })
      service.subscribe(topic)
    },
    publish: async (topic, message) => {
      must(topic)
      if (message.length > maxGossipBytes) {
        throw new RejoinError('E_TOO_LARGE', `a gossip message of ${message.length} bytes is over ${maxGossipBytes}`)
      }
      try {
        await service.publish(topic, message)
      } catch (error) {
        log.debug({ err: error, topic }, 'a gossip message was not sent')
      }
    },
    subscribers: (topic) => service.getSubscribers(topic).map(String),
    // not in the exported type; Lodestar reaches it in the same way
    scoreOf: (peerId) => (service as GossipSub & { readonly getScore: (peerId: string) => number }).getScore(peerId)
  }
}
