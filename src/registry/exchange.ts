import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Access } from './access.ts'
import { piecesOf } from './body.ts'
import { fault, type FaultCode, type RegistryFault } from './fault.ts'

/** One request with its answer. */
export interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly method: string
  readonly query: URLSearchParams
  readonly isHead: boolean
  readonly access: Access
}

/** Headers of an answer. */
export type Headers = Readonly<Record<string, string | number | readonly string[]>>

/** Sends an answer; the body is left out for HEAD. */
export function send({ response, isHead }: Exchange, status: number, headers: Headers, body?: Uint8Array): void {
  const length =
    body === undefined ? (status === 204 || status === 304 ? {} : { 'content-length': 0 }) : { 'content-length': body.length }
  response.writeHead(status, { ...length, ...headers } as Record<string, string | number | string[]>)
  response.end(isHead || status === 304 ? undefined : body)
}

/** Sends a JSON answer. */
export function sendJson(exchange: Exchange, value: unknown, headers: Headers = {}): void {
  send(exchange, 200, { 'content-type': 'application/json', ...headers }, Buffer.from(JSON.stringify(value)))
}

/** Returns how many bytes a request says that its body has, undefined where it does not say. */
export function lengthOf({ request }: Exchange): number | undefined {
  const said = request.headers['content-length']
  return said === undefined ? undefined : Number(said)
}

/** Reads a body that must be small. @throws the given fault where it has more than `maxBytes` · SIZE_INVALID where it ends too early */
export async function readBody(exchange: Exchange, maxBytes: number, code: FaultCode): Promise<Buffer> {
  const tooLarge = (): RegistryFault => fault(413, code, `the body is over the limit of ${maxBytes} bytes`)
  const said = lengthOf(exchange)
  if (said !== undefined && said > maxBytes) throw tooLarge()
  const parts: Buffer[] = []
  let sizeBytes = 0
  for await (const part of piecesOf(exchange.request)) {
    sizeBytes += part.length
    if (sizeBytes > maxBytes) throw tooLarge()
    parts.push(part)
  }
  if (said !== undefined && said !== sizeBytes)
    throw fault(400, 'SIZE_INVALID', `${sizeBytes} bytes came where ${said} were said to come`)
  return parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts)
}

const dumpBytes = 4 * 1024 * 1024

/** Lets go of a body that nobody wants: a small one is read away, so that the connection can go on; else the connection ends with the answer. */
export function dropBody({ request, response }: Exchange): void {
  if (request.readableEnded || request.destroyed) return
  const said = Number(request.headers['content-length'] ?? Number.POSITIVE_INFINITY)
  if (
    request.headers['transfer-encoding'] === undefined &&
    (Number.isNaN(said) || said === Number.POSITIVE_INFINITY || said <= dumpBytes)
  ) {
    request.resume()
    return
  }
  if (!response.headersSent) response.setHeader('connection', 'close')
  request.resume()
  let left = dumpBytes
  request.on('data', (part: Buffer) => {
    left -= part.length
    if (left < 0) request.destroy()
  })
}
