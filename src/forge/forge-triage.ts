import { type Digest, forgeAuthor, isDigest, RejoinError } from '../core/index.ts'
import { type ForgeSetting, loadConfig, type Node, type TriageArgs, type VerbRecord } from '../node/index.ts'
import { ForgeDecisions } from './decisions.ts'
import { parseForgeUrl } from './forge-url.ts'
import { readForgeState, type SeenTag } from './forge-state.ts'

/** An artifact at a forge that was not taken. */
interface NotTaken {
  readonly setting: ForgeSetting
  readonly host: string
  readonly repository: string
  /** absent where it only refers to something */
  readonly tag: string | undefined
  readonly seen: SeenTag
}

function* notTaken(node: Pick<Node, 'root'>): Generator<NotTaken> {
  for (const setting of loadConfig(node.root).forges) {
    const { host } = parseForgeUrl(setting.url)
    for (const [repository, tags] of readForgeState(node.root, host).seen)
      for (const [key, seen] of tags)
        if (seen.verdict !== 'relay') yield { setting, host, repository, tag: key.startsWith('@') ? undefined : key, seen }
  }
}

/** The name by which a person decides about an artifact at a forge: https://registry.example/apps/web:v1 */
function referenceOf({ setting, repository, tag, seen }: NotTaken): string {
  return `${setting.url}/${repository}${tag === undefined ? `@${seen.digest}` : `:${tag}`}`
}

/** Returns how many artifacts of a forge are held. */
export function countHeldAt(node: Pick<Node, 'root'>, url: string): number {
  const { host } = parseForgeUrl(url)
  const decisions = ForgeDecisions.read(node.root, host)
  let count = 0
  for (const [repository, tags] of readForgeState(node.root, host).seen)
    for (const { verdict, digest } of tags.values())
      if (verdict === 'hold' && decisions.on(repository, digest) === undefined) count++
  return count
}

/** Yields what the rules hold of what forges have, for a person to decide about. */
export function* heldAtForges(node: Node): Generator<VerbRecord> {
  for (const one of notTaken(node)) {
    const { setting, host, repository, tag, seen } = one
    if (seen.verdict !== 'hold' || ForgeDecisions.read(node.root, host).on(repository, seen.digest) !== undefined) continue
    yield {
      kind: 'held',
      forge: setting.url,
      reference: referenceOf(one),
      author: node.gate.nameOf(forgeAuthor(setting.url)) ?? setting.url,
      type: 'forge.seen',
      subject: seen.digest,
      repository: `${repository}${tag === undefined ? '' : `:${tag}`}`,
      rule: seen.rule,
      waits: 'person',
      ...(seen.since !== undefined && { since: seen.since })
    } as VerbRecord
  }
}

/** Returns the words that name something at a forge, and the others. */
export function splitWords(
  node: Pick<Node, 'root'>,
  words: readonly string[]
): { readonly ofForges: readonly string[]; readonly others: readonly string[] } {
  const digests = words.some((word) => isDigest(word)) ? new Set([...notTaken(node)].map(({ seen }) => seen.digest)) : undefined
  const isOfForge = (word: string): boolean => word.includes('://') || (isDigest(word) && digests?.has(word) === true)
  return { ofForges: words.filter(isOfForge), others: words.filter((word) => !isOfForge(word)) }
}

/**
 * Records what a person decided about artifacts at forges; yields what comes of it. What is accepted is taken with the next sync.
 * @throws E_NOT_FOUND where nothing of that name was seen and not taken · E_USAGE
 */
export function* decideAtForges(
  node: Node,
  { action, because, keep = false }: TriageArgs,
  words: readonly string[],
  onAccepted: (setting: ForgeSetting) => void
): Generator<VerbRecord> {
  if (words.length === 0) return
  if (keep)
    throw new RejoinError('E_USAGE', 'what a forge has is taken and passed on, or not taken: --keep is for events of others')
  const found = words.flatMap((word) => named(node, word))
  for (const one of found) {
    const { setting, host, repository, seen } = one
    const decisions = ForgeDecisions.read(node.root, host)
    const at = new Date().toISOString()
    const verdict = action === 'accept' ? 'relay' : 'refuse'
    decisions.decide(
      repository,
      seen.digest,
      action === 'withdraw' ? undefined : { verdict, at, ...(because !== undefined && { because }) }
    )
    if (action !== 'refuse') onAccepted(setting)
    yield {
      kind: 'decision',
      action,
      forge: setting.url,
      reference: referenceOf(one),
      author: node.gate.nameOf(forgeAuthor(setting.url)) ?? setting.url,
      before: seen.verdict,
      after: action === 'refuse' ? 'refuse' : seen.verdict,
      ...(because !== undefined && { because }),
      ...(action === 'accept' && { waits: 'forge' })
    } as VerbRecord
  }
}

function named(node: Node, word: string): readonly NotTaken[] {
  const all = [...notTaken(node)]
  const found = isDigest(word) ? all.filter(({ seen }) => seen.digest === word) : all.filter(matches(word))
  if (found.length > 0) return found
  throw new RejoinError('E_NOT_FOUND', `nothing that was seen and not taken has the name ${JSON.stringify(word.slice(0, 160))}`, {
    hint: 'rejoin triage lists what is held'
  })
}

function matches(word: string): (one: NotTaken) => boolean {
  const { host, repository, tag, digest } = parseForgeUrl(word)
  return (one) =>
    one.host === host &&
    one.repository === repository &&
    (digest === undefined ? one.tag === tag : one.seen.digest === (digest as Digest))
}
