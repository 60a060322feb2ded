import { type Connection, ConnectionClosedError } from '@libp2p/interface'
import type { NetNode } from './libp2p.ts'

const patienceMs = 6000

/**
 * Tells when the other side has taken a connection. With TLS 1.3 the dialling side is done first: a peer that denies us, or for whose clock our
 * certificate isn't valid yet, cuts a connection that looked complete here. So a dial is done when the peer has identified itself.
 */
export class Acceptance {
  private readonly taken = new WeakSet<Connection>()
  private readonly waiting = new Map<Connection, () => void>()

  constructor(node: NetNode) {
    node.addEventListener('peer:identify', ({ detail }) => {
      this.taken.add(detail.connection)
      this.waiting.get(detail.connection)?.()
    })
  }

  /** Resolves once the peer has identified itself on the connection, or has kept it for 6 s. @throws ConnectionClosedError */
  async of(connection: Connection, signal: AbortSignal): Promise<void> {
    if (this.taken.has(connection)) return
    const patience = AbortSignal.timeout(patienceMs)
    const end = AbortSignal.any([signal, patience])
    await new Promise<void>((resolve) => {
      this.waiting.set(connection, resolve)
      connection.addEventListener('close', () => resolve(), { once: true })
      end.addEventListener('abort', () => resolve(), { once: true })
      if (connection.status !== 'open' || end.aborted) resolve()
    })
    this.waiting.delete(connection)
    signal.throwIfAborted()
    if (connection.status !== 'open') throw new ConnectionClosedError('the peer cut the connection after the handshake')
    this.taken.add(connection)
  }
}
