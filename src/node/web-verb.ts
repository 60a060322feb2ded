import { codeOf, type LogId, RejoinError } from '../core/index.ts'
import { fetchWebBlobs, WebClient, type WebFault, WebFaults, WebReplica } from '../replica/index.ts'
import { driveSession, inquire, newShare, pipe, type SyncResult } from '../sync/index.ts'
import { type BringBlobs, Fetcher, type PeersWithBlobs } from './fetcher.ts'
import type { Node } from './node.ts'
import { Settler } from './settle.ts'
import { recall, remember } from './web-memory.ts'

/** What a sync with a folder on the web came to. */
export interface WebResult extends SyncResult {
  readonly blobs: number
  readonly blobBytes: number
  readonly missingBlobs: number
  readonly faults: readonly WebFault[]
  /** requests that were sent to the server */
  readonly requests: number
}

/** How a folder on the web is synced with. */
export interface WebOptions {
  readonly signal: AbortSignal
  readonly onProgress?: (progress: { readonly entries: number; readonly bytes: number }) => void
}

const noPeers: PeersWithBlobs = {
  peers: () => [],
  open: async () => await Promise.reject(new Error('bug: there are no peers'))
}

const nothing: SyncResult = {
  suspects: [],
  complete: true,
  events: 0,
  refused: 0,
  held: 0,
  entriesReceived: 0,
  entriesSent: 0,
  bytesReceived: 0,
  bytesSent: 0,
  conflicts: 0
}

/**
 * Takes from a folder on the web what is there and not here: the same session as with a peer, whose other side reads files from the server.
 * @throws E_UNREACHABLE E_GONE E_TIMEOUT · E_NO_DATA where no replica is there · E_NETWORK E_VERSION E_PERMISSION E_USAGE …
 */
export async function syncWeb(node: Node, url: string, { signal, onProgress }: WebOptions): Promise<WebResult> {
  using client = new WebClient(url, signal)
  const trust = node.gate.rules.file.digest
  const memory = recall(node.root, client.base, trust)
  const replica = await WebReplica.open(client, memory)
  const faults = replica?.faults ?? new WebFaults()
  const bring: BringBlobs = async (wants, { isPrivate }) => {
    const before = client.bodyBytes
    const done = await fetchWebBlobs(client, wants, {
      store: node.blobs,
      faults,
      maxBytes: node.config.fetchMaxBytes,
      isPrivate,
      signal
    })
    return { fetched: done.length, missing: wants.length - done.length, bytes: client.bodyBytes - before }
  }
  const fetcher = new Fetcher(node, noPeers, signal, undefined, bring)
  const settler = new Settler(node, async (log, index, event) => await fetcher.bring(log, index, event))
  try {
    const session = replica === undefined ? nothing : await meet(node, replica, signal, onProgress)
    const blobs = await fetcher.run(signal)
    await settler.idle()
    const found = faults.list()
    const whole = session.complete && blobs.missing === 0 && found.length === 0
    if (replica !== undefined) {
      remember(node.root, client.base, trust, { validator: whole ? replica.validator : {}, places: replica.places() })
    }
    return {
      ...session,
      complete: whole,
      blobs: blobs.fetched,
      blobBytes: blobs.bytes,
      missingBlobs: blobs.missing,
      faults: found,
      requests: client.requestCount
    }
  } finally {
    await settler.stop()
    await fetcher.stop()
  }
}

/** Runs the session: this node's side as with any peer, and the server's side over what it serves. */
async function meet(
  node: Node,
  replica: WebReplica,
  signal: AbortSignal,
  onProgress: WebOptions['onProgress']
): Promise<SyncResult> {
  const [here, there] = pipe()
  const [ours, theirs] = await Promise.allSettled([
    driveSession(node.replica, here, { signal, share: node.share, ...(onProgress && { onProgress }) }),
    driveSession(replica, there, { signal, share: newShare() })
  ])
  if (ours.status === 'fulfilled') {
    for (const log of ours.value.suspects) await inquireOf(node, replica, log, signal)
    return ours.value
  }
  // where one side fails, the other sees its end of the pipe go: what failed first says why
  const isCutOff = codeOf(ours.reason) === 'E_GONE' && theirs.status === 'rejected'
  throw isCutOff ? theirs.reason : ours.reason
}

/** Asks for the history of a log of which the server seems to have another one: what proves it is kept. */
async function inquireOf(node: Node, replica: WebReplica, log: LogId, signal: AbortSignal): Promise<void> {
  const [here, there] = pipe()
  const { endings, node: key, network } = node.replica
  const answering = driveSession(replica, there, { signal, share: newShare() }).catch(() => undefined)
  try {
    const author = node.store.opened(log).publicKey
    const tileAsked = (roots: Uint8Array, size: number): number => endings.tileAsked(log, roots, size)
    await endings.settle(log, await inquire(here, { network, node: key, log, author, tileAsked, signal }))
  } catch (error) {
    // what it claims stays a claim
    if (!(error instanceof RejoinError)) throw error
  }
  await answering
}
