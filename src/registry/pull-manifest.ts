import { type Digest, isDigest, isTag } from '../core/index.ts'
import { readInRepository, readTag } from '../node/index.ts'
import type { Answer } from './cache.ts'
import type { RegistryContext } from './context.ts'
import { type Exchange, send } from './exchange.ts'
import { fault, type RegistryFault } from './fault.ts'
import { isKnownToClient } from './send-blob.ts'
import { maxManifestBytes } from './push-manifest.ts'
import { mustBeName } from './route.ts'

/** A manifest that a repository has. */
export interface FoundManifest {
  readonly digest: Digest
  readonly mediaType: string
  readonly size: number
  /** whether it may be passed on */
  readonly isShared: boolean
}

function unknown(name: string, reference: string): RegistryFault {
  return fault(404, 'MANIFEST_UNKNOWN', `${name} has no manifest ${reference.slice(0, 160)}`, { detail: { name, reference } })
}

/** Returns the manifest that a tag or digest names in a repository: one that an event is about, or one that such a one names. @throws MANIFEST_UNKNOWN */
export async function findManifest({ node, contents }: RegistryContext, name: string, reference: string): Promise<FoundManifest> {
  let digest: Digest | undefined
  if (isDigest(reference)) digest = reference
  else if (isTag(reference)) digest = (await readTag(node, name, reference))?.digest
  if (digest === undefined) throw unknown(name, reference)
  const artifact = await readInRepository(node, name, digest)
  if (artifact !== undefined) {
    const { log, index } = artifact.event
    return { ...artifact, isShared: node.store.needFolder(log).entry(index).line !== undefined }
  }
  // a tag stands for nothing once its manifest was taken away
  const content = digest === reference ? await contents.find(name, digest) : undefined
  if (content === undefined || !content.isManifest) throw unknown(name, reference)
  return content
}

/** Sends a manifest byte for byte as it was pushed. */
export async function pullManifest(context: RegistryContext, exchange: Exchange, name: string, reference: string): Promise<void> {
  const { cache } = context
  const cached = cache.get(name, reference)
  if (cached !== undefined) {
    answer(exchange, cached)
    return
  }
  mustBeName(name, true)
  const { version } = cache
  const found = await findManifest(context, name, reference)
  const { digest, mediaType } = found
  if (!(await context.fetches.bring(found))) throw context.fetches.unavailable(digest, 'MANIFEST_UNKNOWN')
  const body = Buffer.from(await context.node.blobs.readBytes(digest, maxManifestBytes * 4))
  const ready: Answer = {
    headers: { 'content-type': mediaType, 'content-length': body.length, 'docker-content-digest': digest, etag: `"${digest}"` },
    body
  }
  cache.put(name, reference, ready, version)
  answer(exchange, ready)
}

function answer(exchange: Exchange, { headers, body }: Answer): void {
  const digest = headers['docker-content-digest'] as string
  if (exchange.request.headers['if-none-match'] !== undefined && isKnownToClient(exchange, digest)) {
    send(exchange, 304, { etag: `"${digest}"`, 'docker-content-digest': digest })
    return
  }
  exchange.response.writeHead(200, headers)
  exchange.response.end(exchange.isHead ? undefined : body)
}
