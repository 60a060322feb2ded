/** A test that texts must pass; `shuts` says whether no text with a beginning can pass it. */
export interface TextTest {
  readonly holds: (text: string) => boolean
  readonly shuts: (beginning: string) => boolean
}

/** Texts: one of these (a last `*` in `starts` patterns is implied), and all of the tests. */
export interface TextLimit {
  readonly kind: 'text'
  /** undefined: any */
  readonly anyOf: readonly TextPattern[] | undefined
  readonly tests: readonly TextTest[]
}
/** One text, or all texts with a beginning. */
export interface TextPattern {
  readonly text: string
  readonly open: boolean
}
/** Numbers of an interval. */
export interface NumberLimit {
  readonly kind: 'number'
  readonly low: number
  readonly lowOpen: boolean
  readonly high: number
  readonly highOpen: boolean
  readonly whole: boolean
}
/** True, false or both. */
export interface BoolLimit {
  readonly kind: 'bool'
  readonly values: readonly boolean[]
}
/** A list that has one of these texts. */
export interface MemberLimit {
  readonly kind: 'member'
  readonly anyOf: readonly string[]
}
/** What one fact is limited to. */
export type Limit = TextLimit | NumberLimit | BoolLimit | MemberLimit

/** The events that a condition may be true of, as limits of single facts; more events than that may fit them, never fewer. */
export interface Region {
  /** set where no event fits: why */
  readonly empty?: string
  readonly limits: ReadonlyMap<string, Limit>
}

/** All events. */
export const everything: Region = { limits: new Map() }

/** Returns the region of no event. */
export function nothing(because: string): Region {
  return { empty: because, limits: new Map() }
}

/** Returns the region in which one fact is limited. */
export function limited(fact: string, limit: Limit): Region {
  return isEmpty(limit) ? nothing(`${fact} can't be that`) : { limits: new Map([[fact, limit]]) }
}

/** Returns what lies in both regions. */
export function meet(a: Region, b: Region): Region {
  if (a.empty !== undefined) return a
  if (b.empty !== undefined) return b
  const limits = new Map(a.limits)
  for (const [fact, limit] of b.limits) {
    const before = limits.get(fact)
    const both = before === undefined ? limit : meetLimits(before, limit)
    if (isEmpty(both)) return nothing(`${fact} can't be that`)
    limits.set(fact, both)
  }
  return { limits }
}

/** Returns what lies in one of two regions, or a little more. */
export function join(a: Region, b: Region): Region {
  if (a.empty !== undefined) return b
  if (b.empty !== undefined) return a
  const limits = new Map<string, Limit>()
  for (const [fact, limit] of a.limits) {
    const other = b.limits.get(fact)
    const either = other === undefined ? undefined : joinLimits(limit, other)
    if (either !== undefined) limits.set(fact, either)
  }
  return { limits }
}

function meetPatterns(a: readonly TextPattern[], b: readonly TextPattern[]): readonly TextPattern[] {
  return a.flatMap((one) =>
    b.flatMap((other) => {
      if (one.open && other.text.startsWith(one.text)) return [other]
      if (other.open && one.text.startsWith(other.text)) return [one]
      return !one.open && !other.open && one.text === other.text ? [one] : []
    })
  )
}

function meetLimits(a: Limit, b: Limit): Limit {
  if (a.kind === 'text' && b.kind === 'text') {
    const tests = [...a.tests, ...b.tests]
    if (a.anyOf === undefined || b.anyOf === undefined) return { kind: 'text', anyOf: a.anyOf ?? b.anyOf, tests }
    return { kind: 'text', anyOf: meetPatterns(a.anyOf, b.anyOf), tests }
  }
  if (a.kind === 'number' && b.kind === 'number') {
    const low = a.low > b.low || (a.low === b.low && a.lowOpen) ? a : b
    const high = a.high < b.high || (a.high === b.high && a.highOpen) ? a : b
    return { kind: 'number', low: low.low, lowOpen: low.lowOpen, high: high.high, highOpen: high.highOpen, whole: a.whole }
  }
  if (a.kind === 'bool' && b.kind === 'bool')
    return { kind: 'bool', values: a.values.filter((value) => b.values.includes(value)) }
  return a
}

function joinLimits(a: Limit, b: Limit): Limit | undefined {
  if (a.kind === 'text' && b.kind === 'text')
    return a.anyOf === undefined || b.anyOf === undefined
      ? undefined
      : { kind: 'text', anyOf: [...possible(a), ...possible(b)], tests: [] }
  if (a.kind === 'member' && b.kind === 'member') return { kind: 'member', anyOf: [...a.anyOf, ...b.anyOf] }
  if (a.kind === 'bool' && b.kind === 'bool') return { kind: 'bool', values: [...new Set([...a.values, ...b.values])] }
  if (a.kind === 'number' && b.kind === 'number') {
    const low = a.low < b.low || (a.low === b.low && !a.lowOpen) ? a : b
    const high = a.high > b.high || (a.high === b.high && !a.highOpen) ? a : b
    return { kind: 'number', low: low.low, lowOpen: low.lowOpen, high: high.high, highOpen: high.highOpen, whole: a.whole }
  }
  return undefined
}

/** Returns the patterns of a limit that pass its tests. */
export function possible({ anyOf, tests }: TextLimit): readonly TextPattern[] {
  return (anyOf ?? [{ text: '', open: true }]).filter(({ text, open }) =>
    tests.every((test) => (open ? !test.shuts(text) : test.holds(text)))
  )
}

function isEmpty(limit: Limit): boolean {
  switch (limit.kind) {
    case 'text':
      return possible(limit).length === 0
    case 'bool':
      return limit.values.length === 0
    case 'member':
      return limit.anyOf.length === 0
    case 'number':
      return isEmptyInterval(limit)
  }
}

function isEmptyInterval({ low, lowOpen, high, highOpen, whole }: NumberLimit): boolean {
  if (whole) {
    const first = lowOpen ? Math.floor(low) + 1 : Math.ceil(low)
    const last = highOpen ? Math.ceil(high) - 1 : Math.floor(high)
    return first > last
  }
  return low > high || (low === high && (lowOpen || highOpen))
}
