import { RejoinError } from '../core/index.ts'

/** Returns an error and all that it is caused by or made of, outermost first. */
function chain(error: unknown): readonly Error[] {
  if (!(error instanceof Error)) return []
  const inner = error instanceof AggregateError ? error.errors : []
  return [error, ...inner.flatMap(chain), ...chain(error.cause)]
}

const codeIn = (errors: readonly Error[]): string | undefined =>
  errors.map((one) => (one as NodeJS.ErrnoException).code).find((code) => code?.startsWith('E') === true)

const reasons: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ECONNRESET: 'the connection was cut',
  EHOSTUNREACH: 'there is no route to that host',
  ENETUNREACH: 'there is no route to that network',
  ENOTFOUND: 'no host of that name is known',
  EAI_AGAIN: 'names can not be looked up now',
  ETIMEDOUT: 'there was no answer in time'
}

/** Returns whether a dial broke in the handshake, after something answered. */
export function brokeInHandshake(error: unknown): boolean {
  return chain(error).some(
    ({ name }) => name === 'EncryptionFailedError' || name === 'MuxerUnavailableError' || name === 'ConnectionClosedError'
  )
}

/** Returns why an address could not be dialled, as one of our errors: E_UNREACHABLE, E_USAGE or E_REFUSED. */
export function dialFailure(error: unknown, address: string): RejoinError {
  if (error instanceof RejoinError) return error
  const errors = chain(error)
  const named = (...names: readonly string[]): boolean => errors.some(({ name }) => names.includes(name))
  const saying = (part: RegExp): boolean => errors.some(({ message }) => part.test(message))
  const fail = (code: 'E_UNREACHABLE' | 'E_USAGE' | 'E_REFUSED', message: string, hint?: string): RejoinError =>
    new RejoinError(code, message, { cause: error, ...(hint !== undefined && { hint }) })
  if (saying(/dial self/)) return fail('E_USAGE', `${address} is this node itself`)
  if (named('DialDeniedError', 'ConnectionInterceptedError'))
    return fail('E_REFUSED', `the node at ${address} is denied by this node's own rules`, 'rejoin peers shows why')
  if (named('NoValidAddressesError', 'InvalidMultiaddrError', 'TransportUnavailableError')) {
    return fail(
      'E_USAGE',
      `${address} can not be dialled`,
      'TCP and WebSocket addresses can: /ip4/192.0.2.1/tcp/4001 or /dns4/node.example/tcp/4002/ws'
    )
  }
  if (saying(/peer ?id|Payload identity key/i)) {
    return fail(
      'E_UNREACHABLE',
      `another node answers at ${address}: its key is not the one in the address`,
      'ask for the present address: `rejoin id` on the other node prints it'
    )
  }
  const reason = reasons[codeIn(errors) ?? ''] ?? (named('TimeoutError', 'AbortError') ? reasons['ETIMEDOUT'] : undefined)
  if (reason !== undefined && !brokeInHandshake(error)) return fail('E_UNREACHABLE', `${address} could not be reached: ${reason}`)
  return fail(
    'E_UNREACHABLE',
    `what answers at ${address} broke off the handshake`,
    'it may deny this node, be overloaded, or be no rejoin node'
  )
}

/**
 * Returns why a stream could not be opened: E_NETWORK where the peer doesn't know the protocol of this network, E_UNREACHABLE where only a
 * relay leads to it, else E_GONE or E_TIMEOUT.
 */
export function openFailure(error: unknown, peerId: string, protocol: string): RejoinError {
  if (error instanceof RejoinError) return error
  const errors = chain(error)
  const named = (...names: readonly string[]): boolean => errors.some(({ name }) => names.includes(name))
  if (named('UnsupportedProtocolError')) {
    const network = /^\/rejoin\/([^/]+)\//.exec(protocol)?.[1]
    const lacking = network === undefined ? `does not speak ${protocol}` : `speaks no rejoin on network ${network} (${protocol})`
    return new RejoinError('E_NETWORK', `${peerId} ${lacking}`, { cause: error })
  }
  if (named('LimitedConnectionError')) {
    const message = `${peerId} is reached through a relay only, and ${protocol} is not spoken over one`
    return new RejoinError('E_UNREACHABLE', message, { cause: error, hint: 'connect to it directly: rejoin sync MULTIADDR' })
  }
  if (named('TimeoutError', 'AbortError'))
    return new RejoinError('E_TIMEOUT', `${peerId} did not answer to ${protocol} in time`, { cause: error })
  return new RejoinError('E_GONE', `${peerId} went away while ${protocol} was opened`, { cause: error })
}

/** Returns why listening failed, naming the address: E_EXISTS where its port is taken, E_PERMISSION, E_USAGE or E_IO. */
export function listenFailure(error: unknown): RejoinError {
  const [, address, reason] = /^\s*(\/[^\s:]\S*?): (.+)$/m.exec(error instanceof Error ? error.message : String(error)) ?? []
  const at = address ?? 'an address'
  const fail = (code: 'E_EXISTS' | 'E_PERMISSION' | 'E_USAGE' | 'E_IO', message: string, hint: string): RejoinError =>
    new RejoinError(code, message, { cause: error, hint })
  if (reason?.includes('EADDRINUSE') === true) {
    return fail('E_EXISTS', `${at} is in use by another program`, 'stop it, or listen on another port; /tcp/0 takes a free one')
  }
  if (reason?.includes('EACCES') === true)
    return fail('E_PERMISSION', `${at} may not be listened on`, 'ports below 1024 need a privilege; take another port')
  if (reason?.includes('EADDRNOTAVAIL') === true)
    return fail('E_USAGE', `${at} is no address of this machine`, 'listen on /ip4/0.0.0.0/tcp/4001 for all of them')
  if (reason?.includes('No transport') === true) {
    return fail(
      'E_USAGE',
      `${at} can not be listened on`,
      'TCP and WebSocket addresses can: /ip4/0.0.0.0/tcp/4001 or /ip4/0.0.0.0/tcp/4002/ws'
    )
  }
  return fail(
    'E_IO',
    `${at} could not be listened on: ${reason ?? String(error)}`.slice(0, 200),
    'try another address with --listen'
  )
}
