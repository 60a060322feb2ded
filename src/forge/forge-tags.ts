import { type Digest, RejoinError } from '../core/index.ts'
import { type FollowPattern, followsTag } from './follow-pattern.ts'
import type { RegistryClient } from './registry-client.ts'
import { listTags } from './registry-lists.ts'

/** What a repository at a forge says of its tags; `same` where nothing of it changed since the ETag was given. */
export type ForgeTags = { readonly kind: 'same' } | KnownTags

/** The tags of a repository at a forge. */
export interface KnownTags {
  readonly kind: 'tags'
  /** the followed tags that are there, in order */
  readonly followed: ReadonlyMap<string, Digest>
  /** tags that were asked about one by one */
  readonly asked: ReadonlySet<string>
  /** those of which nothing could be learned, and why */
  readonly faults: ReadonlyMap<string, RejoinError>
  /** all tags that are there; undefined where no list was asked for */
  readonly listed: ReadonlySet<string> | undefined
  /** by subject, what refers to it; undefined where the forge does not say so with its tags */
  readonly referrers: ReadonlyMap<Digest, readonly Digest[]> | undefined
  readonly etag: string | undefined
}

/** What is asked of a repository's tags. */
export interface TagsAsked {
  readonly name: string
  readonly patterns: readonly FollowPattern[]
  /** of the list that was seen last, where all of it was worked through */
  readonly etag: string | undefined
  /** whether this forge's lists have digests, where that is known */
  readonly listsDigests: boolean | undefined
  readonly signal: AbortSignal
}

/** tags whose digests are asked for at the same time */
const headsAtOnce = 4

/**
 * Returns what the followed tags of a repository stand for: by one request where the forge lists tags with digests, as a node of ours does; else by one for the
 * list, unless patterns name their tags, and one for each followed tag, since a list of names doesn't tell that a tag moved.
 */
export async function readForgeTags(client: RegistryClient, asked: TagsAsked): Promise<ForgeTags> {
  const { name, patterns, etag, listsDigests, signal } = asked
  const named = new Set(patterns.flatMap(({ tags }) => (tags.kind === 'name' ? [tags.tag] : [])))
  const areNamed = patterns.every(({ tags }) => tags.kind === 'name')
  const list = areNamed && (named.size < 2 || listsDigests === false) ? undefined : await listTags(client, name, etag, signal)
  if (list === 'same') return { kind: 'same' }
  const follows = (tag: string): boolean => patterns.some((one) => followsTag(one, tag))
  const listed = list && new Set(list.tags.keys())
  if (list?.referrers !== undefined) {
    const followed = new Map<string, Digest>()
    for (const [tag, digest] of list.tags) if (digest !== undefined && follows(tag)) followed.set(tag, digest)
    return { kind: 'tags', followed, asked: new Set(), faults: new Map(), listed, referrers: list.referrers, etag: list.etag }
  }
  const wanted = areNamed ? [...named] : [...(listed ?? [])].filter(follows)
  const { found, faults } = await headAll(client, name, wanted.toSorted(), signal)
  return { kind: 'tags', followed: found, asked: new Set(wanted), faults, listed, referrers: undefined, etag: undefined }
}

async function headAll(
  client: RegistryClient,
  name: string,
  tags: readonly string[],
  signal: AbortSignal
): Promise<{ readonly found: ReadonlyMap<string, Digest>; readonly faults: ReadonlyMap<string, RejoinError> }> {
  const digests = new Map<string, Digest>()
  const faults = new Map<string, RejoinError>()
  const queue = [...tags]
  const work = async (): Promise<void> => {
    for (let tag = queue.shift(); tag !== undefined; tag = queue.shift()) {
      try {
        const head = await client.head(name, tag, signal)
        if (head !== undefined) digests.set(tag, head.digest)
      } catch (error) {
        // who may not read one tag may not read the others
        if (!(error instanceof RejoinError) || client.isOver(error) || error.code === 'E_PERMISSION') {
          queue.length = 0
          throw error
        }
        faults.set(tag, error)
      }
    }
  }
  const results = await Promise.allSettled(Array.from({ length: headsAtOnce }, work))
  for (const result of results) if (result.status === 'rejected') throw result.reason
  return { found: new Map(tags.flatMap((tag) => (digests.has(tag) ? [[tag, digests.get(tag) as Digest]] : []))), faults }
}
