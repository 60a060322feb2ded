import { globFault, nearest, parseSize, parseDuration } from '../core/index.ts'

/** How the registry is served. */
export interface RegistryConfig {
  /** what clients on this machine may do without a token: `push` (everything), `pull`, or nothing but with one: `token` */
  readonly loopback: 'push' | 'pull' | 'token'
  /** requests that an address beyond this machine may make in a second */
  readonly requestsPerSecond: number
  /** an upload that nobody adds to is deleted after this, such as 24h */
  readonly uploadExpiry: string
}

/** The certificate with which HTTP is served, PEM files; both empty for none. */
export interface TlsConfig {
  readonly cert: string
  readonly key: string
}

/** What gc keeps of the repositories that a pattern names. The first rule whose pattern fits an artifact's repository counts. */
export interface RetentionRule {
  readonly repositories: string
  /** this many tags of each repository, those set last */
  readonly keepTags?: number
  /** what was published less long ago than this, such as 90d */
  readonly keepFor?: string
  /** of all this keeps, the newest up to this size for each repository, such as 10GiB */
  readonly maxBytes?: string
}

/** What gc keeps. Without rules nothing that an event names is collected. */
export interface RetentionConfig {
  /** `REPOSITORY:TAG` patterns and digests that are always kept */
  readonly pins: readonly string[]
  readonly rules: readonly RetentionRule[]
}

export const registryDefaults: RegistryConfig = { loopback: 'push', requestsPerSecond: 200, uploadExpiry: '24h' }
export const tlsDefaults: TlsConfig = { cert: '', key: '' }
export const retentionDefaults: RetentionConfig = { pins: [], rules: [] }

type Values = Readonly<Record<string, unknown>>
type Fail = (message: string) => never

function mustKnow(at: string, values: Values, known: readonly string[], fail: Fail): void {
  for (const key of Object.keys(values)) {
    if (known.includes(key)) continue
    const better = nearest(key, known)
    fail(
      `unknown setting ${JSON.stringify(`${at}.${key}`)}; ${better === undefined ? `known are ${known.join(', ')}` : `did you mean ${better}?`}`
    )
  }
}

/** Checks the setting `registry`. @param fail throws with a sentence */
export function checkRegistry(values: Values, fail: Fail): RegistryConfig {
  mustKnow('registry', values, Object.keys(registryDefaults), fail)
  const { loopback, requestsPerSecond, uploadExpiry } = { ...registryDefaults, ...values } as Values
  if (loopback !== 'push' && loopback !== 'pull' && loopback !== 'token') fail('registry.loopback is not push, pull or token')
  if (typeof requestsPerSecond !== 'number' || !(requestsPerSecond > 0)) fail('registry.requestsPerSecond is no number above 0')
  if (typeof uploadExpiry !== 'string' || parseDuration(uploadExpiry) === undefined)
    fail('registry.uploadExpiry is no duration, such as 24h')
  return { loopback, requestsPerSecond, uploadExpiry } as RegistryConfig
}

/** Checks the setting `tls`. */
export function checkTls(values: Values, fail: Fail): TlsConfig {
  mustKnow('tls', values, ['cert', 'key'], fail)
  const { cert, key } = { ...tlsDefaults, ...values } as Values
  if (typeof cert !== 'string' || typeof key !== 'string') fail('tls.cert and tls.key are not paths')
  if ((cert === '') !== (key === '')) fail('tls needs both cert and key')
  return { cert, key } as TlsConfig
}

/** Checks the setting `retention`. */
export function checkRetention(values: Values, fail: Fail): RetentionConfig {
  mustKnow('retention', values, ['pins', 'rules'], fail)
  const { pins, rules } = { ...retentionDefaults, ...values } as Values
  if (!Array.isArray(pins) || !pins.every((one) => typeof one === 'string')) fail('retention.pins is not a list of texts')
  if (!Array.isArray(rules)) fail('retention.rules is not a list')
  for (const [i, rule] of (rules as readonly Values[]).entries()) checkRule(`retention.rules[${i}]`, rule, fail)
  return { pins, rules } as RetentionConfig
}

function checkRule(at: string, rule: Values, fail: Fail): void {
  if (typeof rule !== 'object' || rule === null) fail(`${at} is no rule`)
  mustKnow(at, rule, ['repositories', 'keepTags', 'keepFor', 'maxBytes'], fail)
  const { repositories, keepTags, keepFor, maxBytes } = rule
  if (typeof repositories !== 'string' || globFault(repositories) !== undefined)
    fail(`${at}.repositories is no pattern, such as team/**`)
  if (keepTags !== undefined && (!Number.isSafeInteger(keepTags) || Number(keepTags) < 0))
    fail(`${at}.keepTags is no number from 0 on`)
  if (keepFor !== undefined && (typeof keepFor !== 'string' || parseDuration(keepFor) === undefined))
    fail(`${at}.keepFor is no duration, such as 90d`)
  if (maxBytes !== undefined && (typeof maxBytes !== 'string' || parseSize(maxBytes) === undefined))
    fail(`${at}.maxBytes is no size, such as 10GiB`)
}
