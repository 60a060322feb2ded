import { msOfHlc } from '../clock.ts'
import { type Digest, isDigest } from '../digest.ts'
import type { RejoinEvent } from '../event/event.ts'
import { matchGlob } from '../trust/glob.ts'

/** What of a replica is to be carried; a list that is empty leaves everything in. */
export interface Selection {
  /** patterns of repositories */
  readonly repositories: readonly string[]
  /** patterns of event types, artifact types or media types */
  readonly types: readonly string[]
  /** events of this time or later, by the clocks of their writers */
  readonly sinceMs?: number
  /** `os/arch` or `os/arch/variant`, of images for several */
  readonly platforms: readonly string[]
}

/** The selection of everything. */
export const everything: Selection = { repositories: [], types: [], platforms: [] }

/** Returns whether a selection leaves events out. */
export function isNarrow({ repositories, types, sinceMs }: Selection): boolean {
  return repositories.length > 0 || types.length > 0 || sinceMs !== undefined
}

/** Returns the digest of the artifact that an event is about, where it is about one. */
export function artifactIn({ data, subject }: RejoinEvent): Digest | undefined {
  const { digest } = data
  return typeof digest === 'string' && isDigest(digest) && digest === subject ? digest : undefined
}

function text(event: RejoinEvent, member: string): string {
  const value = event.data[member]
  return typeof value === 'string' ? value : ''
}

/** A pattern without a slash fits any part behind the last one too: `*` alone would not fit `apps/web`. */
function fitsOne(value: string, patterns: readonly string[]): string | undefined {
  return value === '' ? undefined : patterns.find((pattern) => matchGlob(value, pattern) || value === pattern)
}

/** Returns why a selection takes an event for itself, and not because of another one; undefined where it does not. */
export function reasonFor(event: RejoinEvent, { repositories, types, sinceMs }: Selection): string | undefined {
  const reasons: string[] = []
  if (repositories.length > 0) {
    const found = fitsOne(text(event, 'repository'), repositories)
    if (found === undefined) return undefined
    reasons.push(`repository ${text(event, 'repository')}`)
  }
  if (types.length > 0) {
    const value = [event.type, text(event, 'artifactType'), text(event, 'mediaType')].find(
      (one) => fitsOne(one, types) !== undefined
    )
    if (value === undefined) return undefined
    reasons.push(`type ${value}`)
  }
  if (sinceMs !== undefined) {
    if (msOfHlc(event.hlc) < sinceMs) return undefined
    reasons.push('since then')
  }
  return reasons.length === 0 ? 'everything is' : reasons.join(', ')
}

/** What an event says about which artifact. */
export interface Reference {
  readonly artifact: Digest | undefined
  /** what it refers to, or is about without being it */
  readonly about: Digest | undefined
}

/** Returns what an event is about. */
export function referenceIn(event: RejoinEvent): Reference {
  const artifact = artifactIn(event)
  const refers = event.data['refers']
  if (typeof refers === 'string' && isDigest(refers)) return { artifact, about: refers }
  return {
    artifact,
    about: artifact === undefined && event.subject !== undefined && isDigest(event.subject) ? event.subject : undefined
  }
}

/** Adds to chosen artifacts all that refer to them, and to those, and so on: signatures, SBOMs, VEX, receipts. @returns what each refers to */
export function withReferrers(
  chosen: Set<Digest>,
  references: Iterable<Reference>,
  partOf: ReadonlyMap<Digest, Digest>
): ReadonlyMap<Digest, Digest> {
  const byAbout = new Map<Digest, Digest[]>()
  for (const { artifact, about } of references)
    if (artifact !== undefined && about !== undefined) byAbout.set(about, [...(byAbout.get(about) ?? []), artifact])
  const because = new Map<Digest, Digest>()
  const parts = new Map<Digest, Digest[]>()
  for (const [part, whole] of partOf) parts.set(whole, [...(parts.get(whole) ?? []), part])
  const queue = [...chosen]
  for (let next = queue.shift(); next !== undefined; next = queue.shift())
    for (const about of [next, ...(parts.get(next) ?? [])])
      for (const artifact of byAbout.get(about) ?? []) {
        if (chosen.has(artifact)) continue
        chosen.add(artifact)
        because.set(artifact, about)
        queue.push(artifact)
      }
  return because
}

const platformShape = /^[a-z0-9]+\/[a-z0-9._]+(?:\/[a-z0-9._]+)?$/

/** Returns whether a text names a platform: `linux/amd64`, `linux/arm/v7`. */
export function isPlatform(value: string): boolean {
  return platformShape.test(value)
}

/** Returns the name of the platform that an index says one of its manifests is for; undefined where it says none. */
export function platformName(
  platform: { readonly os?: unknown; readonly architecture?: unknown; readonly variant?: unknown } | undefined
): string | undefined {
  const { os, architecture, variant } = platform ?? {}
  if (typeof os !== 'string' || typeof architecture !== 'string') return undefined
  const name = `${os}/${architecture}${typeof variant === 'string' ? `/${variant}` : ''}`
  return isPlatform(name) ? name : undefined
}

/** Returns whether a manifest for a platform is wanted; one that is for none, an attestation say, always is. */
export function wantsPlatform(name: string | undefined, { platforms }: Selection): boolean {
  if (platforms.length === 0 || name === undefined || name === 'unknown/unknown') return true
  return platforms.some((wanted) => name === wanted || (wanted.split('/').length === 2 && name.startsWith(`${wanted}/`)))
}
