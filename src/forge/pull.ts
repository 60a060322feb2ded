import { codeOf, type Digest, RejoinError } from '../core/index.ts'
import { afterOthers, appendOwn, type ForgeSetting, type Live, type Node, readInRepository, readTag } from '../node/index.ts'
import { type ForgeState, type SeenTag, type TagConflict } from './forge-state.ts'
import { type FollowPattern, followsRepository, followsTag, parseFollowPattern } from './follow-pattern.ts'
import type { OutboxRequest } from './outbox.ts'
import type { RegistryClient } from './registry-client.ts'
import { takeArtifact } from './take-artifact.ts'

/** What is pulled with. */
export interface PullContext {
  readonly node: Node
  readonly live: Live | undefined
  readonly client: RegistryClient
  readonly setting: Pick<ForgeSetting, 'url' | 'pull' | 'onConflict'>
  /** requests that are still to be sent to this forge */
  readonly waiting: readonly OutboxRequest[]
  /** takes requests back: the forge's word counts */
  readonly dropRequests: (requests: readonly OutboxRequest[]) => void
  readonly signal: AbortSignal
  readonly say: (record: PulledRecord) => void
}

/** What became of one artifact at a forge. */
export interface PulledRecord {
  readonly kind: 'artifact'
  readonly repository: string
  readonly tag: string | undefined
  readonly digest: string
  readonly verdict: string
  readonly rule: string
}

/** What a pull came to. */
export interface Pulled {
  readonly state: ForgeState
  readonly taken: number
  readonly refused: number
  /** repositories or artifacts that could not be read, and why */
  readonly faults: readonly string[]
}

const maxReferrers = 1000

/** Pulls what the patterns of a setting name. @throws E_UNREACHABLE E_TIMEOUT E_GONE where the forge is away: what was taken stays */
export async function pullForge(context: PullContext, before: ForgeState): Promise<Pulled> {
  return await new Pull(context, before).run()
}

/** One pull: what was seen so far, and what came of it. */
class Pull {
  private readonly context: PullContext
  private readonly before: ForgeState
  private readonly seen: Map<string, Map<string, SeenTag>>
  private readonly conflicts: TagConflict[] = []
  private readonly faults: string[] = []
  private taken = 0
  private refused = 0

  constructor(context: PullContext, before: ForgeState) {
    this.context = context
    this.before = before
    this.seen = new Map([...before.seen].map(([repository, tags]) => [repository, new Map(tags)]))
  }

  async run(): Promise<Pulled> {
    const { client, setting, signal } = this.context
    const patterns = setting.pull.map(parseFollowPattern)
    const names = new Set(patterns.filter(({ isName }) => isName).map(({ repositories }) => repositories))
    if (patterns.some(({ isName }) => !isName))
      for (const name of await client.repositories(signal))
        if (patterns.some((one) => followsRepository(one, name))) names.add(name)
    for (const name of [...names].toSorted()) {
      signal.throwIfAborted()
      await this.bounded(
        name,
        async () =>
          await this.repository(
            name,
            patterns.filter((one) => followsRepository(one, name))
          )
      )
    }
    return {
      state: { ...this.before, seen: this.seen, conflicts: this.conflicts },
      taken: this.taken,
      refused: this.refused,
      faults: this.faults
    }
  }

  /** Lets what is wrong with one thing at a forge not stop the others; a forge that is away stops all. */
  private async bounded(what: string, work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      this.context.signal.throwIfAborted()
      const isAway = ['E_UNREACHABLE', 'E_TIMEOUT', 'E_GONE', 'E_NO_SPACE', 'E_IO', undefined].includes(codeOf(error))
      if (isAway || !(error instanceof RejoinError)) throw error
      this.faults.push(`${what}: ${error.message} (${error.code})`)
    }
  }

  private async repository(name: string, patterns: readonly FollowPattern[]): Promise<void> {
    const { client, signal } = this.context
    const named = patterns.every(({ tags }) => tags.kind === 'name')
    const listed = named ? undefined : await client.tags(name, signal)
    const tags = new Set(patterns.flatMap(({ tags: one }) => (one.kind === 'name' ? [one.tag] : [])))
    for (const tag of listed ?? []) if (patterns.some((one) => followsTag(one, tag))) tags.add(tag)
    const present = new Set<string>()
    for (const tag of [...tags].toSorted()) {
      await this.bounded(`${name}:${tag}`, async () => {
        const head = await client.head(name, tag, signal)
        if (head === undefined) return
        present.add(tag)
        await this.tag(name, tag, head.digest)
      })
    }
    await this.removed(name, present)
  }

  private async tag(name: string, tag: string, digest: Digest): Promise<void> {
    const { client, signal, waiting, setting, node } = this.context
    const mine = waiting.filter((request) => request.repository === name && request.tag === tag)
    const last = mine.at(-1)
    const known = this.seen.get(name)?.get(tag)
    const isConflict = last !== undefined && last.digest !== digest && known?.digest !== digest
    if (isConflict && setting.onConflict === 'show')
      this.conflicts.push({
        repository: name,
        tag,
        here: last.digest ?? digest,
        there: digest,
        since:
          this.before.conflicts.find((one) => one.repository === name && one.tag === tag && one.there === digest)?.since ??
          new Date().toISOString()
      })
    if (isConflict && setting.onConflict === 'forge') this.context.dropRequests(mine)
    const setsTag = !isConflict || setting.onConflict === 'forge'
    if (!isConflict && known?.digest === digest && known.verdict === 'relay') return
    if (!setsTag && (await readInRepository(node, name, digest)) !== undefined) return
    if (setsTag && (await readTag(node, name, tag))?.digest === digest && node.blobs.has(digest)) {
      this.note(name, tag, { digest, verdict: 'relay', rule: 'own' })
      return
    }
    const manifest = await client.manifest(name, digest, signal)
    if (manifest === undefined) throw new RejoinError('E_NOT_FOUND', `the manifest ${digest} is gone`)
    const { verdict, rule } = await takeArtifact({ ...this.context, repository: name }, manifest, setsTag ? tag : undefined)
    this.record(name, setsTag ? tag : undefined, digest, verdict, rule)
    if (setsTag) this.note(name, tag, { digest, verdict, rule })
    if (verdict === 'relay') await this.referrers(name, digest)
  }

  private note(name: string, tag: string, seen: SeenTag): void {
    const tags = this.seen.get(name) ?? new Map<string, SeenTag>()
    tags.set(tag, seen)
    this.seen.set(name, tags)
  }

  private record(repository: string, tag: string | undefined, digest: Digest, verdict: string, rule: string): void {
    if (verdict === 'relay') this.taken++
    else this.refused++
    this.context.say({ kind: 'artifact', repository, tag, digest, verdict, rule })
  }

  /** Takes what refers to an artifact: signatures, SBOMs, attestations, each judged by itself. */
  private async referrers(name: string, digest: Digest): Promise<void> {
    const { client, signal, node } = this.context
    for (const one of (await client.referrers(name, digest, signal)).slice(0, maxReferrers)) {
      if ((await readInRepository(node, name, one)) !== undefined && node.blobs.has(one)) continue
      await this.bounded(`${name}@${one}`, async () => {
        const manifest = await client.manifest(name, one, signal)
        if (manifest === undefined) return
        const { verdict, rule } = await takeArtifact({ ...this.context, repository: name }, manifest, undefined)
        this.record(name, undefined, one, verdict, rule)
      })
    }
  }

  /** A tag that was seen at the forge and is gone there goes here too, unless it was moved here since. */
  private async removed(name: string, present: ReadonlySet<string>): Promise<void> {
    const { node, client } = this.context
    for (const [tag, { digest }] of this.seen.get(name) ?? []) {
      if (present.has(tag)) continue
      const here = await readTag(node, name, tag)
      if (here?.digest === digest && here.winner.log === node.log && here.winner.event.data['forge'] === client.origin) {
        const data = { repository: name, tag, was: digest, forge: client.origin }
        await appendOwn(node, [await afterOthers(node, { type: 'tag.removed', subject: digest, data })])
        node.blobs.index.change([{ kind: 'untag', tag: `${name}:${tag}` }])
      }
      this.seen.get(name)?.delete(tag)
    }
  }
}
