import { maxManifestBytes } from '../artifact/index.ts'
import {
  type Digest,
  isDigest,
  isObject,
  isRepository,
  isTag,
  type Json,
  type JsonObject,
  parseStrict,
  RejoinError
} from '../core/index.ts'
import type { RegistryClient } from './registry-client.ts'

/** The tags of a repository as a registry lists them. */
export interface TagList {
  /** what each stands for, where the registry says it */
  readonly tags: ReadonlyMap<string, Digest | undefined>
  /** by subject, what refers to it; undefined where the registry does not say so */
  readonly referrers: ReadonlyMap<Digest, readonly Digest[]> | undefined
  readonly etag: string | undefined
}

/** The media type in which a node of ours lists tags with digests. @see protocols/registry.md#REG-15 */
const digestsType = 'application/vnd.rejoin.tags.v1+json'
const maxListBytes = 4 * 1024 * 1024
/** pages of a list that are read */
const maxPages = 1000
const maxTags = 100_000

/** Returns all repositories that a registry lists. @throws E_NOT_FOUND where it has no catalog */
export async function listRepositories(client: RegistryClient, signal: AbortSignal): Promise<readonly string[]> {
  const found: string[] = []
  let response = await client.send(undefined, '/v2/_catalog?n=1000', { signal, headers: { accept: 'application/json' } })
  for (let page = 0; page < maxPages; page++) {
    if (response.status === 404) {
      await response.body?.cancel()
      throw new RejoinError('E_NOT_FOUND', `${client.host} does not list its repositories`)
    }
    found.push(...textsOf((await documentOf(client, response, 'its list of repositories'))['repositories']))
    const next = nextPage(client, response)
    if (next === undefined || found.length >= maxTags) break
    response = await client.send(undefined, next, { signal, headers: { accept: 'application/json' } })
  }
  return found.filter(isRepository)
}

/**
 * Returns the tags of a repository, none where it is not there; `same` where the registry says that nothing changed since it gave an ETag.
 * @param etag of a list with digests: that of a list of names would not tell that a tag moved
 */
export async function listTags(
  client: RegistryClient,
  repository: string,
  etag: string | undefined,
  signal: AbortSignal
): Promise<TagList | 'same'> {
  const accept = `${digestsType}, application/json;q=0.9`
  const headers = { accept, ...(etag !== undefined && { 'if-none-match': etag }) }
  const names: string[] = []
  let response = await client.send(repository, `/v2/${repository}/tags/list?n=1000`, { signal, headers })
  for (let page = 0; page < maxPages; page++) {
    if (response.status === 404 || response.status === 304) {
      await response.body?.cancel()
      if (response.status === 304 && etag !== undefined) return 'same'
      break
    }
    const document = await documentOf(client, response, `its list of the tags of ${repository}`)
    if (response.headers.get('content-type') === digestsType)
      return withDigests(document, response.headers.get('etag') ?? undefined)
    names.push(...textsOf(document['tags']))
    const next = nextPage(client, response)
    if (next === undefined || names.length >= maxTags) break
    response = await client.send(repository, next, { signal, headers: { accept: 'application/json' } })
  }
  return { tags: new Map(names.filter(isTag).map((tag) => [tag, undefined])), referrers: undefined, etag: undefined }
}

function withDigests({ tags, referrers }: JsonObject, etag: string | undefined): TagList {
  const found = new Map<string, Digest>()
  if (isObject(tags))
    for (const [tag, digest] of Object.entries(tags))
      if (isTag(tag) && typeof digest === 'string' && isDigest(digest)) found.set(tag, digest)
  const refer = new Map<Digest, readonly Digest[]>()
  if (isObject(referrers))
    for (const [subject, digests] of Object.entries(referrers))
      if (isDigest(subject)) refer.set(subject, textsOf(digests as Json).filter(isDigest))
  return { tags: found, referrers: refer, etag }
}

/**
 * Returns the digests of what refers to a manifest, by the referrers API, else by the tag that stands for it.
 * @param listed all tags of the repository, where they are known: a tag that is not among them needs no request
 */
export async function listReferrers(
  client: RegistryClient,
  repository: string,
  digest: Digest,
  { listed, signal }: { readonly listed: ReadonlySet<string> | undefined; readonly signal: AbortSignal }
): Promise<readonly Digest[]> {
  const found: Digest[] = []
  if (client.hasReferrers !== false) {
    let path: string | undefined = `/v2/${repository}/referrers/${digest}`
    for (let page = 0; path !== undefined && page < maxPages; page++) {
      const response = await client.send(repository, path, { signal })
      client.hasReferrers = response.ok && mediaTypeIs(response, 'application/vnd.oci.image.index.v1+json')
      if (!client.hasReferrers) {
        await response.body?.cancel()
        break
      }
      found.push(...digestsIn(await client.whole(response, maxManifestBytes)))
      path = nextPage(client, response)
    }
    if (client.hasReferrers === true) return found
  }
  const tag = digest.replace(':', '-')
  if (listed?.has(tag) === false) return []
  const manifest = await client.manifest(repository, tag, signal)
  return manifest === undefined ? [] : digestsIn(manifest.bytes)
}

function digestsIn(bytes: Uint8Array): readonly Digest[] {
  const document = parseStrict(bytes, { maxBytes: maxManifestBytes, maxDepth: 64 })
  const values = isObject(document) && Array.isArray(document['manifests']) ? (document['manifests'] as readonly Json[]) : []
  return values.flatMap((one) =>
    isObject(one) && typeof one['digest'] === 'string' && isDigest(one['digest']) ? [one['digest']] : []
  )
}

async function documentOf(client: RegistryClient, response: Response, what: string): Promise<JsonObject> {
  client.mustBe(response, [200], what)
  const document = parseStrict(await client.whole(response, maxListBytes), { maxBytes: maxListBytes, maxDepth: 8 })
  return isObject(document) ? document : {}
}

function textsOf(value: Json | undefined): readonly string[] {
  return Array.isArray(value) ? (value as readonly Json[]).filter((one) => typeof one === 'string') : []
}

function mediaTypeIs({ headers }: Response, type: string): boolean {
  return (headers.get('content-type') ?? '').split(';', 1)[0]?.trim() === type
}

/** Returns the path of the next page, which must be at this registry. */
function nextPage({ origin }: RegistryClient, { headers, url }: Response): string | undefined {
  const target = /<([^>]*)>\s*;[^,]*rel="?next"?/.exec(headers.get('link') ?? '')?.[1]
  if (target === undefined || !URL.canParse(target, url)) return undefined
  const next = new URL(target, url)
  return next.origin === new URL(origin).origin ? `${next.pathname}${next.search}` : undefined
}
