import { RejoinError } from '../core/index.ts'

/** Where to listen. */
export interface HttpAddress {
  readonly host: string
  readonly port: number
}

const form = /^(?:\[(?<six>[0-9A-Fa-f:.]{2,45})\]|(?<host>[A-Za-z0-9.-]{1,253}))?:?(?<port>\d{1,5})$/
const loopback = /^(?:127(?:\.\d{1,3}){3}|::1|localhost|(?:[a-z0-9-]+\.)+localhost)$/
const literal = /^(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9a-f:.]*:[0-9a-f:.]*)$/

/**
 * Returns the host and port of `HOST:PORT`, `[IPV6]:PORT` or a `PORT` alone, which is one of this machine only.
 * @throws E_USAGE
 */
export function parseHttpAddress(text: string): HttpAddress {
  const alone = /^:?\d{1,5}$/.test(text)
  const groups = alone ? { port: text.replace(':', '') } : text.includes(':') ? form.exec(text)?.groups : undefined
  const port = Number(groups?.['port'] ?? Number.NaN)
  if (groups === undefined || !(port <= 65_535))
    throw new RejoinError('E_USAGE', `${JSON.stringify(text.slice(0, 80))} is no address for HTTP`, {
      hint: 'give HOST:PORT, such as 127.0.0.1:8080; port 0 takes any that is free'
    })
  return { host: groups['six'] ?? groups['host'] ?? '127.0.0.1', port }
}

/** Returns whether only this machine reaches a host by this name. */
export function isLoopback(host: string): boolean {
  return loopback.test(host.toLowerCase())
}

/** Returns the address as a URL has it. */
export function urlOf({ host, port }: HttpAddress, isTls = false): string {
  return `${isTls ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${port}`
}

/**
 * Returns whether a request to a server on loopback names it by an address or as localhost. A page in a browser that has
 * its own name point to 127.0.0.1 (DNS rebinding) sends that name, and must read nothing.
 */
export function isLocalName(hostHeader: string | undefined): boolean {
  if (hostHeader === undefined) return true
  const name = hostHeader
    .replace(/:\d{1,5}$/, '')
    .replace(/^\[(.*)\]$/, '$1')
    .toLowerCase()
  return isLoopback(name) || literal.test(name)
}
