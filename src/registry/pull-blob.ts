import type { Digest } from '../core/index.ts'
import type { Answer } from './cache.ts'
import type { RegistryContext } from './context.ts'
import { type Exchange, send } from './exchange.ts'
import { fault, type RegistryFault } from './fault.ts'
import { sendArriving } from './pull-through.ts'
import { mustBeDigest, mustBeName } from './route.ts'
import { askedRange, blobHeaders, isKnownToClient, rangeHeaders, streamFile } from './send-blob.ts'

const smallBytes = 256 * 1024
/** Sends a blob, or a range of it. */
export async function pullBlob(context: RegistryContext, exchange: Exchange, name: string, word: string): Promise<void> {
  const cached = context.cache.get(name, `blob ${word}`)
  if (cached !== undefined) {
    sendBytes(exchange, word as Digest, cached)
    return
  }
  mustBeName(name, true)
  const digest = mustBeDigest(word, 404, 'BLOB_UNKNOWN')
  const { contents, node, cache } = context
  const { version } = cache
  const unknown = (): RegistryFault => fault(404, 'BLOB_UNKNOWN', `${name} has no blob ${digest}`, { detail: { digest } })
  const content = contents.isLinked(name, digest) ? undefined : await contents.find(name, digest)
  if (content === undefined && !contents.isLinked(name, digest)) throw unknown()
  if (content !== undefined && !node.blobs.has(digest) && (await sendArriving(context, exchange, content))) return
  const size = node.blobs.size(digest)
  if (size === undefined) throw context.fetches.unavailable(digest, 'BLOB_UNKNOWN')
  if (size <= smallBytes) {
    const body = Buffer.from(await node.blobs.readBytes(digest, smallBytes))
    const answer: Answer = { headers: { ...blobHeaders(digest), 'content-length': body.length } as Answer['headers'], body }
    cache.put(name, `blob ${digest}`, answer, version)
    sendBytes(exchange, digest, answer)
    return
  }
  await sendFile(context, exchange, digest)
}

function sendBytes(exchange: Exchange, digest: Digest, { headers, body }: Answer): void {
  if (isKnownToClient(exchange, digest)) {
    send(exchange, 304, { etag: `"${digest}"`, 'docker-content-digest': digest })
    return
  }
  const range = askedRange(exchange, digest, body.length)
  if (range === undefined) {
    exchange.response.writeHead(200, headers)
    exchange.response.end(exchange.isHead ? undefined : body)
    return
  }
  send(exchange, 206, { ...headers, ...rangeHeaders(range, body.length) }, body.subarray(range.from, range.to))
}

async function sendFile(context: RegistryContext, exchange: Exchange, digest: Digest): Promise<void> {
  if (isKnownToClient(exchange, digest)) {
    send(exchange, 304, { etag: `"${digest}"`, 'docker-content-digest': digest })
    return
  }
  const { file, sizeBytes } = await context.node.blobs.openBlob(digest)
  try {
    const range = askedRange(exchange, digest, sizeBytes)
    const { from, to } = range ?? { from: 0, to: sizeBytes }
    const headers = { ...blobHeaders(digest), 'content-length': to - from, ...(range && rangeHeaders(range, sizeBytes)) }
    exchange.response.writeHead(range === undefined ? 200 : 206, headers as Record<string, string | number>)
    if (exchange.isHead) exchange.response.end()
    else await streamFile(file, from, to, exchange.response)
  } finally {
    await file.close()
  }
}
