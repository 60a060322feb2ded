import type { FileHandle } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import type { Digest } from '../core/index.ts'
import type { Answer } from './cache.ts'
import type { RegistryContext } from './context.ts'
import { type Exchange, type Headers, send } from './exchange.ts'
import { fault } from './fault.ts'
import { type AskedRange, rangeOf } from './range.ts'
import { mustBeDigest, mustBeName } from './route.ts'

const smallBytes = 256 * 1024
/** bytes read at a time: as many as pay with few readers, less where there are many, so that memory has a bound */
const pieceBytes = 1024 * 1024
const smallPieceBytes = 128 * 1024
const fewReaders = 16

/** Returns the headers of a blob. */
export function blobHeaders(digest: Digest): Headers {
  return {
    'content-type': 'application/octet-stream',
    'docker-content-digest': digest,
    etag: `"${digest}"`,
    'cache-control': 'max-age=31536000, immutable',
    'accept-ranges': 'bytes'
  }
}

/** Returns whether a client has what it asks for. @see RFC 9110, section 13.1.2 */
export function isKnownToClient({ request }: Exchange, digest: string): boolean {
  const header = request.headers['if-none-match']
  if (header === undefined) return false
  return header.trim() === '*' || header.split(',').some((tag) => tag.trim().replace(/^W\//, '') === `"${digest}"`)
}

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
  const unknown = fault(404, 'BLOB_UNKNOWN', `${name} has no blob ${digest}`, { detail: { digest } })
  if (!contents.isLinked(name, digest) && (await contents.find(name, digest)) === undefined) throw unknown
  const size = node.blobs.size(digest)
  if (size === undefined) throw unknown
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

/** Returns the range that is asked for. @throws 416 */
export function askedRange({ request, isHead }: Exchange, digest: Digest, sizeBytes: number): AskedRange | undefined {
  const { range: header, 'if-range': condition } = request.headers
  if (header === undefined || isHead || (condition !== undefined && condition !== `"${digest}"`)) return undefined
  const range = rangeOf(header, sizeBytes)
  if (range === 'unsatisfiable')
    throw fault(416, 'SIZE_INVALID', `the blob has ${sizeBytes} bytes`, { headers: { 'content-range': `bytes */${sizeBytes}` } })
  return range
}

/** Returns the headers that say which range is sent. */
export function rangeHeaders({ from, to }: AskedRange, sizeBytes: number): Headers {
  return { 'content-range': `bytes ${from}-${to - 1}/${sizeBytes}`, 'content-length': to - from }
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

let readers = 0

/**
 * Sends a range of a file: the next piece is read while one is on its way, into two buffers by turns, so that a slow client costs these
 * and nothing more.
 */
export async function streamFile(file: FileHandle, from: number, to: number, response: ServerResponse): Promise<void> {
  readers++
  const size = Math.min(readers > fewReaders ? smallPieceBytes : pieceBytes, to - from)
  const buffers = [Buffer.allocUnsafeSlow(size), Buffer.allocUnsafeSlow(size)] as const
  const load = async (turn: number, at: number): Promise<Buffer> => {
    if (at >= to) return Buffer.alloc(0)
    const { bytesRead } = await file.read(buffers[(turn % 2) as 0 | 1], 0, Math.min(size, to - at), at)
    if (bytesRead === 0) throw new Error('bug: a blob became shorter while it was sent')
    return buffers[(turn % 2) as 0 | 1].subarray(0, bytesRead)
  }
  try {
    let turn = 0
    let at = from
    let piece = await load(turn, at)
    while (piece.length > 0) {
      at += piece.length
      const sent = written(response, piece)
      const next = load(++turn, at)
      next.catch(() => {})
      await sent
      piece = await next
    }
    response.end()
  } finally {
    readers--
  }
}

/** Resolves once bytes were handed over to the system, so that their memory may be used again. */
export async function written(response: ServerResponse, bytes: Uint8Array): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    if (response.destroyed || response.socket?.destroyed === true) {
      reject(fault(499 as number, 'UNKNOWN', 'the client went away'))
      return
    }
    const gone = (): void => reject(fault(499, 'UNKNOWN', 'the client went away'))
    response.once('close', gone)
    response.write(bytes, (error) => {
      response.off('close', gone)
      if (error === null || error === undefined) resolve()
      else reject(fault(499, 'UNKNOWN', 'the client went away'))
    })
  })
}
