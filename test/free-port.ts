import { once } from 'node:events'
import { createServer } from 'node:net'

/** Returns a TCP port of the loopback that nobody listens on now, for a program that must be told one. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { readonly port: number }
  server.close()
  await once(server, 'close')
  return port
}
