import { type LogId, parseKey, peerIdOf, RejoinError } from '../core/index.ts'
import type { VerbRecord } from './control.ts'
import type { Live } from './live.ts'
import type { Node } from './node.ts'
import type { VerbContext } from './verbs.ts'

/** What `rejoin peers` asks for: the list, or a person's ruling on one peer. */
export interface PeersArgs {
  readonly action?: 'block' | 'allow' | 'reset'
  /** peer ID, key, or name of an identity whose node is known */
  readonly peer?: string
  readonly because?: string
}

const maxReasonChars = 1000

/** Yields the peers this node knows and the writers it heard of, or rules on a peer and yields it. @throws E_NOT_FOUND E_USAGE */
export async function* peersVerb({ node, live, args }: VerbContext<PeersArgs>): AsyncGenerator<VerbRecord> {
  const { action, peer = '', because } = args
  if (action === undefined) {
    yield* peersOf(node, live)
    for (const heard of node.peers.heardWriters())
      if (!node.gate.admits(heard.did, heard.log as LogId)) {
        const token = node.bindings.faultAtDoor(heard.log as LogId)
        yield { kind: 'unknown-writer', ...heard, ...(token !== undefined && { token }) } as VerbRecord
      }
    return
  }
  if (action !== 'block' && action !== 'allow' && action !== 'reset')
    throw new RejoinError('E_USAGE', `peers knows no action ${JSON.stringify(action)}`)
  if ((because?.length ?? 0) > maxReasonChars)
    throw new RejoinError('E_USAGE', `a reason has at most ${maxReasonChars} characters`)
  const ids = peersNamed(node, live, peer)
  for (const peerId of ids) {
    node.scores.rule(peerId, action === 'reset' ? undefined : action, because)
    // not only told to: when the command is done, the peer is off
    if (node.scores.isDenied(peerId)) await live?.host.hangUp(peerId)
  }
  const records = new Map([...peersOf(node, live)].map((record) => [record.peerId, record]))
  for (const peerId of ids)
    yield records.get(peerId) ??
      ({ kind: 'peer', peerId, address: `/p2p/${peerId}`, connected: false, ...node.scores.view(peerId) } as VerbRecord)
}

/** Returns the peer IDs that a word stands for. @throws E_NOT_FOUND · E_USAGE for this node itself */
function peersNamed(node: Node, live: Live | undefined, word: string): readonly string[] {
  const known = [...peersOf(node, live)].map(({ peerId }) => peerId)
  const named = known.filter((peerId) => peerId === word || node.gate.nameOfPeer(peerId) === word)
  const ids = named.length > 0 ? named : [peerIdOfKey(word)]
  if (ids.includes(node.nodeId)) throw new RejoinError('E_USAGE', 'that is this node itself')
  return ids
}

function peerIdOfKey(word: string): string {
  try {
    return peerIdOf(parseKey(word))
  } catch (cause) {
    throw new RejoinError('E_NOT_FOUND', `no peer ${JSON.stringify(word.slice(0, 100))} is known`, {
      cause,
      hint: 'give its peer ID, as `rejoin peers` or its own `rejoin id` prints it'
    })
  }
}

type PeerRecord = VerbRecord & { readonly peerId: string }

/** The connected ones first, then those that were met, then those of which only the score or a ruling is kept. */
function* peersOf(node: Node, live: Live | undefined): Generator<PeerRecord, void, void> {
  const shown = new Set<string>()
  const record = (peerId: string, more: object): PeerRecord => {
    shown.add(peerId)
    return { kind: 'peer', peerId, ...more, ...node.scores.view(peerId) }
  }
  for (const { peerId, address, direction } of live?.host.peers() ?? [])
    yield record(peerId, { address, direction, connected: true })
  for (const { peerId, address, told, lastSeen } of node.peers.peers())
    if (!shown.has(peerId)) yield record(peerId, { address: address ?? told ?? `/p2p/${peerId}`, lastSeen, connected: false })
  for (const { peer } of node.peers.marks())
    if (!shown.has(peer)) yield record(peer, { address: `/p2p/${peer}`, connected: false })
}
