/** Longer expressions, and deeper ones, are read as texts. */
const maxExpressionChars = 4096
const maxDepth = 32

/** What a trust file says of licences. */
export interface LicenseLists {
  /** none: all that are not denied */
  readonly allow: readonly string[]
  readonly deny: readonly string[]
}

/** An SPDX licence expression, parsed. */
export type LicenseExpression =
  | { readonly kind: 'license'; readonly id: string; readonly exception: string | undefined }
  | { readonly kind: 'all' | 'any'; readonly of: readonly LicenseExpression[] }

const token = /\s*([()]|[A-Za-z0-9.:+-]+)/y
const oldGnuName = /^((?:a|l)?gpl-[0-9.]+|gfdl-[0-9.]+)(\+?)$/

/** Returns an identifier in the one form that is compared: lower case, GPL-2.0+ as gpl-2.0-or-later, GPL-2.0 as gpl-2.0-only. */
function normalId(id: string): string {
  const lower = id.trim().toLowerCase()
  const [, base, plus] = oldGnuName.exec(lower) ?? []
  if (base === undefined) return lower
  return `${base}${plus === '+' ? '-or-later' : '-only'}`
}

function tokensOf(text: string): readonly string[] | undefined {
  const found: string[] = []
  const trimmed = text.trim()
  token.lastIndex = 0
  while (token.lastIndex < trimmed.length) {
    const match = token.exec(trimmed)
    if (match === null) return undefined
    found.push(match[1] as string)
  }
  return found
}

interface Reader {
  readonly tokens: readonly string[]
  at: number
}

const operators: ReadonlySet<string> = new Set(['AND', 'OR', 'WITH'])

/** Returns the operator that a token is; the specification lets them be all upper or all lower case. */
function operatorOf(text: string | undefined): string | undefined {
  if (text === undefined || (text !== text.toUpperCase() && text !== text.toLowerCase())) return undefined
  const upper = text.toUpperCase()
  return operators.has(upper) ? upper : undefined
}

function readId(reader: Reader): string | undefined {
  const text = reader.tokens[reader.at]
  if (text === undefined || text === '(' || text === ')' || operatorOf(text) !== undefined) return undefined
  reader.at++
  return text
}

function readOne(reader: Reader, depthLeft: number): LicenseExpression | undefined {
  if (reader.tokens[reader.at] === '(') {
    if (depthLeft === 0) return undefined
    reader.at++
    const inner = readAny(reader, depthLeft - 1)
    if (inner === undefined || reader.tokens[reader.at] !== ')') return undefined
    reader.at++
    return inner
  }
  const id = readId(reader)
  if (id === undefined) return undefined
  if (operatorOf(reader.tokens[reader.at]) !== 'WITH') return { kind: 'license', id: normalId(id), exception: undefined }
  reader.at++
  const exception = readId(reader)
  return exception === undefined ? undefined : { kind: 'license', id: normalId(id), exception: exception.toLowerCase() }
}

function readList(
  reader: Reader,
  operator: 'AND' | 'OR',
  readItem: () => LicenseExpression | undefined
): LicenseExpression | undefined {
  const of: LicenseExpression[] = []
  for (;;) {
    const item = readItem()
    if (item === undefined) return undefined
    of.push(item)
    if (operatorOf(reader.tokens[reader.at]) !== operator) break
    reader.at++
  }
  return of.length === 1 ? of[0] : { kind: operator === 'AND' ? 'all' : 'any', of }
}

function readAny(reader: Reader, depthLeft: number): LicenseExpression | undefined {
  return readList(reader, 'OR', () => readList(reader, 'AND', () => readOne(reader, depthLeft)))
}

/**
 * Returns an SPDX licence expression, undefined where a text is none. AND binds closer than OR.
 *
 * `MIT OR (GPL-2.0-only WITH Classpath-exception-2.0 AND BSD-3-Clause)`
 * @see SPDX 2.3, annex D
 */
export function parseLicense(text: string): LicenseExpression | undefined {
  if (text.length > maxExpressionChars) return undefined
  const tokens = tokensOf(text)
  if (tokens === undefined || tokens.length === 0) return undefined
  const reader: Reader = { tokens, at: 0 }
  const found = readAny(reader, maxDepth)
  return reader.at === tokens.length ? found : undefined
}

/** Returns the names under which a licence may stand in a list. */
function namesOf(id: string, exception: string | undefined): readonly string[] {
  const names = exception === undefined ? [id] : [id, `${id} with ${exception}`]
  // what may be taken under version 3 or later may be taken under version 3: who denies that, denies both
  if (id.endsWith('-or-later')) names.push(id.replace(/-or-later$/, '-only'))
  if (id.endsWith('+')) names.push(id.slice(0, -1))
  return names
}

/** Returns whether licences that a component has may be used, by the lists of a trust file. */
export type LicenseTest = (licenses: readonly string[]) => boolean

/** Returns one spelling of an item of a list: `gpl-2.0-only with classpath-exception-2.0` */
function listed(text: string): string {
  const parsed = parseLicense(text)
  if (parsed?.kind !== 'license') return text.trim().toLowerCase()
  return parsed.exception === undefined ? parsed.id : `${parsed.id} with ${parsed.exception}`
}

/**
 * Returns the test of a trust file's lists. A denied licence fails, unless it is one side of an OR whose other side passes. Where
 * `allow` is not empty, a licence that is not in it fails too, and so does a component without any. A text that is no expression
 * fails where it has the name of a denied licence in it.
 */
export function licenseTest({ allow, deny }: LicenseLists): LicenseTest {
  const denied = new Set(deny.map(listed))
  const allowed = new Set(allow.map(listed))
  const passes = (expression: LicenseExpression): boolean => {
    if (expression.kind !== 'license') return expression.kind === 'all' ? expression.of.every(passes) : expression.of.some(passes)
    const { id, exception } = expression
    if (namesOf(id, exception).some((name) => denied.has(name))) return false
    return allowed.size === 0 || allowed.has(id) || (exception !== undefined && allowed.has(`${id} with ${exception}`))
  }
  const passesText = (text: string): boolean => {
    const whole = text.trim().toLowerCase()
    if (denied.has(whole)) return false
    const words = whole.slice(0, maxExpressionChars).match(/[a-z0-9.:+-]+/g) ?? []
    if (words.some((word) => namesOf(normalId(word), undefined).some((name) => denied.has(name)))) return false
    return allowed.size === 0 || allowed.has(whole)
  }
  const cache = new Map<string, boolean>()
  return (licenses) =>
    (licenses.length > 0 || allowed.size === 0) &&
    licenses.every((text) => {
      const known = cache.get(text)
      if (known !== undefined) return known
      const parsed = parseLicense(text)
      const verdict = parsed === undefined ? passesText(text) : passes(parsed)
      cache.set(text, verdict)
      return verdict
    })
}
