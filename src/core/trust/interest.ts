import type { RejoinEvent } from '../event/event.ts'
import { boundType } from './binding.ts'
import type { Delegation, TrustFile } from './file.ts'
import type { Compiled, Reach } from './rule.ts'
import { fits } from './verdict.ts'

/**
 * Events that a node may want: those that fit each list that is there. A list that is absent admits any; a last `*` in it stands for any end,
 * and the empty text for events without the member. Example: `{"authors":["did:key:z6Mk…"],"types":["sbom.*"]}`.
 */
export interface Interest {
  readonly authors?: readonly string[]
  readonly types?: readonly string[]
  readonly mediaTypes?: readonly string[]
  readonly artifactTypes?: readonly string[]
  /** the artifact's own type where it has one, else its manifest's media type */
  readonly documentTypes?: readonly string[]
  readonly repositories?: readonly string[]
}

type Lists = { -readonly [Member in keyof Interest]: Interest[Member] }
const members = ['authors', 'types', 'mediaTypes', 'artifactTypes', 'documentTypes', 'repositories'] as const

/**
 * Returns which events could ever get another verdict than refuse here; an event must fit one of them. It may be more than the rules let in,
 * and must never be less, but for events that a clock ahead holds until the rules are asked.
 * @param own this node's did:key, whose lost events it takes back from others
 */
export function interestOf(compiled: Compiled, own: string): readonly Interest[] {
  const { file, rules } = compiled
  const all = authorsOf(file, () => true)
  const wanted: Interest[] = [{ authors: [own] }, { ...all, types: ['log.*', boundType] }]
  const add = (reach: Reach): void => {
    const authors = authorsOf(file, (name) => reach.signers?.some((pattern) => fits(name, pattern)) ?? true, reach)
    for (const granted of reach.delegated === true ? delegated(file.delegations) : [{}]) {
      const interest = meetAll([authors, listsOf(reach), forAuthors(file, granted), fileLists(file)])
      if (interest !== undefined) wanted.push(interest)
    }
  }
  if (file.rules === undefined) {
    if (file.delegations.length === 0) add({})
    else for (const reach of [{ delegated: true as const }, { repositories: [''] }]) add(reach)
    return simplified(wanted)
  }
  for (const { rule, reach, mayFail, conjuncts } of rules) {
    const waits = conjuncts.some(({ needsContent }) => needsContent)
    if (rule.verdict !== 'refuse' || waits || (mayFail && rule.onError !== 'refuse')) add(reach)
  }
  if (file.default !== 'refuse') add({})
  return simplified(wanted)
}

/** Returns one interest that holds all of several. */
export function hullOf(interests: readonly Interest[]): Interest {
  const hull: Lists = {}
  for (const member of members) {
    const lists = interests.map((interest) => interest[member])
    if (!lists.includes(undefined)) hull[member] = [...new Set(lists.flatMap((list) => list ?? []))]
  }
  return hull
}

/** Returns whether an event fits one of several interests. */
export function isWanted(interests: readonly Interest[], { source, type, data }: RejoinEvent): boolean {
  const text = (member: string): string => (typeof data[member] === 'string' ? data[member] : '')
  const [mediaType, artifactType] = [text('mediaType'), text('artifactType')]
  const values = [source, type, mediaType, artifactType, artifactType === '' ? mediaType : artifactType, text('repository')]
  return interests.some((interest) =>
    members.every((member, i) => interest[member]?.some((pattern) => fits(values[i] as string, pattern)) ?? true)
  )
}

/** The keys of identities; none is named where tokens can bind keys that the file does not know. */
function authorsOf(file: TrustFile, isIt: (name: string) => boolean, { roles, dids }: Reach = {}): Interest {
  const identities = [...file.identities.values()].filter(
    (identity) => isIt(identity.name) && (roles?.some((role) => identity.roles.includes(role)) ?? true)
  )
  if (identities.some(({ issuer }) => issuer !== undefined)) return dids === undefined ? {} : { authors: dids }
  const known = identities.flatMap(({ keys }) => keys.flatMap((key) => file.keys.get(key)?.did ?? []))
  return { authors: known.filter((did) => dids?.some((pattern) => fits(did, pattern)) ?? true) }
}

function listsOf({ types, mediaTypes, artifactTypes, repositories }: Reach): Interest {
  return {
    ...(types && { types }),
    ...(mediaTypes && { mediaTypes }),
    ...(artifactTypes && { artifactTypes }),
    ...(repositories && { repositories })
  }
}

/** What the file's own lists let in. Lists do not concern events that lack the member. */
function fileLists({ eventTypes, mediaTypes, artifactTypes, repositories }: TrustFile): Interest {
  return {
    ...(eventTypes.allow.length > 0 && { types: eventTypes.allow }),
    ...(mediaTypes.allow.length > 0 && { documentTypes: ['', ...mediaTypes.allow] }),
    ...(artifactTypes.allow.length > 0 && { artifactTypes: ['', ...artifactTypes.allow] }),
    ...(repositories.allow.length > 0 && { repositories: ['', ...repositories.allow.map(beginningOf)] })
  }
}

/** The beginning that all names have which fit a pattern of repositories; `apps/**` may fit `apps` too. */
function beginningOf(pattern: string): string {
  const beginning = /^[^*?[\]{}\\!]*/.exec(pattern)?.[0] as string
  if (beginning === pattern) return pattern
  return `${beginning.endsWith('/') ? beginning.slice(0, -1) : beginning}*`
}

type Granted = Interest & { readonly to?: string }

function delegated(delegations: readonly Delegation[]): readonly Granted[] {
  return delegations.map(({ to, paths, types }) => ({
    to,
    repositories: ['', ...paths.map(beginningOf)],
    ...(types.length > 0 && { types: types.map(beginningOf) })
  }))
}

function forAuthors(file: TrustFile, { to, ...lists }: Granted): Interest {
  return to === undefined ? lists : { ...lists, ...authorsOf(file, (name) => name === to) }
}

/** Returns what lies in all interests, or undefined where nothing does. */
function meetAll(interests: readonly Interest[]): Interest | undefined {
  const met: Lists = {}
  for (const interest of interests)
    for (const member of members) {
      const [before, list] = [met[member], interest[member]]
      if (list === undefined) continue
      const both = before === undefined ? list : meetPatterns(before, list)
      if (both.length === 0) return undefined
      met[member] = both
    }
  return met
}

function meetPatterns(a: readonly string[], b: readonly string[]): readonly string[] {
  const within = (pattern: string, other: string): boolean => pattern === other || (other.endsWith('*') && fits(pattern, other))
  return [
    ...new Set([
      ...a.filter((one) => b.some((other) => within(one, other))),
      ...b.filter((one) => a.some((other) => within(one, other)))
    ])
  ]
}

/** Leaves out what another interest has already. */
function simplified(interests: readonly Interest[]): readonly Interest[] {
  const covers = (large: Interest, small: Interest): boolean => members.every((member) => isWithin(small[member], large[member]))
  return interests.filter(
    (one, i) => !interests.some((other, j) => i !== j && covers(other, one) && (!covers(one, other) || j < i))
  )
}

function isWithin(small: readonly string[] | undefined, large: readonly string[] | undefined): boolean {
  if (large === undefined) return true
  return small?.every((one) => large.some((other) => one === other || (other.endsWith('*') && fits(one, other)))) ?? false
}
