import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import {
  type Digest,
  isDigest,
  isObject,
  isRepository,
  type Json,
  parseDuration,
  parseEvent,
  parseStrict,
  RejoinError,
  type RejoinEvent
} from '../core/index.ts'
import { readFileRangeSync } from '../store/index.ts'
import { addClosure, addLarge, artifactOf, privateEvents, relayedEvents } from './blob-moves.ts'
import type { VerbRecord } from './control.ts'
import type { Node } from './node.ts'
import { removalTypes } from './repository.ts'
import { type LetGo, lettingGo, type Retained, ruleOf } from './retention.ts'
import { listRepositories, listRepository, listTags } from './tags.ts'
import type { VerbContext } from './verbs.ts'

/** What `rejoin gc` asks for. */
export interface GcArgs {
  readonly dryRun?: boolean
  /** blobs that nothing names stay for this long, such as 1h: uploads under way are such */
  readonly olderThan?: string
}

const defaultAge = '1h'
const maxRequestBytes = 64 * 1024

/** What is to go: artifacts by the rules, and all blobs that nothing needs. */
interface Plan {
  readonly artifacts: readonly LetGo[]
  /** artifacts that events name and that are not kept */
  readonly dropped: ReadonlySet<Digest>
  readonly needed: Set<Digest>
}

/**
 * Deletes the blobs of artifacts that the retention rules of config.yaml let go, or that were deleted, and blobs that nothing names. The logs
 * keep their events, and so the hashes.
 */
export async function* gcVerb({ node, args, signal }: VerbContext<GcArgs>): AsyncGenerator<VerbRecord> {
  const age = parseDuration(args.olderThan ?? defaultAge)
  if (age === undefined)
    throw new RejoinError('E_USAGE', `not a duration: ${JSON.stringify(args.olderThan)}`, { hint: 'such as 1h or 7d' })
  const arrived: RejoinEvent[] = []
  const stop = node.onAccepted((accepted) => {
    for (const { event } of accepted) if (event !== undefined) arrived.push(event)
  })
  try {
    const nowMs = Date.now()
    const plan = await planOf(node, nowMs)
    for (const { repository, digest, tags, sizeBytes, reason } of plan.artifacts)
      yield { kind: 'artifact', repository, digest, tags: tags.map(({ tag }) => tag), bytes: sizeBytes, reason } as VerbRecord
    const isDryRun = args.dryRun === true
    const done = isDryRun
      ? await sweep(node, plan, { beforeMs: nowMs - age, isDryRun, signal })
      : await node.blobs.turn.alone(async () => {
          for (const event of arrived) await need(node, event, plan.needed)
          node.blobs.dropped.replace(plan.dropped)
          return await sweep(node, plan, { beforeMs: nowMs - age, isDryRun, signal })
        })
    yield { kind: 'result', dryRun: isDryRun, artifacts: plan.artifacts.length, ...done } as VerbRecord
  } finally {
    stop()
  }
}

/** An artifact that is under no rule stays, with what refers to it. */
async function need(node: Node, event: RejoinEvent, needed: Set<Digest>): Promise<void> {
  const digest = artifactOf(event)
  if (digest === undefined) return
  addLarge(event, needed)
  await keep(node, digest, needed)
}

/** Goes over the logs and then over one repository after the other, so that what it keeps in memory is what it comes to: digests. */
async function planOf(node: Node, nowMs: number): Promise<Plan> {
  const { store, config } = node
  const needed = new Set<Digest>()
  for (const event of publishing(node)) {
    // what is in no repository is under no rule
    const { repository } = event.data
    if (typeof repository !== 'string' || !isRepository(repository)) await need(node, event, needed)
  }
  for (const { entries } of store.places.held.list()) for (const { line } of entries) await need(node, parseEvent(line), needed)
  // a forge that is away is still to get these
  for (const digest of waitingDigests(store.root)) await keep(node, digest, needed)
  const letGo: LetGo[] = []
  for (const repository of await listRepositories(node)) {
    const artifacts = await retainedOf(node, repository)
    const going = lettingGo(artifacts, config.retention, nowMs)
    letGo.push(...going)
    const gone = new Set(going.map(({ digest }) => digest))
    for (const { digest } of artifacts) if (!gone.has(digest)) await keep(node, digest, needed)
  }
  const dropped = new Set<Digest>()
  for (const event of publishing(node)) {
    const digest = artifactOf(event) as Digest
    if (needed.has(digest)) addLarge(event, needed)
    else dropped.add(digest)
  }
  return { artifacts: letGo.filter(({ digest }) => !needed.has(digest)), dropped, needed }
}

/** Yields the artifacts that wait in outbox/ to be sent. */
function* waitingDigests(root: string): Generator<Digest, void, void> {
  const folder = join(root, 'outbox')
  if (!existsSync(folder)) return
  for (const name of readdirSync(folder).filter((one) => one.endsWith('.json'))) {
    const bytes = readFileRangeSync(join(folder, name), 0, maxRequestBytes)
    const request = bytes && parseLoose(bytes)
    const digest = isObject(request) ? request['digest'] : undefined
    if (typeof digest === 'string' && isDigest(digest)) yield digest
  }
}

/** A file that is no JSON is none of ours. */
function parseLoose(bytes: Uint8Array): Json | undefined {
  try {
    return parseStrict(bytes, { maxBytes: maxRequestBytes, maxDepth: 8 })
  } catch (error) {
    if (error instanceof RejoinError) return undefined
    throw error
  }
}

/** Yields the events that put an artifact somewhere. */
function* publishing({ store }: Node): Generator<RejoinEvent, void, void> {
  for (const events of [relayedEvents(store), privateEvents(store)])
    for (const event of events) if (artifactOf(event) !== undefined && !removalTypes.has(event.type)) yield event
}

/** What refers to something that is kept is kept with it, and so is what an index names. */
async function keep({ blobs, store }: Node, root: Digest, needed: Set<Digest>): Promise<void> {
  const queue = [root]
  const seen = new Set(queue)
  for (let digest = queue.pop(); digest !== undefined; digest = queue.pop()) {
    if (!needed.has(digest)) await addClosure(blobs, digest, needed)
    needed.add(digest)
    for (const { log, index } of await store.index.referrers(digest)) {
      const line = store.lineOf(log, index)
      const referrer = line && artifactOf(parseEvent(line))
      if (referrer === undefined || seen.has(referrer)) continue
      seen.add(referrer)
      queue.push(referrer)
    }
  }
}

async function retainedOf(node: Node, repository: string): Promise<readonly Retained[]> {
  const rule = ruleOf(repository, node.config.retention)
  const tags = rule && Map.groupBy(await listTags(node, repository), ({ digest }) => digest)
  const found: Retained[] = []
  for (const { digest, event } of (await listRepository(node, repository)) ?? []) {
    const own = (tags?.get(digest) ?? []).map(({ tag, winner }) => ({ tag, hlc: winner.event.hlc }))
    const sizeBytes = rule === undefined ? 0 : await sizeOf(node.blobs, digest)
    found.push({ repository, digest, hlc: event.event.hlc, tags: own, sizeBytes })
  }
  return found
}

async function sizeOf(blobs: Node['blobs'], digest: Digest): Promise<number> {
  const found = new Set<Digest>()
  await addClosure(blobs, digest, found)
  return [...found].reduce((sum, blob) => sum + (blobs.size(blob) ?? 0), 0)
}

async function sweep(
  { blobs }: Node,
  { needed }: Plan,
  { beforeMs, isDryRun, signal }: { readonly beforeMs: number; readonly isDryRun: boolean; readonly signal: AbortSignal }
): Promise<{ readonly blobs: number; readonly bytes: number; readonly kept: number; readonly waiting: number }> {
  const done = { blobs: 0, bytes: 0, kept: 0, waiting: 0 }
  const going: Digest[] = []
  for await (const { digest } of blobs.list()) {
    if (needed.has(digest)) done.kept++
    else if ((blobs.touchedMs(digest) ?? Number.POSITIVE_INFINITY) > beforeMs) done.waiting++
    else going.push(digest)
  }
  for (const digest of going) {
    signal.throwIfAborted()
    done.blobs++
    done.bytes += blobs.size(digest) ?? 0
    if (!isDryRun) await blobs.remove(digest)
  }
  return done
}
