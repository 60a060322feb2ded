import { compareDigits, compareEach, compareText, orderOf, type VersionOrder } from './version-order.ts'

interface PypiVersion {
  readonly epoch: string
  /** without zeros at the end */
  readonly release: readonly string[]
  /** what comes after the release, in the order in which it is compared: rank and number of pre, post and dev */
  readonly pre: readonly [number, string]
  readonly post: readonly [number, string]
  readonly dev: readonly [number, string]
  readonly local: readonly string[]
}

const shape =
  /^v?(?:([0-9]+)!)?([0-9]+(?:\.[0-9]+)*)(?:[-_.]?(alpha|a|beta|b|preview|pre|c|rc)[-_.]?([0-9]*))?(?:-([0-9]+)|[-_.]?(post|rev|r)[-_.]?([0-9]*))?(?:[-_.]?(dev)[-_.]?([0-9]*))?(?:\+([a-z0-9]+(?:[-_.][a-z0-9]+)*))?$/

/** Ranks of pre: a development release of the release itself, a, b, rc, none. */
const preRank: Readonly<Record<string, number>> = { a: 1, alpha: 1, b: 2, beta: 2, c: 3, rc: 3, pre: 3, preview: 3 }

function trimmed(release: readonly string[]): readonly string[] {
  let end = release.length
  while (end > 0 && /^0*$/.test(release[end - 1] as string)) end--
  return release.slice(0, end)
}

function parse(text: string): PypiVersion | undefined {
  const match = shape.exec(text.trim().toLowerCase())
  if (match === null) return undefined
  const [, epoch = '0', release = '', pre, preNumber = '', implicitPost, post, postNumber = '', dev, devNumber = '', local] =
    match
  const hasPost = implicitPost !== undefined || post !== undefined
  const withoutPre = dev !== undefined && !hasPost ? 0 : 4
  return {
    epoch,
    release: trimmed(release.split('.')),
    pre: pre === undefined ? [withoutPre, '0'] : [preRank[pre] as number, preNumber],
    post: hasPost ? [1, implicitPost ?? postNumber] : [0, '0'],
    dev: dev === undefined ? [1, '0'] : [0, devNumber],
    local: local === undefined ? [] : local.split(/[-_.]/)
  }
}

function compareRanked(a: readonly [number, string], b: readonly [number, string]): number {
  return a[0] - b[0] || compareDigits(a[1], b[1])
}

/** Numbers come after letters, more segments after fewer. */
function compareLocal(a: string | undefined, b: string | undefined): number {
  if (a === undefined || b === undefined) return a === undefined ? -1 : 1
  const numeric = [/^[0-9]+$/.test(a), /^[0-9]+$/.test(b)] as const
  if (numeric[0] !== numeric[1]) return numeric[0] ? 1 : -1
  return numeric[0] ? compareDigits(a, b) : compareText(a, b)
}

/** Python packages. @see PEP 440 */
export const pypiOrder: VersionOrder = orderOf(
  parse,
  (a, b) =>
    compareDigits(a.epoch, b.epoch) ||
    compareEach(a.release, b.release, (left = '0', right = '0') => compareDigits(left, right)) ||
    compareRanked(a.pre, b.pre) ||
    compareRanked(a.post, b.post) ||
    compareRanked(a.dev, b.dev) ||
    compareEach(a.local, b.local, compareLocal)
)
