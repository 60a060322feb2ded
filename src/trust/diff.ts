import type { PatternLists, TrustFile, TrustIssuer, TrustKey } from '../core/index.ts'

/** What a change is about. */
export type TrustPart =
  | 'file'
  | 'root'
  | 'key'
  | 'identity'
  | 'issuer'
  | 'delegation'
  | 'list'
  | 'limit'
  | 'range'
  | 'gate'
  | 'inventory'
  | 'freshness'
  | 'witnesses'
  | 'quota'
  | 'rate'
  | 'rule'
  | 'default'

/** One difference between two trust files. */
export interface TrustChange {
  readonly part: TrustPart
  /** of the key, identity, rule …; the member of the file where it has no name */
  readonly name: string
  readonly change: 'added' | 'removed' | 'changed' | 'moved'
  /** in words, e.g. `verdict was keep and is relay; condition …` */
  readonly text: string
}

/** What one thing of the file says: a text for each member that is there, a list where the order of its items means nothing. */
type Fields = Readonly<Record<string, string | readonly string[] | undefined>>
type Things = ReadonlyMap<string, Fields>

/**
 * Returns what changes from one trust file to another, part by part as the file has them, rules last and in their new order. Members that
 * have no effect yet are not compared.
 */
export function diffTrust(before: TrustFile, after: TrustFile): readonly TrustChange[] {
  const changes = partsOf.flatMap(([part, things]) => compared(part, things(before), things(after)))
  const [was, is] = [rulesOf(before), rulesOf(after)]
  if (before.rules === undefined && after.rules !== undefined)
    changes.push({ part: 'rule', name: 'rules', change: 'added', text: 'known identities are no longer relayed without a rule' })
  if (before.rules !== undefined && after.rules === undefined)
    changes.push({ part: 'rule', name: 'rules', change: 'removed', text: 'every event of a known identity is relayed' })
  changes.push(...compared('rule', was, is).map((one) => placed(one, [...is.keys()])), ...moves([...was.keys()], [...is.keys()]))
  return [...changes, ...compared('default', defaultOf(before), defaultOf(after))]
}

const partsOf: readonly (readonly [TrustPart, (file: TrustFile) => Things])[] = [
  ['file', ({ name, version }) => only('file', { name, version: String(version) })],
  ['root', ({ root }) => (root === undefined ? new Map() : only('root', { threshold: String(root.threshold), keys: root.keys }))],
  ['key', ({ keys }) => mapped(keys, keyFields)],
  ['identity', ({ identities }) => mapped(identities, ({ keys, roles, issuer }) => ({ keys, roles, issuer }))],
  ['issuer', ({ issuers = new Map() }) => mapped(issuers, issuerFields)],
  ['delegation', delegationsOf],
  ['list', listsOf],
  ['limit', ({ limits }) => new Map(Object.entries(limits).map(([name, value]) => [name, { value: String(value) }]))],
  ['range', ({ versions }) => new Map(versions.map(({ purl, deny }) => [`${purl} ${deny}`, { denied: deny }]))],
  ['gate', gatesOf],
  ['inventory', ({ inventory }) => (inventory === undefined ? new Map() : only('inventory', { ...inventory }))],
  ['freshness', freshnessOf],
  [
    'witnesses',
    ({ tlogPolicy }) => (tlogPolicy === undefined ? new Map() : only('tlogPolicy', { text: policyText(tlogPolicy) }))
  ],
  ['quota', ({ quotas }) => mapped(quotas, ({ events, bytes }) => ({ events: String(events), bytes: String(bytes) }))],
  [
    'rate',
    ({ identityRate }) =>
      identityRate === undefined
        ? new Map()
        : only('perIdentity', Object.fromEntries(Object.entries(identityRate).map(([name, value]) => [name, String(value)])))
  ]
]

const only = (name: string, fields: Fields): Things => new Map([[name, fields]])
const instant = (ms: number): string => new Date(ms).toISOString().replace('.000', '')

function mapped<Value>(values: ReadonlyMap<string, Value>, fieldsOf: (value: Value) => Fields): Things {
  return new Map([...values].map(([name, value]) => [name, fieldsOf(value)]))
}

function keyFields({ did, fromMs, untilMs, revokedFrom }: TrustKey): Fields {
  return {
    did,
    from: fromMs === undefined ? undefined : instant(fromMs),
    until: untilMs === undefined ? undefined : instant(untilMs),
    'revoked but for': revokedFrom?.map(({ log, size }) => `the first ${size} of ${log}`)
  }
}

function issuerFields({ iss, spiffe, aud, algs, claims, bindForMs, jwks, jwksDigest }: TrustIssuer): Fields {
  return {
    issuer: iss ?? `spiffe://${spiffe ?? ''}`,
    audience: aud,
    'key set': jwks,
    digest: jwksDigest,
    algorithms: algs,
    claims: [...claims].map(([name, pattern]) => `${name}: ${pattern}`),
    'binds for': bindForMs === Infinity ? undefined : `${bindForMs / 1000} s`
  }
}

/** A delegation has no name: it is told by who gives to whom, and by its paths where that is not enough. */
function delegationsOf({ delegations }: TrustFile): Things {
  const pairs = Map.groupBy(delegations, ({ from, to }) => `${from} → ${to}`)
  const found = new Map<string, Fields>()
  for (const [pair, some] of pairs)
    for (const { paths, mediaTypes, types, fromMs, untilMs, threshold } of some) {
      const own = some.length === 1 ? pair : `${pair} for ${paths.toSorted().join(', ')}`
      let name = own
      for (let i = 2; found.has(name); i++) name = `${own} (${i})`
      found.set(name, {
        paths,
        'media types': mediaTypes.length === 0 ? ['all'] : mediaTypes,
        types: types.length === 0 ? ['all'] : types,
        since: fromMs === undefined ? undefined : instant(fromMs),
        until: untilMs === undefined ? undefined : instant(untilMs),
        threshold: String(threshold)
      })
    }
  return found
}

function listsOf({ eventTypes, mediaTypes, artifactTypes, repositories }: TrustFile): Things {
  const lists: Readonly<Record<string, PatternLists>> = { eventTypes, mediaTypes, artifactTypes, repositories }
  return new Map(
    Object.entries(lists).map(([name, { allow, deny }]) => [name, { allow: allow.length === 0 ? ['all'] : allow, deny }])
  )
}

function gatesOf({ gates: { vulnerability, license } }: TrustFile): Things {
  const found = new Map<string, Fields>()
  if (vulnerability !== undefined) {
    const { maxSeverity, unlessVex, vexRoles } = vulnerability
    found.set('vulnerability', { 'highest severity': maxSeverity, 'unless VEX says': unlessVex, 'VEX of': vexRoles })
  }
  if (license !== undefined) found.set('license', { ...license })
  return found
}

function freshnessOf({ freshness }: TrustFile): Things {
  const days = (ms: number): string => (ms === Infinity ? 'never' : `${ms / 86_400_000} days`)
  const { warnAfterMs, localOnlyAfterMs, refuseAfterMs } = freshness
  const tiers = { warnAfter: days(warnAfterMs), localOnlyAfter: days(localOnlyAfterMs), refuseAfter: days(refuseAfterMs) }
  return new Map(Object.entries(tiers).map(([name, value]) => [name, { value }]))
}

const policyText = (text: string): readonly string[] => text.split('\n').filter((line) => line.trim() !== '')
const rulesOf = ({ rules = [] }: TrustFile): Things =>
  new Map(rules.map(({ id, when, verdict, onError }) => [id, { condition: when.trim(), verdict, 'on error': onError }]))
const defaultOf = (file: TrustFile): Things => only('default', { verdict: file.rules === undefined ? undefined : file.default })

function compared(part: TrustPart, before: Things, after: Things): readonly TrustChange[] {
  const changes: TrustChange[] = []
  for (const [name, fields] of before)
    if (!after.has(name)) changes.push({ part, name, change: 'removed', text: described(fields) })
  for (const [name, fields] of after) {
    const was = before.get(name)
    if (was === undefined) changes.push({ part, name, change: 'added', text: described(fields) })
    else {
      const words = [...new Set([...Object.keys(was), ...Object.keys(fields)])].flatMap((field) =>
        worded(field, was[field], fields[field])
      )
      if (words.length > 0) changes.push({ part, name, change: 'changed', text: words.join('; ') })
    }
  }
  return changes
}

function described(fields: Fields): string {
  return Object.entries(fields)
    .flatMap(([name, value]) => {
      const text = typeof value === 'string' ? value : value?.join(', ')
      return text === undefined || text === '' ? [] : [`${name} ${text}`]
    })
    .join('; ')
}

type Value = string | readonly string[] | undefined

function worded(field: string, was: Value, is: Value): readonly string[] {
  if (typeof was === 'string' || typeof is === 'string') {
    if (was === is) return []
    if (was === undefined) return [`${field} is now ${is as string}`]
    return [
      is === undefined ? `${field} was ${was as string} and is gone` : `${field} was ${was as string} and is ${is as string}`
    ]
  }
  const gone = (was ?? []).filter((one) => !(is ?? []).includes(one))
  const come = (is ?? []).filter((one) => !(was ?? []).includes(one))
  return [
    ...(come.length > 0 ? [`${field} gains ${come.join(', ')}`] : []),
    ...(gone.length > 0 ? [`${field} loses ${gone.join(', ')}`] : [])
  ]
}

/** Says of an added rule where it stands: the first rule that matches decides. */
function placed(change: TrustChange, ids: readonly string[]): TrustChange {
  return change.change === 'added' ? { ...change, text: `${change.text}; ${standsIn(ids, change.name)}` } : change
}

function standsIn(ids: readonly string[], id: string): string {
  const at = ids.indexOf(id)
  if (ids.length === 1) return 'the only rule'
  return at === 0 ? `first, before ${ids[1] as string}` : `after ${ids[at - 1] as string}`
}

/** Rules that are in both files, and not in the same order: as few as explain the difference. */
function moves(before: readonly string[], after: readonly string[]): readonly TrustChange[] {
  const place = new Map(before.map((id, i) => [id, i]))
  const common = after.filter((id) => place.has(id))
  const stay = longestRising(common.map((id) => place.get(id) as number))
  return common
    .filter((_, i) => !stay.has(i))
    .map((id) => ({ part: 'rule', name: id, change: 'moved', text: `now ${standsIn(after, id)}` }))
}

/** Returns the positions of a longest rising subsequence; a file has at most a thousand rules. */
function longestRising(values: readonly number[]): ReadonlySet<number> {
  const length: number[] = []
  const previous: number[] = []
  let best = -1
  values.forEach((value, i) => {
    length[i] = 1
    previous[i] = -1
    for (let j = 0; j < i; j++)
      if ((values[j] as number) < value && (length[j] as number) + 1 > (length[i] as number)) {
        length[i] = (length[j] as number) + 1
        previous[i] = j
      }
    if (best < 0 || (length[i] as number) > (length[best] as number)) best = i
  })
  const found = new Set<number>()
  for (let at = best; at >= 0; at = previous[at] as number) found.add(at)
  return found
}
