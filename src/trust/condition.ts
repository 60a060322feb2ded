import {
  type Compiled,
  type CompiledRule,
  type Conjunct,
  type Facts,
  makeCompiled,
  type Reach,
  RejoinError,
  type TrustFile,
  type TrustRule
} from '../core/index.ts'
import { checkedTree, ConditionFault, type ConditionProblem, placeIn } from './condition-check.ts'
import { sizeGuardOf } from './condition-cost.ts'
import { nativeOf } from './condition-native.ts'
import { regionOf } from './condition-static.ts'
import { conjunctsOf, constantOf, someNode, textOf, type Tree } from './condition-tree.ts'
import { contentVariables, contextOf, environment } from './fact-types.ts'
import { everything, meet, possible, type Region } from './region.ts'

/** A problem of one rule of a file. */
export interface RuleProblem extends ConditionProblem {
  /** which rule, counted from 0 */
  readonly index: number
  readonly id: string
}

/** A rule with its native parts switched off is what tests compare with. */
export interface CompileOptions {
  readonly native: boolean
}

/**
 * Compiles the rules of a trust file.
 * @returns the rules, and all problems in order; a file with problems must not be put in force
 * @see protocols/verdict.md#VERDICT-10
 */
export function compileRules(
  rules: readonly TrustRule[],
  options: CompileOptions = { native: true }
): { readonly rules: readonly CompiledRule[]; readonly problems: readonly RuleProblem[] } {
  const compiled: CompiledRule[] = []
  const problems: RuleProblem[] = []
  let always: TrustRule | undefined
  rules.forEach((rule, index) => {
    try {
      if (always !== undefined)
        throw new ConditionFault(
          0,
          `rule ${rule.id} is never reached: ${always.id} before it is always true`,
          `put it before ${always.id}`
        )
      const made = compileRule(rule, options)
      compiled.push(made.rule)
      if (made.always) always = rule
    } catch (error) {
      if (!(error instanceof ConditionFault)) throw error
      problems.push({ index, id: rule.id, ...placeIn(rule.when, error.at), message: error.message, hint: error.hint })
    }
  })
  return { rules: compiled, problems }
}

/**
 * Returns a trust file that is ready to judge by.
 * @throws E_TRUST_FILE with rule, line and column in its condition
 */
export function compileTrust(file: TrustFile, options: CompileOptions = { native: true }): Compiled {
  const { rules, problems } = compileRules(file.rules ?? [], options)
  const [problem] = problems
  if (problem === undefined) return makeCompiled(file, rules)
  const { id, line, column, message, hint } = problem
  throw new RejoinError('E_TRUST_FILE', `rule ${id}: ${message} at line ${line}, column ${column} of its condition`, {
    at: `${line}:${column}`,
    hint
  })
}

function compileRule(rule: TrustRule, options: CompileOptions): { readonly rule: CompiledRule; readonly always: boolean } {
  const tree = checkedTree(rule.when)
  const parts = conjunctsOf(tree)
  let region = everything
  for (const part of parts) {
    checkConstants(part)
    const before = region
    region = meet(region, regionOf(part, true))
    if (region.empty !== undefined) throw neverFault(part, region.empty, before)
  }
  const texts = parts.map((part) => textOf(part))
  const whole = texts.includes(undefined)
  const made = whole
    ? [conjunctOf(tree, rule.when, options)]
    : parts.map((part, i) => conjunctOf(part, texts[i] as string, options))
  return {
    rule: {
      rule,
      conjuncts: made.map(({ conjunct }) => conjunct),
      reach: reachOf(region),
      mayFail: made.some(({ mayFail }) => mayFail)
    },
    always: regionOf(tree, false).empty !== undefined
  }
}

function neverFault(part: Tree, because: string, before: Region): ConditionFault {
  const contradicts = before !== everything && regionOf(part, true).empty === undefined
  const reason = contradicts ? because.replace('that', 'this and what stands before it') : because
  const hint = contradicts ? 'join them with || where one of them is enough' : 'correct it, or leave the rule out'
  return new ConditionFault(part.start, `the condition can never hold: ${reason}`, hint)
}

/** A part without facts that can't be evaluated would give onError for every event. */
function checkConstants(node: Tree): void {
  someNode(node, (part) => {
    const constant = constantOf(part)
    if (constant !== undefined && 'failure' in constant)
      throw new ConditionFault(
        part.start,
        `this can never be evaluated: ${constant.failure}`,
        'correct it, or leave the rule out'
      )
    return false
  })
}

function conjunctOf(
  node: Tree,
  text: string,
  { native }: CompileOptions
): { readonly conjunct: Conjunct; readonly mayFail: boolean } {
  const compiled = native ? nativeOf(node) : undefined
  const plain = compiled ?? celTest(text)
  const guard = sizeGuardOf(node)
  const needsContent = someNode(node, ({ op, args }) => op === 'id' && contentVariables.has(args as string))
  const test = guard === undefined ? plain : guarded(plain, guard)
  return { conjunct: { text, needsContent, test }, mayFail: compiled === undefined || guard !== undefined }
}

function guarded(test: (facts: Facts) => boolean, guard: (facts: Facts) => boolean): (facts: Facts) => boolean {
  return (facts) => {
    if (!guard(facts)) throw new RejoinError('E_TOO_LARGE', 'the lists that the condition walks over are too long')
    return test(facts)
  }
}

function celTest(text: string): (facts: Facts) => boolean {
  const parsed = environment.parse(text)
  parsed.check()
  return (facts) => {
    const value: unknown = parsed(contextOf(facts))
    if (typeof value !== 'boolean') throw new Error('bug: a condition that was checked gave no bool')
    return value
  }
}

/** The facts that `interest` can tell the other side of. */
const reaches = {
  'event.type': 'types',
  'event.mediaType': 'mediaTypes',
  'event.artifactType': 'artifactTypes',
  'event.path': 'repositories',
  'signer.name': 'signers',
  'signer.did': 'dids'
} as const

function reachOf({ limits }: Region): Reach {
  const reach: { -readonly [Member in keyof Reach]: Reach[Member] } = {}
  for (const [fact, member] of Object.entries(reaches)) {
    const limit = limits.get(fact)
    if (limit?.kind !== 'text' || limit.anyOf === undefined) continue
    reach[member] = [...new Set(possible(limit).map(({ text, open }) => (open ? `${text}*` : text)))]
  }
  const roles = limits.get('signer.roles')
  if (roles?.kind === 'member') reach.roles = roles.anyOf
  const delegated = limits.get('delegated')
  if (delegated?.kind === 'bool' && !delegated.values.includes(false)) reach.delegated = true
  const did = limits.get('event.source')
  if (did?.kind === 'text' && did.anyOf !== undefined && reach.dids === undefined)
    reach.dids = possible(did).map(({ text, open }) => (open ? `${text}*` : text))
  return reach
}
