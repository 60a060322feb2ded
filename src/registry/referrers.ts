import { type Digest, isDigest } from '../core/index.ts'
import { eventsNamed, type InRepository, readInRepository } from '../node/index.ts'
import type { RegistryContext } from './context.ts'

/** A manifest of a repository that has a subject. */
export type Referrer = Pick<InRepository, 'digest' | 'mediaType' | 'size' | 'artifactType'>

/**
 * Returns the manifests of a repository that refer to a digest: those that events are about, and those that are only part of an index, as in a layout that
 * was published whole. What was let go and is not here is left out.
 */
export async function findReferrers(
  { node, contents }: Pick<RegistryContext, 'node' | 'contents'>,
  name: string,
  subject: Digest
): Promise<readonly Referrer[]> {
  const found = new Map<Digest, Referrer>()
  for (const { event } of eventsNamed(node, name, await node.store.index.referrers(subject))) {
    const { digest } = event.data
    if (typeof digest !== 'string' || !isDigest(digest) || found.has(digest)) continue
    if (!node.blobs.has(digest) && node.blobs.dropped.has(digest)) continue
    const artifact = await readInRepository(node, name, digest)
    if (artifact !== undefined) found.set(digest, artifact)
  }
  for (const part of await contents.referrers(name, subject))
    if (!found.has(part.digest)) found.set(part.digest, { ...part, artifactType: undefined })
  return [...found.values()]
}
