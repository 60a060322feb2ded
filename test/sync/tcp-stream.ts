import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { RejoinError } from '../../src/core/index.ts'
import type { ByteStream } from '../../src/sync/byte-stream.ts'

/** Returns a TCP socket as ByteStream. */
export function streamOfSocket(socket: Socket): ByteStream {
  const gone = (cause?: unknown): RejoinError => new RejoinError('E_GONE', 'the socket is closed', { cause })
  socket.on('error', () => {})
  return {
    send: async (bytes) => {
      if (socket.destroyed) throw gone()
      if (socket.write(bytes)) return
      await new Promise<void>((resolve, reject) => {
        const onDrain = (): void => {
          socket.off('close', onClose)
          resolve()
        }
        const onClose = (): void => {
          socket.off('drain', onDrain)
          reject(gone())
        }
        socket.once('drain', onDrain)
        socket.once('close', onClose)
      })
    },
    close: async () => {
      if (socket.writable) socket.end()
      await Promise.resolve()
    },
    abort: (error) => void socket.destroy(error),
    async *[Symbol.asyncIterator]() {
      try {
        for await (const bytes of socket) yield bytes as Uint8Array
      } catch (cause) {
        throw gone(cause)
      }
    }
  }
}

/** Returns a listening server on the loopback, that gives each connection as stream. */
export async function listenTcp(
  onStream: (stream: ByteStream) => void
): Promise<{ readonly server: Server; readonly port: number }> {
  const server = createServer({ allowHalfOpen: true, highWaterMark: 256 * 1024 }, (socket) => onStream(streamOfSocket(socket)))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { server, port: (server.address() as AddressInfo).port }
}

/** Returns a new connection as stream. */
export async function connectTcp(port: number): Promise<ByteStream> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  await once(socket, 'connect')
  return streamOfSocket(socket)
}
