import { isDigest, type JsonObject } from '../core/index.ts'
import { afterOthers, appendOwn, listTags, readInRepository, readTag } from '../node/index.ts'
import type { Draft, RootChange } from '../store/index.ts'
import type { RegistryContext } from './context.ts'
import { type Exchange, send } from './exchange.ts'
import { fault } from './fault.ts'
import { mustBeOwn } from './push-manifest.ts'
import { mustBeDigest, mustBeTag } from './route.ts'

/** Returns what is said of a tag that is taken away. */
function tagRemoval(repository: string, tag: string, digest: string, mediaType: string | undefined): Draft {
  const data: JsonObject = { repository, tag, was: digest, ...(mediaType !== undefined && { mediaType }) }
  return { type: 'tag.removed', subject: digest, data }
}

/** Takes a tag away, or a manifest with all tags that stand for it; the log keeps their hashes. */
export async function removeManifest(
  context: RegistryContext,
  exchange: Exchange,
  name: string,
  reference: string
): Promise<void> {
  mustBeOwn(context, name)
  if (reference.includes(':')) await removeByDigest(context, name, reference)
  else await removeTag(context, name, reference)
  send(exchange, 202, {})
}

async function removeTag({ node, roots }: RegistryContext, name: string, tag: string): Promise<void> {
  mustBeTag(tag)
  const digest = (await readTag(node, name, tag))?.digest
  const artifact = digest && (await readInRepository(node, name, digest))
  if (digest === undefined || artifact === undefined) throw fault(404, 'MANIFEST_UNKNOWN', `${name} has no tag ${tag}`)
  await appendOwn(node, [await afterOthers(node, tagRemoval(name, tag, digest, artifact.mediaType))])
  roots.change([{ kind: 'untag', tag: `${name}:${tag}` }])
}

async function removeByDigest({ node, contents, roots }: RegistryContext, name: string, reference: string): Promise<void> {
  const digest = mustBeDigest(reference, 400)
  const artifact = await readInRepository(node, name, digest)
  if (artifact === undefined) {
    if ((await contents.find(name, digest))?.isManifest === true)
      throw fault(405, 'UNSUPPORTED', `${digest} is part of an index in ${name}: delete the index`)
    throw fault(404, 'MANIFEST_UNKNOWN', `${name} has no manifest ${digest}`)
  }
  const { mediaType } = artifact
  // its blobs stay in the repository until they are taken away themselves, or nobody comes back for them
  for (const part of await contents.partsOf(digest)) contents.link(name, part)
  const tags = (await listTags(node, name)).filter((tag) => tag.digest === digest).map(({ tag }) => tag)
  const removals = await Promise.all(tags.map(async (tag) => await afterOthers(node, tagRemoval(name, tag, digest, mediaType))))
  await appendOwn(node, [
    ...removals,
    { type: 'manifest.removed', subject: digest, data: { repository: name, was: digest, mediaType } }
  ])
  roots.change([
    ...tags.map((tag): RootChange => ({ kind: 'untag', tag: `${name}:${tag}` })),
    { kind: 'untag', tag: `${name}@${digest}` }
  ])
}

/** Takes a blob out of a repository; its bytes go with `rejoin gc` once nothing needs them. */
export async function removeBlob(context: RegistryContext, exchange: Exchange, name: string, word: string): Promise<void> {
  mustBeOwn(context, name)
  const { node, contents, cache } = context
  const digest = mustBeDigest(word, 400)
  const wasLinked = contents.isLinked(name, digest)
  contents.unlink(name, digest)
  const content = await contents.find(name, digest)
  if (!wasLinked && content === undefined) throw fault(404, 'BLOB_UNKNOWN', `${name} has no blob ${digest}`)
  if (content !== undefined && isDigest(digest)) {
    const { mediaType } = content
    await appendOwn(node, [{ type: 'blob.removed', subject: digest, data: { repository: name, was: digest, mediaType } }])
  }
  cache.forget(name)
  send(exchange, 202, {})
}
