import type { FastifyPluginAsync } from 'fastify'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { isRepository, parseDuration, RejoinError } from '../core/index.ts'
import { type Live, type Node, type TokenAction, Tokens } from '../node/index.ts'
import { type Access, challenge, Gatekeeper, isLocal } from './access.ts'
import { AnswerCache } from './cache.ts'
import { Contents } from './contents.ts'
import type { RegistryContext } from './context.ts'
import { dropBody, type Exchange, sendJson } from './exchange.ts'
import { answerFault, fault, faultOf, RegistryFault } from './fault.ts'
import { Fetches } from './fetches.ts'
import { FreshUploads } from './fresh-uploads.ts'
import { sendCatalog, sendReferrers, sendTags } from './lists.ts'
import { pullBlob } from './pull-blob.ts'
import { pullManifest } from './pull-manifest.ts'
import { addChunk, beginUpload, cancelUpload, closeUpload, needSession, showUpload } from './push-blob.ts'
import { pushManifest } from './push-manifest.ts'
import { removeBlob, removeManifest } from './remove.ts'
import { Rates } from './rates.ts'
import { Roots } from './roots.ts'
import { mustBeDigest, type Route, routeOf } from './route.ts'
import { Uploads } from './uploads.ts'

/** How the registry of a node is served. */
export interface RegistryOptions {
  /** the node's network, where it is up: what is known and not here is fetched from peers */
  readonly live?: Live | undefined
}

const dayMs = 86_400_000
const burstSeconds = 5
/** wrong tokens that an address may show in a second, on average, and ten at once */
const failuresPerSecond = 0.2
const failureBurst = 50
const version = { 'docker-distribution-api-version': 'registry/2.0' }

/** Returns the OCI registry of a node, `/v2/`, as a plugin. @see protocols/registry.md */
export function registry(node: Node, options: RegistryOptions = {}): FastifyPluginAsync {
  return async (app) => {
    const stopping = new AbortController()
    const context = openContext(node, options, stopping.signal)
    app.addHook('onClose', async () => {
      stopping.abort(new RejoinError('E_TERMINATED', 'the node is going down'))
      await context.uploads[Symbol.asyncDispose]()
      await context.freshUploads[Symbol.asyncDispose]()
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
    app.all('/token', (request, reply) => {
      reply.hijack()
      answerToken(context, request.raw, reply.raw)
    })
    app.all('/v2', serve)
    app.all('/v2/*', serve)
    await Promise.resolve()
  }
}

function openContext(node: Node, options: RegistryOptions, signal: AbortSignal): RegistryContext {
  const { live } = options
  const { loopback, requestsPerSecond, uploadExpiry } = node.config.registry
  const turns = new Map<string, Promise<unknown>>()
  return {
    node,
    live,
    signal,
    gatekeeper: new Gatekeeper(new Tokens(node.root), loopback),
    rates: new Rates(requestsPerSecond, burstSeconds),
    failures: new Rates(failuresPerSecond, failureBurst),
    cache: new AnswerCache(node),
    contents: new Contents(node),
    uploads: new Uploads(node.blobs, parseDuration(uploadExpiry) ?? dayMs),
    fetches: new Fetches(node, live, signal),
    freshUploads: new FreshUploads(node.blobs, (error) => node.say(`small uploads were lost: ${error.message}`)),
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
  const isHead = method === 'HEAD'
  const query = new URLSearchParams(mark < 0 ? '' : url.slice(mark + 1))
  const unknown = { request, response, method, isHead, query, access: nothing }
  try {
    response.setHeader('docker-distribution-api-version', version['docker-distribution-api-version'])
    const route = routeOf(mark < 0 ? url : url.slice(0, mark))
    const exchange: Exchange = { ...unknown, access: admit(context, request, route) }
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
    dropBody(unknown)
    answerFault(response, faultOf(error), isHead)
  }
}

const nothing: Access = { may: () => false, isAll: false }

/** Returns what a request may do. @throws TOOMANYREQUESTS UNAUTHORIZED DENIED */
function admit(context: RegistryContext, request: IncomingMessage, route: Route | undefined): Access {
  const { gatekeeper } = context
  if (!isLocal(request)) mustNotFlood(context, request)
  const access = gatekeeper.accessOf(request)
  const name = route !== undefined && 'name' in route ? route.name : undefined
  const action: TokenAction = request.method === 'GET' || request.method === 'HEAD' ? 'pull' : 'push'
  const wanted =
    name === undefined || !isRepository(name) ? undefined : `repository:${name}:${action === 'push' ? 'pull,push' : 'pull'}`
  if (access === undefined) {
    if (request.headers.authorization !== undefined) noteFailure(context, request)
    throw challenge(request, wanted)
  }
  // uploads are looked at by those who make them
  const needed = route?.kind === 'upload' ? 'push' : action
  if (name === undefined || access.may(needed, name)) return access
  if (request.headers.authorization === undefined) throw challenge(request, wanted)
  throw fault(403, 'DENIED', `this token may not ${needed} ${needed === 'push' ? 'to' : 'from'} ${name.slice(0, 80)}`)
}

const tooMany = (): RegistryFault =>
  fault(429, 'TOOMANYREQUESTS', 'too many requests from this address', { headers: { 'retry-after': '5' } })

function mustNotFlood({ rates }: RegistryContext, { socket }: IncomingMessage): void {
  if (!rates.take(socket.remoteAddress ?? '', performance.now())) throw tooMany()
}

function noteFailure({ failures }: RegistryContext, { socket }: IncomingMessage): void {
  if (!failures.take(socket.remoteAddress ?? '', performance.now())) throw tooMany()
}

/** Exchanges a token for one that is good for a short time, as Docker's clients ask for it. */
function answerToken(context: RegistryContext, request: IncomingMessage, response: ServerResponse): void {
  request.resume()
  try {
    if (request.method !== 'GET') throw notAllowed('GET')
    if (!isLocal(request)) mustNotFlood(context, request)
    const token = context.gatekeeper.tokenOf(request)
    if (token === undefined) {
      if (request.headers.authorization !== undefined) noteFailure(context, request)
      throw fault(401, 'UNAUTHORIZED', 'a token is needed as the password', {
        headers: { 'www-authenticate': 'Basic realm="rejoin"' }
      })
    }
    const nowMs = Date.now()
    const grant = context.gatekeeper.grant(token, nowMs)
    const body = {
      token: grant.token,
      access_token: grant.token,
      expires_in: grant.expiresIn,
      issued_at: new Date(nowMs).toISOString()
    }
    response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-store' })
    response.end(JSON.stringify(body))
  } catch (error) {
    answerFault(response, faultOf(error), false)
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
