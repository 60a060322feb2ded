import { oneVoice } from './claim.ts'
import { grantOf } from './delegation.ts'
import type { GateFacts, Standing } from './fact-table.ts'
import type { Evidence } from './facts.ts'
import type { TrustFile } from './file.ts'
import { signerOf } from './identity.ts'

/**
 * Returns what a trust file makes of an event's writer, with what was found out elsewhere about its witnesses and content.
 * Keys and delegations must be valid when the event is judged; what an event says of its own time counts for nothing.
 */
export function writerStanding(
  { event, place, nowMs, voiced = oneVoice }: Pick<Evidence, 'event' | 'place' | 'nowMs' | 'voiced'>,
  file: TrustFile,
  found: { readonly quorum: boolean; readonly gates: GateFacts | undefined }
): Standing {
  const text = (member: string): string => (typeof event.data[member] === 'string' ? event.data[member] : '')
  const signer = signerOf(file, place, nowMs)
  const scope = { path: text('repository'), mediaType: text('artifactType') || text('mediaType'), type: event.type }
  const { needed } = signer.name === '' ? { needed: 0 } : grantOf(file, signer.name, scope, nowMs)
  return { ...found, signer, delegated: needed > 0 && needed <= voiced.said, neededVoices: needed }
}
