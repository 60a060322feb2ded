import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { globFault, isObject, type JsonObject, matchGlob, parseStrict, RejoinError, textOf, utf8 } from '../core/index.ts'
import { readFileRangeSync, replaceFileSync } from '../store/index.ts'

/** What a token may be used for in a repository. */
export type TokenAction = 'pull' | 'push'

/** A token for clients beyond this machine, as it is kept: its secret only as a hash. */
export interface AccessToken {
  readonly id: string
  readonly name: string
  /** SHA-256 of the secret, hexadecimal */
  readonly hash: string
  /** patterns of the repositories that may be pulled from */
  readonly pull: readonly string[]
  readonly push: readonly string[]
  /** ISO 8601 */
  readonly created: string
  readonly expires?: string
}

const file = 'keys/tokens'
const maxFileBytes = 4 * 1024 * 1024
const maxTokens = 10_000
const form = /^rjt_([0-9a-f]{12})_([A-Za-z0-9_-]{43})$/
const hashOf = (secret: string): string => createHash('sha256').update(secret).digest('hex')

/**
 * The tokens of a node, in `keys/tokens` (0600), one JSON line each: `{"created":"…","hash":"…","id":"…","name":"ci","pull":["**"],"push":["team/**"]}`.
 * They are read again when the file changes, so that one that was revoked ends at once.
 */
export class Tokens {
  private readonly root: string
  private stamp = ''
  private byId: ReadonlyMap<string, AccessToken> = new Map()

  constructor(root: string) {
    this.root = root
  }

  private read(): ReadonlyMap<string, AccessToken> {
    const stat = statSync(join(this.root, file), { throwIfNoEntry: false, bigint: true })
    const stamp = stat === undefined ? '' : `${stat.mtimeNs} ${stat.ino} ${stat.size}`
    if (stamp !== this.stamp) {
      const bytes = readFileRangeSync(join(this.root, file), 0, maxFileBytes) ?? new Uint8Array(0)
      const lines = textOf(bytes)
        .split('\n')
        .filter((line) => line !== '')
      this.byId = new Map(lines.map(parseToken).map((token) => [token.id, token]))
      this.stamp = stamp
    }
    return this.byId
  }

  private write(tokens: Iterable<AccessToken>): void {
    const text = [...tokens].map((token) => `${JSON.stringify(token)}\n`).join('')
    replaceFileSync(join(this.root, file), utf8(text), { durable: true, mode: 0o600 })
  }

  /** Returns the tokens, the oldest first. @throws E_DAMAGED */
  list(): readonly AccessToken[] {
    return [...this.read().values()]
  }

  /**
   * Makes a token. @returns it with its secret, which is told this once
   * @throws E_USAGE for a bad name or pattern · E_EXISTS where the name is taken
   */
  create(
    name: string,
    {
      pull,
      push,
      expires
    }: { readonly pull: readonly string[]; readonly push: readonly string[]; readonly expires?: string | undefined },
    nowMs: number
  ): { readonly token: AccessToken; readonly secret: string } {
    const tokens = this.read()
    if (!/^[\p{L}\p{N}][\p{L}\p{N} ._@-]{0,63}$/u.test(name))
      throw new RejoinError('E_USAGE', `not a name: ${JSON.stringify(name.slice(0, 80))}`, {
        hint: '1 to 64 letters, digits, blanks and . _ @ -'
      })
    if ([...tokens.values()].some((token) => token.name === name))
      throw new RejoinError('E_EXISTS', `there is a token ${JSON.stringify(name)} already`, {
        hint: `rejoin trust token revoke ${JSON.stringify(name)}`
      })
    if (tokens.size >= maxTokens) throw new RejoinError('E_TOO_LARGE', `there are ${maxTokens} tokens already`)
    for (const pattern of [...pull, ...push]) {
      const wrong = globFault(pattern)
      if (wrong !== undefined)
        throw new RejoinError('E_USAGE', `not a pattern of repositories: ${JSON.stringify(pattern.slice(0, 80))}`)
    }
    const id = randomBytes(6).toString('hex')
    const secret = `rjt_${id}_${randomBytes(32).toString('base64url')}`
    const token: AccessToken = {
      created: new Date(nowMs).toISOString(),
      ...(expires !== undefined && { expires }),
      hash: hashOf(secret),
      id,
      name,
      pull: [...pull],
      push: [...push]
    }
    this.write([...tokens.values(), token])
    return { token, secret }
  }

  /** Takes a token back, by its ID or name. @throws E_NOT_FOUND */
  revoke(word: string): AccessToken {
    const tokens = this.read()
    const token = tokens.get(word) ?? [...tokens.values()].find(({ name }) => name === word)
    if (token === undefined)
      throw new RejoinError('E_NOT_FOUND', `there is no token ${JSON.stringify(word.slice(0, 80))}`, {
        hint: 'rejoin trust token list'
      })
    this.write([...tokens.values()].filter(({ id }) => id !== token.id))
    return token
  }

  /** Returns the token that a secret is of, undefined where it is none, was revoked, or has expired. */
  find(secret: string, nowMs: number): AccessToken | undefined {
    const id = form.exec(secret)?.[1]
    const token = id === undefined ? undefined : this.byIdNow(id, nowMs)
    if (token === undefined) return undefined
    return timingSafeEqual(Buffer.from(token.hash, 'hex'), Buffer.from(hashOf(secret), 'hex')) ? token : undefined
  }

  /** Returns a token that is in force. */
  byIdNow(id: string, nowMs: number): AccessToken | undefined {
    const token = this.read().get(id)
    return token?.expires !== undefined && Date.parse(token.expires) <= nowMs ? undefined : token
  }
}

/** Returns whether a token may be used for something in a repository; who may push may pull. */
export function mayUse({ pull, push }: Pick<AccessToken, 'pull' | 'push'>, action: TokenAction, name: string): boolean {
  return [...(action === 'pull' ? pull : []), ...push].some((pattern) => matchGlob(name, pattern))
}

const isTexts = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.every((one) => typeof one === 'string')

function parseToken(line: string): AccessToken {
  const damaged = new RejoinError('E_DAMAGED', `${file} holds a line that is no token`, {
    hint: 'delete the line and make a new token'
  })
  let value: unknown
  try {
    value = parseStrict(utf8(line), { maxBytes: 65_536, maxDepth: 4 })
  } catch (cause) {
    if (cause instanceof RejoinError) throw damaged
    throw cause
  }
  if (!isObject(value as JsonObject)) throw damaged
  const { id, name, hash, pull, push, created, expires } = value as JsonObject
  if (typeof id !== 'string' || typeof name !== 'string' || typeof hash !== 'string' || typeof created !== 'string') throw damaged
  if (!/^[0-9a-f]{64}$/.test(hash) || !isTexts(pull) || !isTexts(push)) throw damaged
  if (expires !== undefined && (typeof expires !== 'string' || Number.isNaN(Date.parse(expires)))) throw damaged
  return { id, name, hash, pull, push, created, ...(expires !== undefined && { expires }) }
}
