import { codeOf, RejoinError } from '../core/index.ts'
import type { ForgeSetting, Live, Node } from '../node/index.ts'
import { parseForgeUrl } from './forge-url.ts'
import { type ForgeState, readForgeState, writeForgeState } from './forge-state.ts'
import { dropRequest, fillOutbox, type OutboxRequest, readOutbox } from './outbox.ts'
import { type Pulled, type PulledRecord, pullForge } from './pull.ts'
import { pushRequests } from './push.ts'
import { RegistryClient } from './registry-client.ts'

/** What a sync with a forge came to. */
export interface ForgeResult {
  readonly kind: 'result'
  readonly forge: string
  readonly complete: boolean
  readonly taken: number
  readonly refused: number
  readonly sent: number
  readonly waiting: number
  readonly conflicts: number
  readonly requests: number
  readonly faults: readonly string[]
}

/** What syncing with a forge is done with. */
export interface ForgeContext {
  readonly node: Node
  readonly live: Live | undefined
  readonly setting: ForgeSetting
  readonly signal: AbortSignal
  readonly say: (
    record:
      | PulledRecord
      | {
          readonly kind: 'sent'
          readonly repository: string
          readonly tag: string | undefined
          readonly digest: string | undefined
        }
  ) => void
  /** where Docker's config.json is, for tests; Docker's own place where it is left out */
  readonly credentialFolder?: string
}

const awayCodes: ReadonlySet<string | undefined> = new Set(['E_UNREACHABLE', 'E_TIMEOUT', 'E_GONE'])

/** Returns whether an error says that a forge is away. */
export function isAway(error: unknown): boolean {
  return awayCodes.has(codeOf(error))
}

/** Returns whether nothing can be done with a forge for now: it is away, or does not let this node in. */
function isShut(error: unknown): boolean {
  return isAway(error) || codeOf(error) === 'E_PERMISSION'
}

/** Returns the requests that wait for a forge. */
export function waitingFor(root: string, url: string): readonly OutboxRequest[] {
  return readOutbox(root).filter(({ forge }) => forge === url)
}

/** Makes requests of what was published here since the last time, and notes up to where. */
export function gatherRequests(node: Node, setting: ForgeSetting): ForgeState {
  const { host } = parseForgeUrl(setting.url)
  const before = readForgeState(node.root, host)
  const from = before.pushed?.log === (node.log as string) ? before.pushed.size : 0
  const { log, size } = fillOutbox(node, setting, from)
  const pushed = { log, size }
  const after = { ...before, pushed }
  if (before.pushed?.size !== pushed.size || before.pushed.log !== pushed.log) writeForgeState(node.root, host, after)
  return after
}

/**
 * Pulls what a forge has that is followed, and sends it what waits for it, in the order in which it happened. A forge that is away leaves everything as it is.
 * @throws E_UNREACHABLE E_TIMEOUT E_GONE where it is away · E_USAGE for a bad pattern · E_NO_SPACE E_IO
 */
export async function syncForge(context: ForgeContext): Promise<ForgeResult> {
  const { host } = parseForgeUrl(context.setting.url)
  return await inTurn(context.node, host, async () => await syncOnce(context))
}

/** the syncs with each forge that are under way or wait */
const turns = new WeakMap<Node, Map<string, Promise<unknown>>>()

/** Two syncs with one forge at the same time would take everything twice: the second finds what the first has done. */
async function inTurn<T>(node: Node, host: string, work: () => Promise<T>): Promise<T> {
  const byHost = turns.get(node) ?? new Map<string, Promise<unknown>>()
  turns.set(node, byHost)
  const run = (byHost.get(host) ?? Promise.resolve()).then(work, work)
  byHost.set(host, run)
  try {
    return await run
  } finally {
    if (byHost.get(host) === run) byHost.delete(host)
  }
}

async function syncOnce(context: ForgeContext): Promise<ForgeResult> {
  const { node, setting, signal } = context
  signal.throwIfAborted()
  const { host, origin } = parseForgeUrl(setting.url)
  const client = new RegistryClient(
    { host, origin },
    context.credentialFolder === undefined ? {} : { credentialFolder: context.credentialFolder }
  )
  const before = gatherRequests(node, setting)
  try {
    const pulled = await pull(context, client, before)
    const sent = await send(context, client, pulled.state)
    const now = new Date().toISOString()
    const state: ForgeState = { ...sent.state, awaySince: undefined, why: undefined, lastSync: now }
    keepState(node.root, host, state)
    const waiting = waitingFor(node.root, setting.url).length
    return {
      kind: 'result',
      forge: setting.url,
      complete: waiting === 0 && pulled.faults.length === 0,
      taken: pulled.taken,
      refused: pulled.refused,
      sent: sent.count,
      waiting,
      conflicts: state.conflicts.length,
      requests: client.requests,
      faults: [...pulled.faults, ...sent.faults]
    }
  } catch (error) {
    signal.throwIfAborted()
    if (isShut(error)) {
      const known = readForgeState(node.root, host)
      writeForgeState(node.root, host, {
        ...known,
        awaySince: known.awaySince ?? new Date().toISOString(),
        why: (error as Error).message
      })
    }
    throw error
  }
}

/** Writes what is known of a forge; requests that were made of the log meanwhile stay made. */
function keepState(root: string, host: string, state: ForgeState): void {
  const { pushed } = readForgeState(root, host)
  const isFurther = pushed !== undefined && (pushed.log !== state.pushed?.log || pushed.size > state.pushed.size)
  writeForgeState(root, host, isFurther ? { ...state, pushed } : state)
}

async function pull(
  { node, live, setting, signal, say }: ForgeContext,
  client: RegistryClient,
  before: ForgeState
): Promise<Pulled> {
  const asked = (): readonly OutboxRequest[] => waitingFor(node.root, setting.url).filter(({ overwrite }) => !overwrite)
  let list = asked()
  let pushedSize = before.pushed?.size ?? 0
  // what is published here while the forge is read counts, too
  const waiting = (): readonly OutboxRequest[] => {
    if (node.writer.folder.size > pushedSize) {
      const { size, count } = fillOutbox(node, setting, pushedSize)
      pushedSize = size
      if (count > 0) list = asked()
    }
    return list
  }
  const pulled = await pullForge(
    {
      node,
      live,
      client,
      setting,
      waiting,
      signal,
      say,
      onBroken: (state) => keepState(node.root, client.host, state),
      dropRequests: (requests) => {
        for (const { id } of requests) dropRequest(node.root, id)
      }
    },
    before
  )
  keepState(node.root, client.host, pulled.state)
  return pulled
}

async function send(
  { node, setting, signal, say }: ForgeContext,
  client: RegistryClient,
  state: ForgeState
): Promise<{ readonly state: ForgeState; readonly count: number; readonly faults: readonly string[] }> {
  const seen = new Map([...state.seen].map(([repository, tags]) => [repository, new Map(tags)]))
  const faults: string[] = []
  let count = 0
  await pushRequests(
    {
      node,
      client,
      signal,
      siteWins: setting.onConflict === 'site',
      seenAt: (repository, tag) => seen.get(repository)?.get(tag)?.digest,
      onDone: ({ repository, tag, digest }, error) => {
        if (error !== undefined) {
          faults.push(`${repository}${tag === undefined ? '' : `:${tag}`}: ${error.message} (${error.code})`)
          return
        }
        count++
        say({ kind: 'sent', repository, tag, digest })
        if (tag === undefined) return
        const tags = seen.get(repository) ?? new Map<string, never>()
        if (digest === undefined) tags.delete(tag)
        else tags.set(tag, { digest, verdict: 'relay', rule: 'own' })
        seen.set(repository, tags)
      }
    },
    waitingFor(node.root, setting.url)
  )
  return { state: { ...state, seen }, count, faults }
}

/** Returns the setting of a forge by its URL or host. @throws E_NOT_FOUND */
export function findForge(forges: readonly ForgeSetting[], word: string): ForgeSetting {
  const found = forges.find(({ url }) => url === word.replace(/\/+$/, '') || new URL(url).host === word)
  if (found === undefined)
    throw new RejoinError('E_NOT_FOUND', `no forge ${JSON.stringify(word.slice(0, 120))} is followed`, {
      hint: 'rejoin forge list shows them; rejoin forge add URL follows one'
    })
  return found
}
