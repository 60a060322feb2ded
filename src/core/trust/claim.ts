import { hex, utf8 } from '../bytes.ts'
import { isDigest, sha256 } from '../digest.ts'
import type { RejoinEvent } from '../event/event.ts'
import { canonicalize } from '../json.ts'
import type { JsonObject } from '../json-value.ts'

const members = ['digest', 'repository', 'tag', 'mediaType', 'artifactType'] as const

/** How many keys have said the same as an event, that of its writer among them, as far as this node has their words. */
export interface Voiced {
  /** keys of any identity that the trust file knows, and this node's own */
  readonly signatures: number
  /** keys of the writer's own identity */
  readonly said: number
}

/** One key alone. */
export const oneVoice: Voiced = { signatures: 1, said: 1 }

/**
 * Returns what an event says, as 32 hexadecimal digits: two events say the same where these are the same. Undefined for an event about
 * nothing, which says the same as no other.
 * @see protocols/trust.md#TRUST-28
 */
export function claimOf({ type, subject, data }: Pick<RejoinEvent, 'type' | 'subject' | 'data'>): string | undefined {
  const { digest } = data
  if (subject === undefined && !(typeof digest === 'string' && isDigest(digest))) return undefined
  const said: Record<string, string> = { type, ...(subject !== undefined && { subject }) }
  for (const member of members) {
    const value = data[member]
    if (typeof value === 'string') said[member] = value
  }
  return hex(sha256(utf8(canonicalize(said as JsonObject)))).slice(0, 32)
}
