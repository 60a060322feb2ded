import type { Delegation, TrustFile } from './file.ts'
import { matchGlob } from './glob.ts'
import type { TrustProblem } from './problem.ts'
import { fits } from './verdict.ts'

/** What an event is about, as far as delegations look at it; the empty text where an event lacks it. */
export interface DelegatedScope {
  /** repository name */
  readonly path: string
  readonly mediaType: string
  /** event type */
  readonly type: string
}

type Delegations = Pick<TrustFile, 'delegations'>

/** The giver that has everything. */
export const rootGiver = 'root'
const everything: readonly string[] = ['*']

function orAll(patterns: readonly string[]): readonly string[] {
  return patterns.length === 0 ? everything : patterns
}

function covers(delegation: Delegation, scope: DelegatedScope): boolean {
  return (
    delegation.paths.some((pattern) => matchGlob(scope.path, pattern)) &&
    orAll(delegation.mediaTypes).some((pattern) => fits(scope.mediaType, pattern)) &&
    orAll(delegation.types).some((pattern) => fits(scope.type, pattern))
  )
}

function isInForce({ fromMs = -Infinity, untilMs = Infinity }: Delegation, atMs: number): boolean {
  return fromMs <= atMs && atMs < untilMs
}

/**
 * Returns whether an identity may speak for a scope: a delegation covers it, and so does one to each giver, up to root.
 * @param atMs Unix milliseconds at which all of them must hold
 * @param saidCount how many keys of the identity said it
 * @see protocols/trust.md#TRUST-18
 */
export function isDelegated(
  file: Delegations,
  identityName: string,
  scope: DelegatedScope,
  atMs: number,
  saidCount = 1
): boolean {
  const { needed } = grantOf(file, identityName, scope, atMs)
  return needed !== 0 && needed <= saidCount
}

/**
 * Returns how many keys of an identity must have said the same, so that it may speak for a scope: the lowest threshold of the delegations
 * that cover it. 0 where none does.
 */
export function grantOf(
  file: Delegations,
  identityName: string,
  scope: DelegatedScope,
  atMs: number
): { readonly needed: number } {
  const fitting = file.delegations.filter((one) => isInForce(one, atMs) && covers(one, scope))
  const given = fitting.filter(({ to }) => to === identityName).toSorted((a, b) => a.threshold - b.threshold)
  return { needed: given.find(({ from }) => reachesRoot(fitting, from))?.threshold ?? 0 }
}

function reachesRoot(fitting: readonly Delegation[], from: string): boolean {
  const seen = new Set<string>()
  const givers = [from]
  for (let giver = givers.pop(); giver !== undefined; giver = givers.pop()) {
    if (giver === rootGiver) return true
    if (seen.has(giver)) continue
    seen.add(giver)
    for (const { to, from } of fitting) if (to === giver) givers.push(from)
  }
  return false
}

function holdsAsLong(giver: Delegation, given: Delegation): boolean {
  return (giver.fromMs ?? -Infinity) <= (given.fromMs ?? -Infinity) && (given.untilMs ?? Infinity) <= (giver.untilMs ?? Infinity)
}

/** Returns whether each path with each media type and each event type is within one delegation to the giver, for all of the time. */
function isWithin(given: Delegation, has: readonly Delegation[]): boolean {
  const lasting = has.filter((one) => holdsAsLong(one, given))
  return given.paths.every((path) =>
    orAll(given.mediaTypes).every((mediaType) =>
      orAll(given.types).every((type) => lasting.some((one) => covers(one, { path, mediaType, type })))
    )
  )
}

/** Says which part of a delegation is beyond what its giver has. */
function beyond(given: Delegation, has: readonly Delegation[], index: number): TrustProblem {
  const at = ['delegations', index]
  const { from, to } = given
  if (has.length === 0)
    return {
      path: [...at, 'from'],
      message: `${from} has nothing from root that it could give to ${to}`,
      suggestion: `delegate to ${from} first, or delegate from root`
    }
  const checks = [
    ['paths', matchGlob, given.paths],
    ['mediaTypes', fits, given.mediaTypes],
    ['types', fits, given.types]
  ] as const
  for (const [member, fit, patterns] of checks) {
    const own = has.flatMap((one) => (member === 'paths' ? one.paths : orAll(one[member])))
    const suggestion = `${from} has ${own.slice(0, 4).join(', ')}${own.length > 4 ? ', …' : ''}`
    const all = member === 'paths' ? patterns : orAll(patterns)
    const wide = all.findIndex((pattern) => !own.some((one) => fit(pattern, one)))
    if (wide < 0) continue
    const isStated = patterns.length > 0
    const what = isStated ? JSON.stringify(all[wide]) : `all ${member}`
    return {
      path: isStated ? [...at, member, wide] : at,
      message: `the delegation to ${to} widens what ${from} has: ${what}`,
      suggestion: isStated ? suggestion : `add ${member}; ${suggestion}`
    }
  }
  if (has.every((one) => !holdsAsLong(one, given)))
    return {
      path:
        given.untilMs === undefined && given.fromMs === undefined ? at : [...at, given.untilMs === undefined ? 'since' : 'until'],
      message: `the delegation to ${to} lasts longer than what ${from} has`,
      suggestion: `give it since and until within those of the delegation to ${from}`
    }
  return {
    path: at,
    message: `the delegation to ${to} widens what ${from} has: not each path with each type and time is within one of its own`,
    suggestion: `split it into one for each delegation to ${from}`
  }
}

/**
 * Returns the delegations that are not within what their givers have, each with what is too wide. root has all; the others have what was
 * given to them by a chain that starts at root.
 */
export function widening(file: Delegations): readonly TrustProblem[] {
  const sound: Delegation[] = []
  let open = file.delegations.map((given, index) => ({ given, index }))
  const has = (from: string): readonly Delegation[] => sound.filter(({ to }) => to === from)
  for (let before = -1; before !== open.length; ) {
    before = open.length
    open = open.filter(({ given }) => {
      const ok = given.from === rootGiver || isWithin(given, has(given.from))
      if (ok) sound.push(given)
      return !ok
    })
  }
  return open.map(({ given, index }) => beyond(given, has(given.from), index))
}
