import { RejoinError } from '../error.ts'
import { text } from '../protobuf-kind.ts'
import { message, type MessageCodec, optional, repeated } from '../protobuf.ts'
import type { Interest } from '../trust/interest.ts'

/** Most interests in one HELLO. */
export const maxInterests = 64
/** Most patterns in one HELLO. */
export const maxPatterns = 1024
/** Longest pattern, in bytes of UTF-8. */
export const maxPatternBytes = 256

/** A list of patterns; it is a message, since a list that is absent admits any and one of no patterns admits none. */
export interface WirePatterns {
  readonly patterns: readonly string[]
}

/** An interest as HELLO holds it. */
export type WireInterest = { readonly [Member in keyof Interest]-?: WirePatterns | undefined }

const patterns: MessageCodec<WirePatterns> = message<WirePatterns>({ patterns: repeated(1, text(maxPatternBytes), maxPatterns) })

/** The codec of an interest. */
export const wireInterest: MessageCodec<WireInterest> = message<WireInterest>({
  authors: optional(1, patterns),
  types: optional(2, patterns),
  mediaTypes: optional(3, patterns),
  artifactTypes: optional(4, patterns),
  documentTypes: optional(5, patterns),
  repositories: optional(6, patterns)
})

const members = ['authors', 'types', 'mediaTypes', 'artifactTypes', 'documentTypes', 'repositories'] as const
type Lists = { -readonly [Member in keyof Interest]: Interest[Member] }

/** Returns all lists of several interests. */
export function patternLists(interests: readonly Interest[]): readonly (readonly string[])[] {
  return interests.flatMap((interest) => members.flatMap((member) => (interest[member] === undefined ? [] : [interest[member]])))
}

/** Returns interests as HELLO holds them; they must fit it. */
export function wireOfInterest(interests: readonly Interest[]): readonly WireInterest[] {
  const wrapped = (list: readonly string[] | undefined): WirePatterns | undefined => list && { patterns: list }
  return interests.map(({ authors, types, mediaTypes, artifactTypes, documentTypes, repositories }) => ({
    authors: wrapped(authors),
    types: wrapped(types),
    mediaTypes: wrapped(mediaTypes),
    artifactTypes: wrapped(artifactTypes),
    documentTypes: wrapped(documentTypes),
    repositories: wrapped(repositories)
  }))
}

/** Returns the interests of a HELLO. @throws E_FRAME where they have more patterns in all than is allowed */
export function interestOfWire(wire: readonly WireInterest[]): readonly Interest[] {
  const interests = wire.map((one) => {
    const interest: Lists = {}
    for (const member of members) if (one[member] !== undefined) interest[member] = one[member].patterns
    return interest
  })
  if (patternLists(interests).flat().length > maxPatterns)
    throw new RejoinError('E_FRAME', `the interest of a HELLO has more than ${maxPatterns} patterns`)
  return interests
}
