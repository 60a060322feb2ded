import { base64, hex } from '../core/index.ts'
import type { VerbRecord } from './control.ts'
import { authorOf } from './log-view.ts'
import type { VerbContext } from './verbs.ts'

type Nothing = Readonly<Record<string, never>>

/** Yields who this node is. */
export async function* identify({ node, live }: VerbContext<Nothing>): AsyncGenerator<VerbRecord> {
  const addresses = live?.host.addresses() ?? []
  const id = {
    nodeId: node.nodeId,
    did: node.did,
    logId: node.log,
    vkey: node.vkey,
    publicKey: hex(node.keys.signer.publicKey),
    addresses,
    network: node.store.network
  }
  yield await Promise.resolve({ kind: 'id', ...id })
}

/** Own log first, then the others by author, so that the list is the same each time. */
function orderOf({ log, author }: { readonly log: string; readonly author: string }, own: string): string {
  return `${log === own ? 0 : 1} ${author} ${log}`
}

/** Yields what this node holds and whom it is connected to. */
export async function* status({ node, live }: VerbContext<Nothing>): AsyncGenerator<VerbRecord> {
  node.writer.sign()
  const logs = node.store
    .listHeads()
    .map(({ log, size, root }) => ({ log, author: authorOf(node, log), size, root: base64(root) }))
    .toSorted((a, b) => orderOf(a, node.log).localeCompare(orderOf(b, node.log)))
  const peers = live?.host.peers().map(({ peerId, address, direction }) => ({ peerId, address, direction })) ?? []
  const record = {
    kind: 'status',
    nodeId: node.nodeId,
    name: node.store.opened(node.log).name,
    up: live !== undefined,
    logs,
    peers,
    held: node.replica.heldCount,
    conflicts: node.replica.conflicts(),
    sites: [],
    forge: null
  }
  yield await Promise.resolve(record)
}

/** Yields the peers this node knows, and the writers it heard of and doesn't know. */
export async function* listPeers({ node, live }: VerbContext<Nothing>): AsyncGenerator<VerbRecord> {
  const connected = new Map(live?.host.peers().map((peer) => [peer.peerId, peer]))
  for (const { peerId, address, direction } of connected.values())
    yield await Promise.resolve({ kind: 'peer', peerId, address, direction, connected: true } as VerbRecord)
  for (const { peerId, address, lastSeen } of node.peers.peers())
    if (!connected.has(peerId)) yield { kind: 'peer', peerId, address, lastSeen, connected: false } as VerbRecord
  for (const heard of node.peers.heardWriters())
    if (!node.gate.admits(heard.did)) yield { kind: 'unknown-writer', ...heard } as VerbRecord
}
