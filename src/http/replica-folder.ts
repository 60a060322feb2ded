import { join } from 'node:path'
import { blobPath, digestOf, isDigest, isLogId, RejoinError } from '../core/index.ts'
import type { Node } from '../node/index.ts'
import { sendBytes, sendFile } from './send-file.ts'
import type { HttpPart } from './part.ts'
import { tileAt } from './tiles.ts'

const binary = 'application/octet-stream'

/** The files of a replica that are served, and as what; nothing else of the data folder is. */
const files: readonly (readonly [RegExp, string])[] = [
  [/^(?:replica\.json|index\.json|oci-layout)$/, 'application/json'],
  [/^logs\/[a-z2-7]+\/checkpoint$/, 'text/plain; charset=utf-8'],
  [/^logs\/[a-z2-7]+\/(?:checkpoint\.cose|closed|fork)$/, 'application/octet-stream'],
  [/^logs\/[a-z2-7]+\/entries\/\d{6,12}\.ndjson$/, 'application/x-ndjson'],
  [/^frontiers\/[a-z0-9._-]{1,120}$/, 'application/octet-stream'],
  [/^receipts\/[a-z0-9-]{1,120}\/[a-z0-9][a-z0-9._-]{0,120}$/, 'application/octet-stream'],
  [/^parts\/sha(?:256|512)\/[0-9a-f]{2}\/[0-9a-f]{64,128}\/\d{5}$/, 'application/octet-stream']
]

const welcome = `This is a rejoin replica. Take what is here with

  rejoin sync <the address of this page>

heads lists the logs; logs/<logId>/entries/000000.ndjson and so on are their events, blobs/sha256/<hex> the blobs.
`

/** Serves the folder of a node as a stick has it: what is below `logs/` and `blobs/` is what the node passes on, and nothing else is there. */
export const replicaFolder: HttpPart = (node) => async (app) => {
  app.route<{ Params: { '*': string } }>({
    method: ['GET', 'HEAD'],
    url: '/replica/*',
    handler: async (request, reply) => {
      const path = request.params['*']
      if (path === '') return await reply.type('text/plain; charset=utf-8').send(welcome)
      if (path === 'heads') return await sendHeads(node, request, reply)
      const blob = /^blobs\/(sha256|sha512)\/([0-9a-f]+)$/.exec(path)
      const digest = `${blob?.[1]}:${blob?.[2]}`
      if (blob !== null && isDigest(digest))
        return await sendFile(request, reply, join(node.root, blobPath(digest)), { type: 'application/octet-stream', digest })
      const tile = /^logs\/([a-z2-7]+\/tile\/\d{1,2}\/(?:x\d{3}\/){0,4}\d{3}(?:\.p\/\d{1,3})?)$/.exec(path)?.[1]
      if (tile !== undefined) {
        const bytes = tileAt(node, tile)
        return await sendBytes(request, reply, bytes, { type: binary, etag: `"${digestOf(bytes)}"`, cache: 'no-cache' })
      }
      const [, type] = files.find(([form]) => form.test(path)) ?? []
      const log = /^logs\/([^/]+)\//.exec(path)?.[1]
      if (type === undefined || (log !== undefined && !isLogId(log)))
        throw new RejoinError('E_NOT_FOUND', `there is no ${JSON.stringify(path.slice(0, 80))} in a replica`)
      return await sendFile(request, reply, join(node.root, path), { type })
    }
  })
  await Promise.resolve()
}

async function sendHeads(
  node: Node,
  request: Parameters<typeof sendBytes>[0],
  reply: Parameters<typeof sendBytes>[1]
): ReturnType<typeof sendBytes> {
  if (!node.writer.lacksTail) node.writer.sign()
  const bytes = node.heads.bytes()
  return await sendBytes(request, reply, bytes, {
    type: 'text/plain; charset=utf-8',
    etag: `"${digestOf(bytes)}"`,
    cache: 'no-cache'
  })
}
