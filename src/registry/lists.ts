import { readManifest } from '../artifact/index.ts'
import { type JsonObject, RejoinError } from '../core/index.ts'
import { listRepositories, listRepository, listTags } from '../node/index.ts'
import type { RegistryContext } from './context.ts'
import { type Exchange, send, sendJson } from './exchange.ts'
import { fault } from './fault.ts'
import { maxManifestBytes } from './push-manifest.ts'
import { findReferrers, type Referrer } from './referrers.ts'
import { mustBeDigest, mustBeName } from './route.ts'
import { sendTagDigests, wantsDigests } from './tag-digests.ts'

const indexType = 'application/vnd.oci.image.index.v1+json'
/** an answer of the referrers API is one manifest, which clients read up to this size */
const maxAnswerBytes = maxManifestBytes

/** Returns the part of a sorted list that is asked for with `n` and `last`, and whether more follows. @throws 400 for another n */
export function pageOf(
  all: readonly string[],
  { query }: Pick<Exchange, 'query'>
): { readonly page: readonly string[]; readonly count: number | undefined; readonly more: boolean } {
  const n = query.get('n')
  if (n !== null && !/^\d{1,9}$/.test(n)) throw fault(400, 'UNSUPPORTED', `n is not a number: ${JSON.stringify(n.slice(0, 40))}`)
  const count = n === null ? undefined : Number(n)
  const last = query.get('last')
  const from = last === null ? 0 : all.findIndex((one) => one > last)
  const rest = from < 0 ? [] : all.slice(from)
  const page = count === undefined ? rest : rest.slice(0, count)
  return { page, count, more: count !== 0 && page.length < rest.length }
}

function nextLink(path: string, { page, count, more }: ReturnType<typeof pageOf>): { readonly link?: string } {
  const last = page.at(-1)
  return more && last !== undefined ? { link: `<${path}?last=${encodeURIComponent(last)}&n=${count}>; rel="next"` } : {}
}

/** Lists the tags of a repository, in ASCII order; with their digests for who asks for that. */
export async function sendTags(context: RegistryContext, exchange: Exchange, name: string): Promise<void> {
  mustBeName(name, true)
  const { node } = context
  const artifacts = await listRepository(node, name)
  if (artifacts === undefined) throw fault(404, 'NAME_UNKNOWN', `there is no repository ${name} here`, { detail: { name } })
  // what was let go and is not here is in no list
  const here = artifacts.filter(({ digest }) => !node.blobs.dropped.has(digest) || node.blobs.has(digest))
  const digests = new Set(here.map(({ digest }) => digest))
  const found = (await listTags(node, name)).flatMap(({ tag, digest }) =>
    digest !== undefined && digests.has(digest) ? [{ tag, digest }] : []
  )
  if (wantsDigests(exchange) && (await sendTagDigests(context, exchange, name, found, here))) return
  const tags = found.map(({ tag }) => tag)
  const page = pageOf(tags, exchange)
  sendJson(exchange, { name, tags: page.page }, nextLink(`/v2/${name}/tags/list`, page))
}

/** Lists the repositories, as docker-registry does. */
export async function sendCatalog({ node }: RegistryContext, exchange: Exchange): Promise<void> {
  const page = pageOf(
    (await listRepositories(node)).filter((name) => exchange.access.may('pull', name)),
    exchange
  )
  sendJson(exchange, { repositories: page.page }, nextLink('/v2/_catalog', page))
}

/** Lists the manifests of a repository that have a subject, as an image index. */
export async function sendReferrers(context: RegistryContext, exchange: Exchange, name: string, word: string): Promise<void> {
  mustBeName(name, true)
  const subject = mustBeDigest(word, 400)
  const { node } = context
  // a + that was not escaped came as a blank
  const filter = exchange.query.get('artifactType')?.replaceAll(' ', '+')
  const found: JsonObject[] = []
  for (const referrer of await findReferrers(context, name, subject)) {
    const descriptor = await describe(node, referrer)
    if (filter === undefined || descriptor['artifactType'] === filter) found.push(descriptor)
  }
  const from = Number(exchange.query.get('from') ?? 0)
  const { page, next } = fitting(found, Number.isSafeInteger(from) && from > 0 ? from : 0)
  const parameters = [...(filter === undefined ? [] : [`artifactType=${encodeURIComponent(filter)}`]), `from=${next}`]
  const body = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: indexType, manifests: page }))
  send(
    exchange,
    200,
    {
      'content-type': indexType,
      ...(filter !== undefined && { 'oci-filters-applied': 'artifactType' }),
      ...(next !== undefined && { link: `</v2/${name}/referrers/${subject}?${parameters.join('&')}>; rel="next"` })
    },
    body
  )
}

/** Returns as many descriptors as fit one answer, and where the next answer begins. */
function fitting(
  all: readonly JsonObject[],
  from: number
): { readonly page: readonly JsonObject[]; readonly next: number | undefined } {
  let sizeBytes = 1024
  for (let to = from; to < all.length; to++) {
    sizeBytes += Buffer.byteLength(JSON.stringify(all[to])) + 1
    if (sizeBytes > maxAnswerBytes && to > from) return { page: all.slice(from, to), next: to }
  }
  return { page: all.slice(from), next: undefined }
}

async function describe(node: RegistryContext['node'], artifact: Referrer): Promise<JsonObject> {
  const { digest, mediaType, size } = artifact
  const base = { mediaType, digest, size }
  const known = artifact.artifactType === undefined ? {} : { artifactType: artifact.artifactType }
  if (!node.blobs.has(digest)) return { ...base, ...known }
  try {
    const manifest = readManifest(await node.blobs.readBytes(digest, maxManifestBytes))
    const artifactType = manifest.artifactType ?? manifest.config?.mediaType
    return {
      ...base,
      ...(artifactType !== undefined && { artifactType }),
      ...(Object.keys(manifest.annotations).length > 0 && { annotations: { ...manifest.annotations } })
    }
  } catch (error) {
    if (error instanceof RejoinError) return { ...base, ...known }
    throw error
  }
}
