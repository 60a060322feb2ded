import type { FileHandle } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import type { Digest } from '../core/index.ts'
import type { Exchange, Headers } from './exchange.ts'
import { fault } from './fault.ts'
import { type AskedRange, rangeOf } from './range.ts'

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
