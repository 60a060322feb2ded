import type { PeerId } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { Libp2p } from 'libp2p'
import { RejoinError } from '../core/index.ts'
import type { Gossip } from './gossip.ts'
import type { HostOptions } from './host.ts'

/** A libp2p node that is started, with what the rest of the room needs of it. */
export interface Libp2pHost {
  readonly libp2p: Libp2p
  readonly gossip: Gossip
  /** @throws E_USAGE */
  readonly parseAddress: (text: string) => Multiaddr
  readonly onDiscovered: (found: (peerId: PeerId) => void) => void
}

const windowBytes = 4 * 1024 * 1024

/** Starts libp2p with every default changed that SYNC.md names as a trap. The packages are loaded only here: they take a third of a second. */
export async function createHost({ seed, network, listen, mdns: useMdns, isDenied = () => false }: HostOptions): Promise<Libp2pHost> {
  const [{ createLibp2p }, { tcp }, { webSockets }, { tls }, { noise }, { yamux }, { identify, identifyPush }, { mdns }, { generateKeyPairFromSeed }, { multiaddr }, { gossipService, gossipOf }] =
    await Promise.all([
      import('libp2p'),
      import('@libp2p/tcp'),
      import('@libp2p/websockets'),
      import('@libp2p/tls'),
      import('@libp2p/noise'),
      import('@libp2p/yamux'),
      import('@libp2p/identify'),
      import('@libp2p/mdns'),
      import('@libp2p/crypto/keys'),
      import('@multiformats/multiaddr'),
      import('./gossip.ts')
    ])
  const parseAddress = (text: string): Multiaddr => {
    try {
      return multiaddr(text)
    } catch (cause) {
      throw new RejoinError('E_USAGE', `not a multiaddr: ${JSON.stringify(text.slice(0, 80))}`, { cause, hint: 'for example /ip4/192.0.2.1/tcp/4001/p2p/12D3KooW…' })
    }
  }
  for (const address of listen) parseAddress(address)
  const deny = async (peer: PeerId): Promise<boolean> => await Promise.resolve(isDenied(peer.toString()))
  try {
    const libp2p = await createLibp2p({
      privateKey: await generateKeyPairFromSeed('Ed25519', seed),
      addresses: { listen: [...listen] },
      transports: [tcp(), webSockets()],
      // TLS first: 290 to 310 MB/s between two processes where noise gives 187 to 224
      connectionEncrypters: [tls(), noise()],
      streamMuxers: [yamux({ streamOptions: { maxStreamWindowSize: windowBytes, initialStreamWindowSize: 1024 * 1024 } })],
      peerDiscovery: useMdns ? [mdns({ serviceTag: `_rejoin-${network.slice(0, 40)}._udp.local` })] : [],
      connectionManager: { maxConnections: 300, inboundConnectionThreshold: 200, maxIncomingPendingConnections: 100, reconnectRetries: 0, dialTimeout: 10_000 },
      connectionGater: {
        denyDialPeer: deny,
        denyInboundEncryptedConnection: deny,
        denyOutboundEncryptedConnection: deny,
        denyDialMultiaddr: () => false
      },
      services: { identify: identify(), identifyPush: identifyPush(), gossip: gossipService() }
    })
    return {
      libp2p,
      gossip: gossipOf(libp2p.services.gossip),
      parseAddress,
      onDiscovered: (found) => libp2p.addEventListener('peer:discovery', ({ detail }) => found(detail.id))
    }
  } catch (cause) {
    if (cause instanceof RejoinError) throw cause
    throw new RejoinError('E_IO', `cannot listen on ${listen.join(', ')}`, { cause, hint: 'is the port taken by another program? choose another with --listen' })
  }
}
