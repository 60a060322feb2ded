import { maxAheadMs } from '../clock.ts'
import { boundType } from './binding.ts'
import type { Evidence } from './facts.ts'
import { documentTypeOf, type eventText, type Facts, factsOf, isComplete, type KeyStanding, type Standing } from './fact-table.ts'
import type { PatternLists } from './file.ts'
import { matchGlob } from './glob.ts'
import { type Compiled, type ConjunctValue, conjunctValues, evaluate } from './rule.ts'
import { overUsage } from './usage.ts'
import { type Decision, fits, type Verdict } from './verdict.ts'

/** A verdict with all that explains it. */
export interface Ruling extends Decision {
  /** of the rule that decided; empty where no rule with a condition did */
  readonly conjuncts: readonly ConjunctValue[]
  /** set where the verdict is hold until something is there: the artifact's documents, or more keys that say the same */
  readonly waits?: 'content' | 'voices'
  /** `freshness:warn`, `freshness:local` */
  readonly warnings: readonly string[]
}

const gateNames = ['vulnerability', 'license', 'version'] as const
const fresh: readonly string[] = []
const opened: Ruling = { verdict: 'relay', rule: 'log', conjuncts: [], warnings: fresh }

/**
 * Returns the verdict on an event: a pure function of the evidence, the trust file and what the file makes of writer and witnesses.
 * @param own this node's did:key, which needs no rule
 * @see protocols/verdict.md
 */
export function decideBy(evidence: Evidence, compiled: Compiled, own: string, standing: Standing): Ruling {
  return decideOn(factsOf(evidence, compiled.file, standing), compiled, own)
}

/** Returns the verdict that facts give: what decideBy does once the facts are computed. */
export function decideOn(facts: Facts, compiled: Compiled, own: string): Ruling {
  const malformed = overLimit(facts, compiled)
  if (malformed !== undefined) return ruling('refuse', malformed)
  if (facts.event.source === own) return ruling('relay', 'own')
  const distrusted = writerFault(facts.signer.standing)
  if (distrusted !== undefined) return ruling('refuse', distrusted)
  if (facts.event.type.startsWith('log.')) return facts.event.index === 0 ? opened : withinMeans(opened, facts, compiled)
  if (facts.event.type === boundType) return withinMeans(ruling('relay', 'binding'), facts, compiled)
  const denied = denial(facts.event, compiled)
  if (denied !== undefined) return ruling('refuse', denied)
  if (facts.event.timeMs > facts.now + maxAheadMs) return ruling('hold', 'clock-ahead')
  if (facts.freshness.tier === 'refuse') return ruling('refuse', 'freshness')
  return withinMeans(capped(judge(facts, compiled), facts), facts, compiled)
}

/** What goes over the quota or rate of its identity is refused; its hash stays, so that its text can come once there is room. */
function withinMeans(decided: Ruling, { signer, usage }: Facts, { file }: Compiled): Ruling {
  if (decided.verdict === 'refuse') return decided
  const over = overUsage(file, signer.name, usage, usage.own)
  return over === undefined ? decided : { ...ruling('refuse', over), warnings: decided.warnings }
}

/** Returns a verdict without warnings. */
export function ruling(verdict: Verdict, rule: string, conjuncts: readonly ConjunctValue[] = []): Ruling {
  return { verdict, rule, conjuncts, warnings: fresh }
}

function overLimit({ line, event }: Facts, { file: { limits } }: Compiled): string | undefined {
  if (event.source !== line.author) return 'wrong-source'
  if (line.bytes > limits.entryBytes) return 'limit:entryBytes'
  if (line.depth > limits.jsonDepth) return 'limit:jsonDepth'
  return event.size > limits.blobBytes ? 'limit:blobBytes' : undefined
}

/** Returns the rule by which a writer's key shuts an event out, undefined where it may be believed. */
export function writerFault(standing: KeyStanding): string | undefined {
  switch (standing) {
    case 'good':
      return undefined
    case 'unknown':
      return 'unknown-author'
    case 'revoked':
      return 'key-revoked'
    case 'expired':
      return 'key-expired'
    case 'not-yet':
      return 'key-not-yet'
  }
}

function isShut(name: string, { allow, deny }: PatternLists, fit: (name: string, pattern: string) => boolean): boolean {
  if (name === '') return false
  return deny.some((pattern) => fit(name, pattern)) || (allow.length > 0 && !allow.some((pattern) => fit(name, pattern)))
}

/** The name of the list that an event does not get past. Lists on members that an event lacks do not concern it. */
export function denial(event: ReturnType<typeof eventText>, { file }: Compiled): string | undefined {
  if (isShut(event.type, file.eventTypes, fits)) return 'eventTypes'
  if (isShut(documentTypeOf(event), file.mediaTypes, fits)) return 'mediaTypes'
  if (isShut(event.artifactType, file.artifactTypes, fits)) return 'artifactTypes'
  return isShut(event.path, file.repositories, matchGlob) ? 'repositories' : undefined
}

/**
 * Gates, then rules. A gate that waits for content holds what the rules would let in; what they refuse whatever the content says is refused
 * at once, so that nothing is fetched for it.
 */
function judge(facts: Facts, compiled: Compiled): Ruling {
  const set = gatesSet(compiled)
  const failing = set.find((gate) => facts.gates?.[gate] === 'fail')
  if (failing !== undefined) return ruling('refuse', `gate:${failing}`)
  const decided = orAwaited(byRules(facts, compiled), facts, compiled)
  if (decided.waits === 'voices') return decided
  const [gate] = set
  if (gate === undefined || facts.gates !== undefined || decided.verdict === 'refuse') return decided
  return { ...ruling('hold', `gate:${gate}`), waits: 'content' }
}

/** more keys than any identity or condition can ask for */
const everyKey = Number.MAX_SAFE_INTEGER

/**
 * What more keys would let in is held for them, where the rules would refuse it for the lack of them: else it would depend on the order in
 * which the events of these keys come.
 */
function orAwaited(decided: Ruling, facts: Facts, compiled: Compiled): Ruling {
  if (!compiled.countsVoices || decided.waits !== undefined || decided.verdict === 'relay' || decided.verdict === 'keep')
    return decided
  const { event, voices, delegated } = facts
  const enough: Facts = {
    ...facts,
    event: { ...event, signatures: everyKey },
    delegated: delegated || voices.needed > 0
  }
  const { verdict, waits } = byRules(enough, compiled)
  const helps =
    decided.verdict === 'refuse' ? verdict !== 'refuse' : verdict !== 'refuse' && (verdict !== 'hold' || waits !== undefined)
  return helps ? { ...decided, verdict: 'hold', waits: 'voices' } : decided
}

function gatesSet({ file: { gates, versions } }: Compiled): readonly (typeof gateNames)[number][] {
  return gateNames.filter((gate) => (gate === 'version' ? versions.length > 0 : gates[gate] !== undefined))
}

function byRules(facts: Facts, compiled: Compiled): Ruling {
  const { file } = compiled
  if (file.rules === undefined) return byIdentity(facts, compiled)
  const complete = isComplete(facts)
  for (const compiledRule of compiled.rulesFor(facts.event.type)) {
    const outcome = evaluate(compiledRule, facts, complete)
    if (outcome === 'fails') continue
    const { id, verdict, onError } = compiledRule.rule
    if (outcome === 'holds') return ruling(verdict, id, compiled.held.get(compiledRule))
    const values = conjunctValues(compiledRule, facts)
    if (outcome === 'waits') return { ...ruling('hold', id, values), waits: 'content' }
    return ruling(onError, id, values)
  }
  return ruling(file.default, 'default')
}

function byIdentity({ event, delegated }: Facts, { file }: Compiled): Ruling {
  const free = file.delegations.length === 0 || delegated || event.path === ''
  return free ? ruling('relay', 'identity') : ruling('refuse', 'not-delegated')
}

/** What is too old to be passed on is kept. */
function capped(decided: Ruling, { freshness: { tier } }: Facts): Ruling {
  if (tier === 'fresh') return decided
  const verdict = tier === 'local' && decided.verdict === 'relay' ? 'keep' : decided.verdict
  return { ...decided, verdict, warnings: [`freshness:${tier}`] }
}
