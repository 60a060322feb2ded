import { isDelegated } from './delegation.ts'
import type { GateFacts, Standing } from './fact-table.ts'
import type { Evidence } from './facts.ts'
import type { TrustFile } from './file.ts'
import { signerOf } from './identity.ts'

/**
 * Returns what a trust file makes of an event's writer, with what was found out elsewhere about its witnesses and content.
 * Keys and delegations must be valid when the event is judged; what an event says of its own time counts for nothing.
 */
export function writerStanding(
  { event, place, nowMs }: Pick<Evidence, 'event' | 'place' | 'nowMs'>,
  file: TrustFile,
  found: { readonly quorum: boolean; readonly gates: GateFacts | undefined }
): Standing {
  const text = (member: string): string => (typeof event.data[member] === 'string' ? event.data[member] : '')
  const signer = signerOf(file, place, nowMs)
  const scope = { path: text('repository'), mediaType: text('artifactType') || text('mediaType'), type: event.type }
  return { ...found, signer, delegated: signer.name !== '' && isDelegated(file, signer.name, scope, nowMs) }
}
