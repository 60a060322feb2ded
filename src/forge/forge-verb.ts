import { forgeAuthor, RejoinError } from '../core/index.ts'
import {
  defaultForgeSeconds,
  type ForgeSetting,
  type Live,
  loadConfig,
  type Node,
  saveForges,
  type VerbRecord
} from '../node/index.ts'
import { addForgeIdentity } from '../trust/index.ts'
import type { ForgeFollower } from './follow.ts'
import { countHeldAt } from './forge-triage.ts'
import { parseFollowPattern } from './follow-pattern.ts'
import { parseForgeUrl } from './forge-url.ts'
import { readForgeState } from './forge-state.ts'
import { dropRequest, type OutboxRequest, readOutbox, writeRequest } from './outbox.ts'
import { findForge, gatherRequests, syncForge, waitingFor } from './sync-forge.ts'

/** What `rejoin forge …` and `rejoin sync docker://…` ask for. */
export type ForgeArgs =
  | {
      readonly action: 'add'
      readonly url: string
      /** of its identity in trust.yaml; its host where it is left out */
      readonly name?: string
      readonly pull?: readonly string[]
      readonly push?: readonly string[]
      readonly intervalSeconds?: number
      readonly onConflict?: ForgeSetting['onConflict']
    }
  | { readonly action: 'list' }
  | { readonly action: 'remove'; readonly url: string }
  | { readonly action: 'sync'; readonly url?: string }
  | { readonly action: 'once'; readonly url: string }
  | { readonly action: 'outbox-list' }
  | { readonly action: 'outbox-show'; readonly id: string }
  | { readonly action: 'outbox-retry'; readonly id?: string; readonly overwrite?: boolean }
  | { readonly action: 'outbox-drop'; readonly id: string }

/** What the verb works with. */
export interface ForgeVerbContext {
  readonly node: Node
  readonly live: Live | undefined
  readonly args: ForgeArgs
  readonly signal: AbortSignal
  /** follows the forges, where the node is up */
  readonly follower?: ForgeFollower | undefined
}

/** Carries out what is asked for about forges; yields what comes of it. @throws E_USAGE E_NOT_FOUND E_EXISTS E_CONFIG E_UNREACHABLE … */
export async function* forgeVerb(context: ForgeVerbContext): AsyncGenerator<VerbRecord> {
  const { node, args, follower } = context
  const forges = loadConfig(node.root).forges
  for (const setting of forges) gatherRequests(node, setting)
  switch (args.action) {
    case 'add': {
      const setting = settingOf(args)
      if (forges.some(({ url }) => url === setting.url))
        throw new RejoinError('E_EXISTS', `${setting.url} is followed already`, { hint: `rejoin forge remove ${setting.url}` })
      knowForge(node, args.name ?? new URL(setting.url).host.replaceAll(/[^A-Za-z0-9._-]/g, '-'), setting)
      saveForges(node.root, [...forges, setting])
      follower?.reload()
      yield { kind: 'forge', ...describe(node, setting) } as VerbRecord
      return
    }
    case 'list':
      for (const setting of forges) yield { kind: 'forge', ...describe(node, setting) } as VerbRecord
      return
    case 'remove': {
      const setting = findForge(forges, args.url)
      saveForges(
        node.root,
        forges.filter((one) => one !== setting)
      )
      follower?.reload()
      yield { kind: 'result', removed: setting.url, waiting: waitingFor(node.root, setting.url).length } as VerbRecord
      return
    }
    case 'sync':
      yield* syncAll(context, args.url === undefined ? forges : [findForge(forges, args.url)])
      return
    case 'once':
      yield* once(context, args.url)
      return
    default:
      yield* outbox(context, args)
  }
}

/** Makes the forge an identity of the trust file, which the rules then judge what is seen there by. */
function knowForge(node: Node, name: string, { url, pull }: ForgeSetting): void {
  if (pull.length === 0) return
  addForgeIdentity(node.root, name, url)
  node.reloadTrust()
}

function settingOf({
  url,
  pull = [],
  push = [],
  intervalSeconds = defaultForgeSeconds,
  onConflict = 'show'
}: Extract<ForgeArgs, { action: 'add' }>): ForgeSetting {
  const { origin, repository } = parseForgeUrl(url)
  if (repository !== undefined)
    throw new RejoinError('E_USAGE', `a forge is followed by its address alone, not with a repository: ${origin}`, {
      hint: `rejoin forge add ${origin} --pull ${repository}`
    })
  for (const pattern of pull) parseFollowPattern(pattern)
  for (const pattern of push)
    if (parseFollowPattern(pattern).tags.kind !== 'all')
      throw new RejoinError('E_USAGE', `what is pushed is named by repositories alone: ${JSON.stringify(pattern)}`)
  if (!(intervalSeconds >= 1)) throw new RejoinError('E_USAGE', 'the interval is not a number of seconds from 1 on')
  return { url: origin, pull: pull.length + push.length === 0 ? ['**'] : pull, push, intervalSeconds, onConflict }
}

/** Returns what is said of a forge: settings, whether it is there, what waits. */
export function describe(node: Pick<Node, 'root'>, setting: ForgeSetting): Readonly<Record<string, unknown>> {
  const { awaySince, why, lastSync, nextTry, conflicts, seen } = readForgeState(node.root, parseForgeUrl(setting.url).host)
  return {
    ...setting,
    connected: awaySince === undefined && lastSync !== undefined,
    repositories: seen.size,
    waiting: waitingFor(node.root, setting.url).length,
    held: countHeldAt(node, setting.url),
    conflicts,
    ...(awaySince !== undefined && { awaySince, why }),
    ...(lastSync !== undefined && { lastSync }),
    ...(nextTry !== undefined && { nextTry })
  }
}

/** Returns what `rejoin status` says of forges. */
export function forgeStatus(node: Pick<Node, 'root'>): readonly Readonly<Record<string, unknown>>[] {
  return loadConfig(node.root).forges.map((setting) => describe(node, setting))
}

async function* syncAll({ node, live, signal }: ForgeVerbContext, forges: readonly ForgeSetting[]): AsyncGenerator<VerbRecord> {
  if (forges.length === 0) throw new RejoinError('E_NOT_FOUND', 'no forge is followed', { hint: 'rejoin forge add URL' })
  for (const setting of forges) {
    const records: VerbRecord[] = []
    let wake: () => void = () => {}
    const work = syncForge({
      node,
      live,
      setting,
      signal,
      say: (record) => {
        records.push(record as VerbRecord)
        wake()
      }
    })
    let settled = false
    const done = work.then(
      () => void (settled = true),
      () => void (settled = true)
    )
    while (!settled) {
      await Promise.race([done, new Promise<void>((resolve) => (wake = resolve))])
      yield* records.splice(0)
    }
    yield (await work) as unknown as VerbRecord
  }
}

/** One go: pulls what `docker://host/repository[:tag]` names, and follows nothing. */
async function* once(context: ForgeVerbContext, url: string): AsyncGenerator<VerbRecord> {
  const { origin, repository, tag, digest } = parseForgeUrl(url)
  if (repository === undefined || digest !== undefined)
    throw new RejoinError('E_USAGE', `${url} does not name a repository, with a tag or without`, {
      hint: 'docker://HOST/REPOSITORY[:TAG]'
    })
  // else everything there would be refused, one artifact after the other
  if (context.node.gate.nameOf(forgeAuthor(origin)) === undefined)
    throw new RejoinError('E_REFUSED', `${origin} is nobody whom trust.yaml knows: nothing from there is let in`, {
      hint: `rejoin trust add NAME ${origin}`
    })
  const known = loadConfig(context.node.root).forges.find((one) => one.url === origin)
  const pull = [tag === undefined ? repository : `${repository}:${tag}`]
  yield* syncAll(context, [{ url: origin, push: [], intervalSeconds: defaultForgeSeconds, onConflict: 'show', ...known, pull }])
}

async function* outbox(
  { node, live, signal }: ForgeVerbContext,
  args: Extract<ForgeArgs, { action: `outbox-${string}` }>
): AsyncGenerator<VerbRecord> {
  const all = readOutbox(node.root)
  const named = (id: string): OutboxRequest => {
    const found = all.filter((request) => request.id === id || request.id.replace(/^0+/, '').startsWith(id.replace(/^0+/, '')))
    if (found.length === 1) return found[0] as OutboxRequest
    throw new RejoinError(
      'E_NOT_FOUND',
      `${found.length === 0 ? 'no request' : 'more than one request'} has the name ${JSON.stringify(id)}`,
      {
        hint: 'rejoin forge outbox list shows them'
      }
    )
  }
  switch (args.action) {
    case 'outbox-list':
      for (const request of all) yield { kind: 'request', ...request } as VerbRecord
      return
    case 'outbox-show':
      yield { kind: 'request', ...named(args.id) } as VerbRecord
      return
    case 'outbox-drop': {
      const request = named(args.id)
      dropRequest(node.root, request.id)
      yield { kind: 'result', dropped: request.id } as VerbRecord
      return
    }
    case 'outbox-retry': {
      const chosen = args.id === undefined ? all : [named(args.id)]
      if (args.overwrite === true) for (const request of chosen) writeRequest(node.root, { ...request, overwrite: true })
      const urls = new Set(chosen.map(({ forge }) => forge))
      const forges = loadConfig(node.root).forges.filter(({ url }) => urls.has(url))
      yield* syncAll({ node, live, signal, args }, forges)
    }
  }
}
