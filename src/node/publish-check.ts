import { encodeEvent, firstHlc, RejoinError, type RejoinEvent, tick } from '../core/index.ts'
import type { Draft } from '../store/index.ts'
import type { Node } from './node.ts'

/** Returns the event that a draft would become here now; its ID is not yet random. */
export function eventOfDraft({ did }: Node, { type, subject, data }: Draft, nowMs: number): RejoinEvent {
  const stamp = { hlc: tick(firstHlc, nowMs), id: '0'.repeat(32), source: did, time: new Date(nowMs).toISOString() }
  return { specversion: '1.0', type, ...(subject !== undefined && { subject }), data, ...stamp }
}

/**
 * Checks that the rules let this node publish a draft, before anything of it is stored.
 * @throws E_REFUSED with the rule
 */
export function mustMayPublish(node: Node, draft: Draft, what: string): void {
  const nowMs = Date.now()
  const event = eventOfDraft(node, draft, nowMs)
  const line = { index: node.writer.folder.size, start: 0, end: encodeEvent(event).length }
  const rule = node.gate.shuts(event, line, node.log, nowMs)
  if (rule !== undefined)
    throw new RejoinError('E_REFUSED', `${what} is refused by this node's own rules (${rule})`, {
      hint: 'rejoin trust show, or trust.yaml, has the rules'
    })
}
