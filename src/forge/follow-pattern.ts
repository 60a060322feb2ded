import { globFault, matchGlob, RejoinError, versFault, versionIn } from '../core/index.ts'

/** Which repositories of a forge are followed, and which of their tags. */
export interface FollowPattern {
  readonly text: string
  /** path pattern: apps/**, apps/web */
  readonly repositories: string
  /** whether that is the name of one repository */
  readonly isName: boolean
  readonly tags: TagPattern
}

/** Which tags are followed: all, those that fit a pattern with `*`, or those that are versions in a range. */
export type TagPattern =
  | { readonly kind: 'all' }
  | { readonly kind: 'name'; readonly tag: string }
  | { readonly kind: 'glob'; readonly pattern: string }
  | { readonly kind: 'semver'; readonly range: string }

const comparator = /^(>=|<=|>|<|=|\^|~)?v?(\d+)(?:\.(\d+|x|\*))?(?:\.(\d+|x|\*))?(-[0-9A-Za-z.-]+)?$/

/**
 * Returns what `REPOSITORIES[:TAGS]` means: a path pattern, and after the colon a tag, a pattern with `*`, or `semver:` and a range as npm and flux
 * write it (`^1.2`, `~1.4.0`, `>=1.0 <2.0`, several with `||`).
 * @throws E_USAGE
 */
export function parseFollowPattern(text: string): FollowPattern {
  const bad = (why: string): RejoinError =>
    new RejoinError('E_USAGE', `not a pattern of repositories: ${JSON.stringify(text.slice(0, 120))} (${why})`, {
      hint: "apps/**, apps/web:v1.* or 'apps/web:semver:>=1.2 <2'"
    })
  const colon = text.indexOf(':')
  const repositories = colon < 0 ? text : text.slice(0, colon)
  const fault = globFault(repositories)
  if (fault !== undefined) throw bad(fault.suggestion ?? fault.message)
  const isName = !repositories.includes('*')
  return { text, repositories, isName, tags: colon < 0 ? { kind: 'all' } : tagPattern(text.slice(colon + 1), bad) }
}

function tagPattern(text: string, bad: (why: string) => RejoinError): TagPattern {
  if (text.startsWith('semver:')) {
    const range = versOf(text.slice('semver:'.length))
    const fault = range === undefined ? 'not a range of versions' : versFault(range)
    if (range === undefined || fault !== undefined) throw bad(fault ?? 'not a range of versions')
    return { kind: 'semver', range }
  }
  if (!/^[A-Za-z0-9_*][A-Za-z0-9._*-]{0,127}$/.test(text)) throw bad('what follows the colon is no tag')
  if (text === '*') return { kind: 'all' }
  return text.includes('*') ? { kind: 'glob', pattern: text } : { kind: 'name', tag: text }
}

/** Returns a range of npm's kind as a `vers:` range; undefined where it is none, or has more than one span. */
function versOf(text: string): string | undefined {
  const spans = text.split('||').map((span) => spanOf(span.trim()))
  if (spans.some((span) => span === undefined)) return undefined
  return spans.length === 1 && spans[0]?.length === 0
    ? 'vers:semver/>=0.0.0-0'
    : `vers:semver/${spans.flatMap((span) => span ?? []).join('|')}`
}

function spanOf(text: string): readonly string[] | undefined {
  if (text === '*' || text === '') return text === '' ? undefined : []
  const parts: string[] = []
  for (const word of text.split(/\s+/)) {
    const [, sign = '', major = '', minor, patch, pre = ''] = comparator.exec(word) ?? []
    if (major === '') return undefined
    const [a, b, c] = [Number(major), numberOf(minor), numberOf(patch)]
    const low = `${a}.${b ?? 0}.${c ?? 0}${pre}`
    const next = b === undefined ? `${a + 1}.0.0` : `${a}.${b + 1}.0`
    if (sign === '>' && c === undefined) parts.push(`>=${next}`)
    else if (sign === '<=' && c === undefined) parts.push(`<${next}`)
    else if (sign === '>=' || sign === '>' || sign === '<' || sign === '<=') parts.push(`${sign}${low}`)
    else if (sign === '^')
      parts.push(
        `>=${low}`,
        `<${a > 0 || b === undefined ? `${a + 1}.0.0` : b > 0 || c === undefined ? `0.${b + 1}.0` : `0.0.${c + 1}`}`
      )
    else if (sign === '~' || c === undefined) parts.push(`>=${low}`, `<${next}`)
    else parts.push(low)
  }
  return parts
}

function numberOf(text: string | undefined): number | undefined {
  return text === undefined || text === 'x' || text === '*' ? undefined : Number(text)
}

/** Returns whether a repository is followed by a pattern. */
export function followsRepository({ repositories }: FollowPattern, name: string): boolean {
  return matchGlob(name, repositories)
}

/** Returns whether a tag is followed by a pattern. Versions before a release (1.0.0-rc.1) count where they are in the range. */
export function followsTag({ tags }: FollowPattern, tag: string): boolean {
  switch (tags.kind) {
    case 'all':
      return true
    case 'name':
      return tags.tag === tag
    case 'glob':
      return matchGlob(tag, tags.pattern)
    case 'semver':
      return versionIn(tags.range, tag.replace(/^v(?=\d)/, '')) === 'in'
  }
}
