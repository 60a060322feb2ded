import { join } from 'node:path'
import { type Digest, isDigest, isObject, type Json, type JsonObject, parseStrict, RejoinError, utf8 } from '../core/index.ts'
import { readFileRangeSync, replaceFileSync } from '../store/index.ts'

/** What was seen of a tag at a forge, and what this node made of it. */
export interface SeenTag {
  readonly digest: Digest
  /** what the rules, or a person, say of it: relay, keep, hold or refuse */
  readonly verdict: string
  readonly rule: string
  /** when it was first seen, ISO 8601 */
  readonly since?: string
  /** when it was last asked what refers to it, where the forge doesn't tell that with its tags */
  readonly asked?: string
  /** the trust file that it was judged by, where it was not taken */
  readonly basis?: string
}

/** A list of tags with digests all of which was worked through. */
export interface SeenList {
  readonly etag: string
  /** the patterns, and the trust file, that it was worked through by */
  readonly patterns: string
  readonly basis: string
}

/** A tag that says one thing here and another at the forge, until somebody settles it. */
export interface TagConflict {
  readonly repository: string
  readonly tag: string
  readonly here: Digest
  readonly there: Digest
  readonly since: string
}

/** What this node remembers of one forge: derived but for what was seen, which tells a change there from a change here. */
export interface ForgeState {
  /** by repository, by tag; by `@<digest>` what refers to something and was not taken */
  readonly seen: ReadonlyMap<string, ReadonlyMap<string, SeenTag>>
  /** by repository */
  readonly lists: ReadonlyMap<string, SeenList>
  /** whether its lists have digests, where that is known */
  readonly listsDigests: boolean | undefined
  readonly conflicts: readonly TagConflict[]
  /** up to which entry of which own log outbox requests were made */
  readonly pushed: { readonly log: string; readonly size: number } | undefined
  /** since when it can't be reached */
  readonly awaySince: string | undefined
  readonly why: string | undefined
  readonly lastSync: string | undefined
  readonly nextTry: string | undefined
}

/** What is known of a forge that was never spoken to. */
export const unknownForge: ForgeState = {
  seen: new Map(),
  lists: new Map(),
  listsDigests: undefined,
  conflicts: [],
  pushed: undefined,
  awaySince: undefined,
  why: undefined,
  lastSync: undefined,
  nextTry: undefined
}

const maxBytes = 256 * 1024 * 1024

/** Returns the path of what is known of a forge, below the data folder. @param host as in its URL */
export function forgeStatePath(root: string, host: string): string {
  return join(root, 'private/forge', `${host.replaceAll(/[^a-z0-9.-]/g, '_')}.json`)
}

/** Reads what is known of a forge; where the file is unreadable, everything there is looked at anew. */
export function readForgeState(root: string, host: string): ForgeState {
  const bytes = readFileRangeSync(forgeStatePath(root, host), 0, maxBytes)
  if (bytes === undefined) return unknownForge
  try {
    const document = parseStrict(bytes, { maxBytes, maxDepth: 8 })
    return isObject(document) ? stateOf(document) : unknownForge
  } catch (error) {
    if (error instanceof RejoinError) return unknownForge
    throw error
  }
}

function stateOf(document: JsonObject): ForgeState {
  const text = (name: string): string | undefined => (typeof document[name] === 'string' ? document[name] : undefined)
  const pushed = document['pushed']
  return {
    seen: new Map(
      entriesOf(document['seen']).map(([repository, tags]) => [
        repository,
        new Map(entriesOf(tags).flatMap(([tag, seen]) => (isSeen(seen) ? [[tag, seen] as const] : [])))
      ])
    ),
    lists: new Map(entriesOf(document['lists']).flatMap(([name, list]) => (isList(list) ? [[name, list] as const] : []))),
    listsDigests: typeof document['listsDigests'] === 'boolean' ? document['listsDigests'] : undefined,
    conflicts: Array.isArray(document['conflicts'])
      ? (document['conflicts'] as readonly Json[]).flatMap((one) => (isConflict(one) ? [one] : []))
      : [],
    pushed:
      isObject(pushed) && typeof pushed['log'] === 'string' && typeof pushed['size'] === 'number'
        ? { log: pushed['log'], size: pushed['size'] }
        : undefined,
    awaySince: text('awaySince'),
    why: text('why'),
    lastSync: text('lastSync'),
    nextTry: text('nextTry')
  }
}

function entriesOf(value: Json | undefined): readonly (readonly [string, Json])[] {
  return isObject(value) ? (Object.entries(value) as readonly (readonly [string, Json])[]) : []
}

function isSeen(value: unknown): value is SeenTag {
  const seen = value as Partial<Record<keyof SeenTag, unknown>> | null
  return (
    typeof seen === 'object' &&
    seen !== null &&
    typeof seen.digest === 'string' &&
    isDigest(seen.digest) &&
    typeof seen.verdict === 'string' &&
    typeof seen.rule === 'string' &&
    [seen.since, seen.asked, seen.basis].every((one) => one === undefined || typeof one === 'string')
  )
}

function isList(value: unknown): value is SeenList {
  const list = value as Partial<Record<keyof SeenList, unknown>> | null
  return (
    typeof list === 'object' && list !== null && [list.etag, list.patterns, list.basis].every((one) => typeof one === 'string')
  )
}

function isConflict(value: unknown): value is TagConflict {
  const one = value as Partial<Record<keyof TagConflict, unknown>> | null
  if (typeof one !== 'object' || one === null) return false
  const { repository, tag, since, here, there } = one
  return [repository, tag, since, here, there].every((member) => typeof member === 'string')
}

/** Writes what is known of a forge. */
export function writeForgeState(root: string, host: string, state: ForgeState): void {
  const { seen, lists, ...rest } = state
  const document = {
    ...rest,
    lists: Object.fromEntries(lists),
    seen: Object.fromEntries([...seen].map(([repository, tags]) => [repository, Object.fromEntries(tags)]))
  }
  replaceFileSync(forgeStatePath(root, host), utf8(`${JSON.stringify(document, undefined, 1)}\n`), { durable: true })
}
