import { decideOn, didOf, type LogId, parseEvent, type Ruling } from '../core/index.ts'
import { authorOf } from './log-view.ts'
import type { Node } from './node.ts'

/** An event in quarantine, as `rejoin triage` shows it. */
export interface HeldRecord {
  readonly kind: 'held'
  readonly log: LogId
  readonly index: number
  /** name of the identity, or did:key */
  readonly author: string
  readonly type: string
  readonly subject?: string
  readonly repository?: string
  /** the rule that held it */
  readonly rule: string
  /** what it waits for: a person, unless there is something that settles it */
  readonly waits: 'content' | 'voices' | 'person'
  /** when it came to be held, ISO 8601; absent where no verdict is recorded */
  readonly since?: string
}

interface Reason {
  readonly rule: string
  readonly waits?: 'content' | 'voices' | undefined
  readonly since?: string
}

/** Returns a record of an event whose line is in quarantine. */
export function heldRecord(node: Node, log: LogId, index: number, line: Uint8Array, reason: Reason): HeldRecord {
  const { type, subject, data } = parseEvent(line)
  const { repository, tag } = data
  const name = typeof repository === 'string' ? `${repository}${typeof tag === 'string' ? `:${tag}` : ''}` : undefined
  return {
    kind: 'held',
    log,
    index,
    author: authorOf(node, log, index),
    type,
    ...(subject !== undefined && { subject }),
    ...(name !== undefined && { repository: name }),
    rule: reason.rule,
    waits: reason.waits ?? 'person',
    ...(reason.since !== undefined && { since: reason.since })
  }
}

/** Returns what the rules in force say of an event now, whatever a person decided. */
export function rulingNow(node: Node, log: LogId, index: number, line: Uint8Array, nowMs: number): Ruling {
  const author = didOf(node.store.opened(log).publicKey)
  const facts = node.gate.factsOf({ index, start: 0, end: line.length }, parseEvent(line), { log, author, nowMs })
  return decideOn(facts, node.gate.rules, node.did)
}

/** Returns every event in quarantine, by rule, then author, then place. */
export function listHeld(node: Node): readonly HeldRecord[] {
  const files = Map.groupBy(node.store.places.held.list(), ({ log }) => log)
  const found: HeldRecord[] = []
  for (const [log, some] of files) {
    const lines = new Map(some.flatMap(({ entries }) => entries.map(({ index, line }) => [index, line] as const)))
    const recorded = node.verdicts.latest(log, (index) => lines.has(index))
    for (const [index, line] of lines) {
      const said = recorded.get(index)
      const reason =
        said?.verdict === 'hold'
          ? { rule: said.rule, waits: said.waits, since: said.at }
          : rulingNow(node, log, index, line, Date.now())
      found.push(heldRecord(node, log, index, line, reason))
    }
  }
  return found.toSorted(
    (a, b) => compare(a.rule, b.rule) || compare(a.author, b.author) || compare(a.log, b.log) || a.index - b.index
  )
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
