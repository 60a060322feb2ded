import { type Digest, matchGlob, msOfHlc, parseDuration, parseSize } from '../core/index.ts'
import type { RetentionConfig, RetentionRule } from './config-parts.ts'

/** An artifact of a repository, as retention looks at it. */
export interface Retained {
  readonly repository: string
  readonly digest: Digest
  /** clock of the newest event about it there */
  readonly hlc: string
  /** its tags there, with the clocks of when they were set */
  readonly tags: readonly { readonly tag: string; readonly hlc: string }[]
  /** of all its blobs */
  readonly sizeBytes: number
}

/** An artifact that the rules let go, and why. */
export interface LetGo extends Retained {
  readonly reason: 'tags' | 'age' | 'size'
}

const newestFirst = (a: { readonly hlc: string }, b: { readonly hlc: string }): number =>
  a.hlc < b.hlc ? 1 : a.hlc > b.hlc ? -1 : 0

function isPinned({ repository, digest, tags }: Retained, pins: readonly string[]): boolean {
  return pins.some(
    (pin) => pin === digest || pin === `${repository}@${digest}` || tags.some(({ tag }) => matchPin(`${repository}:${tag}`, pin))
  )
}

/** A pin is a pattern of a repository, a colon, and a pattern of a tag. */
function matchPin(reference: string, pin: string): boolean {
  const [at, pinAt] = [reference.lastIndexOf(':'), pin.lastIndexOf(':')]
  return (
    pinAt > 0 &&
    matchGlob(reference.slice(0, at), pin.slice(0, pinAt)) &&
    matchGlob(reference.slice(at + 1), pin.slice(pinAt + 1))
  )
}

/** Returns the rule that a repository is under, the first that fits. */
export function ruleOf(repository: string, { rules }: Pick<RetentionConfig, 'rules'>): RetentionRule | undefined {
  return rules.find(({ repositories }) => matchGlob(repository, repositories))
}

/**
 * Returns the artifacts of one repository that its rule lets go; none where no rule fits. Pins go before everything.
 * @see protocols/registry.md#REG-41
 */
export function lettingGo(artifacts: readonly Retained[], { pins, rules }: RetentionConfig, nowMs: number): readonly LetGo[] {
  const rule = artifacts[0] && ruleOf(artifacts[0].repository, { rules })
  if (rule === undefined) return []
  const reasons = new Map<Retained, LetGo['reason']>()
  const free = artifacts.filter((one) => !isPinned(one, pins))
  const lastTagged = rule.keepTags === undefined ? undefined : lastTaggedOf(artifacts, rule.keepTags)
  for (const one of free) {
    const reason = reasonOf(one, rule, lastTagged, nowMs)
    if (reason !== undefined) reasons.set(one, reason)
  }
  const maxBytes = rule.maxBytes === undefined ? undefined : parseSize(rule.maxBytes)
  if (maxBytes !== undefined) {
    const pinned = new Set(artifacts).difference(new Set(free))
    let sizeBytes = [...pinned].reduce((sum, one) => sum + one.sizeBytes, 0)
    for (const one of free.filter((each) => !reasons.has(each)).toSorted(newestFirst)) {
      sizeBytes += one.sizeBytes
      if (sizeBytes > maxBytes) reasons.set(one, 'size')
    }
  }
  return [...reasons].map(([one, reason]) => ({ ...one, reason }))
}

/** Returns the artifacts under the tags of a repository that were set last. */
function lastTaggedOf(artifacts: readonly Retained[], count: number): ReadonlySet<Digest> {
  const tagged = artifacts.flatMap(({ digest, tags }) => tags.map(({ hlc }) => ({ digest, hlc })))
  return new Set(
    tagged
      .toSorted(newestFirst)
      .slice(0, count)
      .map(({ digest }) => digest)
  )
}

function reasonOf(
  one: Retained,
  { keepFor }: RetentionRule,
  lastTagged: ReadonlySet<Digest> | undefined,
  nowMs: number
): LetGo['reason'] | undefined {
  const isYoung =
    keepFor !== undefined && nowMs - msOfHlc(one.hlc as never) < (parseDuration(keepFor) ?? Number.POSITIVE_INFINITY)
  if (lastTagged === undefined) return keepFor === undefined || isYoung ? undefined : 'age'
  return isYoung || lastTagged.has(one.digest) ? undefined : 'tags'
}
