import { readFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { resolve } from 'node:path'
import { createSecureContext } from 'node:tls'
import Fastify, { type FastifyError, type FastifyInstance } from 'fastify'
import { RejoinError } from '../core/index.ts'
import { type NetLog, noLog } from '../net/index.ts'
import type { Live, Node } from '../node/index.ts'
import { registry } from '../registry/index.ts'
import { type HttpAddress, isLocalName, isLoopback, parseHttpAddress, urlOf } from './address.ts'
import { answerOf } from './answer.ts'
import type { HttpPart } from './part.ts'
import { gateway } from './gateway.ts'
import { replicaFolder } from './replica-folder.ts'
import { tiles } from './tiles.ts'

/** How the HTTP port is opened. */
export interface HttpOptions {
  readonly log?: NetLog
  /** the node's network, where it is up */
  readonly live?: Live | undefined
}

/** The HTTP port of a node, open. */
export interface HttpServer extends AsyncDisposable {
  /** e.g. `http://127.0.0.1:8080`, with the port that it really has */
  readonly url: string
}

const maxHeaderBytes = 16 * 1024
const maxBodyBytes = 1024 * 1024
const maxConnections = 512
const maxParamChars = 512
const headersTimeoutMs = 10_000
const idleTimeoutMs = 60_000
const keepAliveMs = 30_000
/** how long requests under way may take when the node goes down */
const graceMs = 2000

/** What the HTTP port serves, in this order. Each part is encapsulated: its hooks and its errors are its own. */
const parts: readonly HttpPart[] = [replicaFolder, tiles, gateway, (node, live) => registry(node, { live })]

/**
 * Opens the HTTP port of a node: read-only, and only what the node passes on.
 * @param address `HOST:PORT`
 * @throws E_USAGE for a bad address · E_EXISTS where it is taken · E_PERMISSION E_IO
 */
export async function openHttp(node: Node, address: string, { log = noLog, live }: HttpOptions = {}): Promise<HttpServer> {
  const where = parseHttpAddress(address)
  const tls = certificateOf(node)
  const app = makeApp(log, tls)
  if (isLoopback(where.host)) refuseForeignNames(app)
  for (const part of parts) await app.register(part(node, live))
  const unused = unusedSockets(app)
  await listen(app, where)
  const bound = app.server.address()
  const url = urlOf(
    { host: where.host, port: typeof bound === 'object' && bound !== null ? bound.port : where.port },
    tls !== undefined
  )
  node.http = url
  log.info({ url }, 'HTTP is served')
  return {
    url,
    async [Symbol.asyncDispose]() {
      node.http = undefined
      for (const socket of unused) socket.destroy()
      const timer = setTimeout(() => app.server.closeAllConnections(), graceMs)
      await app.close()
      clearTimeout(timer)
    }
  }
}

/** A certificate and its key, PEM. */
interface Certificate {
  readonly cert: Buffer
  readonly key: Buffer
}

/** Returns the certificate that config.yaml names, undefined where it names none. @throws E_CONFIG where it can't be used */
function certificateOf({ config: { tls }, root }: Node): Certificate | undefined {
  if (tls.cert === '') return undefined
  try {
    const found = { cert: readFileSync(resolve(root, tls.cert)), key: readFileSync(resolve(root, tls.key)) }
    createSecureContext(found)
    return found
  } catch (cause) {
    throw new RejoinError('E_CONFIG', `config.yaml: the certificate of tls can't be used: ${(cause as Error).message}`, { cause })
  }
}

function makeApp(log: NetLog, tls: Certificate | undefined): FastifyInstance {
  const app = Fastify({
    logger: false,
    bodyLimit: maxBodyBytes,
    connectionTimeout: idleTimeoutMs,
    keepAliveTimeout: keepAliveMs,
    requestTimeout: 0,
    ...(tls === undefined
      ? { http: { maxHeaderSize: maxHeaderBytes, headersTimeout: headersTimeoutMs } }
      : { https: { ...tls, maxHeaderSize: maxHeaderBytes, headersTimeout: headersTimeoutMs } }),
    routerOptions: { maxParamLength: maxParamChars }
  })
  app.server.maxConnections = maxConnections
  // on the raw answer, so that a stream that is hijacked has them too
  app.addHook('onRequest', async (_request, { raw }) => {
    raw.setHeader('x-content-type-options', 'nosniff')
    raw.setHeader('content-security-policy', "default-src 'none'; frame-ancestors 'none'; sandbox")
    raw.setHeader('referrer-policy', 'no-referrer')
    await Promise.resolve()
  })
  app.addHook('onResponse', async ({ method, url, ip }, reply) => {
    log.debug(
      { method, path: url.slice(0, 200), status: reply.statusCode, from: ip, ms: Math.round(reply.elapsedTime) },
      'request'
    )
    await Promise.resolve()
  })
  app.setErrorHandler(async (error: FastifyError | RejoinError, request, reply) => {
    reply.header('cache-control', 'no-store').type('application/json; charset=utf-8')
    for (const name of ['content-encoding', 'etag', 'content-disposition', 'content-length']) reply.removeHeader(name)
    if (error instanceof RejoinError) {
      const { status, body } = answerOf(error)
      return await reply.code(status).send(body)
    }
    const { statusCode = 500 } = error
    if (statusCode >= 500) log.error({ path: request.url.slice(0, 200) }, `bug: ${error.stack ?? error.message}`)
    const code = statusCode === 413 ? 'E_TOO_LARGE' : statusCode >= 500 ? 'E_IO' : 'E_USAGE'
    const message = statusCode >= 500 ? 'the node failed to answer this' : error.message
    return await reply.code(statusCode).send({ error: { code, message } })
  })
  app.setNotFoundHandler(async ({ method, url }, reply) => {
    if (method !== 'GET' && method !== 'HEAD')
      return await reply
        .code(405)
        .header('allow', 'GET, HEAD')
        .send({ error: { code: 'E_USAGE', message: `nothing here takes ${method}` } })
    const { status, body } = answerOf(new RejoinError('E_NOT_FOUND', `there is no ${JSON.stringify(url.slice(0, 80))} here`))
    return await reply.code(status).send(body)
  })
  return app
}

/** Returns the connections that nothing was asked on yet: the server itself would wait for these when it closes. */
function unusedSockets({ server }: FastifyInstance): ReadonlySet<Socket> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  server.on('request', ({ socket }) => sockets.delete(socket))
  return sockets
}

function refuseForeignNames(app: FastifyInstance): void {
  app.addHook('onRequest', async ({ headers: { host } }, reply) => {
    if (isLocalName(host)) return
    const { body } = answerOf(
      new RejoinError('E_REFUSED', 'this node serves this machine only, and is not called by that name', {
        hint: 'use 127.0.0.1 or localhost, or let the node listen on another address'
      })
    )
    await reply.code(421).send(body)
  })
}

async function listen(app: FastifyInstance, { host, port }: HttpAddress): Promise<void> {
  try {
    await app.listen({ host, port })
  } catch (cause) {
    await app.close()
    const { code } = cause as NodeJS.ErrnoException
    const url = urlOf({ host, port })
    if (code === 'EADDRINUSE')
      throw new RejoinError('E_EXISTS', `${url} is in use already`, {
        cause,
        hint: 'give another port with --http, or port 0 for any that is free'
      })
    if (code === 'EACCES')
      throw new RejoinError('E_PERMISSION', `not permitted to listen on ${url}`, { cause, hint: 'take a port from 1024 on' })
    throw new RejoinError('E_IO', `cannot listen on ${url} (${code ?? 'unknown'})`, {
      cause,
      hint: 'give an address of this machine, such as 127.0.0.1:8080'
    })
  }
}
