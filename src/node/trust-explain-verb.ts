import {
  basisOf,
  bindingBy,
  boundType,
  decideOn,
  didOf,
  eventIn,
  type Facts,
  type LogId,
  type RejoinEvent,
  type Ruling
} from '../core/index.ts'
import type { EventRef, VerdictLine } from '../store/index.ts'
import type { VerbRecord } from './control.ts'
import { textAt } from './entry.ts'
import { findPlaces } from './find.ts'
import { authorOf } from './log-view.ts'
import type { Node } from './node.ts'
import type { VerbContext } from './verbs.ts'

/** What `rejoin trust explain` asks for. */
export interface ExplainArgs {
  /** LOG/INDEX, a digest, or REPOSITORY:TAG */
  readonly event: string
}

/** Yields why an event has the verdict that it has: what was recorded, what a person decided, and what the rules in force say now. @throws E_NOT_FOUND */
export async function* explainVerb({ node, args }: VerbContext<ExplainArgs>): AsyncGenerator<VerbRecord> {
  for (const place of await findPlaces(node, args.event)) yield await explain(node, place)
}

async function explain(node: Node, place: EventRef): Promise<VerbRecord> {
  const { log, index } = place
  const here = textAt(node, place)
  const event = here && eventIn(here.line)
  const digest = basisOf(node.gate.rules.file)
  const decision = node.verdicts.decisionOn(log, index)
  return {
    kind: 'explanation',
    log,
    index,
    author: authorOf(node, log, index),
    verdict: here?.verdict ?? 'refuse',
    trust: digest,
    ...(event && { type: event.type, subject: event.subject, time: event.time }),
    history: historyOf(node, place).map((line) => ({ ...line, inForce: line.trust === digest })),
    ...(decision && { decision }),
    ...(event?.type === boundType && { token: tokenOf(node, log, event) }),
    ...(event && { now: await rulingOf(node, place, event, here.line.length) })
  } as VerbRecord
}

/** To whom a token binds its log by the rules in force, or what is wrong with it. */
function tokenOf(node: Node, log: LogId, event: RejoinEvent): object {
  const bound = bindingBy(event, didOf(node.store.opened(log).publicKey), node.gate.rules.file)
  return typeof bound === 'string' ? { fault: bound } : { identity: bound.name, issuer: bound.issuer, claims: bound.claims }
}

/** The verdicts that were recorded on one entry, the oldest first. */
function historyOf(node: Node, { log, index }: EventRef): readonly VerdictLine[] {
  const found: VerdictLine[] = []
  for (const line of node.verdicts.read(log)) if (line.index <= index && index < line.index + (line.count ?? 1)) found.push(line)
  return found
}

/** What the rules in force say, whatever a person decided, with the facts that they say it on. */
async function rulingOf(
  node: Node,
  { log, index }: EventRef,
  event: RejoinEvent,
  lineBytes: number
): Promise<Ruling & { readonly facts: object }> {
  await node.known.load(event)
  const author = didOf(node.store.opened(log).publicKey)
  const facts = node.gate.factsOf({ index, start: 0, end: lineBytes }, event, {
    log,
    author,
    nowMs: Date.now(),
    reputation: node.gate.rules.asksReputation ? (node.verdicts.reputations(log).get(index) ?? 0) : 0
  })
  return { ...decideOn(facts, node.gate.rules, node.did), facts: shown(facts) }
}

/** Facts as JSON has them: those that wait for content are null. */
function shown({ line: _line, overlap, gates, content, ...facts }: Facts): object {
  return { ...facts, overlap: overlap ?? null, gates: gates ?? null, content: content ?? null }
}
