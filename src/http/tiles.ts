import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { concat, digestOf, isLogId, linesOf, parseTileIndex, RejoinError, tileWidth, tileWidthAt } from '../core/index.ts'
import type { Node } from '../node/index.ts'
import type { LogFolder } from '../store/index.ts'
import type { HttpPart } from './part.ts'
import { sendBytes } from './send-file.ts'

type Request = FastifyRequest<{ Params: { '*': string } }>
const binary = 'application/octet-stream'
const immutable = 'public, max-age=31536000, immutable'
const form =
  /^(?<log>[a-z2-7]+)\/(?:(?<checkpoint>checkpoint)|tile\/(?<level>0|[1-9]\d?|entries)\/(?<index>(?:x\d{3}\/)*\d{3})(?:\.p\/(?<width>[1-9]\d{0,2}))?)$/
const zip = promisify(gzip)

/** Serves each log as C2SP tlog-tiles, below `/logs/<logId>/`. @see c2sp.org/tlog-tiles, protocols/http.md */
export const tiles: HttpPart = (node) => async (app) => {
  app.route<{ Params: { '*': string } }>({
    method: ['GET', 'HEAD'],
    url: '/logs/*',
    handler: async (request, reply) => await answer(node, request, reply)
  })
  await Promise.resolve()
}

/**
 * Returns a tile of a log as of its newest checkpoint, by its path as a folder has it; a running node writes the unfinished ones only when it rests.
 * @throws E_NOT_FOUND
 */
export function tileAt(node: Node, path: string): Uint8Array {
  const { log = '', level = '', index = '', width } = form.exec(path)?.groups ?? {}
  const at = parseTileIndex(index)
  const folder = isLogId(log) ? node.store.folder(log) : undefined
  const wanted = width === undefined ? tileWidth : Number(width)
  if (folder?.checkpoint === undefined || at === undefined || wanted > tileWidthAt(folder.checkpoint.size, Number(level), at))
    throw absent('there is no such tile')
  return hashes(folder, Number(level), at, wanted)
}

async function answer(node: Node, request: Request, reply: FastifyReply): Promise<FastifyReply> {
  const asked = form.exec(request.params['*'])?.groups
  const { log = '', checkpoint, level, index = '', width } = asked ?? {}
  if (asked === undefined || !isLogId(log)) throw absent('this is no path of a log')
  if (log === node.log && !node.writer.lacksTail) node.writer.sign()
  const folder = node.store.folder(log)
  const head = folder?.checkpoint
  if (folder === undefined || head === undefined) throw absent(`log ${log} is not here`)
  if (checkpoint !== undefined) {
    const { note } = head
    return await sendBytes(request, reply, note, { type: 'text/plain; charset=utf-8', etag: etagOf(note), cache: 'no-cache' })
  }
  const at = parseTileIndex(index)
  const wanted = width === undefined ? tileWidth : Number(width)
  const isBundle = level === 'entries'
  if (
    at === undefined ||
    wanted > tileWidth - (width === undefined ? 0 : 1) ||
    wanted > tileWidthAt(head.size, isBundle ? 0 : Number(level), at)
  )
    throw absent(`log ${log} of ${head.size} entries has no such tile`)
  const bytes = isBundle ? bundle(folder, at, wanted) : hashes(folder, Number(level), at, wanted)
  const etag = etagOf(bytes)
  if (!isBundle) return await sendBytes(request, reply, bytes, { type: binary, etag, cache: immutable })
  // text may be withheld later: whoever keeps a bundle for ever would go on passing it on
  const cache = 'public, max-age=60'
  reply.header('vary', 'accept-encoding')
  if (!/\bgzip\b(?!\s*;\s*q=0(?:\.0*)?\s*(?:,|$))/.test(String(request.headers['accept-encoding'] ?? '')))
    return await sendBytes(request, reply, bytes, { type: binary, etag, cache })
  reply.header('content-encoding', 'gzip')
  return await sendBytes(request, reply, await zip(bytes), { type: binary, etag: etag.replace(/"$/, '-gzip"'), cache })
}

function absent(why: string): RejoinError {
  return new RejoinError('E_NOT_FOUND', why)
}

function etagOf(bytes: Uint8Array): string {
  return `"${digestOf(bytes)}"`
}

/** Returns the hashes of a tile; those of leaves from the lines, where there is no file. @throws E_NOT_FOUND where a withheld run hides them */
function hashes(folder: LogFolder, level: number, index: number, width: number): Uint8Array {
  if (level > 0) return folder.tiles.rootsOf(level, index * tileWidth, width)
  const file = folder.tiles.read(0, index)
  if (file !== undefined) return file.subarray(0, width * 32)
  const leaves: Uint8Array[] = []
  for (const { size, hash } of linesIn(folder, index, width)) {
    if (size > 1) throw absent(`entries of this tile are withheld here as one hash: only tiles of level 1 and up have it`)
    leaves.push(hash)
  }
  return concat(leaves)
}

/** Returns the entries of a bundle, each after its length. @throws E_NOT_FOUND where the text of any is not passed on */
function bundle(folder: LogFolder, index: number, width: number): Uint8Array {
  const parts: Uint8Array[] = []
  for (const { index: at, withheld, line } of linesIn(folder, index, width)) {
    if (withheld) throw absent(`the text of entry ${at} is withheld here; its hash is in tile/0 or above`)
    parts.push(Uint8Array.of(line.length >> 8, line.length & 255), line)
  }
  return concat(parts)
}

interface Line {
  readonly index: number
  readonly size: number
  readonly hash: Uint8Array
  readonly withheld: boolean
  readonly line: Uint8Array
}

function* linesIn({ entries }: LogFolder, tile: number, width: number): Generator<Line, void, void> {
  const to = tile * tileWidth + width
  for (let at = tile * tileWidth; at < to; ) {
    const block = entries.read(at, to)
    for (const { index, size, hash, withheld, start, end } of linesOf(block))
      yield { index, size, hash, withheld, line: block.text.subarray(start, end) }
    at = block.from + block.count
  }
}
