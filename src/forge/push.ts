import { isManifestType, type OciDescriptor, readManifest } from '../artifact/index.ts'
import { codeOf, type Digest, digestOf, isObject, type Json, parseStrict, RejoinError, utf8 } from '../core/index.ts'
import { type Node, readInRepository, readTag } from '../node/index.ts'
import { dropRequest, type OutboxRequest, writeRequest } from './outbox.ts'
import type { RegistryClient } from './registry-client.ts'

/** What is pushed with. */
export interface PushContext {
  readonly node: Node
  readonly client: RegistryClient
  /** what was last seen of a tag at the forge */
  readonly seenAt: (repository: string, tag: string) => Digest | undefined
  /** whether this site's word counts where both sides moved a tag */
  readonly siteWins: boolean
  readonly signal: AbortSignal
  /** a request was carried out, or failed with an error */
  readonly onDone: (request: OutboxRequest, error: RejoinError | undefined) => void
}

const maxManifestBytes = 4 * 1024 * 1024
const actions = 'pull,push'
const indexType = 'application/vnd.oci.image.index.v1+json'

/**
 * Sends requests to a forge in their order; what is behind a request about the same repository that can't be carried out waits with it.
 * @throws E_UNREACHABLE E_TIMEOUT E_GONE where the forge is away: that request and those behind it wait on
 */
export async function pushRequests(context: PushContext, requests: readonly OutboxRequest[]): Promise<void> {
  const { node, signal, onDone } = context
  const stuck = new Set<string>()
  for (const request of requests) {
    signal.throwIfAborted()
    if (stuck.has(request.repository)) continue
    try {
      const isSent = await push(context, request)
      dropRequest(node.root, request.id)
      if (isSent) onDone(request, undefined)
    } catch (error) {
      signal.throwIfAborted()
      const code = codeOf(error)
      const message = error instanceof Error ? error.message : String(error)
      writeRequest(node.root, {
        ...request,
        attempts: request.attempts + 1,
        lastError: `${message}${code === undefined ? '' : ` (${code})`}`
      })
      if (!(error instanceof RejoinError) || code === 'E_UNREACHABLE' || code === 'E_TIMEOUT' || code === 'E_GONE') throw error
      stuck.add(request.repository)
      onDone(request, error)
    }
  }
}

/** @returns false where there is nothing to send any more */
async function push(context: PushContext, request: OutboxRequest): Promise<boolean> {
  const { client, signal } = context
  const { repository, tag, digest } = request
  if (tag !== undefined) {
    const there = await client.head(repository, tag, signal)
    if (there?.digest === digest) return true
    const seen = context.seenAt(repository, tag)
    if (there !== undefined && there.digest !== seen && !context.siteWins && !request.overwrite)
      throw new RejoinError(
        'E_EXISTS',
        `${repository}:${tag} is ${there.digest.slice(0, 19)}… at ${client.host}, which moved it too`,
        {
          hint: `rejoin forge outbox drop ${request.id} takes theirs, outbox retry ${request.id} --overwrite keeps ours`
        }
      )
  }
  if (digest === undefined) {
    if (tag !== undefined) await removeTag(context, repository, tag)
    return true
  }
  if (await isObsolete(context, repository, digest, tag)) return false
  await pushManifest(context, repository, digest, tag, 0)
  return true
}

/** What was deleted or let go here before it could be sent is not to hold up what is behind it. */
async function isObsolete({ node }: PushContext, repository: string, digest: Digest, tag: string | undefined): Promise<boolean> {
  if (node.blobs.has(digest)) return false
  if (node.blobs.dropped.has(digest)) return true
  if (tag !== undefined) return (await readTag(node, repository, tag))?.digest !== digest
  return (await readInRepository(node, repository, digest)) === undefined
}

async function removeTag({ client, signal }: PushContext, repository: string, tag: string): Promise<void> {
  const response = await client.send(repository, `/v2/${repository}/manifests/${tag}`, {
    method: 'DELETE',
    actions: 'pull,push,delete',
    signal
  })
  await response.body?.cancel()
  // a registry that takes no tags away is not to be asked for ever: 400 and 405 are its answers
  client.mustBe(response, [202, 404, 400, 405], `taking ${repository}:${tag} away`)
}

/** Pushes a manifest and what it needs, children first; its bytes go as they are. */
async function pushManifest(
  context: PushContext,
  repository: string,
  digest: Digest,
  tag: string | undefined,
  depth: number
): Promise<void> {
  const { node, client, signal } = context
  if (depth > 8) throw new RejoinError('E_TOO_DEEP', `${digest} has indexes in indexes that are too deep`)
  if (!node.blobs.has(digest)) throw new RejoinError('E_NOT_FOUND', `the manifest ${digest} is not here any more`)
  const bytes = await node.blobs.readBytes(digest, maxManifestBytes)
  const manifest = readManifest(bytes)
  for (const child of manifest.manifests)
    if (isManifestType(child.mediaType)) await pushManifest(context, repository, child.digest, undefined, depth + 1)
    else await pushBlob(context, repository, child)
  for (const child of [manifest.config, ...manifest.layers]) if (child !== undefined) await pushBlob(context, repository, child)
  const response = await client.send(repository, `/v2/${repository}/manifests/${tag ?? digest}`, {
    method: 'PUT',
    headers: { 'content-type': manifest.mediaType },
    body: bytes,
    actions,
    signal
  })
  await response.body?.cancel()
  client.mustBe(response, [200, 201], `the manifest ${digest} of ${repository}`)
  if (manifest.subject !== undefined && response.headers.get('oci-subject') === null)
    await addToFallbackTag(context, repository, manifest.subject.digest, {
      mediaType: manifest.mediaType,
      digest,
      size: bytes.length,
      ...(manifest.artifactType !== undefined && { artifactType: manifest.artifactType })
    })
}

async function pushBlob(
  { node, client, signal }: PushContext,
  repository: string,
  { digest, size, urls }: OciDescriptor
): Promise<void> {
  if (!node.blobs.has(digest)) {
    if (urls !== undefined && urls.length > 0) return
    throw new RejoinError('E_NOT_FOUND', `the blob ${digest} is not here`)
  }
  const there = await client.send(repository, `/v2/${repository}/blobs/${digest}`, { method: 'HEAD', actions, signal })
  await there.body?.cancel()
  if (there.ok) return
  const begun = await client.send(repository, `/v2/${repository}/blobs/uploads/`, { method: 'POST', actions, signal })
  await begun.body?.cancel()
  client.mustBe(begun, [202], `an upload to ${repository}`)
  const location = begun.headers.get('location')
  if (location === null) throw new RejoinError('E_PROTOCOL', `${client.host} began an upload without saying where`)
  const url = new URL(location, new URL(`/v2/${repository}/blobs/uploads/`, client.origin))
  url.searchParams.set('digest', digest)
  const sent = await client.send(repository, url.href, {
    method: 'PUT',
    headers: { 'content-type': 'application/octet-stream', 'content-length': String(size) },
    body: () => node.blobs.read(digest),
    actions,
    signal
  })
  await sent.body?.cancel()
  client.mustBe(sent, [201, 204], `the blob ${digest}`)
}

/** Where a registry has no referrers API, an index under the subject's digest lists them. @see OCI distribution-spec, "Pushing Manifests with Subject" */
async function addToFallbackTag(
  { client, signal }: PushContext,
  repository: string,
  subject: Digest,
  descriptor: Readonly<Record<string, Json>>
): Promise<void> {
  const tag = subject.replace(':', '-')
  const known = await client.manifest(repository, tag, signal)
  const before = known && parseStrict(known.bytes, { maxBytes: maxManifestBytes, maxDepth: 64 })
  const listed = isObject(before) && Array.isArray(before['manifests']) ? (before['manifests'] as readonly Json[]) : []
  if (listed.some((one) => isObject(one) && one['digest'] === descriptor['digest'])) return
  const body = utf8(JSON.stringify({ schemaVersion: 2, mediaType: indexType, manifests: [...listed, descriptor] }))
  const response = await client.send(repository, `/v2/${repository}/manifests/${tag}`, {
    method: 'PUT',
    headers: { 'content-type': indexType },
    body,
    actions,
    signal
  })
  await response.body?.cancel()
  client.mustBe(response, [200, 201], `the list of what refers to ${subject} (${digestOf(body)})`)
}
