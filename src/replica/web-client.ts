import { type IncomingMessage, request as httpRequest, Agent as HttpAgent } from 'node:http'
import { request as httpsRequest, Agent as HttpsAgent } from 'node:https'
import { RejoinError } from '../core/index.ts'

/** What identifies the version of a file that a server has: sent back, so that it need not send the same again. */
export interface Validator {
  readonly etag?: string | undefined
  readonly modified?: string | undefined
}

/** The answer of a server to one request. Its body must be read or dropped. */
export interface WebAnswer {
  /** 200, 206 or 304; 404 for everything that says that there is no such file */
  readonly status: 200 | 206 | 304 | 404
  readonly validator: Validator
  /** bytes of the whole file, where the server says it */
  readonly sizeBytes: number | undefined
  /** byte of the file at which the body begins */
  readonly from: number
  readonly body: AsyncIterable<Uint8Array>
  readonly drop: () => void
}

/** How a server is asked. */
export interface WebAsk {
  /** the first byte that is wanted */
  readonly from?: number
  readonly unless?: Validator | undefined
}

/** Limits of a client, where they are not the usual ones. */
export interface WebLimits {
  readonly idleMs?: number
  /** how long the slowest server may take that sends anything at all, in milliseconds */
  readonly slowMs?: number
}

const maxRedirects = 5
const maxConnections = 6
const maxHeaderBytes = 16 * 1024
const defaultIdleMs = 30_000
const defaultSlowMs = 60_000
/** a body that comes slower than this for a minute is given up, in bytes a second */
const slowestRate = 1024
/** what a weak validator can't tell apart: two versions of a file within the same second */
const modifiedRestMs = 2000

/**
 * Reads files below a URL, over HTTP or HTTPS. Nothing is decompressed: the server is asked for the bytes as they are, and an answer with
 * a content encoding is refused. Redirects are followed five times, to the same host or from HTTPS to HTTPS.
 */
export class WebClient implements Disposable {
  /** where the files are; without name and password, for people to see */
  readonly base: string
  private readonly url: URL
  private readonly signal: AbortSignal
  private readonly agents = {
    'http:': new HttpAgent({ keepAlive: true, maxSockets: maxConnections }),
    'https:': new HttpsAgent({ keepAlive: true, maxSockets: maxConnections })
  }
  private readonly idleMs: number
  private readonly slowMs: number
  private answered = false
  private readonly late = new WeakSet<object>()
  /** requests that were sent, redirects counted */
  requestCount = 0
  /** bytes of bodies that came */
  bodyBytes = 0

  /** @throws E_USAGE where it is no URL of HTTP or HTTPS */
  constructor(url: string, signal: AbortSignal, { idleMs = defaultIdleMs, slowMs = defaultSlowMs }: WebLimits = {}) {
    this.url = parseWebUrl(url)
    this.signal = signal
    this.idleMs = idleMs
    this.slowMs = slowMs
    const shown = new URL(this.url)
    shown.username = ''
    shown.password = ''
    this.base = shown.href
  }

  /** Returns the bytes of a file, or undefined where there is none. @throws E_TOO_LARGE over `maxBytes`, as soon as that is known; and as ask */
  async read(path: string, maxBytes: number): Promise<Uint8Array | undefined> {
    const answer = await this.ask(path)
    return answer.status === 404 ? undefined : await this.gather(path, answer, maxBytes)
  }

  /** Returns the bytes of an answer's body. @throws E_TOO_LARGE E_GONE E_TIMEOUT */
  async gather(path: string, answer: WebAnswer, maxBytes: number): Promise<Uint8Array> {
    const parts: Uint8Array[] = []
    let length = 0
    try {
      for await (const part of answer.body) {
        length += part.length
        if (length > maxBytes) throw new RejoinError('E_TOO_LARGE', `${this.base}${path} is over ${maxBytes} bytes`)
        parts.push(part)
      }
    } finally {
      answer.drop()
    }
    return Buffer.concat(parts, length)
  }

  /**
   * Asks for a file.
   * @throws E_UNREACHABLE where the server never answered · E_GONE where it does not any more, or with a failure of its own · E_TIMEOUT
   * E_REFUSED for a redirect that is not followed, or an encoding · E_PERMISSION where it lets us not
   */
  async ask(path: string, { from = 0, unless }: WebAsk = {}): Promise<WebAnswer> {
    let url = new URL(path, this.url)
    for (let hop = 0; hop <= maxRedirects; hop++) {
      const message = await this.send(url, from, unless)
      const { statusCode = 0, headers } = message
      if (statusCode < 300 || statusCode > 399 || statusCode === 304) return this.answerOf(url, message, from)
      message.destroy()
      const { location } = headers
      const next = location === undefined || !URL.canParse(location, url.href) ? undefined : new URL(location, url)
      const sameHost = next?.hostname === url.hostname && (next.protocol === 'https:' || next.protocol === url.protocol)
      if (next === undefined || !(sameHost || (url.protocol === 'https:' && next.protocol === 'https:')))
        throw new RejoinError('E_REFUSED', `${url.host} sends elsewhere for ${path}, and that is not followed`, {
          hint: 'give the address itself; redirects go to the same host, or from https to https'
        })
      url = next
    }
    throw new RejoinError('E_REFUSED', `${this.base}${path} was sent elsewhere more than ${maxRedirects} times`)
  }

  private async send(url: URL, from: number, unless: Validator | undefined, again = true): Promise<IncomingMessage> {
    this.signal.throwIfAborted()
    this.requestCount++
    const headers: Record<string, string> = { 'accept-encoding': 'identity', 'user-agent': 'rejoin' }
    if (from > 0) headers['range'] = `bytes=${from}-`
    if (unless?.etag !== undefined) headers['if-none-match'] = unless.etag
    else if (unless?.modified !== undefined) headers['if-modified-since'] = unless.modified
    const { username, password } = this.url
    if (username !== '' && url.hostname === this.url.hostname)
      headers['authorization'] =
        `Basic ${Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString('base64')}`
    const target = new URL(url)
    target.username = ''
    target.password = ''
    const secure = url.protocol === 'https:'
    return await new Promise((resolve, reject) => {
      const sent = (secure ? httpsRequest : httpRequest)(target, {
        agent: this.agents[secure ? 'https:' : 'http:'],
        headers,
        maxHeaderSize: maxHeaderBytes,
        signal: this.signal,
        timeout: this.idleMs
      })
      sent.once('timeout', () => {
        this.late.add(sent)
        sent.destroy(this.timedOut(url))
      })
      sent.once('response', (message) => {
        this.answered = true
        resolve(message)
      })
      sent.once('error', (cause: NodeJS.ErrnoException) => {
        // a connection that the server had closed meanwhile says nothing about the server
        if (again && sent.reusedSocket && cause.code === 'ECONNRESET') this.send(url, from, unless, false).then(resolve, reject)
        else reject(this.failure(url, cause))
      })
      sent.end()
    })
  }

  private timedOut(url: URL): RejoinError {
    return new RejoinError('E_TIMEOUT', `${url.host} sent nothing for ${Math.round(this.idleMs / 1000)} s`)
  }

  private failure(url: URL, cause: NodeJS.ErrnoException): unknown {
    if (this.signal.aborted) return this.signal.reason
    if (cause instanceof RejoinError) return cause
    const why = cause.code ?? cause.message
    if (this.answered)
      return new RejoinError('E_GONE', `${url.host} went away (${why})`, {
        cause,
        hint: 'run the same command again: it goes on where it was'
      })
    const isUntrusted = /CERT|SIGNED|UNABLE_TO_|ALTNAME/.test(why)
    return new RejoinError('E_UNREACHABLE', `${url.host} can not be reached (${why})`, {
      cause,
      ...(isUntrusted && {
        hint: 'its certificate is not trusted here; NODE_EXTRA_CA_CERTS names a file with the authority that signed it'
      })
    })
  }

  private answerOf(url: URL, message: IncomingMessage, from: number): WebAnswer {
    const { statusCode = 0, headers } = message
    const say = (code: 'E_GONE' | 'E_PERMISSION' | 'E_REFUSED', what: string): never => {
      message.destroy()
      throw new RejoinError(code, `${url.origin}${url.pathname} ${what}`.slice(0, 200))
    }
    const status = statusCode === 410 ? 404 : statusCode === 416 ? 404 : statusCode
    if (status === 401 || status === 403 || status === 407) say('E_PERMISSION', `is not to be read (${statusCode})`)
    if (status !== 200 && status !== 206 && status !== 304 && status !== 404) say('E_GONE', `was answered with ${statusCode}`)
    const encoding = headers['content-encoding'] ?? 'identity'
    if (encoding !== 'identity' && status !== 404) say('E_REFUSED', `comes encoded as ${encoding.slice(0, 20)}`)
    const range = /^bytes (\d{1,16})-\d{1,16}\/(\d{1,16}|\*)$/.exec(headers['content-range'] ?? '')
    const begin = status === 206 ? Number(range?.[1] ?? Number.NaN) : 0
    if (status === 206 && begin !== from) say('E_GONE', 'was answered with another range than was asked for')
    if (status === 404 || status === 304) message.resume()
    const whole = status === 206 ? range?.[2] : headers['content-length']
    return {
      status: status as WebAnswer['status'],
      validator: validatorOf(headers),
      sizeBytes: whole !== undefined && /^\d{1,16}$/.test(whole) ? Number(whole) : undefined,
      from: begin,
      body: this.bodyOf(url, message),
      drop: () => void (message.readableEnded || message.destroy())
    }
  }

  private async *bodyOf(url: URL, message: IncomingMessage): AsyncGenerator<Uint8Array, void, void> {
    const beganMs = performance.now()
    let length = 0
    try {
      for await (const part of message as AsyncIterable<Uint8Array>) {
        length += part.length
        this.bodyBytes += part.length
        const ms = performance.now() - beganMs
        if (ms > this.slowMs && length < (slowestRate * ms) / 1000)
          throw new RejoinError('E_TIMEOUT', `${url.host} sends less than ${slowestRate} bytes a second`)
        yield part
      }
    } catch (cause) {
      // what a message says when its request was given up is not why
      throw this.failure(url, this.late.has((message as { req?: object }).req ?? message) ? this.timedOut(url) : (cause as Error))
    }
    if (!message.complete) throw this.failure(url, Object.assign(new Error('cut off'), { code: 'ECONNRESET' }))
  }

  /** Closes all connections. */
  [Symbol.dispose](): void {
    for (const agent of Object.values(this.agents)) agent.destroy()
  }
}

/**
 * What tells versions apart counts only where the last change is long enough ago: within the same second a file may change again, and
 * there are servers, nginx one of them, whose ETag is nothing but the second and the size.
 */
function validatorOf(headers: IncomingMessage['headers']): Validator {
  const { etag, date } = headers
  const modified = headers['last-modified']
  const restMs = modified === undefined ? undefined : Date.parse(date ?? '') - Date.parse(modified)
  if (restMs !== undefined && !(restMs >= modifiedRestMs)) return {}
  if (etag !== undefined && etag.length <= 200) return { etag }
  return restMs === undefined ? {} : { modified }
}

/** Returns a URL as that of a folder. @throws E_USAGE */
export function parseWebUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:') || text.length > 2000)
    throw new RejoinError('E_USAGE', `${JSON.stringify(text.slice(0, 80))} is no http or https URL`)
  url.hash = ''
  url.search = ''
  if (!url.pathname.endsWith('/')) url.pathname += '/'
  return url
}
