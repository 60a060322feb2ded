import { codeOf, RejoinError } from '../core/index.ts'
import type { SyncResult } from '../sync/index.ts'
import type { VerbRecord } from './control.ts'
import type { Live } from './live.ts'
import type { KnownPeer } from './peer-book.ts'
import { reporting } from './reporting.ts'
import type { VerbContext } from './verbs.ts'

/** What `rejoin sync` asks for: addresses or names of peers; none means all. */
export interface SyncArgs {
  readonly peers: readonly string[]
}

const dialTimeoutMs = 15_000

async function resolvePeer(live: Live, word: string, signal: AbortSignal): Promise<string> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(dialTimeoutMs)])
  if (word.startsWith('/')) return (await live.dial(word, limit)).peerId
  const connected = live.host.peers().find(({ peerId }) => peerId === word || nameOf(live, peerId) === word)
  if (connected !== undefined) return connected.peerId
  const known = live.node.peers.peers().find(({ peerId }) => peerId === word || nameOf(live, peerId) === word)
  if (known === undefined)
    throw new RejoinError('E_NOT_FOUND', `no peer ${JSON.stringify(word)} is known`, {
      hint: 'give its multiaddr, as its `rejoin id` prints it'
    })
  return await dialKnown(live, known, limit)
}

/** Dials a peer where it was dialled last, and else where it said that it can be: it may have come from there since. */
async function dialKnown(live: Live, { peerId, address, told }: KnownPeer, signal: AbortSignal): Promise<string> {
  const [first, second] = [address, told].filter((one) => one !== undefined)
  if (first === undefined)
    throw new RejoinError('E_UNREACHABLE', `no address of ${peerId} is known`, {
      hint: 'give its multiaddr, as its `rejoin id` prints it'
    })
  try {
    return (await live.dial(first, signal)).peerId
  } catch (error) {
    if (codeOf(error) !== 'E_UNREACHABLE' || second === undefined || second === first) throw error
    return (await live.dial(second, signal)).peerId
  }
}

function nameOf(live: Live, peerId: string): string | undefined {
  return live.node.gate.nameOfPeer(peerId)
}

/** Syncs with peers and fetches the blobs that new events name; yields progress and one result. @throws E_UNREACHABLE E_NETWORK E_GONE */
export async function* syncPeers({ node, live, args, signal }: VerbContext<SyncArgs>): AsyncGenerator<VerbRecord> {
  if (live === undefined) throw new RejoinError('E_USAGE', 'this needs the network', { hint: 'rejoin up starts the node' })
  const peers =
    args.peers.length > 0
      ? await Promise.all(args.peers.map(async (word) => await resolvePeer(live, word, signal)))
      : live.host.peers().map(({ peerId }) => peerId)
  if (peers.length === 0)
    throw new RejoinError('E_UNREACHABLE', 'no peer is connected', { hint: 'name one: rejoin sync MULTIADDR' })
  const before = new Set(node.replica.conflicts())
  // blobs are fetched in the background, too, as soon as their events are here
  const cameBefore = live.blobsCame
  const results: readonly SyncResult[] = yield* reporting(
    async (say) =>
      await Promise.all(
        peers.map(
          async (peerId) =>
            await live.sync(peerId, signal, (entries, bytes) => say({ kind: 'progress', entries, bytes } as VerbRecord))
        )
      )
  )
  const { missing } = await live.fetchMissing(signal)
  await live.settled()
  if (node.config.listen.length === 0) await live.served(signal)
  node.peers.save()
  const came = live.blobsCame
  const sum = (pick: (result: SyncResult) => number): number => results.reduce((total, result) => total + pick(result), 0)
  const complete = results.every((result) => result.complete) && missing === 0
  yield {
    kind: 'result',
    complete,
    events: sum(({ events }) => events),
    refused: sum(({ refused }) => refused),
    held: sum(({ held }) => held),
    sent: sum(({ entriesSent }) => entriesSent),
    blobs: came.fetched - cameBefore.fetched,
    bytes: sum(({ bytesReceived, bytesSent }) => bytesReceived + bytesSent) + came.bytes - cameBefore.bytes,
    missing,
    bad: 0,
    // however it came to be known: by a session, an inquiry after it, or somebody's proof
    conflicts: node.replica.conflicts().filter((log) => !before.has(log)).length
  } as VerbRecord
}
