import { checkSpan } from './check-keys.ts'
import { rootGiver } from './delegation.ts'
import type { DelegationDocument, PatternsDocument } from './document.ts'
import type { Delegation, PatternLists, TrustFile } from './file.ts'
import { endingFault, globFault, matchGlob, type PatternFault } from './glob.ts'
import { suggestionFor } from './nearest.ts'
import type { Report } from './problem.ts'
import { fits } from './verdict.ts'

/** Returns what is wrong with a pattern of some kind, or undefined. */
export type PatternCheck = (pattern: string) => PatternFault | undefined

/** Returns what is wrong with a pattern of event types, or undefined; one that no type can ever fit is wrong too. */
export function eventTypeFault(pattern: string): PatternFault | undefined {
  const fault = endingFault(pattern)
  if (fault !== undefined || pattern.endsWith('*')) return fault
  if (/^[a-z][a-z0-9]*(?:\.[a-z][a-z0-9]*)+$/.test(pattern)) return undefined
  const bare = pattern.toLowerCase().replace(/\.+$/, '')
  const suggestion = bare.includes('.') ? `did you mean ${bare}?` : `did you mean ${bare}.*?`
  return { message: `can never match: no event type is ${JSON.stringify(pattern.slice(0, 60))}`, suggestion }
}

function checkPatterns(patterns: readonly string[], at: readonly (string | number)[], fault: PatternCheck, report: Report): void {
  patterns.forEach((pattern, index) => {
    const found = fault(pattern)
    if (found !== undefined)
      report([...at, index], found.message, found.suggestion === undefined ? {} : { suggestion: found.suggestion })
  })
}

/** Returns the two lists of a member of the file. What is let in by one and denied by the other can never match. */
export function checkLists(
  lists: PatternsDocument | undefined,
  member: string,
  fault: PatternCheck,
  report: Report
): PatternLists {
  const { allow = [], deny = [] } = lists ?? {}
  checkPatterns(allow, [member, 'allow'], fault, report)
  checkPatterns(deny, [member, 'deny'], fault, report)
  const fit = fault === globFault ? matchGlob : fits
  allow.forEach((pattern, index) => {
    const over = deny.find((one) => fault(one) === undefined && fault(pattern) === undefined && fit(pattern, one))
    if (over !== undefined)
      report([member, 'allow', index], `can never match: ${JSON.stringify(pattern)} is denied by ${JSON.stringify(over)}`, {
        suggestion: 'deny goes first: take it out of one of the two lists'
      })
  })
  return { allow, deny }
}

/** Returns a delegation of the file; whether it is within what its giver has is looked at later. */
export function checkDelegation(
  one: DelegationDocument,
  index: number,
  identities: TrustFile['identities'],
  report: Report
): Delegation {
  const at = ['delegations', index]
  const { from, to, paths, mediaTypes = [], types = [], threshold = 1 } = one
  if (from !== rootGiver && !identities.has(from))
    report([...at, 'from'], `a delegation from the unknown identity ${from}`, {
      suggestion: suggestionFor(from, [rootGiver, ...identities.keys()])
    })
  const identity = identities.get(to)
  if (identity === undefined)
    report([...at, 'to'], `a delegation to the unknown identity ${to}`, { suggestion: suggestionFor(to, identities.keys()) })
  const { keys = [], issuer } = identity ?? {}
  if (identity !== undefined && issuer === undefined && threshold > Math.max(1, keys.length))
    report([...at, 'threshold'], `the threshold ${threshold} is over the ${keys.length} keys of ${to}`, {
      suggestion: `write at most ${Math.max(1, keys.length)}, or give ${to} more keys`
    })
  checkPatterns(paths, [...at, 'paths'], globFault, report)
  checkPatterns(mediaTypes, [...at, 'mediaTypes'], endingFault, report)
  checkPatterns(types, [...at, 'types'], eventTypeFault, report)
  const span = checkSpan({ at, from: ['since', one.since], until: ['until', one.until] }, report)
  return { from, to, paths, mediaTypes, types, threshold, ...span }
}
