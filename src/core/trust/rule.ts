import { type Facts, isComplete } from './fact-table.ts'
import type { TrustFile, TrustRule } from './file.ts'
import { fits } from './verdict.ts'

/** One part of a condition; all parts of a rule are joined by `&&`. */
export interface Conjunct {
  /** CEL, as the file's author wrote it */
  readonly text: string
  /** whether it asks for overlap, gates or content; test must not be called before they are there */
  readonly needsContent: boolean
  /** Returns whether it holds; throws where it can't be evaluated. Must depend on the facts alone. */
  readonly test: (facts: Facts) => boolean
}

/**
 * The events that a condition could ever hold or fail to be evaluated for; for all others it is false. Absent is any. In the lists a last
 * `*` stands for any end, and the empty text for events that lack the member.
 */
export interface Reach {
  readonly types?: readonly string[]
  readonly mediaTypes?: readonly string[]
  readonly artifactTypes?: readonly string[]
  readonly repositories?: readonly string[]
  readonly signers?: readonly string[]
  readonly dids?: readonly string[]
  /** it asks for one of these roles */
  readonly roles?: readonly string[]
  /** it asks for a delegation */
  readonly delegated?: true
}

/** A rule of the trust file, ready to be evaluated. */
export interface CompiledRule {
  readonly rule: TrustRule
  readonly conjuncts: readonly Conjunct[]
  readonly reach: Reach
  /** whether a conjunct may throw */
  readonly mayFail: boolean
}

/** A trust file with its rules compiled. */
export interface Compiled {
  readonly file: TrustFile
  readonly rules: readonly CompiledRule[]
  /** Returns the rules that can hold for an event of a type, in order. */
  readonly rulesFor: (type: string) => readonly CompiledRule[]
  /** each rule's conjuncts, all true */
  readonly held: ReadonlyMap<CompiledRule, readonly ConjunctValue[]>
  /** whether verdicts may depend on how many keys said the same */
  readonly countsVoices: boolean
  /** whether verdicts may depend on who brought an event */
  readonly asksReputation: boolean
}

/** What became of one conjunct; unknown where it waits for content or was not looked at. */
export type ConjunctState = 'true' | 'false' | 'error' | 'unknown'
/** A conjunct of the rule that decided, with its value. */
export interface ConjunctValue {
  readonly text: string
  readonly value: ConjunctState
}
/** What a rule does for an event. */
export type Outcome = 'holds' | 'fails' | 'error' | 'waits'

/** Returns a trust file with its compiled rules, grouped by event type. */
export function makeCompiled(file: TrustFile, rules: readonly CompiledRule[]): Compiled {
  const named = new Set(rules.flatMap(({ reach }) => (reach.types ?? []).filter((type) => !type.endsWith('*'))))
  const groups = new Map<string, readonly CompiledRule[]>()
  for (const type of named)
    groups.set(
      type,
      rules.filter(({ reach }) => reach.types?.some((pattern) => fits(type, pattern)) ?? true)
    )
  const others = rules.filter(({ reach }) => reach.types?.some((pattern) => pattern.endsWith('*')) ?? true)
  const held = new Map(rules.map((rule) => [rule, rule.conjuncts.map(({ text }) => ({ text, value: 'true' as const }))]))
  const countsVoices = file.delegations.some(({ threshold }) => threshold > 1) || rules.some(asksForSignatures)
  const asksReputation = rules.some(({ conjuncts }) => conjuncts.some(({ text }) => /\bpeer\s*\.\s*reputation\b/.test(text)))
  return { file, rules, rulesFor: (type) => groups.get(type) ?? others, held, countsVoices, asksReputation }
}

/** Returns whether a rule asks how many keys said an event; true, too, for one that only has the words in a text. */
export function asksForSignatures({ conjuncts }: CompiledRule): boolean {
  return conjuncts.some(({ text }) => /\bevent\s*\.\s*signatures\b/.test(text))
}

/**
 * Returns what a rule does for an event. A false conjunct settles it, even where another one can't be evaluated or waits for content, as
 * CEL's `&&` does.
 */
export function evaluate({ conjuncts }: CompiledRule, facts: Facts, complete: boolean = isComplete(facts)): Outcome {
  let outcome: Outcome = 'holds'
  for (const conjunct of conjuncts) {
    if (conjunct.needsContent && !complete) {
      outcome = 'waits'
      continue
    }
    const value = valueOf(conjunct, facts)
    if (value === 'false') return 'fails'
    if (value === 'error' && outcome !== 'waits') outcome = 'error'
  }
  return outcome
}

/** Returns the value of each conjunct of a rule for an event. */
export function conjunctValues({ conjuncts }: CompiledRule, facts: Facts): readonly ConjunctValue[] {
  const complete = isComplete(facts)
  return conjuncts.map((conjunct) => ({
    text: conjunct.text,
    value: conjunct.needsContent && !complete ? 'unknown' : valueOf(conjunct, facts)
  }))
}

function valueOf({ test }: Conjunct, facts: Facts): 'true' | 'false' | 'error' {
  try {
    return test(facts) ? 'true' : 'false'
  } catch {
    return 'error'
  }
}
