import { base64, forkPath, hex, type LogId, tokenAudience } from '../core/index.ts'
import type { VerbRecord } from './control.ts'
import { authorOf } from './log-view.ts'
import { listMarks } from './medium-mark.ts'
import { codeWords } from './frontier-code.ts'
import type { Node } from './node.ts'
import { OneWay } from './one-way.ts'
import type { NamedEvent } from './repository.ts'
import { digestOfStatement, disputedTags, type Tag } from './tags.ts'
import { type SiteRecord, Sites } from './sites.ts'
import type { VerbContext } from './verbs.ts'

type Nothing = Readonly<Record<string, never>>

/** Yields who this node is. */
export async function* identify({ node, live, args }: VerbContext<{ readonly audience?: string }>): AsyncGenerator<VerbRecord> {
  const addresses = live?.host.addresses() ?? []
  const id = {
    nodeId: node.nodeId,
    did: node.did,
    logId: node.log,
    vkey: node.vkey,
    publicKey: hex(node.keys.signer.publicKey),
    addresses,
    http: node.http ?? null,
    network: node.store.network,
    audience: tokenAudience(args.audience ?? 'AUD', node.did)
  }
  yield await Promise.resolve({ kind: 'id', ...id })
}

/** Own log first, then the others by author, so that the list is the same each time. */
function orderOf({ log, author }: { readonly log: string; readonly author: string }, own: string): string {
  return `${log === own ? 0 : 1} ${author} ${log}`
}

/** A log of which two histories are known, or two heads that seem to be of two: then nothing proves it yet. */
function conflictOf(node: Node, log: LogId): object {
  const fork = node.replica.endings.forkOf(log)
  const author = node.store.folder(log) === undefined ? null : authorOf(node, log)
  if (fork === undefined) return { kind: 'fork', log, author, proof: null, endsAt: null, exact: false }
  return { kind: 'fork', log, author, proof: forkPath(log), endsAt: fork.atIndex, exact: fork.exact }
}

/** A tag of which two writers said different things, neither after the other. */
function disputeOf(node: Node, { name, tag, winner, losers }: Tag): object {
  const statement = (one: NamedEvent): object => ({
    digest: digestOfStatement(one) ?? null,
    author: authorOf(node, one.log),
    log: one.log,
    index: one.index,
    time: one.event.time
  })
  return { kind: 'tag', repository: name, tag, winner: statement(winner), losers: losers.map(statement) }
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
    held: node.replica.heldCount(),
    conflicts: [
      ...node.replica.conflicts().map((log) => conflictOf(node, log)),
      ...(await disputedTags(node)).map((tag) => disputeOf(node, tag))
    ],
    sites: sitesOf(node),
    oneWay: OneWay.list(node.root),
    code: codeWords(node),
    forge: null
  }
  yield await Promise.resolve(record)
}

/** What is known of the nodes on the far side of media. */
function sitesOf(node: Node): readonly SiteRecord[] {
  const marks = listMarks(node.root)
  const exported = new Map<string, number>()
  for (const { logs } of marks) for (const [log, size] of logs) exported.set(log, Math.max(size, exported.get(log) ?? 0))
  return new Sites(node).list(marks.map(({ at }) => at).toSorted()[0], exported)
}
