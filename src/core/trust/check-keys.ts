import { RejoinError } from '../error.ts'
import { didOf, parseKey } from '../key.ts'
import { isLogId } from '../log/log-id.ts'
import { rootGiver } from './delegation.ts'
import type { IdentityDocument, KeyDocument, RevocationDocument, TrustDocument } from './document.ts'
import type { TrustFile, TrustIdentity, TrustKey } from './file.ts'
import { suggestionFor } from './nearest.ts'
import type { Report } from './problem.ts'
import { parseInstant } from './quantity.ts'

/** A time span as it stands in the file, with where. */
export interface SpanDocument {
  readonly at: readonly (string | number)[]
  /** name and text of its first moment, then of the first moment after it */
  readonly from: readonly [string, string | undefined]
  readonly until: readonly [string, string | undefined]
}

/** Returns the two ends of a time span in Unix milliseconds, where they are there. */
export function checkSpan({ at, from, until }: SpanDocument, report: Report): Pick<TrustKey, 'fromMs' | 'untilMs'> {
  const ends = [from, until].map(([member, text]) => {
    if (text === undefined) return undefined
    const ms = parseInstant(text)
    if (ms === undefined) report([...at, member], `there is no such time: ${text}`, { suggestion: 'write it as 2026-01-31' })
    return ms
  })
  const [fromMs, untilMs] = ends
  if (fromMs !== undefined && untilMs !== undefined && fromMs >= untilMs)
    report([...at, until[0]], `${until[0]} ${until[1]} is not after ${from[0]} ${from[1]}, so it never holds`, {
      suggestion: 'swap the two'
    })
  return { ...(fromMs !== undefined && { fromMs }), ...(untilMs !== undefined && { untilMs }) }
}

function checkRevocations({ revokedFrom }: KeyDocument, at: readonly string[], report: Report): TrustKey['revokedFrom'] {
  if (revokedFrom === undefined) return undefined
  const isList = Array.isArray(revokedFrom)
  const list = (isList ? revokedFrom : [revokedFrom]) as readonly RevocationDocument[]
  const seen = new Set<string>()
  return list.flatMap(({ log, size }, index) => {
    const path = [...at, 'revokedFrom', ...(isList ? [index] : []), 'log']
    const bare = log.startsWith('rejoin/') ? log.slice(7) : log
    if (!isLogId(log)) {
      const suggestion = isLogId(bare) ? `did you mean ${bare}?` : 'a log ID has 52 letters and digits; rejoin status prints them'
      report(path, `not a log ID: ${JSON.stringify(log.slice(0, 60))}`, { suggestion })
      return []
    }
    if (seen.has(log)) report(path, `the log ${log} is named twice`, { suggestion: 'leave the smaller size' })
    seen.add(log)
    return [{ log, size }]
  })
}

function checkKey(name: string, key: KeyDocument, report: Report): TrustKey | undefined {
  const at = ['keys', name]
  const member = key.did === undefined ? 'vkey' : 'did'
  const span = checkSpan({ at, from: ['from', key.from], until: ['until', key.until] }, report)
  const revokedFrom = checkRevocations(key, at, report)
  try {
    const publicKey = parseKey(key[member] ?? '')
    return { name, did: didOf(publicKey), publicKey, ...span, ...(revokedFrom && { revokedFrom }) }
  } catch (error) {
    if (!(error instanceof RejoinError)) throw error
    report([...at, member], `not a key: ${error.message}`, { suggestion: 'rejoin id prints a key as did and as vkey' })
    return undefined
  }
}

/** Returns the keys of a file by name. A key that stands there twice would count twice, so it is a problem. */
export function checkKeys(document: TrustDocument, report: Report): ReadonlyMap<string, TrustKey> {
  const keys = new Map<string, TrustKey>()
  const nameOfDid = new Map<string, string>()
  for (const [name, written] of Object.entries(document.keys ?? {})) {
    const key = checkKey(name, written, report)
    if (key === undefined) continue
    const twin = nameOfDid.get(key.did)
    if (twin !== undefined)
      report(['keys', name], `${name} is the same key as ${twin}`, { suggestion: `leave one and use its name`, onName: true })
    nameOfDid.set(key.did, name)
    keys.set(name, key)
  }
  return keys
}

/** Names that an identity may use, and which of the keys are taken. */
interface KnownNames {
  readonly keys: ReadonlySet<string>
  readonly issuers: ReadonlySet<string>
  readonly owners: Map<string, string>
  /** by address, the identity that it is */
  readonly forges: Map<string, string>
}

function checkIdentity(name: string, written: IdentityDocument, known: KnownNames, report: Report): TrustIdentity {
  const { keys = [], roles = [], issuer, forge } = written
  const at = ['identities', name]
  if (name === rootGiver)
    report(at, 'an identity cannot be called root', { suggestion: 'root is who gives the first delegations', onName: true })
  keys.forEach((key, index) => {
    const owner = known.owners.get(key)
    if (!known.keys.has(key))
      report([...at, 'keys', index], `identity ${name} names the unknown key ${key}`, {
        suggestion: suggestionFor(key, known.keys)
      })
    else if (owner !== undefined)
      report([...at, 'keys', index], `the key ${key} belongs to ${owner} already`, {
        suggestion: 'give each identity keys of its own'
      })
    known.owners.set(key, name)
  })
  if (issuer !== undefined && !known.issuers.has(issuer))
    report([...at, 'issuer'], `identity ${name} names the unknown issuer ${issuer}`, {
      suggestion: suggestionFor(issuer, known.issuers)
    })
  const other = forge === undefined ? undefined : known.forges.get(forge)
  if (forge !== undefined && other !== undefined)
    report([...at, 'forge'], `the forge ${forge} is ${other} already`, { suggestion: 'give each forge one identity' })
  if (forge !== undefined) known.forges.set(forge, name)
  return { name, keys, roles, ...(issuer !== undefined && { issuer }), ...(forge !== undefined && { forge }) }
}

/** Returns the identities of a file by name. */
export function checkIdentities(document: TrustDocument, report: Report): ReadonlyMap<string, TrustIdentity> {
  const { keys = {}, issuers = {}, identities = {} } = document
  const known = {
    keys: new Set(Object.keys(keys)),
    issuers: new Set(Object.keys(issuers)),
    owners: new Map<string, string>(),
    forges: new Map<string, string>()
  }
  return new Map(
    Object.entries(identities).map(([name, written]) => [name, checkIdentity(name, written, known, report)] as const)
  )
}

/** Returns the root of a file, where it has one. */
export function checkRoot({ root, keys, name }: TrustDocument, report: Report): TrustFile['root'] {
  if (root === undefined) return undefined
  const known = Object.keys(keys ?? {})
  root.keys.forEach((key, index) => {
    if (!known.includes(key))
      report(['root', 'keys', index], `root names the unknown key ${key}`, { suggestion: suggestionFor(key, known) })
  })
  if (root.threshold > root.keys.length)
    report(['root', 'threshold'], `the threshold ${root.threshold} is over the ${root.keys.length} keys of root`, {
      suggestion: `write at most ${root.keys.length}, or add keys`
    })
  if (name === undefined)
    report(['root'], 'a file with a root needs a name, which is signed too', { suggestion: 'add name', onName: true })
  return root
}
