import { type Digest, isDigest } from '../digest.ts'
import { isLogId, type LogId } from '../log/log-id.ts'

/**
 * A file of a medium, by the place that its path names: of those that folder.md lists and may leave a node. Whatever else an archive or a
 * folder has is none of ours.
 */
export type Member =
  | { readonly kind: 'replica' | 'heads' | 'sums' | 'seal' | 'omitted' | 'readme' | 'oci-layout' | 'index' }
  | { readonly kind: 'checkpoint' | 'cose' | 'closed' | 'fork'; readonly log: LogId }
  | { readonly kind: 'tile'; readonly log: LogId; readonly level: number; readonly index: number; readonly width: number }
  | { readonly kind: 'entries'; readonly log: LogId; readonly file: number }
  | { readonly kind: 'blob'; readonly digest: Digest }
  | { readonly kind: 'part'; readonly digest: Digest; readonly number: number }
  | { readonly kind: 'frontier' | 'receipt'; readonly node: string }

const rootFiles: Readonly<Record<string, 'replica' | 'heads' | 'sums' | 'seal' | 'omitted' | 'readme' | 'oci-layout' | 'index'>> =
  {
    'replica.json': 'replica',
    heads: 'heads',
    SHA256SUMS: 'sums',
    seal: 'seal',
    omitted: 'omitted',
    'README.txt': 'readme',
    'oci-layout': 'oci-layout',
    'index.json': 'index'
  }
const maxPathChars = 300

/** Returns what file a path names, or undefined where it names none: then nothing of it is read. */
export function memberOf(path: string): Member | undefined {
  if (path.length > maxPathChars) return undefined
  if (Object.hasOwn(rootFiles, path)) return { kind: rootFiles[path] as 'replica' }
  // lists of blobs beside SHA256SUMS
  if (/^SHA256SUMS\.[0-9]{4,6}$/.test(path)) return { kind: 'sums' }
  const parts = path.split('/')
  switch (parts[0]) {
    case 'logs':
      return logMember(parts)
    case 'blobs': {
      const digest = `${parts[1]}:${parts[2]}`
      return parts.length === 3 && isDigest(digest) ? { kind: 'blob', digest } : undefined
    }
    case 'parts':
      return partMember(parts)
    case 'frontiers':
      return parts.length === 2 && isNode(parts[1]) ? { kind: 'frontier', node: parts[1] } : undefined
    case 'receipts':
      return parts.length === 3 && isNode(parts[1]) && /^[a-z0-9.]{1,40}$/.test(parts[2] as string)
        ? { kind: 'receipt', node: parts[1] }
        : undefined
    default:
      return undefined
  }
}

function isNode(text: string | undefined): text is string {
  return text !== undefined && /^[a-z2-7]{20,80}$/.test(text)
}

function logMember([, log, name, ...rest]: readonly string[]): Member | undefined {
  if (log === undefined || !isLogId(log)) return undefined
  if (rest.length === 0) {
    if (name === 'checkpoint' || name === 'closed' || name === 'fork') return { kind: name, log }
    return name === 'checkpoint.cose' ? { kind: 'cose', log } : undefined
  }
  if (name === 'entries') {
    const number = /^(\d{6,9})\.ndjson$/.exec(rest[0] ?? '')?.[1]
    return rest.length === 1 && number !== undefined && (number.length === 6 || !number.startsWith('0'))
      ? { kind: 'entries', log, file: Number(number) }
      : undefined
  }
  return name === 'tile' ? tileMember(log, rest) : undefined
}

/** `<level>/x001/x234/067`, or a tile that is not full as `<level>/067.p/<width>`. */
function tileMember(log: LogId, [level = '', ...rest]: readonly string[]): Member | undefined {
  const path = rest.join('/')
  const [, groups, width] = /^((?:x\d{3}\/){0,4}\d{3})(?:\.p\/([1-9]\d{0,2}))?$/.exec(path) ?? []
  if (!/^[0-5]$/.test(level) || groups === undefined || Number(width ?? 1) > 255) return undefined
  const index = Number(groups.replaceAll(/[x/]/g, ''))
  if (groups.startsWith('x000')) return undefined
  return { kind: 'tile', log, level: Number(level), index, width: width === undefined ? 256 : Number(width) }
}

/** `parts/sha256/<hh>/<hex>/00000` */
function partMember([, algorithm, group, name, number, ...rest]: readonly string[]): Member | undefined {
  const digest = `${algorithm}:${name}`
  if (rest.length > 0 || !isDigest(digest) || group !== name?.slice(0, 2) || !/^\d{5}$/.test(number ?? '')) return undefined
  return { kind: 'part', digest, number: Number(number) }
}
