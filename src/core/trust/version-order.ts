/** Returns less than 0, 0 or more than 0; undefined where one of the two is no version of the scheme, or has no place in its order. */
export type VersionOrder = (a: string, b: string) => number | undefined

/** Longer ones are no version: comparing takes time that grows with their length. */
const maxVersionChars = 256

/** Makes an order from a parser, undefined for what is no version, and a comparison. */
export function orderOf<T>(parse: (text: string) => T | undefined, compare: (a: T, b: T) => number): VersionOrder {
  return (a, b) => {
    if (a.length > maxVersionChars || b.length > maxVersionChars) return undefined
    const left = parse(a)
    const right = left === undefined ? undefined : parse(b)
    return left === undefined || right === undefined ? undefined : compare(left, right)
  }
}

/** Compares two runs of decimal digits of any length as numbers. */
export function compareDigits(a: string, b: string): number {
  const left = a.replace(/^0+/, '')
  const right = b.replace(/^0+/, '')
  if (left.length !== right.length) return left.length - right.length
  return compareText(left, right)
}

/** Compares by UTF-16 code units, which is ASCII order where both are ASCII. */
export function compareText(a: string, b: string): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}

/** Compares item by item; `compareAt` gets undefined for what the shorter one lacks. */
export function compareEach<T>(
  a: readonly T[],
  b: readonly T[],
  compareAt: (left: T | undefined, right: T | undefined) => number
): number {
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const order = compareAt(a[i], b[i])
    if (order !== 0) return order
  }
  return 0
}

interface Semver {
  readonly numbers: readonly string[]
  /** none: a release */
  readonly prerelease: readonly string[]
}

const semverShape =
  /^(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)(?:-((?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)(?:\.(?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*))*))?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?$/

function parseSemver(text: string): Semver | undefined {
  const [, major, minor, patch, prerelease] = semverShape.exec(text) ?? []
  if (major === undefined || minor === undefined || patch === undefined) return undefined
  return { numbers: [major, minor, patch], prerelease: prerelease === undefined ? [] : prerelease.split('.') }
}

function compareIdentifier(a: string | undefined, b: string | undefined): number {
  if (a === undefined || b === undefined) return a === b ? 0 : a === undefined ? -1 : 1
  const numeric = [/^[0-9]+$/.test(a), /^[0-9]+$/.test(b)] as const
  if (numeric[0] && numeric[1]) return compareDigits(a, b)
  if (numeric[0] !== numeric[1]) return numeric[0] ? -1 : 1
  return compareText(a, b)
}

function compareSemver(a: Semver, b: Semver): number {
  const order = compareEach(a.numbers, b.numbers, (left = '0', right = '0') => compareDigits(left, right))
  if (order !== 0) return order
  if (a.prerelease.length === 0 || b.prerelease.length === 0) return b.prerelease.length - a.prerelease.length
  return compareEach(a.prerelease, b.prerelease, compareIdentifier)
}

/** Semantic Versioning; build metadata has no place in the order. @see https://semver.org/#spec-item-11 */
export const semverOrder: VersionOrder = orderOf(parseSemver, compareSemver)

/** npm: semver, with a leading "v" or "=" as node-semver takes it. @see https://github.com/npm/node-semver */
export const npmOrder: VersionOrder = orderOf((text) => parseSemver(text.replace(/^[v=\s]+/, '').trimEnd()), compareSemver)

/** Go modules: semver with a "v" before it, which SBOMs leave out at times. @see https://go.dev/ref/mod#versions */
export const golangOrder: VersionOrder = orderOf((text) => parseSemver(text.replace(/^v/, '')), compareSemver)

/** Numbers with dots between them, of any count; everything else has no order that all agree on, and is equal to itself alone. */
export const genericOrder: VersionOrder = (a, b) => {
  if (a === b) return 0
  return numbersOrder(a, b)
}

const numbersOrder = orderOf(
  (text) => (/^v?[0-9]+(?:\.[0-9]+)*$/.test(text) ? text.replace(/^v/, '').split('.') : undefined),
  (a, b) => compareEach(a, b, (left = '0', right = '0') => compareDigits(left, right))
)
