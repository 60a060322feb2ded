import { genericOrder, golangOrder, npmOrder, semverOrder, type VersionOrder } from './version-order.ts'
import { apkOrder, debOrder, rpmOrder } from './version-package.ts'
import { mavenOrder } from './version-maven.ts'
import { pypiOrder } from './version-pypi.ts'

const comparators = ['>=', '<=', '!=', '<', '>'] as const
type Comparator = '=' | (typeof comparators)[number]
const maxRangeChars = 65_536

const orders: ReadonlyMap<string, VersionOrder> = new Map([
  ['npm', npmOrder],
  ['semver', semverOrder],
  ['generic', genericOrder],
  ['deb', debOrder],
  ['rpm', rpmOrder],
  ['apk', apkOrder],
  ['maven', mavenOrder],
  ['pypi', pypiOrder],
  ['golang', golangOrder]
])

/** One constraint of a range. */
export interface VersionConstraint {
  readonly comparator: Comparator
  readonly version: string
}

/** A version range, taken apart: `vers:npm/>=1.0.0|<2.0.0` */
export interface VersionRange {
  readonly scheme: string
  /** in their order; none is `*`, every version */
  readonly constraints: readonly VersionConstraint[]
}

/** Returns the version in a constraint, or what is wrong with it. */
function parseConstraint(text: string): VersionConstraint | string {
  const comparator = comparators.find((sign) => text.startsWith(sign))
  const encoded = text.slice(comparator?.length ?? 0)
  if (encoded === '') return 'a constraint has no version'
  if (/[<>=!*]/.test(encoded)) return 'a version has one of < > = ! * that is not percent-encoded'
  if (/%(?![0-9A-F]{2})/.test(encoded)) return 'a version has a % without two hexadecimal digits in upper case'
  try {
    return { comparator: comparator ?? '=', version: decodeURIComponent(encoded) }
  } catch {
    return 'a version is not UTF-8'
  }
}

/** Returns a range of any scheme, its constraints as they stand there, or what is wrong with it. */
export function parseVers(text: string): VersionRange | string {
  if (text.length > maxRangeChars) return 'it is too long'
  if (!/^[!-~]*$/.test(text)) return 'it has blanks or characters that are not ASCII'
  const [, scheme, list] = /^vers:([a-z][a-z0-9.-]*)\/(.*)$/.exec(text) ?? []
  if (scheme === undefined || list === undefined) return 'it does not begin with vers: and a scheme in lower case'
  if (scheme === 'invalid') return 'its scheme is invalid'
  if (list === '*') return { scheme, constraints: [] }
  const constraints: VersionConstraint[] = []
  for (const item of list.split('|')) {
    if (item === '') return 'it has an empty constraint'
    const constraint = parseConstraint(item)
    if (typeof constraint === 'string') return constraint
    constraints.push(constraint)
  }
  return { scheme, constraints }
}

/** Returns the constraints sorted by version; undefined where two of them can't be compared or are of the same version. */
function sorted(constraints: readonly VersionConstraint[], order: VersionOrder): readonly VersionConstraint[] | undefined {
  let isOrdered = true
  const inOrder = constraints.toSorted((a, b) => {
    const found = order(a.version, b.version)
    if (found === undefined || found === 0) isOrdered = false
    return found ?? 0
  })
  const [only] = constraints
  if (constraints.length === 1 && only !== undefined && order(only.version, only.version) === undefined) return undefined
  return isOrdered ? inOrder : undefined
}

function isUpper(comparator: Comparator): boolean {
  return comparator === '<' || comparator === '<='
}

function isLower(comparator: Comparator): boolean {
  return comparator === '>' || comparator === '>='
}

/** Returns whether each lower bound of a sorted list is followed by an upper one, and what may stand between. */
function alternates(constraints: readonly VersionConstraint[]): boolean {
  const rest = constraints.filter(({ comparator }) => comparator !== '!=')
  return rest.every(({ comparator }, i) => {
    const before = rest[i - 1]?.comparator
    if (before === undefined) return true
    return isLower(before) ? isUpper(comparator) : !isUpper(comparator)
  })
}

/**
 * Returns what is wrong with a range in a trust file, undefined where it is well formed, of a scheme whose versions can be
 * compared here, sorted, and without constraints that say nothing.
 * @see https://github.com/package-url/vers-spec, clause 5.4
 */
export function versFault(text: string): string | undefined {
  const range = parseVers(text)
  if (typeof range === 'string') return range
  const order = orders.get(range.scheme)
  if (order === undefined)
    return `the scheme ${range.scheme.slice(0, 20)} is not known; known are ${[...orders.keys()].join(', ')}`
  const inOrder = sorted(range.constraints, order)
  if (inOrder === undefined) return `a version is none of ${range.scheme}, or comes twice`
  if (inOrder.some(({ version }, i) => version !== range.constraints[i]?.version))
    return 'its constraints are not sorted by version'
  return alternates(inOrder) ? undefined : 'its constraints contradict or repeat each other'
}

/** Whether a version is in a range; `unknown` where that can't be told, and never means no. */
export type InRange = 'in' | 'out' | 'unknown'

/** Returns whether a range of sorted bounds holds a version that is equal to none of their versions. */
function between(version: string, bounds: readonly VersionConstraint[], order: VersionOrder): InRange {
  let inside: boolean | undefined
  for (const bound of bounds) {
    const found = order(version, bound.version)
    if (found === undefined) return 'unknown'
    // before the first bound that it is less than, it is in where that bound is an upper one
    if (found < 0) return isUpper(bound.comparator) ? 'in' : 'out'
    inside = isLower(bound.comparator)
  }
  return inside === true ? 'in' : 'out'
}

/** Returns whether a version is in a range. */
export type RangeTest = (version: string) => InRange

/**
 * Returns the test of a range. Constraints that are not sorted are sorted first; a range that is malformed or of an unknown
 * scheme, and a version that is none of its scheme, give `unknown`.
 * @see https://github.com/package-url/vers-spec
 */
export function rangeTest(text: string): RangeTest {
  const range = parseVers(text)
  if (typeof range === 'string') return () => 'unknown'
  const order = orders.get(range.scheme)
  if (order === undefined) return () => 'unknown'
  if (range.constraints.length === 0) return () => 'in'
  const inOrder = sorted(range.constraints, order)
  if (inOrder === undefined || !alternates(inOrder)) return () => 'unknown'
  const bounds = inOrder.filter(({ comparator }) => comparator !== '=' && comparator !== '!=')
  // exclusions alone are of everything
  const otherwise: InRange = inOrder.every(({ comparator }) => comparator === '!=') ? 'in' : 'out'
  return (version) => {
    for (const { comparator, version: bound } of inOrder) {
      const found = order(version, bound)
      if (found === undefined) return 'unknown'
      if (found === 0) return comparator === '=' || comparator === '<=' || comparator === '>=' ? 'in' : 'out'
    }
    return bounds.length === 0 ? otherwise : between(version, bounds, order)
  }
}

/** Returns whether a version is in a range. @see rangeTest */
export function versionIn(range: string, version: string): InRange {
  return rangeTest(range)(version)
}
