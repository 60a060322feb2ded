import { once } from 'node:events'
import { createServer, request as httpRequest, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A request that went through. */
export interface Passed {
  readonly method: string
  readonly path: string
  readonly status: number
  /** of the answer's body */
  bytes: number
}

/** A proxy before a registry that counts what goes through it, and breaks connections where it is told to. */
export class CountingProxy implements AsyncDisposable {
  readonly url: string
  passed: Passed[] = []
  /** breaks the connection of a request that it returns true for; answers with a status where it returns one */
  breaks: (method: string, path: string) => boolean | number = () => false
  /** what happens before a request goes on */
  before: (method: string, path: string) => Promise<void> = async () => await Promise.resolve()
  private readonly server: Server

  private constructor(server: Server) {
    this.server = server
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  }

  /** Opens one before the registry at a URL. */
  static async open(target: string): Promise<CountingProxy> {
    let proxy: CountingProxy | undefined
    const server = createServer((request, response) => {
      const { method = 'GET', url = '/', headers } = request
      const breaks = proxy?.breaks(method, url) ?? false
      if (breaks !== false) {
        if (breaks === true) request.socket.destroy()
        else response.writeHead(breaks).end()
        return
      }
      const { host: _, ...passed } = headers
      const onward = httpRequest(new URL(url, target), { method, headers: passed }, (answer) => {
        const one: Passed = { method, path: url.replace(/\?.*/, ''), status: answer.statusCode ?? 0, bytes: 0 }
        proxy?.passed.push(one)
        answer.on('data', (part: Buffer) => (one.bytes += part.length))
        response.writeHead(one.status, answer.headers)
        answer.pipe(response)
      })
      onward.on('error', () => response.destroy())
      void (proxy?.before(method, url) ?? Promise.resolve()).then(() => request.pipe(onward))
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    proxy = new CountingProxy(server)
    return proxy
  }

  /** Returns what went through since it was last asked, as METHOD KIND STATUS with counts. */
  take(): Readonly<Record<string, number>> {
    const counts: Record<string, number> = {}
    for (const { method, path, status } of this.passed.splice(0)) {
      const kind = /\/(_catalog|tags|manifests|blobs|referrers)(?:\/|$)/.exec(path)?.[1] ?? path
      const key = `${method} ${kind} ${status}`
      counts[key] = (counts[key] ?? 0) + 1
    }
    return counts
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.server.closeAllConnections()
    this.server.close()
    await once(this.server, 'close')
  }
}
