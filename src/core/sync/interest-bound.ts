import { utf8 } from '../bytes.ts'
import { hullOf, type Interest } from '../trust/interest.ts'
import { fits } from '../trust/verdict.ts'
import { maxInterests, maxPatternBytes, maxPatterns, patternLists } from './interest-frame.ts'

/** Most bytes of patterns that this side sends: every HELLO costs them, also where nothing is new. */
const maxSentBytes = 8 * 1024

const lists = ['types', 'mediaTypes', 'artifactTypes', 'documentTypes', 'repositories'] as const
type Lists = { -readonly [Member in keyof Interest]: Interest[Member] }

function isSmall(interests: readonly Interest[]): boolean {
  const all = patternLists(interests).flat()
  if (interests.length > maxInterests || all.length > maxPatterns) return false
  const sizes = all.map((pattern) => utf8(pattern).length)
  return sizes.every((size) => size <= maxPatternBytes) && sizes.reduce((sum, size) => sum + size, 0) <= maxSentBytes
}

/** Whether what an interest lets in, by anything but authors, is let in by another one too. */
function isWithin(small: Interest, large: Interest): boolean {
  const has = (of: readonly string[], one: string): boolean =>
    of.some((other) => one === other || (other.endsWith('*') && fits(one, other)))
  return lists.every((member) => {
    const of = large[member]
    return of === undefined || (small[member]?.every((one) => has(of, one)) ?? false)
  })
}

function withoutAuthors(interest: Interest): Interest {
  const rest: Lists = { ...interest }
  delete rest.authors
  return rest
}

/**
 * Leaves out authors where the logs that this side asks for are of no others: all whom it lets in at all are in the list, or have as
 * much let in by another interest. Then leaves out what another interest has already.
 */
function shortened(interests: readonly Interest[]): readonly Interest[] {
  const known = new Set(interests.flatMap(({ authors = [] }) => authors))
  const short = interests.map((one) => {
    const wider = interests.filter((other) => isWithin(one, other))
    if (interests.some((other) => other.authors === undefined && !wider.includes(other))) return one
    const heard = new Set(wider.flatMap(({ authors = [] }) => authors))
    const isOfAll = wider.some(({ authors }) => authors === undefined) || [...known].every((author) => heard.has(author))
    return isOfAll ? withoutAuthors(one) : one
  })
  return short.filter(
    (one, i) =>
      !short.some(
        (other, j) =>
          i !== j &&
          other.authors === undefined &&
          isWithin(one, other) &&
          (!isWithin(other, one) || j < i || one.authors !== undefined)
      )
  )
}

/** Returns one interest that holds all of several, with as many lists as are small enough. */
function hull(interests: readonly Interest[]): readonly Interest[] {
  const whole: Lists = { ...hullOf(interests) }
  for (const member of lists.toSorted((a, b) => (whole[b]?.length ?? 0) - (whole[a]?.length ?? 0))) {
    if (isSmall([whole])) break
    delete whole[member]
  }
  return [whole]
}

/**
 * Returns interests that let in all that these do, of the logs that this side asks for, and are small enough for a HELLO: no wider than
 * these where that is possible. None stands for everything.
 */
export function boundedInterest(interests: readonly Interest[]): readonly Interest[] {
  const short = shortened(interests)
  const [first] = [short, shortened(short.map(withoutAuthors)), hull(short.map(withoutAuthors))].filter(isSmall)
  return first === undefined || first.some((one) => Object.keys(one).length === 0) ? [] : first
}
