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

/**
 * Returns the artifacts of one repository that its rule lets go; none where no rule fits. Pins go before everything.
 * @see protocols/registry.md#REG-41
 */
export function lettingGo(artifacts: readonly Retained[], { pins, rules }: RetentionConfig, nowMs: number): readonly LetGo[] {
  const rule = rules.find(({ repositories }) => artifacts[0] !== undefined && matchGlob(artifacts[0].repository, repositories))
  if (rule === undefined) return []
  const reasons = new Map<Retained, LetGo['reason']>()
  const free = artifacts.filter((one) => !isPinned(one, pins))
  for (const one of free) {
    const reason = reasonOf(one, rule, artifacts, nowMs)
    if (reason !== undefined) reasons.set(one, reason)
  }
  const maxBytes = rule.maxBytes === undefined ? undefined : parseSize(rule.maxBytes)
  if (maxBytes !== undefined) {
    let sizeBytes = artifacts.filter((one) => !free.includes(one)).reduce((sum, one) => sum + one.sizeBytes, 0)
    for (const one of free.filter((each) => !reasons.has(each)).toSorted(newestFirst)) {
      sizeBytes += one.sizeBytes
      if (sizeBytes > maxBytes) reasons.set(one, 'size')
    }
  }
  return [...reasons].map(([one, reason]) => ({ ...one, reason }))
}

function reasonOf(
  one: Retained,
  { keepTags, keepFor }: RetentionRule,
  all: readonly Retained[],
  nowMs: number
): LetGo['reason'] | undefined {
  const isYoung =
    keepFor !== undefined && nowMs - msOfHlc(one.hlc as never) < (parseDuration(keepFor) ?? Number.POSITIVE_INFINITY)
  if (keepTags === undefined) return keepFor === undefined || isYoung ? undefined : 'age'
  const kept = all
    .flatMap(({ digest, tags }) => tags.map((tag) => ({ digest, ...tag })))
    .toSorted(newestFirst)
    .slice(0, keepTags)
  return isYoung || kept.some(({ digest }) => digest === one.digest) ? undefined : 'tags'
}
