import { RejoinError } from '../error.ts'

const maxPatternChars = 256

/** What is wrong with a pattern, and what may have been meant. */
export interface PatternFault {
  readonly message: string
  readonly suggestion?: string
}

/**
 * Returns whether a sequence fits a pattern in which some items stand for any run. Going back to the last such item alone is enough:
 * what stands before it fits earliest, which leaves the most for the rest. At most `length` × `patternLength` comparisons.
 */
function runFits(
  length: number,
  patternLength: number,
  isAny: (at: number) => boolean,
  isSame: (at: number, patternAt: number) => boolean
): boolean {
  let at = 0
  let next = 0
  let any = -1
  let anyAt = 0
  while (at < length) {
    if (next < patternLength && isAny(next)) {
      any = next++
      anyAt = at
    } else if (next < patternLength && isSame(at, next)) {
      at++
      next++
    } else if (any >= 0) {
      next = any + 1
      at = ++anyAt
    } else return false
  }
  while (next < patternLength && isAny(next)) next++
  return next === patternLength
}

function partFits(part: string, pattern: string): boolean {
  // a pattern that is looked at as a text stands for more than one part only where the other does too
  if (part === '**') return false
  if (!pattern.includes('*')) return part === pattern
  return runFits(
    part.length,
    pattern.length,
    (at) => pattern[at] === '*',
    (at, patternAt) => part[at] === pattern[patternAt]
  )
}

function partsOf(path: string): readonly string[] {
  return path === '' ? [] : path.split('/')
}

/**
 * Returns whether a path fits a pattern: `*` stands for any characters within a part, a part `**` for any number of parts, also none.
 * The empty path has no parts. Takes time linear in the path's length. With a pattern as path, tells whether all that fits it fits the other.
 * @throws E_TOO_LARGE for a pattern over 256 characters, as conditions may compute one
 * @see protocols/trust.md#TRUST-14
 */
export function matchGlob(path: string, pattern: string): boolean {
  if (pattern.length > maxPatternChars)
    throw new RejoinError('E_TOO_LARGE', `a pattern of ${pattern.length} characters is over ${maxPatternChars}`)
  const parts = partsOf(path)
  const patterns = partsOf(pattern)
  return runFits(
    parts.length,
    patterns.length,
    (at) => patterns[at] === '**',
    (at, patternAt) => partFits(parts[at] as string, patterns[patternAt] as string)
  )
}

/** Returns what is wrong with a pattern of paths, or undefined. */
export function globFault(pattern: string): PatternFault | undefined {
  const message = `not a pattern of repository names: ${JSON.stringify(pattern.slice(0, 60))}`
  const suggest = (suggestion: string): PatternFault => ({ message, suggestion })
  if (pattern.length > maxPatternChars) return suggest(`a pattern has at most ${maxPatternChars} characters`)
  if (/[^\w./*-]/.test(pattern)) return suggest('besides letters, digits and . _ - / only * and ** stand in it')
  const parts = pattern.split('/')
  const bare = parts.filter((part) => part !== '').join('/')
  if (bare === '') return suggest('did you mean "**"? It stands for all repositories')
  if (pattern.endsWith('/')) return suggest(`did you mean ${JSON.stringify(`${bare}/**`)}?`)
  if (bare !== pattern) return suggest(`did you mean ${JSON.stringify(bare)}?`)
  const mixed = parts.find((part) => part.includes('**') && part !== '**')
  if (mixed !== undefined)
    return suggest(
      `did you mean ${JSON.stringify(pattern.replace(mixed, mixed.replaceAll(/\*+/g, '*')))}? "**" is a part of its own`
    )
  return undefined
}

/** Returns what is wrong with a pattern of media types or event types, in which a last `*` stands for any end, or undefined. */
export function endingFault(pattern: string): PatternFault | undefined {
  const message = `not a pattern: ${JSON.stringify(pattern.slice(0, 60))}`
  if (!/^[\w.+/*-]+$/.test(pattern))
    return { message, suggestion: 'besides letters, digits and . _ + - / only a last * stands in it' }
  const star = pattern.indexOf('*')
  if (star < 0 || star === pattern.length - 1) return undefined
  return { message, suggestion: `only a last * is a wildcard: did you mean ${JSON.stringify(pattern.slice(0, star + 1))}?` }
}
