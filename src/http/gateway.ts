import { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { type Cid, carHeader, concat, equal, hashOfCid, RejoinError, sha256 } from '../core/index.ts'
import type { Node } from '../node/index.ts'
import { carOf, type CarSource } from './car-stream.ts'
import { cidOf, type IpfsQuery, type IpfsWant, spanOfEntity, wantOf } from './ipfs-ask.ts'
import { type IpfsBlock, IpfsIndex } from './ipfs-index.ts'
import type { HttpPart } from './part.ts'
import { matches } from './range.ts'

type Request = FastifyRequest<{ Params: { '*': string }; Querystring: IpfsQuery }>

const immutable = 'public, max-age=29030400, immutable'
/** the largest block that others take; a larger blob is had by the CID of its DAG */
const maxBlockBytes = 2 * 1024 * 1024
const maxIdentityBytes = 128
const [rawCodec, dagPbCodec, identityHash, sha256Hash] = [0x55, 0x70, 0x00, 0x12]

/** Serves the blobs that are passed on as an IPFS trustless gateway: blocks and CARs, which who asked verifies. @see specs.ipfs.tech/http-gateways/trustless-gateway */
export const gateway: HttpPart = (node) => async (app) => {
  const index = new IpfsIndex(node)
  app.route<{ Params: { '*': string }; Querystring: IpfsQuery }>({
    method: ['GET', 'HEAD'],
    url: '/ipfs/*',
    handler: async (request, reply) => await answer(node, index, request, reply)
  })
  await Promise.resolve()
}

async function answer(node: Node, index: IpfsIndex, request: Request, reply: FastifyReply): Promise<FastifyReply> {
  const [text = '', ...path] = request.params['*'].split('/')
  const cid = cidOf(text)
  const { accept } = request.headers
  const want = wantOf(request.query, accept)
  if (want === undefined)
    return await reply.code(406).send({
      error: { code: 'E_USAGE', message: 'only application/vnd.ipld.raw and application/vnd.ipld.car; version=1 are served' }
    })
  if (path.some((part) => part !== '')) {
    if (want.kind === 'raw') throw new RejoinError('E_USAGE', 'a raw block has no path below its CID')
    throw absent(`nothing lies below ${text.slice(0, 80)}: what is served here are files`)
  }
  reply.header('vary', 'accept')
  const name = cid.toString()
  if (cid.multihash.code === identityHash) {
    if (cid.code !== rawCodec || cid.multihash.digest.length > maxIdentityBytes)
      throw absent(`${name.slice(0, 80)} is not served here`)
    if (want.kind === 'raw') return await sendRaw(request, reply, name, async () => await Promise.resolve(cid.multihash.digest))
    return await sendCar(
      request,
      reply,
      name,
      want,
      (async function* () {
        yield await Promise.resolve(carHeader(name))
      })()
    )
  }
  const isKnown = cid.multihash.code === sha256Hash && (cid.code === rawCodec || cid.code === dagPbCodec)
  const found = isKnown ? await index.find(name as Cid, cid.code === rawCodec, cid.multihash.digest) : undefined
  if (found === undefined) {
    if (/only-if-cached/.test(request.headers['cache-control'] ?? '')) return await reply.code(412).send()
    throw absent(`${name.slice(0, 80)} is not here`)
  }
  if (want.kind === 'raw') return await sendRaw(request, reply, name, async () => await blockOf(node, name as Cid, found))
  return await sendFile(node, index, request, reply, name as Cid, want, found)
}

function absent(why: string): RejoinError {
  return new RejoinError('E_NOT_FOUND', why)
}

/** Sets what all answers have. @returns whether who asks has it already */
function begin(request: Request, reply: FastifyReply, name: string, kind: 'raw' | 'car', etag: string): boolean {
  reply
    .header('etag', etag)
    .header('cache-control', immutable)
    .header('content-disposition', `attachment; filename="${name}.${kind === 'raw' ? 'bin' : 'car'}"`)
  if (request.query['format'] === undefined) reply.header('content-location', `/ipfs/${name}?format=${kind}`)
  return matches(request.headers['if-none-match'], etag)
}

async function sendRaw(
  request: Request,
  reply: FastifyReply,
  name: string,
  read: () => Promise<Uint8Array>
): Promise<FastifyReply> {
  if (begin(request, reply, name, 'raw', `"${name}.raw"`)) return await reply.code(304).send()
  const bytes = await read()
  return await reply.type('application/vnd.ipld.raw').send(Buffer.from(bytes))
}

async function blockOf({ blobs }: Node, cid: Cid, found: IpfsBlock): Promise<Uint8Array> {
  if (found.kind === 'node') return found.bytes
  if (found.kind === 'blob' && found.sizeBytes > maxBlockBytes)
    throw new RejoinError('E_NOT_FOUND', `blob ${found.digest} has ${found.sizeBytes} bytes, too many for a block`, {
      hint: 'ask for the CID of its DAG, which the event about it has as cid'
    })
  const { from, to } = found.kind === 'blob' ? { from: 0, to: found.sizeBytes } : found
  const bytes = concat(await Array.fromAsync(blobs.read(found.digest, { from, to })))
  if (!equal(sha256(bytes), hashOfCid(cid))) throw new RejoinError('E_DAMAGED', `block ${cid} is damaged here`)
  return bytes
}

async function sendCar(
  request: Request,
  reply: FastifyReply,
  name: string,
  want: Extract<IpfsWant, { kind: 'car' }>,
  stream: AsyncGenerator<Uint8Array, void, void>
): Promise<FastifyReply> {
  const { dups, scope, bytes } = want
  const part = bytes === undefined ? scope : `entity.${bytes.first}-${bytes.last ?? 'end'}`
  const etag = `"${name}.car.dfs.${dups ? 'y' : 'n'}.${part}"`
  if (begin(request, reply, name, 'car', etag)) return await reply.code(304).send()
  reply.type(`application/vnd.ipld.car; version=1; order=dfs; dups=${dups ? 'y' : 'n'}`)
  if (request.method === 'HEAD') return await reply.send('')
  return await reply.send(Readable.from(stream, { objectMode: false, highWaterMark: 1 }))
}

async function sendFile(
  node: Node,
  index: IpfsIndex,
  request: Request,
  reply: FastifyReply,
  root: Cid,
  want: Extract<IpfsWant, { kind: 'car' }>,
  found: IpfsBlock
): Promise<FastifyReply> {
  const { from, to } = found.kind === 'blob' ? { from: 0, to: found.sizeBytes } : found
  if (found.kind === 'blob' && to > maxBlockBytes) await blockOf(node, root, found)
  const sizeBytes = to - from
  const { scope, dups, bytes } = want
  const span = bytes === undefined || sizeBytes === 0 ? { from: 0, to: sizeBytes } : spanOfEntity(bytes, sizeBytes)
  if (span === undefined)
    throw new RejoinError('E_USAGE', `the bytes that are asked for lie outside of the ${sizeBytes} that are there`)
  const source: CarSource = {
    root,
    sizeBytes,
    nodeOf: (cid) => index.nodeOf(cid),
    // a blob in one block is longer than a chunk may be
    read: async (first, end) =>
      concat(
        await Array.fromAsync(node.blobs.read(found.digest, { from: from + first, to: found.kind === 'blob' ? to : from + end }))
      )
  }
  return await sendCar(
    request,
    reply,
    root,
    want,
    carOf(source, { dups, span: scope === 'block' && bytes === undefined ? undefined : span })
  )
}
