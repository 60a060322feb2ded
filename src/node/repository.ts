import { didOf, digestOf, isDelegated, isRepositoryPart, type LogId, RejoinError, type RejoinEvent, utf8 } from '../core/index.ts'
import type { EventRef } from '../store/index.ts'
import { eventAt } from './entry.ts'
import type { Node } from './node.ts'

/** How well founded a writer's word is about a repository: delegated in the trust file, this node's own, or another writer's. */
export type Rank = 0 | 1 | 2

/** An event that names a repository, as this node knows that repository. */
export interface NamedEvent extends EventRef {
  readonly event: RejoinEvent
  /** of the repository, here */
  readonly name: string
  readonly rank: Rank
}

/** Events that take something away; all others that name an artifact put it there. */
export const removalTypes: ReadonlySet<string> = new Set(['tag.removed', 'manifest.removed', 'blob.removed'])

/** Returns the first part of the names of a writer's repositories: its identity's name where that can stand there. @see protocols/registry.md#REG-20 */
export function partOf(identity: string): string {
  if (isRepositoryPart(identity)) return identity
  const slug = identity
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-|-$/g, '')
  return `${slug === '' ? 'writer' : slug}-${digestOf(utf8(identity)).slice(7, 15)}`
}

/** Returns the part under which a log's repositories are, undefined for this node's own. */
function ownerPart(node: Node, log: LogId): string | undefined {
  const { publicKey } = node.store.opened(log)
  const name = node.gate.authorName(log, publicKey)
  if (name === 'me') return undefined
  return name === didOf(publicKey) ? log : partOf(name)
}

function identityOf(node: Node, log: LogId, index: number): string {
  return node.gate.identityOf({ log, index, author: didOf(node.store.opened(log).publicKey) })
}

/** Returns what this node calls the repository of an event, undefined where it names none. */
export function nameOf(
  node: Node,
  { log, index }: EventRef,
  { data, type }: RejoinEvent
): { readonly name: string; readonly rank: Rank } | undefined {
  const { repository, mediaType } = data
  if (typeof repository !== 'string') return undefined
  const nowMs = Date.now()
  const identity = identityOf(node, log, index)
  const scope = { path: repository, mediaType: typeof mediaType === 'string' ? mediaType : '', type }
  if (identity !== '' && isDelegated(node.gate.rules.file, identity, scope, nowMs)) return { name: repository, rank: 2 }
  const owner = ownerPart(node, log)
  return owner === undefined ? { name: repository, rank: 1 } : { name: `${owner}/${repository}`, rank: 0 }
}

/** Returns what a repository of a log's writer is called here where no delegation says more. */
export function ownName(node: Node, log: LogId, repository: string): string {
  const owner = ownerPart(node, log)
  return owner === undefined ? repository : `${owner}/${repository}`
}

/** the first parts of other writers' repositories, by the rules and logs that they were found with */
const knownParts = new WeakMap<object, { readonly logCount: number; readonly parts: ReadonlySet<string> }>()

function othersParts(node: Node): ReadonlySet<string> {
  const { rules } = node.gate
  const heads = node.store.listHeads()
  const known = knownParts.get(rules)
  if (known?.logCount === heads.length) return known.parts
  const parts = new Set(heads.flatMap(({ log }) => ownerPart(node, log) ?? []))
  knownParts.set(rules, { logCount: heads.length, parts })
  return parts
}

/** Returns the names that writers themselves may have for what is called `name` here. */
export function writersNames(node: Node, name: string): readonly string[] {
  const slash = name.indexOf('/')
  return slash < 0 || !othersParts(node).has(name.slice(0, slash)) ? [name] : [name, name.slice(slash + 1)]
}

/** Returns the events at places that name a repository of that name here; of any name where it is undefined. */
export function eventsNamed(node: Node, name: string | undefined, refs: readonly EventRef[]): readonly NamedEvent[] {
  const found: NamedEvent[] = []
  for (const { log, index } of refs) {
    try {
      const { event } = eventAt(node, { log, index })
      const named = nameOf(node, { log, index }, event)
      if (named !== undefined && (name === undefined || named.name === name)) found.push({ log, index, event, ...named })
    } catch (error) {
      // its verdict changed since the index was asked
      if (!(error instanceof RejoinError)) throw error
    }
  }
  return found
}

/** Returns whether another writer's repositories are below the first part of a name. */
export function isOthers(node: Node, name: string): boolean {
  const slash = name.indexOf('/')
  const first = slash < 0 ? name : name.slice(0, slash)
  if (slash >= 0 && othersParts(node).has(first)) return true
  const own = node.gate.nameOf(node.did)
  return (
    slash >= 0 &&
    [...node.gate.rules.file.identities.values()].some(
      ({ name: identity, keys }) =>
        identity !== own &&
        partOf(identity) === first &&
        !keys.some((key) => node.gate.rules.file.keys.get(key)?.did === node.did)
    )
  )
}

/** Compares two statements about one thing: below 0 where the first counts. Delegation first, then time, then the log's ID. @see protocols/registry.md#REG-22 */
export function byPrecedence(a: NamedEvent, b: NamedEvent): number {
  if (a.rank !== b.rank) return b.rank - a.rank
  if (a.event.hlc !== b.event.hlc) return a.event.hlc > b.event.hlc ? -1 : 1
  if (a.log !== b.log) return a.log > b.log ? -1 : 1
  return b.index - a.index
}
