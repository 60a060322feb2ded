import { createHash } from 'node:crypto'
import { chmodSync, mkdirSync, realpathSync, unlinkSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type ErrorCode, errorCodes, firstError, RejoinError } from '../core/error.ts'

/** A record of a verb: one JSON object with a `kind`. */
export type VerbRecord = { readonly kind: string }

/** Runs a verb by name; what it yields goes to whoever asked. */
export type RunVerb = (verb: string, args: unknown, signal: AbortSignal) => AsyncIterable<VerbRecord>

const maxRequestChars = 64 * 1024 * 1024

/** Returns the path of the socket of the node that has a data folder open: in the runtime directory, since socket paths are short. */
export function socketPath(root: string): string {
  let real = root
  try {
    real = realpathSync(root)
  } catch {
    // no folder, no socket: the name does not matter
  }
  const name = createHash('sha256').update(real).digest('hex').slice(0, 24)
  const runtime = process.env['XDG_RUNTIME_DIR'] ?? join(tmpdir(), `rejoin-${process.getuid?.() ?? 0}`)
  return join(runtime, `rejoin-${name}.sock`)
}

/** Listens for commands on the node's socket; only the same user can connect. @returns how to stop it */
export async function listenControl(root: string, run: RunVerb): Promise<() => Promise<void>> {
  const path = socketPath(root)
  mkdirSync(join(path, '..'), { recursive: true, mode: 0o700 })
  try {
    unlinkSync(path)
  } catch {
    // there was none
  }
  const sockets = new Set<Socket>()
  const server: Server = createServer((socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => socket.destroy())
    void answer(socket, run)
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => reject(new RejoinError('E_IO', `cannot listen on ${path}`, { cause })))
    server.listen(path, resolve)
  })
  chmodSync(path, 0o600)
  return async () => {
    for (const socket of sockets) socket.destroy()
    await new Promise<void>((resolve) => server.close(() => resolve()))
  }
}

async function answer(socket: Socket, run: RunVerb): Promise<void> {
  const gone = new AbortController()
  socket.on('close', () => gone.abort(new RejoinError('E_INTERRUPTED', 'the command went away')))
  const say = async (record: object): Promise<void> => {
    if (!socket.write(`${JSON.stringify(record)}\n`)) {
      await new Promise<void>((resolve) => {
        socket.once('drain', resolve)
        socket.once('close', resolve)
      })
    }
  }
  try {
    for await (const line of createInterface({ input: socket, crlfDelay: Number.POSITIVE_INFINITY })) {
      if (line.length > maxRequestChars) throw new RejoinError('E_TOO_LARGE', 'the request is too long')
      const { verb, args } = JSON.parse(line) as { readonly verb: string; readonly args: unknown }
      for await (const record of run(verb, args, gone.signal)) await say({ record })
      break
    }
    await say({ done: true })
  } catch (error) {
    if (!gone.signal.aborted) await say(failureOf(error))
  }
  socket.end()
}

function failureOf(thrown: unknown): object {
  const error = firstError(thrown)
  if (error instanceof RejoinError) return { failed: { code: error.code, message: error.message, hint: error.hint } }
  return { failed: { code: 'E_IO', message: `bug: ${String(error)}` } }
}

/**
 * Runs a verb in the node that is up, and yields its records; returns false where no node is up.
 * @throws what the verb throws there · E_GONE where the node went away
 */
export async function* askNode(
  root: string,
  verb: string,
  args: unknown,
  signal: AbortSignal
): AsyncGenerator<VerbRecord, boolean> {
  const socket = await reach(socketPath(root))
  if (socket === undefined) return false
  const onAbort = (): void => void socket.destroy()
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    socket.write(`${JSON.stringify({ verb, args })}\n`)
    for await (const line of createInterface({ input: socket, crlfDelay: Number.POSITIVE_INFINITY })) {
      const reply = JSON.parse(line) as {
        readonly record?: VerbRecord
        readonly done?: boolean
        readonly failed?: { readonly code: string; readonly message: string; readonly hint?: string }
      }
      if (reply.record !== undefined) yield reply.record
      else if (reply.failed !== undefined) throw thrown(reply.failed)
      else if (reply.done === true) return true
    }
    signal.throwIfAborted()
    throw new RejoinError('E_GONE', 'the running node went away before it answered')
  } finally {
    signal.removeEventListener('abort', onAbort)
    socket.destroy()
  }
}

function thrown({ code, message, hint }: { readonly code: string; readonly message: string; readonly hint?: string }): Error {
  return code in errorCodes ? new RejoinError(code as ErrorCode, message, hint === undefined ? {} : { hint }) : new Error(message)
}

async function reach(path: string): Promise<Socket | undefined> {
  return await new Promise((resolve) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.removeAllListeners('error')
      socket.on('error', () => socket.destroy())
      resolve(socket)
    })
    socket.once('error', () => resolve(undefined))
  })
}
