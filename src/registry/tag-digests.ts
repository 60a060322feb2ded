import { type Digest, digestOf, type JsonObject, utf8 } from '../core/index.ts'
import type { InRepository } from '../node/index.ts'
import type { RegistryContext } from './context.ts'
import { type Exchange, send } from './exchange.ts'
import { isKnownToClient } from './send-blob.ts'

/** The media type of a list of tags that says what they stand for, and what refers to that. @see protocols/registry.md#REG-60 */
const digestsType = 'application/vnd.rejoin.tags.v1+json'
/** a longer list is sent as other registries send it, page by page */
const maxListBytes = 4 * 1024 * 1024

/** A tag that stands for an artifact of its repository. */
export interface TagHere {
  readonly tag: string
  readonly digest: Digest
}

/** Returns whether a client asks for tags with what they stand for. */
export function wantsDigests({ request }: Exchange): boolean {
  return (request.headers.accept ?? '').split(',').some((one) => one.split(';', 1)[0]?.trim() === digestsType)
}

/**
 * Sends all tags of a repository with their digests, and what refers to anything in it, or only that nothing changed.
 * @param artifacts all that are in the repository
 * @returns false where the list is too long for that
 */
export async function sendTagDigests(
  context: RegistryContext,
  exchange: Exchange,
  name: string,
  found: readonly TagHere[],
  artifacts: readonly InRepository[]
): Promise<boolean> {
  const refer = new Map<Digest, Set<Digest>>()
  const add = (subject: Digest, digest: Digest): void =>
    void refer.set(subject, (refer.get(subject) ?? new Set<Digest>()).add(digest))
  for (const { digest, refers } of artifacts) if (refers !== undefined) add(refers, digest)
  // and those that are only parts of an index
  const { contents } = context
  for (const subject of await contents.subjects(name))
    for (const { digest } of await contents.referrers(name, subject)) add(subject, digest)
  const referrers = Object.fromEntries(
    [...refer.keys()].toSorted().map((subject) => [subject, [...(refer.get(subject) ?? [])].toSorted()])
  )
  const list: JsonObject = { name, tags: Object.fromEntries(found.map(({ tag, digest }) => [tag, digest])), referrers }
  const body = utf8(JSON.stringify(list))
  if (body.length > maxListBytes) return false
  const hash = digestOf(body)
  const headers = { etag: `"${hash}"`, vary: 'accept', 'cache-control': 'no-cache' }
  if (isKnownToClient(exchange, hash)) send(exchange, 304, headers)
  else send(exchange, 200, { ...headers, 'content-type': digestsType }, body)
  return true
}
