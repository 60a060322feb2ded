import { maxAheadMs, msOfHlc } from '../clock.ts'
import type { RejoinEvent } from '../event/event.ts'
import { boundType } from './binding.ts'
import { denial, type Ruling, ruling, writerFault } from './decide.ts'
import { eventText, type KeyStanding, sizeOf } from './fact-table.ts'
import type { Compiled } from './rule.ts'
import { limitsUsage } from './usage.ts'

/** levels of an event's JSON at most */
const eventDepth = 16

/** What a verdict by a plain trust file depends on, beside the event. */
export interface PlainEvidence {
  /** did:key of the log's writer */
  readonly author: string
  readonly lineBytes: number
  readonly standing: KeyStanding
  readonly nowMs: number
}

/** Returns whether the verdicts of a trust file follow from an event and its writer alone, so that no table of facts is needed. */
export function isPlain({ file }: Compiled): boolean {
  const { rules, gates, versions, delegations, freshness, limits } = file
  return (
    rules === undefined &&
    !limitsUsage(file) &&
    versions.length + delegations.length + Object.keys(gates).length === 0 &&
    Object.values(freshness).every((ms) => ms === Number.POSITIVE_INFINITY) &&
    limits.jsonDepth >= eventDepth
  )
}

const relayed = ruling('relay', 'identity')
const opened = ruling('relay', 'log')
const bindingShown = ruling('relay', 'binding')

/** Returns what decideOn gives for a plain trust file, in a tenth of the time: on a catch-up this runs once an event. */
export function decidePlainly(event: RejoinEvent, evidence: PlainEvidence, compiled: Compiled, own: string): Ruling {
  const { author, lineBytes, standing, nowMs } = evidence
  const { limits, eventTypes, mediaTypes, artifactTypes, repositories } = compiled.file
  if (event.source !== author) return ruling('refuse', 'wrong-source')
  if (lineBytes > limits.entryBytes) return ruling('refuse', 'limit:entryBytes')
  if (sizeOf(event) > limits.blobBytes) return ruling('refuse', 'limit:blobBytes')
  if (event.source === own) return ruling('relay', 'own')
  const distrusted = writerFault(standing)
  if (distrusted !== undefined) return ruling('refuse', distrusted)
  if (event.type.startsWith('log.')) return opened
  if (event.type === boundType) return bindingShown
  for (const { allow, deny } of [eventTypes, mediaTypes, artifactTypes, repositories]) {
    if (allow.length + deny.length === 0) continue
    const denied = denial(eventText(event), compiled)
    if (denied !== undefined) return ruling('refuse', denied)
    break
  }
  return msOfHlc(event.hlc) > Math.floor(nowMs) + maxAheadMs ? ruling('hold', 'clock-ahead') : relayed
}
