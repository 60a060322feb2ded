import { type Digest, isDigest, type Json } from '../core/index.ts'
import type { Draft, EventRef } from '../store/index.ts'
import type { Node } from './node.ts'
import { byPrecedence, eventsNamed, type NamedEvent, ownName, removalTypes, writersNames } from './repository.ts'

/** most statements that an event can say it comes after */
const maxReplaced = 64

/** What a tag of a repository stands for here, and what else was said of it that nothing has settled. */
export interface Tag {
  readonly name: string
  readonly tag: string
  /** absent where the tag was taken away */
  readonly digest: Digest | undefined
  readonly winner: NamedEvent
  /** statements that neither came before the winner nor agree with it */
  readonly losers: readonly NamedEvent[]
  /** the winner, the losers, and those that agree with the winner */
  readonly open: readonly NamedEvent[]
}

/** An artifact that is in a repository. */
export interface InRepository {
  readonly digest: Digest
  readonly mediaType: string
  readonly size: number
  readonly artifactType: string | undefined
  /** what it is about, as its events say */
  readonly refers: Digest | undefined
  readonly event: NamedEvent
}

/** Returns the artifact that a statement is about, undefined for a removal. */
export function digestOfStatement({ event }: NamedEvent): Digest | undefined {
  const { digest } = event.data
  return typeof digest === 'string' && isDigest(digest) && !removalTypes.has(event.type) ? digest : undefined
}

function replacedBy({ event }: NamedEvent): ReadonlySet<string> {
  const { replaces } = event.data
  return new Set(Array.isArray(replaces) ? (replaces as readonly Json[]).filter((one) => typeof one === 'string') : [])
}

/** Returns the statements that none of the others comes after, the one that counts first. @see protocols/registry.md#REG-23 */
export function openStatements(statements: readonly NamedEvent[]): readonly NamedEvent[] {
  const replaced = statements.map(replacedBy)
  return statements
    .filter((a) => {
      const place = `${a.log}/${a.index}`
      return !statements.some(
        (b, i) =>
          b !== a &&
          b.rank >= a.rank &&
          ((b.log === a.log && b.index > a.index) || (replaced[i] as ReadonlySet<string>).has(place))
      )
    })
    .toSorted(byPrecedence)
}

function tagOf(name: string, tag: string, statements: readonly NamedEvent[]): Tag | undefined {
  const open = openStatements(statements)
  const [winner] = open
  if (winner === undefined) return undefined
  const digest = digestOfStatement(winner)
  return { name, tag, digest, winner, losers: open.filter((other) => digestOfStatement(other) !== digest), open }
}

/** Returns what is said of a tag, undefined where nobody said anything. */
export async function readTag(node: Node, name: string, tag: string): Promise<Tag | undefined> {
  const refs: EventRef[] = []
  for (const repository of writersNames(node, name)) refs.push(...(await node.store.index.tags(repository, tag)))
  return tagOf(name, tag, eventsNamed(node, name, refs))
}

/** Returns what is said of a tag by all writers who call a repository so themselves, undefined where nobody said anything. */
export async function readTagOfWriters(node: Node, repository: string, tag: string): Promise<Tag | undefined> {
  const statements = (await node.store.index.tags(repository, tag)).flatMap((ref) => eventsNamed(node, undefined, [ref]))
  return tagOf(repository, tag, statements)
}

/** Returns all tags of a repository that stand for something or are in dispute, in the order of their names. */
export async function listTags(node: Node, name: string): Promise<readonly Tag[]> {
  const refs = new Map<string, EventRef[]>()
  for (const repository of writersNames(node, name))
    for (const ref of await node.store.index.tags(repository)) {
      const of = refs.get(ref.tag)
      if (of === undefined) refs.set(ref.tag, [ref])
      else of.push(ref)
    }
  return [...refs]
    .flatMap(([tag, of]) => tagOf(name, tag, eventsNamed(node, name, of)) ?? [])
    .toSorted((a, b) => (a.tag < b.tag ? -1 : 1))
}

/** Returns an artifact of a repository, undefined where it is not there or was taken away. */
export async function readInRepository(node: Node, name: string, digest: Digest): Promise<InRepository | undefined> {
  const said = eventsNamed(node, name, await node.store.index.bySubject(digest)).filter(
    ({ event }) => event.type !== 'tag.removed' && event.type !== 'blob.removed'
  )
  return inRepository(said)
}

function inRepository(said: readonly NamedEvent[]): InRepository | undefined {
  const [newest] = said.toSorted(byPrecedence)
  const digest = newest && digestOfStatement(newest)
  if (newest === undefined || digest === undefined) return undefined
  const { mediaType, size, artifactType } = newest.event.data
  if (typeof mediaType !== 'string' || typeof size !== 'number') return undefined
  // an event that only moves a tag does not say it
  const refers = said.map(({ event }) => event.data['refers']).find((one) => typeof one === 'string' && isDigest(one))
  return {
    digest,
    mediaType,
    size,
    artifactType: typeof artifactType === 'string' ? artifactType : undefined,
    refers: refers as Digest | undefined,
    event: newest
  }
}

/** Returns the artifacts of a repository; undefined where no event names that repository. */
export async function listRepository(node: Node, name: string): Promise<readonly InRepository[] | undefined> {
  const refs: EventRef[] = []
  for (const repository of writersNames(node, name)) refs.push(...(await node.store.index.inRepository(repository)))
  const said = eventsNamed(node, name, refs)
  if (said.length === 0) return undefined
  const bySubject = Map.groupBy(
    said.filter(({ event }) => event.type !== 'tag.removed' && event.type !== 'blob.removed'),
    ({ event }) => event.subject
  )
  return [...bySubject.values()].flatMap((one) => inRepository(one) ?? [])
}

/** Returns whether any event names a repository. */
export async function hasRepository(node: Node, name: string): Promise<boolean> {
  for (const repository of writersNames(node, name))
    for (const ref of await node.store.index.inRepository(repository)) if (eventsNamed(node, name, [ref]).length > 0) return true
  return false
}

/** Returns the names that repositories have here, each once, in order. */
export async function listRepositories(node: Node): Promise<readonly string[]> {
  const names = new Set<string>()
  for await (const { repository, logs } of node.store.index.repositories()) {
    const candidates = new Set([repository, ...logs.map((log) => ownName(node, log, repository))])
    for (const name of candidates) if (!names.has(name) && (await hasRepository(node, name))) names.add(name)
  }
  return [...names].toSorted()
}

/** Returns the tags of which several writers said different things that nothing has settled, in the order of their names. */
export async function disputedTags(node: Node): Promise<readonly Tag[]> {
  const byTag = Map.groupBy(await node.store.index.tags(), ({ repository, tag }) => `${repository}:${tag}`)
  const found = new Map<string, Tag>()
  for (const refs of byTag.values()) {
    const [first] = refs
    const isShared = refs.some(({ log }) => log !== first?.log) || writersNames(node, first?.repository ?? '').length > 1
    if (first === undefined || !isShared) continue
    for (const name of new Set(eventsNamed(node, undefined, refs).map((one) => one.name))) {
      const key = `${name}:${first.tag}`
      const tag = found.has(key) ? undefined : await readTag(node, name, first.tag)
      if (tag !== undefined && tag.losers.length > 0) found.set(key, tag)
    }
  }
  return [...found.values()].toSorted((a, b) => (`${a.name}:${a.tag}` < `${b.name}:${b.tag}` ? -1 : 1))
}

/** Returns a draft about a tag with the open statements of others that it comes after. @param found what is said of the tag */
export function afterStatements({ log: own }: Node, draft: Draft, found: Tag | undefined): Draft {
  const places = (found?.open ?? []).filter(({ log }) => log !== own).map(({ log, index }) => `${log}/${index}`)
  return places.length === 0 ? draft : { ...draft, data: { ...draft.data, replaces: places.slice(0, maxReplaced) } }
}

/** Returns a draft that says which open statements of others about its tag it comes after; one without a tag stays as it is. */
export async function afterOthers(node: Node, draft: Draft): Promise<Draft> {
  const { repository, tag } = draft.data
  if (typeof repository !== 'string' || typeof tag !== 'string') return draft
  return afterStatements(node, draft, await readTag(node, repository, tag))
}
