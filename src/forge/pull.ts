import { basisOf, type Digest, RejoinError } from '../core/index.ts'
import { afterOthers, appendOwn, type ForgeSetting, type Live, type Node, readInRepository, readTag } from '../node/index.ts'
import { ForgeDecisions } from './decisions.ts'
import { manifestOf } from './fetch-closure.ts'
import { type FollowPattern, followsRepository, parseFollowPattern } from './follow-pattern.ts'
import type { ForgeState, SeenList, SeenTag, TagConflict } from './forge-state.ts'
import { type KnownTags, readForgeTags } from './forge-tags.ts'
import type { OutboxRequest } from './outbox.ts'
import { areReferrersDue, walkReferrers } from './referrers.ts'
import type { RegistryClient } from './registry-client.ts'
import { listReferrers, listRepositories } from './registry-lists.ts'
import { ownShareFirst } from './shares.ts'
import { type TakenArtifact, takeArtifact } from './take-artifact.ts'

/** What is pulled with. */
export interface PullContext {
  readonly node: Node
  readonly live: Live | undefined
  readonly client: RegistryClient
  readonly setting: Pick<ForgeSetting, 'url' | 'pull' | 'onConflict'>
  /** returns the requests that are still to be sent to this forge */
  readonly waiting: () => readonly OutboxRequest[]
  /** takes requests back: the forge's word counts */
  readonly dropRequests: (requests: readonly OutboxRequest[]) => void
  readonly signal: AbortSignal
  readonly say: (record: PulledRecord) => void
  /** called with what is known by then where a pull breaks in the middle */
  readonly onBroken: (state: ForgeState) => void
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

/** Pulls what the patterns of a setting name. @throws E_UNREACHABLE E_TIMEOUT E_GONE where the forge is away: what was taken stays */
export async function pullForge(context: PullContext, before: ForgeState): Promise<Pulled> {
  return await new Pull(context, before).run()
}

/** One pull: what was seen so far, and what came of it. */
class Pull {
  private readonly context: PullContext
  private readonly before: ForgeState
  private readonly seen: Map<string, Map<string, SeenTag>>
  private readonly lists: Map<string, SeenList>
  private listsDigests: boolean | undefined
  private readonly basis: string
  private readonly decisions: ForgeDecisions
  private readonly conflicts: TagConflict[] = []
  private readonly faults: string[] = []
  private taken = 0
  private refused = 0

  constructor(context: PullContext, before: ForgeState) {
    this.context = context
    this.before = before
    this.seen = new Map([...before.seen].map(([repository, tags]) => [repository, new Map(tags)]))
    this.lists = new Map(before.lists)
    this.listsDigests = before.listsDigests
    this.basis = basisOf(context.node.gate.rules.file)
    this.decisions = ForgeDecisions.read(context.node.root, context.client.host)
  }

  async run(): Promise<Pulled> {
    const { setting, signal, onBroken } = this.context
    const patterns = setting.pull.map(parseFollowPattern)
    try {
      for (const name of await this.names(patterns)) {
        signal.throwIfAborted()
        const own = patterns.filter((one) => followsRepository(one, name))
        await this.bounded(name, async () => await this.repository(name, own))
      }
    } catch (error) {
      onBroken({ ...this.state(), conflicts: this.before.conflicts })
      throw error
    }
    return { state: this.state(), taken: this.taken, refused: this.refused, faults: this.faults }
  }

  private state(): ForgeState {
    const { before, seen, lists, listsDigests, conflicts } = this
    return { ...before, seen, lists, listsDigests, conflicts }
  }

  /** The followed repositories: those that are named, that the forge lists, and that it had before. */
  private async names(patterns: readonly FollowPattern[]): Promise<readonly string[]> {
    const { client, signal } = this.context
    const names = new Set(patterns.filter(({ isName }) => isName).map(({ repositories }) => repositories))
    if (patterns.every(({ isName }) => isName)) return [...names].toSorted()
    for (const name of [...(await listRepositories(client, signal)), ...this.seen.keys()])
      if (patterns.some((one) => followsRepository(one, name))) names.add(name)
    return [...names].toSorted()
  }

  /** Lets what is wrong with one thing at a forge not stop the others; a forge that is away, or that lets nobody in, stops all. */
  private async bounded(what: string, work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      this.context.signal.throwIfAborted()
      if (this.context.client.isOver(error)) throw error
      this.fault(what, error as RejoinError)
    }
  }

  private fault(what: string, { message, code }: RejoinError): void {
    this.faults.push(`${what}: ${message} (${code})`)
  }

  private async repository(name: string, patterns: readonly FollowPattern[]): Promise<void> {
    const { client, signal } = this.context
    const { listsDigests } = this
    const text = patterns.map((one) => one.text).join(' ')
    const last = this.lists.get(name)
    const etag = last?.patterns === text && last.basis === this.basis && this.isSettled(name) ? last.etag : undefined
    const tags = await readForgeTags(client, { name, patterns, etag, listsDigests, signal })
    if (tags.kind === 'same') return
    this.lists.delete(name)
    if (tags.listed !== undefined && tags.listed.size > 0) this.listsDigests = tags.referrers !== undefined
    const faultCount = this.faults.length
    for (const [tag, error] of tags.faults) this.fault(`${name}:${tag}`, error)
    for (const [tag, digest] of this.inOrder(tags.followed))
      await this.bounded(`${name}:${tag}`, async () => await this.tag(name, tag, digest))
    for (const tag of tags.followed.keys())
      await this.bounded(`${name}:${tag}`, async () => await this.referrers(name, tag, tags))
    await this.removed(name, tags)
    const isDone = this.faults.length === faultCount && !this.conflicts.some(({ repository }) => repository === name)
    if (tags.etag !== undefined && isDone) this.lists.set(name, { etag: tags.etag, patterns: text, basis: this.basis })
  }

  /** Whether nothing here could make anything of what a repository was when it was last looked at. */
  private isSettled(name: string): boolean {
    const isOpen = ({ repository }: { readonly repository: string }): boolean => repository === name
    return (
      !this.context.waiting().some(isOpen) &&
      !this.before.conflicts.some(isOpen) &&
      [...(this.seen.get(name)?.values() ?? [])].every((seen) => this.stands(name, seen))
    )
  }

  /** Whether what was made of an artifact still holds, as long as it is the same. */
  private stands(name: string, { digest, verdict, basis }: SeenTag): boolean {
    if (verdict === 'relay') return true
    const decided = this.decisions.on(name, digest)
    return decided === undefined ? basis === this.basis : decided.verdict === 'refuse'
  }

  private inOrder(followed: ReadonlyMap<string, Digest>): readonly (readonly [string, Digest])[] {
    const { live, node } = this.context
    const others = live?.host.peers().map(({ peerId }) => peerId) ?? []
    return others.length === 0 ? [...followed] : ownShareFirst([...followed], ([, digest]) => digest, node.nodeId, others)
  }

  private async tag(name: string, tag: string, digest: Digest): Promise<void> {
    const { waiting, setting, node } = this.context
    const mine = waiting().filter((request) => request.repository === name && request.tag === tag)
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
    if (!isConflict && known?.digest === digest && this.stands(name, known)) return
    if (!setsTag && (await readInRepository(node, name, digest)) !== undefined) return
    const before = (await readTag(node, name, tag))?.digest
    if (setsTag && before === digest && node.blobs.has(digest)) {
      this.note(name, tag, { digest, verdict: 'relay', rule: 'own' })
      return
    }
    // what a person sets while its blobs come stays: the next sync sees that both moved it
    const maySet = async (): Promise<boolean> => setsTag && (await readTag(node, name, tag))?.digest === before
    const { verdict, rule, isTagged } = await this.take(name, digest, tag, maySet)
    if (isTagged) this.note(name, tag, { digest, verdict, rule })
  }

  private async take(
    repository: string,
    digest: Digest,
    tag: string | undefined,
    maySet: () => Promise<boolean>
  ): Promise<TakenArtifact> {
    const context = { ...this.context, repository }
    const decision = this.decisions.on(repository, digest)?.verdict
    if (decision === 'refuse') return { verdict: 'refuse', rule: 'person', isTagged: false }
    const manifest = await manifestOf(context, digest)
    const taken = await takeArtifact(context, manifest, { tag, maySet, isLet: decision === 'relay' })
    const { verdict, rule, isTagged } = taken
    if (verdict === 'relay') this.taken++
    else this.refused++
    this.context.say({ kind: 'artifact', repository, tag: isTagged ? tag : undefined, digest, verdict, rule })
    return taken
  }

  private note(name: string, key: string, seen: Pick<SeenTag, 'digest' | 'verdict' | 'rule'>): void {
    const tags = this.seen.get(name) ?? new Map<string, SeenTag>()
    const before = tags.get(key)
    const since = (before?.digest === seen.digest ? before.since : undefined) ?? new Date().toISOString()
    tags.set(key, { ...seen, since, ...(seen.verdict !== 'relay' && { basis: this.basis }) })
    this.seen.set(name, tags)
  }

  /** Takes what refers to an artifact that was taken: signatures, SBOMs, attestations, each judged by itself. */
  private async referrers(name: string, tag: string, { referrers, listed }: KnownTags): Promise<void> {
    const { client, signal, node } = this.context
    const seen = this.seen.get(name)?.get(tag)
    if (seen?.verdict !== 'relay') return
    const nowMs = Date.now()
    if (referrers === undefined && !areReferrersDue(seen, nowMs)) return
    const of = async (subject: Digest): Promise<readonly Digest[]> =>
      referrers === undefined ? await listReferrers(client, name, subject, { listed, signal }) : (referrers.get(subject) ?? [])
    const faultCount = this.faults.length
    await walkReferrers(node.blobs, seen.digest, of, async (digest) => {
      let isTaken = false
      await this.bounded(`${name}@${digest}`, async () => {
        isTaken = await this.referrer(name, digest)
      })
      return isTaken
    })
    if (referrers !== undefined || this.faults.length > faultCount) return
    this.seen.get(name)?.set(tag, { ...seen, asked: new Date(nowMs).toISOString() })
  }

  /** @returns whether it is here now */
  private async referrer(name: string, digest: Digest): Promise<boolean> {
    const { node } = this.context
    if ((await readInRepository(node, name, digest)) !== undefined && node.blobs.has(digest)) return true
    const key = `@${digest}`
    const known = this.seen.get(name)?.get(key)
    if (known !== undefined && this.stands(name, known)) return false
    const { verdict, rule } = await this.take(name, digest, undefined, async () => await Promise.resolve(false))
    if (verdict === 'relay') this.seen.get(name)?.delete(key)
    else this.note(name, key, { digest, verdict, rule })
    return verdict === 'relay'
  }

  /** A tag that was seen at the forge and is gone there goes here too, unless it was moved here since. */
  private async removed(name: string, tags: KnownTags): Promise<void> {
    const { node, client } = this.context
    for (const [tag, { digest }] of this.seen.get(name) ?? []) {
      if (tag.startsWith('@') || !isGone(tag, tags)) continue
      const here = await readTag(node, name, tag)
      if (here?.digest === digest && here.winner.log === node.log && here.winner.event.data['forge'] === client.origin) {
        const data = { repository: name, tag, was: digest, forge: client.origin }
        await appendOwn(node, [await afterOthers(node, { type: 'tag.removed', subject: digest, data })])
        node.blobs.index.change([{ kind: 'untag', tag: `${name}:${tag}` }])
      }
      this.seen.get(name)?.delete(tag)
    }
    if (this.seen.get(name)?.size === 0) this.seen.delete(name)
  }
}

/** Only what was asked about can be known to be gone: not a tag that is no longer followed, nor one whose answer was no answer. */
function isGone(tag: string, { listed, asked, followed, faults }: KnownTags): boolean {
  if (listed !== undefined) return !listed.has(tag)
  return asked.has(tag) && !followed.has(tag) && !faults.has(tag)
}
