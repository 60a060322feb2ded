import { compareDigits, compareEach, compareText, orderOf, type VersionOrder } from './version-order.ts'

interface PackageVersion {
  readonly epoch: string
  readonly version: string
  /** Debian's revision, RPM's release; undefined where there is none */
  readonly release: string | undefined
}

function split(text: string, shape: RegExp): PackageVersion | undefined {
  const colon = text.indexOf(':')
  const epoch = colon === -1 ? '0' : text.slice(0, colon)
  const rest = text.slice(colon + 1)
  const dash = rest.lastIndexOf('-')
  const version = dash === -1 ? rest : rest.slice(0, dash)
  const release = dash === -1 ? undefined : rest.slice(dash + 1)
  if (!/^[0-9]+$/.test(epoch) || version === '' || release === '' || !shape.test(rest)) return undefined
  return { epoch, version, release }
}

/** A letter comes before everything else, the end before letters, "~" before the end. */
function debianWeight(char: string | undefined): number {
  if (char === undefined || (char >= '0' && char <= '9')) return 0
  if (char === '~') return -1
  return /[A-Za-z]/.test(char) ? char.charCodeAt(0) : char.charCodeAt(0) + 256
}

const digitsAt = /[0-9]*/y
function digitsFrom(text: string, at: number): string {
  digitsAt.lastIndex = at
  return digitsAt.exec(text)?.[0] ?? ''
}

function isDigit(char: string | undefined): boolean {
  return char !== undefined && char >= '0' && char <= '9'
}

/** dpkg's verrevcmp: runs without digits by weight, runs of digits as numbers, in turns. */
function compareDebianPart(a: string, b: string): number {
  let i = 0
  let j = 0
  while (i < a.length || j < b.length) {
    while ((i < a.length && !isDigit(a[i])) || (j < b.length && !isDigit(b[j]))) {
      const order = debianWeight(a[i]) - debianWeight(b[j])
      if (order !== 0) return order
      i++
      j++
    }
    const left = digitsFrom(a, i)
    const right = digitsFrom(b, j)
    const order = compareDigits(left, right)
    if (order !== 0) return order
    i += left.length
    j += right.length
  }
  return 0
}

/** Debian packages: `[epoch:]upstream[-revision]`. @see deb-version(7) */
export const debOrder: VersionOrder = orderOf(
  (text) => split(text, /^[0-9][A-Za-z0-9.+\-~:]*$/),
  (a, b) =>
    compareDigits(a.epoch, b.epoch) ||
    compareDebianPart(a.version, b.version) ||
    // no revision is revision 0
    compareDebianPart(a.release ?? '0', b.release ?? '0')
)

/** What rpm looks at in turn: "~", "^", a run of digits or one of letters; everything else only separates. */
const rpmToken = /[~^]|[0-9]+|[A-Za-z]+/g

function rpmClass(token: string | undefined): 'tilde' | 'end' | 'caret' | 'letters' | 'digits' {
  if (token === undefined) return 'end'
  if (token === '~') return 'tilde'
  if (token === '^') return 'caret'
  return isDigit(token[0]) ? 'digits' : 'letters'
}
const rpmRank = { tilde: 0, end: 1, caret: 2, letters: 3, digits: 4 } as const

function compareRpmPart(a: string, b: string): number {
  const left = a.match(rpmToken) ?? []
  const right = b.match(rpmToken) ?? []
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const [x, y] = [left[i], right[i]]
    const classes = [rpmClass(x), rpmClass(y)] as const
    if (classes[0] !== classes[1]) return rpmRank[classes[0]] - rpmRank[classes[1]]
    const order = classes[0] === 'digits' ? compareDigits(x ?? '', y ?? '') : compareText(x ?? '', y ?? '')
    if (order !== 0) return order
  }
  return 0
}

/** RPM packages: `[epoch:]version[-release]`; where one has no release, releases are not compared, as rpm itself has it. @see rpm-version(7) */
export const rpmOrder: VersionOrder = orderOf(
  (text) => split(text, /^[A-Za-z0-9._+\-~^]+$/),
  (a, b) =>
    compareDigits(a.epoch, b.epoch) ||
    compareRpmPart(a.version, b.version) ||
    (a.release === undefined || b.release === undefined ? 0 : compareRpmPart(a.release, b.release))
)

interface ApkVersion {
  readonly numbers: readonly string[]
  readonly letter: string
  readonly suffixes: readonly (readonly [rank: number, number: string])[]
  readonly revision: string
}

const apkShape =
  /^([0-9]+(?:\.[0-9]+)*)([a-z]?)((?:_(?:alpha|beta|pre|rc|cvs|svn|git|hg|p)[0-9]*)*)(?:~[0-9a-f]+)?(?:-r([0-9]+))?$/
/** Ranks of suffixes; none is 4. */
const apkSuffixes: Readonly<Record<string, number>> = { alpha: 0, beta: 1, pre: 2, rc: 3, cvs: 5, svn: 6, git: 7, hg: 8, p: 9 }

function parseApk(text: string): ApkVersion | undefined {
  const match = apkShape.exec(text)
  if (match === null) return undefined
  const [, numbers = '', letter = '', suffixes = '', revision = '0'] = match
  return {
    numbers: numbers.split('.'),
    letter,
    suffixes: [...suffixes.matchAll(/_([a-z]+)([0-9]*)/g)].map(([, name = '', number = '']) => [apkSuffixes[name] ?? 4, number]),
    revision
  }
}

/** After the first, a number with a zero before it is a fraction: 1.02 comes before 1.1. */
function compareApkNumber(left: string, right: string, isFirst: boolean): number {
  const isFraction = !isFirst && (/^0./.test(left) || /^0./.test(right))
  return isFraction ? compareText(left.replace(/0+$/, ''), right.replace(/0+$/, '')) : compareDigits(left, right)
}

function compareApk(a: ApkVersion, b: ApkVersion): number {
  for (let i = 0; i < Math.max(a.numbers.length, b.numbers.length); i++) {
    const [left, right] = [a.numbers[i], b.numbers[i]]
    if (left === undefined || right === undefined) return a.numbers.length - b.numbers.length
    const order = compareApkNumber(left, right, i === 0)
    if (order !== 0) return order
  }
  const none = [4, '0'] as const
  return (
    compareText(a.letter, b.letter) ||
    compareEach(a.suffixes, b.suffixes, (left = none, right = none) => left[0] - right[0] || compareDigits(left[1], right[1])) ||
    compareDigits(a.revision, b.revision)
  )
}

/** Alpine packages: `1.2.3a_rc1-r4`. @see apk-package(5), package versions */
export const apkOrder: VersionOrder = orderOf(parseApk, compareApk)
