import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { type Identify, identify, identifyPush } from '@libp2p/identify'
import type { ConnectionEncrypter, Libp2p, Upgrader } from '@libp2p/interface'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { tls } from '@libp2p/tls'
import { webSockets } from '@libp2p/websockets'
import { yamux } from '@libp2p/yamux'
import { createLibp2p } from 'libp2p'
import { discoveries } from './discovery.ts'
import { gater } from './gater.ts'
import { type GossipService, gossipService } from './gossip.ts'
import { libp2pLogger, type NetLog } from './log.ts'
import type { RangeLimits } from './range-slots.ts'
import { connectionSettings, muxerSettings, pingSettings, rangeLimits } from './settings.ts'

/** What a node of the network is made from. */
export interface Libp2pInit {
  readonly seed: Uint8Array
  readonly network: string
  readonly listen: readonly string[]
  readonly peers: readonly string[]
  readonly mdns: boolean
  readonly isDenied: (peerId: string) => boolean
  readonly ranges?: Partial<RangeLimits>
  readonly log: NetLog
}

/** A libp2p node with our services. */
export type NetNode = Libp2p<{ readonly gossip: GossipService; readonly identify: Identify; readonly identifyPush: unknown }>

/** A node, not started yet, and the switch between its two handshakes. */
export interface MadeNode {
  readonly node: NetNode
  /** Puts noise first for dials (TLS is first otherwise) until it is called as often with false: its handshake doesn't look at the clock. */
  readonly preferNoise: (on: boolean) => void
}

/** Makes a libp2p node with the settings of docs/decisions/0003-libp2p-settings.md; the caller starts it. */
export async function makeNode(init: Libp2pInit): Promise<MadeNode> {
  // read only later: when the handshakes are made, the upgrader isn't there yet
  let upgrader: () => Upgrader | undefined = () => undefined
  const node = await createLibp2p({
    start: false,
    privateKey: await generateKeyPairFromSeed('Ed25519', init.seed),
    nodeInfo: { name: 'rejoin', version: '0.1.0' },
    addresses: { listen: [...init.listen] },
    transports: [tcp(), webSockets()],
    connectionEncrypters: [
      (components) => {
        upgrader = () => components.upgrader
        return tls()(components)
      },
      noise()
    ],
    streamMuxers: [yamux(muxerSettings)],
    connectionManager: connectionSettings,
    connectionMonitor: pingSettings,
    connectionGater: gater(init.isDenied, { ...rangeLimits, ...init.ranges }),
    peerDiscovery: discoveries(init),
    services: { identify: identify(), identifyPush: identifyPush(), gossip: gossipService(init.network) },
    logger: libp2pLogger(init.log)
  })
  let wishes = 0
  return {
    node,
    preferNoise: (wish) => {
      wishes += wish ? 1 : -1
      const on = wishes > 0
      const encrypters = upgrader()?.getConnectionEncrypters() as Map<string, ConnectionEncrypter> | undefined
      const isNoise = (protocol: string): boolean => protocol.startsWith('/noise')
      const sorted = [...(encrypters ?? [])].toSorted(([a], [b]) => Number(isNoise(on ? b : a)) - Number(isNoise(on ? a : b)))
      encrypters?.clear()
      for (const [protocol, encrypter] of sorted) encrypters?.set(protocol, encrypter)
    }
  }
}
