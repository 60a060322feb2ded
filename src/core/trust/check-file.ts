import { RejoinError } from '../error.ts'
import { parseTlogPolicy } from '../log/tlog-policy.ts'
import { checkIssuers } from './check-issuers.ts'
import { checkIdentities, checkKeys, checkRoot } from './check-keys.ts'
import { checkDelegation, checkLists, eventTypeFault } from './check-patterns.ts'
import { widening } from './delegation.ts'
import type { TrustDocument } from './document.ts'
import type { Freshness, TrustFile, TrustLimits, TrustRule } from './file.ts'
import { endingFault, globFault } from './glob.ts'
import { identityRateOf, peerLimitsOf } from './peer-limits.ts'
import { suggestionFor } from './nearest.ts'
import type { Report, TrustProblem } from './problem.ts'
import { parsePurl } from './purl.ts'
import { parseDuration, parseSize } from './quantity.ts'
import { parseVers, versFault } from './version-range.ts'

/** A trust file, or all that is wrong with it. */
export type CheckedTrust =
  | { readonly kind: 'good'; readonly file: TrustFile }
  | { readonly kind: 'bad'; readonly problems: readonly TrustProblem[] }

/** Rules' names in verdicts that are not the file's own. */
const takenIds: ReadonlySet<string> = new Set(
  'own log binding identity default malformed freshness unknown-author wrong-source key-revoked key-expired key-not-yet not-delegated clock-ahead eventTypes mediaTypes artifactTypes repositories'.split(
    ' '
  )
)
const defaultLimits: TrustLimits = {
  entryBytes: 65_535,
  jsonDepth: 64,
  blobBytes: 1024 ** 4,
  unpackRatio: 100,
  parcelFiles: 1_000_000
}

function checkFreshness({ freshness = {} }: TrustDocument, report: Report): Freshness {
  const { warnAfter = 'never', localOnlyAfter = 'never', refuseAfter = 'never' } = freshness
  const tiers = { warnAfter, localOnlyAfter, refuseAfter }
  const [warnAfterMs, localOnlyAfterMs, refuseAfterMs] = Object.values(tiers).map((text) => parseDuration(text) ?? Infinity) as [
    number,
    number,
    number
  ]
  const wrong = (member: string, before: string): void =>
    report(['freshness', member], `${member} is before ${before}`, {
      suggestion: 'the order is warnAfter, localOnlyAfter, refuseAfter'
    })
  if (freshness.warnAfter !== undefined && localOnlyAfterMs < warnAfterMs) wrong('localOnlyAfter', 'warnAfter')
  if (freshness.localOnlyAfter !== undefined && refuseAfterMs < localOnlyAfterMs) wrong('refuseAfter', 'localOnlyAfter')
  else if (freshness.warnAfter !== undefined && refuseAfterMs < warnAfterMs) wrong('refuseAfter', 'warnAfter')
  return { warnAfterMs, localOnlyAfterMs, refuseAfterMs }
}

function sizeOf(size: number | string, path: readonly string[], report: Report): number {
  const bytes = parseSize(size)
  if (bytes === undefined) report(path, `${size} is too large`, { suggestion: 'write a size below 8192TiB' })
  return bytes ?? 0
}

function checkRules({ rules }: TrustDocument, report: Report): readonly TrustRule[] | undefined {
  const seen = new Set<string>()
  return rules?.map(({ id, when, verdict, onError = 'hold' }, index) => {
    const at = ['rules', index, 'id']
    if (seen.has(id)) report(at, `two rules have the id ${id}`, { suggestion: 'give each rule an id of its own' })
    if (takenIds.has(id)) report(at, `the id ${id} has another meaning in verdicts`, { suggestion: `did you mean my-${id}?` })
    seen.add(id)
    return { id, when, verdict, onError }
  })
}

function checkNamed(
  document: TrustDocument,
  member: 'quotas' | 'budget',
  identities: TrustFile['identities'],
  report: Report
): void {
  for (const name of Object.keys(document[member] ?? {}))
    if (!identities.has(name))
      report([member, name], `${member} names the unknown identity ${name}`, {
        suggestion: suggestionFor(name, identities.keys()),
        onName: true
      })
}

function checkGates({ gates = {}, identities = {} }: TrustDocument, report: Report): TrustFile['gates'] {
  const { vulnerability, license } = gates
  const roles = new Set(Object.values(identities).flatMap(({ roles: own = [] }) => own))
  vulnerability?.vexRoles?.forEach((role, index) => {
    if (!roles.has(role))
      report(['gates', 'vulnerability', 'vexRoles', index], `no identity has the role ${role}`, {
        suggestion: suggestionFor(role, roles)
      })
  })
  return {
    ...(vulnerability && {
      vulnerability: {
        maxSeverity: vulnerability.maxSeverity,
        unlessVex: vulnerability.unlessVex ?? [],
        vexRoles: vulnerability.vexRoles ?? []
      }
    }),
    ...(license && { license: { allow: license.allow ?? [], deny: license.deny ?? [] } })
  }
}

function checkPolicy({ witnesses }: TrustDocument, report: Report): string | undefined {
  if (witnesses === undefined) return undefined
  try {
    parseTlogPolicy(witnesses.tlogPolicy)
  } catch (error) {
    if (!(error instanceof RejoinError)) throw error
    const [, line] = /^line (\d+)$/.exec(error.at ?? '') ?? []
    const { message } = error.cause instanceof RejoinError ? error.cause : error
    report(['witnesses', 'tlogPolicy'], message, {
      ...(error.hint !== undefined && { suggestion: error.hint }),
      ...(line !== undefined && { inText: { line: Number(line), column: 1 } })
    })
  }
  return witnesses.tlogPolicy
}

/** Schemes of version ranges that are of no one kind of package. */
const anyKind: ReadonlySet<string> = new Set(['semver', 'generic', 'intdot'])

function checkVersions({ versions = [] }: TrustDocument, report: Report): TrustFile['versions'] {
  versions.forEach(({ purl, deny }, index) => {
    const at = ['versions', index]
    const parsed = parsePurl(purl)
    if (typeof parsed === 'string')
      report([...at, 'purl'], `not a package URL: ${parsed}`, { suggestion: 'write it as pkg:npm/name' })
    else if (parsed.version !== '')
      report([...at, 'purl'], 'a package here has no version', {
        suggestion: `leave out @${parsed.version}; deny says which versions`
      })
    const fault = versFault(deny)
    const range = parseVers(deny)
    if (fault !== undefined)
      report([...at, 'deny'], `not a version range: ${fault}`, { suggestion: 'write it as vers:npm/>=1.0.0|<1.2.3' })
    else if (
      typeof parsed !== 'string' &&
      typeof range !== 'string' &&
      range.scheme !== parsed.type &&
      !anyKind.has(range.scheme)
    )
      report([...at, 'deny'], `can never match: a range of ${range.scheme} versions for a package of ${parsed.type}`, {
        suggestion: `did you mean vers:${parsed.type}/…?`
      })
  })
  return versions
}

function build(document: TrustDocument, digest: string, report: Report): TrustFile {
  const { name = '', version = 0, limits = {}, quotas = {}, inventory } = document
  const keys = checkKeys(document, report)
  const identities = checkIdentities(document, report)
  const issuers = checkIssuers(document, report)
  const root = checkRoot(document, report)
  const delegations = (document.delegations ?? []).map((one, index) => checkDelegation(one, index, identities, report))
  checkNamed(document, 'quotas', identities, report)
  checkNamed(document, 'budget', identities, report)
  const blobBytes = sizeOf(limits.blobBytes ?? defaultLimits.blobBytes, ['limits', 'blobBytes'], report)
  const rules = checkRules(document, report)
  const tlogPolicy = checkPolicy(document, report)
  return {
    name,
    version,
    ...(root && { root }),
    keys,
    identities,
    ...(issuers.size > 0 && { issuers }),
    delegations,
    eventTypes: checkLists(document.eventTypes, 'eventTypes', eventTypeFault, report),
    mediaTypes: checkLists(document.mediaTypes, 'mediaTypes', endingFault, report),
    artifactTypes: checkLists(document.artifactTypes, 'artifactTypes', endingFault, report),
    repositories: checkLists(document.repositories, 'repositories', globFault, report),
    limits: { ...defaultLimits, ...limits, blobBytes },
    versions: checkVersions(document, report),
    gates: checkGates(document, report),
    ...(inventory && { inventory: { source: inventory.source } }),
    freshness: checkFreshness(document, report),
    ...(tlogPolicy !== undefined && { tlogPolicy }),
    quotas: new Map(
      Object.entries(quotas).map(([who, { events = Infinity, bytes }]) => [
        who,
        { events, bytes: bytes === undefined ? Infinity : sizeOf(bytes, ['quotas', who, 'bytes'], report) }
      ])
    ),
    ...(document.rateLimits?.perIdentity && { identityRate: identityRateOf(document.rateLimits.perIdentity) }),
    ...((document.rateLimits ?? document.reputation) !== undefined && { peers: peerLimitsOf(document) }),
    ...(document.import !== undefined && {
      import: { oneWay: document.import.oneWay ?? false, requireSeal: document.import.requireSeal ?? false }
    }),
    ...(rules && { rules }),
    default: document.default ?? 'hold',
    digest
  }
}

/**
 * Returns the trust file that a document says, or everything that is wrong with what it means.
 * @param document must be valid by protocols/schemas/trust/trust.schema.json
 * @param digest SHA-256 of the file's bytes, hexadecimal
 * @see protocols/trust.md
 */
export function checkTrustFile(document: TrustDocument, digest: string): CheckedTrust {
  const problems: TrustProblem[] = []
  const report: Report = (path, message, more = {}) => void problems.push({ path, message, ...more })
  const file = build(document, digest, report)
  // what is misspelt is no widening
  if (problems.length === 0) problems.push(...widening(file))
  return problems.length === 0 ? { kind: 'good', file } : { kind: 'bad', problems }
}
