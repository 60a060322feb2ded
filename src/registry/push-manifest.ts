import { artifactTypeOf, isElsewhere, type Manifest, readManifest } from '../artifact/index.ts'
import { chunkBytes, dagOfLeaves, type Digest, digestOf, hasDigest, isDigest, RejoinError } from '../core/index.ts'
import {
  afterStatements,
  appendOwn,
  draftOf,
  isOthers,
  mustMayPublish,
  readInRepository,
  readTag,
  rootChange
} from '../node/index.ts'
import type { Descriptor, Draft, StoredBlob } from '../store/index.ts'
import { pathTo, type RegistryContext } from './context.ts'
import { type Exchange, readBody, send } from './exchange.ts'
import { fault, type FaultEntry, RegistryFault } from './fault.ts'
import { mustBeDigest, mustBeName, mustBeTag } from './route.ts'

/** The largest manifest that is taken, 4 MiB. */
export const maxManifestBytes: number = 4 * 1024 * 1024
const maxTags = 64
/** blobs that an event names with their CIDs */
const maxNamed = 128
const layersToLearn = 64 * 1024 * 1024

/** A manifest as it was pushed. */
interface Pushed {
  readonly bytes: Buffer
  readonly digest: Digest
  readonly manifest: Manifest
  readonly descriptor: Descriptor
}

/** Checks that the repository is one that may be written to here. @throws NAME_INVALID DENIED */
export function mustBeOwn({ node }: RegistryContext, name: string): void {
  mustBeName(name, false)
  if (isOthers(node, name))
    throw fault(403, 'DENIED', `${name} is another writer's repository: what is pushed here can't have that name`)
}

/** Takes in a manifest, and says so in the log: one event for a new manifest, one for each further tag, none for what is so already. */
export async function pushManifest(context: RegistryContext, exchange: Exchange, name: string, reference: string): Promise<void> {
  mustBeOwn(context, name)
  const tags = tagsOf(exchange, reference)
  const said = reference.includes(':') ? mustBeDigest(reference, 400) : undefined
  const bytes = await readBody(exchange, maxManifestBytes, 'MANIFEST_INVALID')
  const digest = said ?? digestOf(bytes)
  if (said !== undefined && !hasDigest(bytes, said))
    throw fault(400, 'DIGEST_INVALID', `the manifest given for ${said} has another digest`)
  const manifest = read(exchange, bytes)
  const pushed: Pushed = { bytes, digest, manifest, descriptor: { mediaType: manifest.mediaType, digest, size: bytes.length } }
  await context.inTurn(
    `${name}@${digest}`,
    async () => await context.node.blobs.turn.shared(async () => await publishPushed(context, name, pushed, tags))
  )
  const subject = manifest.subject?.digest
  send(exchange, 201, {
    location: pathTo(name, 'manifests', digest),
    'docker-content-digest': digest,
    ...(subject !== undefined && { 'oci-subject': subject }),
    ...(said !== undefined && tags.length > 0 && { 'oci-tag': tags.join(', ') })
  })
}

function tagsOf({ query }: Exchange, reference: string): readonly string[] {
  const isDigestLike = reference.includes(':')
  const tags = isDigestLike ? [...new Set(query.getAll('tag'))] : [reference]
  if (tags.length > maxTags) throw fault(414, 'MANIFEST_INVALID', `${tags.length} tags are over the limit of ${maxTags}`)
  for (const tag of tags) mustBeTag(tag)
  return tags
}

function read({ request }: Exchange, bytes: Buffer): Manifest {
  let manifest: Manifest
  try {
    manifest = readManifest(bytes)
  } catch (error) {
    if (error instanceof RejoinError)
      throw fault(400, 'MANIFEST_INVALID', error.message, { ...(error.at !== undefined && { detail: { at: error.at } }) })
    throw error
  }
  const type = request.headers['content-type']?.split(';')[0]?.trim()
  if (type !== undefined && type !== '' && type !== manifest.mediaType)
    throw fault(
      400,
      'MANIFEST_INVALID',
      `the Content-Type ${type.slice(0, 80)} is not that of the manifest, ${manifest.mediaType}`
    )
  return manifest
}

/** Checks that everything that a manifest needs is in the repository, but for what can't be distributed. @throws MANIFEST_BLOB_UNKNOWN */
async function mustHaveParts(
  { contents, fetches, node }: RegistryContext,
  name: string,
  manifest: Manifest
): Promise<readonly Digest[]> {
  const faults: FaultEntry[] = []
  const here = new Set<Digest>()
  const missing = (digest: Digest, message: string): void => {
    faults.push({ code: 'MANIFEST_BLOB_UNKNOWN', message, detail: { digest } })
  }
  for (const { digest, size, ...rest } of [
    ...(manifest.config ? [manifest.config] : []),
    ...manifest.layers,
    ...manifest.manifests
  ]) {
    if (here.has(digest)) continue
    const isLinked = contents.isLinked(name, digest)
    const content = isLinked ? undefined : await contents.find(name, digest)
    // what is in the repository by another writer's word, and not here, is fetched
    if (content !== undefined) await fetches.bring(content)
    const sizeHere = content !== undefined || isLinked ? node.blobs.size(digest) : undefined
    if (sizeHere === undefined) {
      if (!isElsewhere({ digest, size, ...rest })) missing(digest, `${digest} is not in ${name}`)
    } else if (sizeHere !== size) {
      faults.push({ code: 'SIZE_INVALID', message: `${digest} has ${sizeHere} bytes, not ${size}`, detail: { digest } })
    } else here.add(digest)
  }
  if (faults.length > 0) throw new RegistryFault(faults.some(({ code }) => code === 'MANIFEST_BLOB_UNKNOWN') ? 404 : 400, faults)
  return [...here]
}

async function publishPushed(context: RegistryContext, name: string, pushed: Pushed, tags: readonly string[]): Promise<void> {
  const { node, roots } = context
  const { bytes, digest, manifest, descriptor } = pushed
  // what the index has to be asked for goes first: the parts are looked for meanwhile
  const [tagged, known, parts] = await Promise.all([
    Promise.all(tags.map(async (tag) => [tag, await readTag(node, name, tag)] as const)),
    node.blobs.has(digest) ? readInRepository(node, name, digest) : undefined,
    mustHaveParts(context, name, manifest)
  ])
  const isThere = known?.mediaType === descriptor.mediaType
  const drafts: Draft[] = []
  const artifactType = artifactTypeOf(manifest)
  const changed: string[] = []
  const said = new Map(tagged)
  for (const [tag, before] of said) {
    if (!isThere || before?.digest !== digest || before.losers.length > 0) changed.push(tag)
  }
  const first = changed[0]
  if (!isThere) {
    const refers = manifest.subject?.digest
    const blobs = await largeBlobs(context, manifest)
    const options = { repository: name, ...(first !== undefined && { tag: first }) }
    drafts.push(
      draftOf('manifest.published', descriptor, artifactType, options, blobs, { ...(refers !== undefined && { refers }) })
    )
  }
  for (const tag of isThere ? changed : changed.slice(1))
    drafts.push(draftOf('tag.moved', descriptor, artifactType, { repository: name, tag }, [], {}))
  if (drafts.length === 0) return
  await learnContent(context, pushed)
  for (const draft of drafts) mustMayPublish(node, draft, `the manifest ${digest}`)
  if (!isThere) {
    if (bytes.length <= chunkBytes) await node.blobs.share(parts, [{ bytes, digest }])
    else {
      await node.blobs.share(parts)
      await node.blobs.put(bytes, { digest })
    }
  }
  node.blobs.dropped.want(digest)
  await appendOwn(
    node,
    drafts.map((draft) => afterStatements(node, draft, said.get(String(draft.data['tag']))))
  )
  roots.change(
    changed.length === 0
      ? [rootChange(descriptor, { repository: name })]
      : changed.map((tag) => rootChange(descriptor, { repository: name, tag }))
  )
}

/** Returns the large blobs of a manifest, with the roots of their DAGs. */
async function largeBlobs({ node }: RegistryContext, manifest: Manifest): Promise<readonly StoredBlob[]> {
  const found: StoredBlob[] = []
  for (const { digest, size } of manifest.layers) {
    if (size <= chunkBytes || found.length >= maxNamed || !node.blobs.has(digest)) continue
    found.push({ digest, sizeBytes: size, cid: dagOfLeaves(await node.blobs.leaves(digest), size).root })
  }
  return found
}

/** Lets the rules look into the documents of an artifact before anything of it is published. */
async function learnContent({ node }: RegistryContext, { bytes, digest, manifest }: Pushed): Promise<void> {
  if (!node.known.isLooking) return
  const layers: { readonly mediaType: string; readonly bytes: Uint8Array }[] = []
  for (const { digest: layer, mediaType, size } of manifest.layers) {
    if (size > layersToLearn || !isDigest(layer) || !node.blobs.has(layer)) continue
    layers.push({ mediaType, bytes: await node.blobs.readBytes(layer, layersToLearn) })
  }
  node.known.learn(digest, bytes, layers)
}
