import type { FastifyReply, FastifyRequest } from 'fastify'
import { RejoinError } from '../core/index.ts'
import { openRegular } from '../store/index.ts'
import { matches, spanOf } from './range.ts'

/** How a file is sent. */
export interface SentAs {
  readonly type: string
  /** its name is its digest, so that it never changes */
  readonly digest?: string
}

const pieceBytes = 256 * 1024
const immutable = 'public, max-age=31536000, immutable'

/** Answers with bytes that are in memory, or that nothing changed. */
export async function sendBytes(
  request: FastifyRequest,
  reply: FastifyReply,
  bytes: Uint8Array,
  { type, etag, cache }: { readonly type: string; readonly etag: string; readonly cache: string }
): Promise<FastifyReply> {
  reply.header('etag', etag).header('cache-control', cache).header('content-type', type)
  if (matches(request.headers['if-none-match'], etag)) return await reply.code(304).send()
  return await reply.send(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length))
}

/**
 * Answers with a file or a range of it, or that it did not change. Links and devices are not followed.
 * @throws E_NOT_FOUND E_BAD_OBJECT E_IO
 */
export async function sendFile(
  request: FastifyRequest,
  reply: FastifyReply,
  path: string,
  { type, digest }: SentAs
): Promise<FastifyReply> {
  const file = await openRegular(path)
  if (file === undefined) throw new RejoinError('E_NOT_FOUND', `there is no ${JSON.stringify(request.url.slice(0, 80))} here`)
  let handedOn = false
  try {
    const { size, mtimeMs, ino } = await file.stat()
    const etag =
      digest === undefined
        ? `"${ino.toString(36)}-${size.toString(36)}-${Math.round(mtimeMs * 1000).toString(36)}"`
        : `"${digest}"`
    reply
      .header('etag', etag)
      .header('cache-control', digest === undefined ? 'no-cache' : immutable)
      .header('accept-ranges', 'bytes')
      .header('content-type', type)
    const { headers, method } = request
    if (matches(headers['if-none-match'], etag)) return await reply.code(304).send()
    const isOther = headers['if-range'] !== undefined && headers['if-range'] !== etag
    const span = isOther || method === 'HEAD' ? undefined : spanOf(headers.range, size)
    if (span === 'none')
      return await reply
        .code(416)
        .type('application/json; charset=utf-8')
        .header('content-range', `bytes */${size}`)
        .send({ error: { code: 'E_USAGE', message: 'the range lies behind the end' } })
    const { from, to } = span ?? { from: 0, to: size }
    if (span !== undefined) reply.code(206).header('content-range', `bytes ${from}-${to - 1}/${size}`)
    reply.header('content-length', to - from)
    if (method === 'HEAD' || to === from) return await reply.send('')
    handedOn = true
    return await reply.send(file.createReadStream({ start: from, end: to - 1, highWaterMark: pieceBytes }))
  } finally {
    if (!handedOn) await file.close()
  }
}
