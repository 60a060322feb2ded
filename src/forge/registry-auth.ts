import { isObject, parseStrict, RejoinError } from '../core/index.ts'
import { type Credentials, credentialsFor } from './credentials.ts'

/** What a registry asks for in WWW-Authenticate. */
export interface Challenge {
  readonly scheme: string
  readonly parameters: Readonly<Record<string, string>>
}

const maxTokenBytes = 1024 * 1024
const tokenMs = 15_000
/** a token is taken for spent this long before it is, in milliseconds */
const marginMs = 10_000
/** how long a token holds that doesn't say it, in seconds */
const defaultSeconds = 60

/** Returns the challenges of a WWW-Authenticate header, schemes in lower case. @see RFC 9110 section 11.6.1 */
export function parseChallenges(header: string): readonly Challenge[] {
  const found: { scheme: string; parameters: Record<string, string> }[] = []
  const part = /([A-Za-z0-9!#$%&'*+.^_`|~-]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+)))?/g
  for (const [, name = '', quoted, plain] of header.slice(0, 8192).matchAll(part)) {
    const value = quoted?.replace(/\\(.)/g, '$1') ?? plain
    const last = found.at(-1)
    if (value === undefined) found.push({ scheme: name.toLowerCase(), parameters: {} })
    else if (last !== undefined) last.parameters[name.toLowerCase()] = value
  }
  return found
}

interface Token {
  readonly header: string
  readonly untilMs: number
}

/** Answers the challenges of one registry, and remembers tokens by their scope. */
export class RegistryAuth {
  private readonly host: string
  private readonly origin: string
  private readonly folder: string | undefined
  private readonly tokens = new Map<string, Token>()
  /** tokens that are being asked for, by scope */
  private readonly asking = new Map<string, Promise<Token>>()
  private known: Promise<Credentials | undefined> | undefined
  /** why nothing that is kept for this registry opens it; it is not tried again, since a password tried often locks people out */
  refusal: RejoinError | undefined

  constructor({ host, origin }: { readonly host: string; readonly origin: string }, credentialFolder: string | undefined) {
    this.host = host
    this.origin = origin
    this.folder = credentialFolder
  }

  /** Returns the Authorization header for a scope, where one was given before and holds still. */
  headerFor(scope: string, nowMs: number): string | undefined {
    const token = this.tokens.get(scope)
    return token !== undefined && token.untilMs > nowMs ? token.header : undefined
  }

  /**
   * Answers a challenge. @returns the Authorization header
   * @throws E_PERMISSION where there is nothing to show, or the token service refuses · E_UNREACHABLE
   */
  async answer(challenges: readonly Challenge[], scope: string, signal: AbortSignal): Promise<string> {
    if (this.refusal !== undefined) throw this.refusal
    const bearer = challenges.find(({ scheme }) => scheme === 'bearer')
    const credentials = await this.credentials(signal)
    if (bearer !== undefined) {
      const asked = this.asking.get(scope) ?? this.fetchToken(bearer.parameters, scope, credentials, signal)
      this.asking.set(scope, asked)
      const token = await asked.finally(() => this.asking.delete(scope))
      this.tokens.set(scope, token)
      return token.header
    }
    if (credentials === undefined || credentials.username === '' || !challenges.some(({ scheme }) => scheme === 'basic'))
      throw this.refuse(credentials)
    const header = basic(credentials)
    this.tokens.set(scope, { header, untilMs: Number.POSITIVE_INFINITY })
    return header
  }

  /** Takes note that the registry did not take an Authorization header. @throws E_PERMISSION where that was a password */
  denied(header: string): void {
    for (const [scope, token] of this.tokens) if (token.header === header) this.tokens.delete(scope)
    if (header.startsWith('Basic ')) throw this.refuse({ username: '', password: '' })
  }

  private refuse(credentials: Credentials | undefined): RejoinError {
    const { host } = this
    const what = credentials?.identityToken === undefined ? 'user name and password' : 'identity token'
    const message =
      credentials === undefined
        ? `${host} wants a user name and a password, and none are kept for it`
        : `${host} does not take the ${what} kept for it`
    this.refusal ??= new RejoinError('E_PERMISSION', message, { hint: `docker login ${host}, as the user who runs this node` })
    return this.refusal
  }

  private async credentials(signal: AbortSignal): Promise<Credentials | undefined> {
    this.known ??= credentialsFor(this.host, { signal, ...(this.folder !== undefined && { folder: this.folder }) })
    try {
      return await this.known
    } catch (error) {
      this.known = undefined
      throw error
    }
  }

  /** Docker's token flow: GET with basic credentials, or POST with an identity token. */
  private async fetchToken(
    { realm = '', service, scope: asked }: Readonly<Record<string, string>>,
    scope: string,
    credentials: Credentials | undefined,
    signal: AbortSignal
  ): Promise<Token> {
    const url = this.realm(realm)
    const values = new URLSearchParams()
    if (service !== undefined) values.set('service', service)
    values.set('scope', scope)
    // what is asked for may be less than what is wanted next, as with HEAD before a push
    if (asked !== undefined && !isWithin(asked, scope)) values.append('scope', asked)
    const both = AbortSignal.any([signal, AbortSignal.timeout(tokenMs)])
    const identity = credentials?.identityToken
    let response: Response
    try {
      if (identity === undefined) {
        for (const [name, value] of values) url.searchParams.append(name, value)
        const headers = credentials && { authorization: basic(credentials) }
        response = await fetch(url, { signal: both, redirect: 'error', ...(headers && { headers }) })
      } else {
        values.set('grant_type', 'refresh_token')
        values.set('refresh_token', identity)
        values.set('client_id', 'rejoin')
        response = await fetch(url, { method: 'POST', body: values, signal: both, redirect: 'error' })
      }
    } catch (cause) {
      signal.throwIfAborted()
      throw new RejoinError('E_UNREACHABLE', `the token service of ${this.host} could not be reached`, { cause })
    }
    if (response.status >= 500 || response.status === 429)
      throw new RejoinError('E_UNREACHABLE', `the token service of ${this.host} answered ${response.status}`)
    // 403 is about one scope; 400 is how OAuth 2 says that a refresh token is none any more
    if (response.status === 401 || (response.status === 400 && identity !== undefined)) {
      await response.body?.cancel()
      throw this.refuse(credentials)
    }
    if (!response.ok)
      throw new RejoinError('E_PERMISSION', `the token service of ${this.host} gave no token (${response.status})`, {
        hint: `docker login ${this.host}, as the user who runs this node`
      })
    return parseToken(new Uint8Array(await response.arrayBuffer()), this.host)
  }

  /** A realm that is plain HTTP, where the registry is not, would give the password away. */
  private realm(text: string): URL {
    const url = URL.canParse(text) ? new URL(text) : undefined
    const isSafe = url?.protocol === 'https:' || (url?.protocol === 'http:' && this.origin.startsWith('http:'))
    if (url === undefined || !isSafe)
      throw new RejoinError('E_PROTOCOL', `${this.host} names a token service that no password may be sent to`)
    return url
  }
}

/** Returns whether one scope lets nothing be done that another does not. */
function isWithin(one: string, other: string): boolean {
  const [end, otherEnd] = [one.lastIndexOf(':'), other.lastIndexOf(':')]
  const allowed = other.slice(otherEnd + 1).split(',')
  return (
    one.slice(0, end) === other.slice(0, otherEnd) &&
    one
      .slice(end + 1)
      .split(',')
      .every((action) => allowed.includes(action))
  )
}

function basic({ username, password }: Credentials): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
}

function parseToken(bytes: Uint8Array, host: string): Token {
  try {
    const answer = parseStrict(bytes, { maxBytes: maxTokenBytes, maxDepth: 8 })
    const token = isObject(answer) ? (answer['token'] ?? answer['access_token']) : undefined
    if (isObject(answer) && typeof token === 'string' && /^[\x21-\x7e]+$/.test(token)) {
      const seconds = typeof answer['expires_in'] === 'number' ? answer['expires_in'] : defaultSeconds
      return { header: `Bearer ${token}`, untilMs: Date.now() + seconds * 1000 - marginMs }
    }
  } catch (error) {
    if (!(error instanceof RejoinError)) throw error
  }
  throw new RejoinError('E_PROTOCOL', `the token service of ${host} gave something else than a token`)
}
