import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { TLSSocket } from 'node:tls'
import { type AccessToken, mayUse, type TokenAction, type Tokens } from '../node/index.ts'
import { fault, type RegistryFault } from './fault.ts'

/** What clients on this machine may do without a token: everything, only pull, or nothing. */
export type LoopbackAccess = 'push' | 'pull' | 'token'

/** What a request may do. */
export interface Access {
  readonly may: (action: TokenAction, name: string) => boolean
  /** whether it may do everything */
  readonly isAll: boolean
}

interface Grant {
  readonly id: string
  readonly untilMs: number
}

const grantMs = 300_000
const everything: Access = { may: () => true, isAll: true }
const onlyPull: Access = { may: (action) => action === 'pull', isAll: false }

/** Returns whether a request comes from this machine, and neither through a proxy on it nor from a page of another site in a browser. */
export function isLocal({ socket, headers }: IncomingMessage): boolean {
  const { remoteAddress = '' } = socket
  const isLoopback = remoteAddress === '::1' || /^(?:::ffff:)?127\./.test(remoteAddress)
  return (
    isLoopback &&
    headers['x-forwarded-for'] === undefined &&
    headers['forwarded'] === undefined &&
    headers['origin'] === undefined
  )
}

/**
 * Who may do what. On this machine whoever reaches the port acts as the one who runs the node; beyond it a token of `rejoin trust token`
 * is needed, as the password of basic authentication, as a bearer token, or exchanged for one that is good for five minutes (Docker's token flow).
 */
export class Gatekeeper {
  private readonly tokens: Tokens
  private readonly loopback: LoopbackAccess
  private readonly key = randomBytes(32)

  constructor(tokens: Tokens, loopback: LoopbackAccess) {
    this.tokens = tokens
    this.loopback = loopback
  }

  /** Returns what a request may do, undefined where it has to say who it is. */
  accessOf(request: IncomingMessage): Access | undefined {
    const token = this.tokenOf(request)
    if (token !== undefined) return { may: (action, name) => mayUse(token, action, name), isAll: false }
    if (request.headers.authorization !== undefined || !isLocal(request)) return undefined
    return this.loopback === 'push' ? everything : this.loopback === 'pull' ? onlyPull : undefined
  }

  /** Returns the token that a request shows, undefined where it shows none that is in force. */
  tokenOf({ headers: { authorization } }: IncomingMessage): AccessToken | undefined {
    const [, scheme = '', value = ''] = /^(\S+) +(\S+)$/.exec(authorization ?? '') ?? []
    const nowMs = Date.now()
    if (scheme.toLowerCase() === 'bearer') return this.tokens.find(value, nowMs) ?? this.granted(value, nowMs)
    if (scheme.toLowerCase() !== 'basic') return undefined
    const text = Buffer.from(value, 'base64').toString()
    return this.tokens.find(text.slice(text.indexOf(':') + 1), nowMs)
  }

  /** Returns a bearer token that stands for another token for five minutes, or until that is revoked. */
  grant({ id }: AccessToken, nowMs: number): { readonly token: string; readonly expiresIn: number } {
    const body = Buffer.from(JSON.stringify({ id, untilMs: nowMs + grantMs } satisfies Grant)).toString('base64url')
    return { token: `${body}.${this.seal(body)}`, expiresIn: grantMs / 1000 }
  }

  private granted(text: string, nowMs: number): AccessToken | undefined {
    const [body = '', seal = ''] = text.split('.')
    const [expected, given] = [Buffer.from(this.seal(body)), Buffer.from(seal)]
    if (expected.length !== given.length || !timingSafeEqual(expected, given)) return undefined
    const { id, untilMs } = JSON.parse(Buffer.from(body, 'base64url').toString()) as Grant
    return untilMs > nowMs ? this.tokens.byIdNow(id, nowMs) : undefined
  }

  private seal(body: string): string {
    return createHmac('sha256', this.key).update(body).digest('base64url')
  }
}

/** Returns the fault that asks a client for a token. @param scope what it wanted, as `repository:NAME:pull,push` */
export function challenge(request: IncomingMessage, scope: string | undefined): RegistryFault {
  const { host = 'localhost' } = request.headers
  const name = /^[A-Za-z0-9.:[\]-]{1,255}$/.test(host) ? host : 'localhost'
  const scheme = (request.socket as Partial<TLSSocket>).encrypted === true ? 'https' : 'http'
  const bearer = `Bearer realm="${scheme}://${name}/token",service="rejoin"${scope === undefined ? '' : `,scope="${scope}"`}`
  return fault(401, 'UNAUTHORIZED', 'a token is needed here: rejoin trust token create, on the node', {
    headers: { 'www-authenticate': bearer }
  })
}
