import { parseDuration, RejoinError } from '../core/index.ts'
import type { VerbRecord } from './control.ts'
import { type AccessToken, Tokens } from './access-tokens.ts'
import type { VerbContext } from './verbs.ts'

/** What `rejoin trust token` asks for. */
export interface AccessTokenArgs {
  readonly action: 'create' | 'list' | 'revoke'
  readonly name?: string
  readonly pull?: readonly string[]
  readonly push?: readonly string[]
  /** a duration, such as 30d */
  readonly expires?: string
}

function recordOf({ id, name, pull, push, created, expires }: AccessToken, more: object = {}): VerbRecord {
  return { kind: 'token', id, name, pull, push, created, expires: expires ?? null, ...more } as VerbRecord
}

/** Makes, lists or takes back tokens for clients of the registry that are not on this machine. @throws E_USAGE E_EXISTS E_NOT_FOUND */
export async function* accessTokenVerb({ node, args }: VerbContext<AccessTokenArgs>): AsyncGenerator<VerbRecord> {
  await Promise.resolve()
  const tokens = new Tokens(node.root)
  const { action, name = '', push = [] } = args
  switch (action) {
    case 'list':
      for (const token of tokens.list()) yield recordOf(token)
      return
    case 'revoke':
      yield recordOf(tokens.revoke(name), { revoked: true })
      return
    case 'create': {
      const nowMs = Date.now()
      const pull = args.pull ?? (push.length > 0 ? [] : ['**'])
      const ms = args.expires === undefined ? undefined : parseDuration(args.expires)
      if (ms === undefined && args.expires !== undefined)
        throw new RejoinError('E_USAGE', `not a duration: ${JSON.stringify(args.expires)}`, { hint: 'such as 12h or 30d' })
      const expires = ms === undefined ? undefined : new Date(nowMs + ms).toISOString()
      const made = tokens.create(name, { pull, push, expires }, nowMs)
      yield recordOf(made.token, { token: made.secret })
      return
    }
    default:
      throw new RejoinError('E_USAGE', `trust token knows no action ${JSON.stringify(action)}`)
  }
}
