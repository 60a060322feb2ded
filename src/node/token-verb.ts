import {
  audiencesOf,
  bindingBy,
  boundData,
  boundType,
  doorEntries,
  eventIn,
  isFor,
  maxTokenLifeMs,
  msOfHlc,
  parseToken,
  RejoinError,
  timesOf,
  type Token,
  tokenAudience,
  tokenLeewayMs
} from '../core/index.ts'
import type { VerbRecord } from './control.ts'
import type { Node } from './node.ts'
import type { VerbContext } from './verbs.ts'

/** What `rejoin trust token` asks for. */
export interface TokenArgs {
  readonly action: 'bind'
  /** a JWT: public once it is in the log, and a secret until then */
  readonly token: string
}

/**
 * Appends an identity.bound with a token, and yields to whom it binds this node's log. Whether its signature is good is for those to say who
 * have the issuer's keys.
 * @throws E_TOKEN where no other node could believe it for this key, or it could be used elsewhere · E_USAGE
 */
export async function* tokenVerb({ node, args }: VerbContext<TokenArgs>): AsyncGenerator<VerbRecord> {
  const { action } = args
  if (action !== 'bind') throw new RejoinError('E_USAGE', `trust token knows no action ${JSON.stringify(action satisfies never)}`)
  const text = args.token.trim()
  const token = parseToken(text)
  const audience = audienceFor(token, node.did)
  const { fromMs, untilMs } = mustHoldNow(token, Date.now())
  const [written] = await node.writer.append([{ type: boundType, data: boundData(text) }])
  if (written === undefined) throw new Error('bug: an append of one event wrote none')
  const { index, event } = written
  node.tell([{ log: node.log, index, event, withheld: undefined, verdict: 'relay', rule: 'own' }])
  node.bindings.note(node.log, index)
  const bound = bindingBy(event, node.did, node.gate.rules.file)
  yield {
    kind: 'bound',
    log: node.log,
    index,
    iss: token.claims['iss'] ?? null,
    sub: token.claims['sub'] ?? null,
    audience,
    from: new Date(fromMs).toISOString(),
    until: new Date(untilMs).toISOString(),
    at: new Date(msOfHlc(event.hlc)).toISOString(),
    identity: typeof bound === 'string' ? null : bound.name,
    late: index >= doorEntries && !hasEarlyToken(node)
  } as VerbRecord
}

/** Returns the audience of a token that names this key and nothing else. */
function audienceFor(token: Token, did: string): string {
  const audiences = audiencesOf(token) ?? []
  const ending = tokenAudience('', did)
  const [first = '', second] = audiences
  const aud =
    second === undefined ? (first.endsWith(ending) ? first.slice(0, -ending.length) : '') : audiences.find((one) => one !== did)
  if (aud !== undefined && aud !== '' && isFor(token, aud, did)) return aud
  const hint = `ask the issuer for the audience AUD${ending}, with AUD as in the trust file of those who are to believe it`
  if (!audiences.some((one) => one === did || one.endsWith(ending)))
    throw new RejoinError('E_TOKEN', `the token is not for this node's key: its audience is ${shown(audiences)}`, { hint })
  throw new RejoinError('E_TOKEN', `the token is not for this node's key alone: its audience is ${shown(audiences)}`, {
    hint: `what stands in the log all can read, and use elsewhere: ${hint}`
  })
}

function shown(audiences: readonly string[]): string {
  return audiences.length === 0 ? 'not there' : JSON.stringify(audiences.join(' ').slice(0, 80))
}

function mustHoldNow(token: Token, nowMs: number): { readonly fromMs: number; readonly untilMs: number } {
  const times = timesOf(token)
  if (times === undefined)
    throw new RejoinError('E_TOKEN', 'the token does not say from when (iat, nbf) until when (exp) it is valid')
  const hint = 'ask the issuer for a new one'
  const { fromMs, untilMs } = times
  if (untilMs <= fromMs || untilMs - fromMs > maxTokenLifeMs)
    throw new RejoinError('E_TOKEN', 'the token is valid for more than a day', {
      hint: `${hint}, for minutes: all can read it in the log`
    })
  if (nowMs > untilMs + tokenLeewayMs)
    throw new RejoinError('E_TOKEN', `the token was valid until ${new Date(untilMs).toISOString()}`, { hint })
  if (nowMs < fromMs - tokenLeewayMs)
    throw new RejoinError('E_TOKEN', `the token is valid from ${new Date(fromMs).toISOString()} on`, {
      hint: 'is the clock right?'
    })
  return times
}

/** Whether nodes that only know the issuer find a token where they look. */
function hasEarlyToken(node: Node): boolean {
  const { folder } = node.writer
  for (let index = 1; index < Math.min(doorEntries, folder.size); index++) {
    const { line } = folder.entry(index)
    if (line !== undefined && eventIn(line)?.type === boundType) return true
  }
  return false
}
