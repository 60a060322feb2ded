import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { createServer } from 'node:net'
import { dirname } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { randomBytes } from 'node:crypto'
import { socketPath } from '../node/control.ts'

/** Standard input, offered on a socket of the runtime directory, since the node that is to read it may be another process. */
export interface OfferedInput extends AsyncDisposable {
  readonly path: string
}

/** Offers standard input once, to the same user only. */
export async function offerInput(root: string): Promise<OfferedInput> {
  const path = `${socketPath(root).slice(0, -5)}.${randomBytes(3).toString('hex')}`
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const server = createServer((socket) => {
    server.close()
    // pipeline() listens only until it ends, and that the reader went away may be told after that
    socket.on('error', () => {})
    // whoever reads may have enough before the end
    pipeline(process.stdin, socket).catch(() => process.stdin.destroy())
  })
  server.listen(path)
  await once(server, 'listening')
  return {
    path,
    [Symbol.asyncDispose]: async () => {
      server.close()
      process.stdin.destroy()
      await Promise.resolve()
    }
  }
}
