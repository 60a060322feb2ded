import { type Digest, digestOf, type JsonObject, utf8 } from '../core/index.ts'
import type { RegistryContext } from './context.ts'
import { type Exchange, send } from './exchange.ts'
import { findReferrers } from './referrers.ts'
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

/** Sends all tags of a repository with their digests, and what refers to anything in it, or only that nothing changed. @returns false where the list is too long for that */
export async function sendTagDigests(
  context: RegistryContext,
  exchange: Exchange,
  name: string,
  found: readonly TagHere[]
): Promise<boolean> {
  const referrers: Record<string, readonly string[]> = {}
  // parts of indexes have referrers, too
  const queue = [...new Set([...found.map(({ digest }) => digest), ...(await context.contents.subjects(name))])].toSorted()
  const seen = new Set(queue)
  for (let subject = queue.shift(); subject !== undefined; subject = queue.shift()) {
    const refer = (await findReferrers(context, name, subject)).map(({ digest }) => digest)
    if (refer.length > 0) referrers[subject] = refer.toSorted()
    for (const digest of refer) {
      if (seen.has(digest)) continue
      seen.add(digest)
      queue.push(digest)
    }
  }
  const list: JsonObject = { name, tags: Object.fromEntries(found.map(({ tag, digest }) => [tag, digest])), referrers }
  const body = utf8(JSON.stringify(list))
  if (body.length > maxListBytes) return false
  const hash = digestOf(body)
  const headers = { etag: `"${hash}"`, vary: 'accept', 'cache-control': 'no-cache' }
  if (isKnownToClient(exchange, hash)) send(exchange, 304, headers)
  else send(exchange, 200, { ...headers, 'content-type': digestsType }, body)
  return true
}
