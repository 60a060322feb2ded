import type { FastifyPluginAsync } from 'fastify'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { RejoinError } from '../core/index.ts'
import type { Live, Node } from '../node/index.ts'
import { AnswerCache } from './cache.ts'
import { Contents } from './contents.ts'
import type { RegistryContext } from './context.ts'
import { dropBody, type Exchange, sendJson } from './exchange.ts'
import { answerFault, fault, faultOf, RegistryFault } from './fault.ts'
import { Fetches } from './fetches.ts'
import { GroupPut } from './group-put.ts'
import { sendCatalog, sendReferrers, sendTags } from './lists.ts'
import { pullBlob } from './pull-blob.ts'
import { pullManifest } from './pull-manifest.ts'
import { addChunk, beginUpload, cancelUpload, closeUpload, needSession, showUpload } from './push-blob.ts'
import { pushManifest } from './push-manifest.ts'
import { removeBlob, removeManifest } from './remove.ts'
import { Roots } from './roots.ts'
import { mustBeDigest, type Route, routeOf } from './route.ts'
import { Uploads } from './uploads.ts'

/** How the registry of a node is served. */
export interface RegistryOptions {
  /** the node's network, where it is up: what is known and not here is fetched from peers */
  readonly live?: Live | undefined
  /** an upload that nobody adds to is deleted after this */
  readonly uploadExpiryMs?: number
}

const dayMs = 86_400_000
const version = { 'docker-distribution-api-version': 'registry/2.0' }

/** Returns the OCI registry of a node, `/v2/`, as a plugin. @see protocols/registry.md */
export function registry(node: Node, options: RegistryOptions = {}): FastifyPluginAsync {
  return async (app) => {
    const stopping = new AbortController()
    const context = openContext(node, options, stopping.signal)
    app.addHook('onClose', async () => {
      stopping.abort(new RejoinError('E_TERMINATED', 'the node is going down'))
      await context.uploads[Symbol.asyncDispose]()
      context.roots[Symbol.dispose]()
      context.cache[Symbol.dispose]()
      context.contents[Symbol.dispose]()
    })
    // bodies are streams that the parts read themselves
    app.removeAllContentTypeParsers()
    app.addContentTypeParser('*', (_request, _payload, done) => done(null))
    const serve = (
      request: { readonly raw: IncomingMessage },
      reply: { readonly raw: ServerResponse; hijack: () => unknown }
    ): void => {
      reply.hijack()
      void answer(context, request.raw, reply.raw)
    }
    app.all('/v2', serve)
    app.all('/v2/*', serve)
    await Promise.resolve()
  }
}

function openContext(node: Node, { live, uploadExpiryMs = dayMs }: RegistryOptions, signal: AbortSignal): RegistryContext {
  const turns = new Map<string, Promise<unknown>>()
  return {
    node,
    live,
    signal,
    cache: new AnswerCache(node),
    contents: new Contents(node),
    uploads: new Uploads(node.blobs, uploadExpiryMs),
    fetches: new Fetches(node, live, signal),
    groupPut: new GroupPut(node.blobs),
    roots: new Roots(node.blobs.index, (error) => node.say(`index.json can't be written: ${(error as Error).message}`)),
    inTurn: async (key, work) => {
      const run = (turns.get(key) ?? Promise.resolve()).then(work, work)
      turns.set(key, run)
      try {
        return await run
      } finally {
        if (turns.get(key) === run) turns.delete(key)
      }
    }
  }
}

async function answer(context: RegistryContext, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { url = '/', method = 'GET' } = request
  const mark = url.indexOf('?')
  const exchange: Exchange = {
    request,
    response,
    method,
    isHead: method === 'HEAD',
    query: new URLSearchParams(mark < 0 ? '' : url.slice(mark + 1))
  }
  try {
    response.setHeader('docker-distribution-api-version', version['docker-distribution-api-version'])
    const route = routeOf(mark < 0 ? url : url.slice(0, mark))
    if (route === undefined) throw fault(404, 'UNSUPPORTED', 'there is nothing of that name below /v2/')
    await dispatch(context, exchange, route)
  } catch (error) {
    if (request.destroyed && !request.complete) {
      response.destroy()
      return
    }
    if (!(error instanceof RegistryFault) && !(error instanceof RejoinError))
      context.node.say(
        `bug: the registry failed to answer ${method} ${url.slice(0, 200)}: ${(error as Error).stack ?? String(error)}`
      )
    dropBody(exchange)
    answerFault(response, faultOf(error), exchange.isHead)
  }
}

async function dispatch(context: RegistryContext, exchange: Exchange, route: Route): Promise<void> {
  const method = exchange.isHead ? 'GET' : exchange.method
  switch (route.kind) {
    case 'base':
      if (method === 'GET') return sendJson(exchange, {})
      throw notAllowed('GET, HEAD')
    case 'catalog':
      if (method === 'GET') return await sendCatalog(context, exchange)
      throw notAllowed('GET, HEAD')
    case 'tags':
      if (method === 'GET') return await sendTags(context, exchange, route.name)
      throw notAllowed('GET, HEAD')
    case 'referrers':
      if (method === 'GET') return await sendReferrers(context, exchange, route.name, route.digest)
      throw notAllowed('GET, HEAD')
    case 'manifest':
      if (method === 'GET') return await pullManifest(context, exchange, route.name, route.reference)
      if (method === 'PUT') return await pushManifest(context, exchange, route.name, route.reference)
      if (method === 'DELETE') return await removeManifest(context, exchange, route.name, route.reference)
      throw notAllowed('GET, HEAD, PUT, DELETE')
    case 'blob':
      if (method === 'GET') return await pullBlob(context, exchange, route.name, route.digest)
      if (method === 'DELETE') return await removeBlob(context, exchange, route.name, route.digest)
      throw notAllowed('GET, HEAD, DELETE')
    case 'uploads':
      if (method === 'POST') return await beginUpload(context, exchange, route.name)
      throw notAllowed('POST')
    case 'upload':
      return await onUpload(context, exchange, route.name, route.id)
  }
}

async function onUpload(context: RegistryContext, exchange: Exchange, name: string, id: string): Promise<void> {
  const session = needSession(context, name, id)
  switch (exchange.isHead ? 'GET' : exchange.method) {
    case 'GET':
      return showUpload(context, exchange, session)
    case 'PATCH':
      return await addChunk(context, exchange, session)
    case 'PUT':
      return await closeUpload(context, exchange, session, mustBeDigest(exchange.query.get('digest'), 400))
    case 'DELETE':
      return await cancelUpload(context, exchange, session)
    default:
      throw notAllowed('GET, HEAD, PATCH, PUT, DELETE')
  }
}

function notAllowed(allow: string): RegistryFault {
  return fault(405, 'UNSUPPORTED', `this takes ${allow} only`, { headers: { allow } })
}
