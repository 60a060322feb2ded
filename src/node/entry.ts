import { parseEvent, RejoinError, type RejoinEvent } from '../core/index.ts'
import type { EventRef } from '../store/index.ts'
import type { Node } from './node.ts'

/** The text of an entry that is here, and the verdict that let it lie where it does. */
export interface TextHere {
  readonly line: Uint8Array
  readonly verdict: 'relay' | 'keep' | 'hold'
}

/** An event that is used here, with its place and line. */
export interface FoundEvent extends EventRef {
  readonly event: RejoinEvent
  readonly line: Uint8Array
  readonly verdict: 'relay' | 'keep'
}

/** Returns the text of an entry, in the log, kept for this node or held; undefined where only its hash is here. @throws E_NOT_FOUND beyond the end */
export function textAt({ store }: Pick<Node, 'store'>, { log, index }: EventRef): TextHere | undefined {
  const { line, size } = store.needFolder(log).entry(index)
  if (line !== undefined) return { line, verdict: 'relay' }
  if (size > 1) return undefined
  const kept = store.places.kept.read(log, index)
  if (kept !== undefined) return { line: kept, verdict: 'keep' }
  const held = store.places.held.read(log, index)
  return held && { line: held, verdict: 'hold' }
}

/** Returns the event at a place, as far as it is used here. @throws E_NOT_FOUND, E_REFUSED where its text is withheld or in quarantine */
export function eventAt(node: Node, { log, index }: EventRef): FoundEvent {
  const here = textAt(node, { log, index })
  const hint = `rejoin trust explain ${log}/${index} says why`
  if (here === undefined)
    throw new RejoinError('E_REFUSED', `entry ${index} of log ${log} is withheld here: only its hash is known`, { hint })
  const { line, verdict } = here
  if (verdict === 'hold') throw new RejoinError('E_REFUSED', `entry ${index} of log ${log} is held`, { hint })
  return { log, index, event: parseEvent(line), line, verdict }
}
