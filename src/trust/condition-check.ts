import { nearest } from '../core/index.ts'
import { itemNameOf, macros, partsOf, stringOf, type Tree } from './condition-tree.ts'
import { conditionLimits as limits, environment, factTypes, itemTypes, variables } from './fact-types.ts'

/** Why a condition is refused, and where in it: line and column count from 1. */
export interface ConditionProblem {
  readonly line: number
  readonly column: number
  readonly message: string
  readonly hint: string
}

/** Thrown inside the compiler of conditions only; compileRules turns it into a problem. */
export class ConditionFault extends Error {
  readonly at: number
  readonly hint: string

  /** @param at offset in the condition's text */
  constructor(at: number, message: string, hint: string) {
    super(message)
    this.at = at
    this.hint = hint
  }
}

const functions: ReadonlySet<string> = new Set([
  'size',
  'contains',
  'startsWith',
  'endsWith',
  'glob',
  'int',
  'double',
  'string',
  'bool',
  'timestamp',
  'duration',
  'getFullYear',
  'getMonth',
  'getDate',
  'getDayOfMonth',
  'getDayOfWeek',
  'getDayOfYear',
  'getHours',
  'getMinutes',
  'getSeconds',
  'getMilliseconds',
  ...macros
])

/** Returns line and column of an offset in a text, from 1. */
export function placeIn(text: string, offset: number): { readonly line: number; readonly column: number } {
  const before = text.slice(0, offset).split('\n')
  return { line: before.length, column: (before.at(-1) as string).length + 1 }
}

/**
 * Returns the tree of a condition that is well formed: it parses, every name in it is known, its types fit, and it is within the limits.
 * @throws ConditionFault
 */
export function checkedTree(text: string): Tree {
  const parsed = parse(text)
  checkNames(parsed.ast)
  checkNesting(parsed.ast, 0)
  const { valid, type, error } = parsed.check()
  if (!valid) throw typeFault(error as CelFailure, text)
  if (type !== 'bool')
    throw new ConditionFault(
      parsed.ast.start,
      `the condition is a ${type ?? 'value'}, not true or false`,
      'compare it with something'
    )
  return parsed.ast
}

interface CelFailure {
  readonly code?: string
  readonly summary?: string
  readonly message: string
  readonly range?: { readonly start: number; readonly end: number }
}

function parse(text: string): ReturnType<typeof environment.parse> {
  try {
    return environment.parse(text)
  } catch (error) {
    const { summary, message, range } = error as CelFailure
    const said = summary ?? message
    const hint = /Exceeded/i.test(said)
      ? `a condition has at most ${limits.nodes} parts, ${limits.depth} levels and ${limits.listElements} elements in a list; make several rules of it`
      : 'the language is CEL; protocols/verdict.md lists what conditions can ask for'
    throw new ConditionFault(range?.start ?? 0, lowerFirst(said), hint)
  }
}

const lowerFirst = (text: string): string => text.slice(0, 1).toLowerCase() + text.slice(1)

function checkNames(node: Tree): void {
  switch (node.op) {
    case 'call':
    case 'rcall':
      if (node.op === 'call' && node.args[0] === 'glob') checkPattern(node.args[1][1])
      checkFunction(node, node.args[0], node.op === 'call' ? node.args[1].length : node.args[2].length)
      break
    case '[]':
      if (node.args[1].op === 'value' && typeof node.args[1].args === 'string')
        throw new ConditionFault(node.args[1].start, 'members are named with a dot', `write .${node.args[1].args}`)
      break
    case 'map':
      throw new ConditionFault(node.start, 'conditions have no maps', 'use a list, or several conditions joined by ||')
    default:
  }
  for (const part of partsOf(node)) checkNames(part)
}

function nearestOf(word: string, known: readonly string[], intro: string, listed: readonly string[] = known): string {
  const best = nearest(word, known)
  return best === undefined ? `${intro} ${listed.join(', ')}` : `did you mean ${best}?`
}

function checkPattern(pattern: Tree | undefined): void {
  const text = pattern === undefined ? undefined : stringOf(pattern)
  if (pattern === undefined || text === undefined || text.length <= limits.patternChars) return
  throw new ConditionFault(
    pattern.start,
    `a pattern has at most ${limits.patternChars} characters`,
    'join several glob() with ||'
  )
}

function checkFunction(node: Tree, name: string, argumentCount: number): void {
  if (name === 'matches')
    throw new ConditionFault(
      node.start,
      'matches() is not allowed: one pattern can take seconds on a short text',
      'glob(text, "apps/**") compares with a pattern; startsWith, endsWith and contains are there too'
    )
  if (name === 'has')
    throw new ConditionFault(node.start, 'has() is not needed: every fact is always there', 'compare it with ""')
  if (!functions.has(name))
    throw new ConditionFault(node.start, `unknown function ${name}`, nearestOf(name, [...functions], 'conditions know'))
  if (name.startsWith('get') && argumentCount > 0)
    throw new ConditionFault(node.start, `${name}() takes no time zone: machines have different tables of them`, 'times are UTC')
}

function checkNesting(node: Tree, depth: number): void {
  const item = itemNameOf(node)
  if (item !== undefined && variables.includes(item))
    throw new ConditionFault(node.start, `${item} is a fact and can't name an item`, 'name the item with one letter')
  const inside = item === undefined ? depth : depth + 1
  if (inside > limits.nesting)
    throw new ConditionFault(
      node.start,
      `lists are walked ${inside} deep; the limit is ${limits.nesting}`,
      'ask with `in`, or walk one list less'
    )
  for (const part of partsOf(node)) checkNesting(part, inside)
}

function typeFault({ code, summary, message, range }: CelFailure, text: string): ConditionFault {
  const said = lowerFirst((summary ?? message).replaceAll('google.protobuf.', ''))
  const at = range?.start ?? 0
  const name = text.slice(at, range?.end)
  if (code === 'unknown_variable') {
    const known = [...variables, ...Object.keys(factTypes)]
    return new ConditionFault(at, `unknown name ${name}`, nearestOf(name, known, 'conditions can ask for', variables))
  }
  if (code === 'no_such_key') {
    const base = /(\w+)\.$/.exec(text.slice(0, at))?.[1] ?? ''
    const members = membersOf(base)
    return new ConditionFault(at, `${base} has no member ${name}`, nearestOf(name, members, `${base} has`))
  }
  return new ConditionFault(at, said, hintForTypes(said))
}

function membersOf(base: string): readonly string[] {
  const own = Object.keys(factTypes).flatMap((path) => (path.startsWith(`${base}.`) ? [path.slice(base.length + 1)] : []))
  return own.length > 0 ? own : [...new Set(Object.values(itemTypes).flatMap((type) => Object.keys(type)))]
}

function hintForTypes(said: string): string {
  if (/string (==|!=) (int|double|bool)|(int|double|bool) (==|!=) string/.test(said))
    return 'texts stand in quotes, numbers do not'
  if (/double (==|!=) int|int (==|!=) double|double [-+*/] int|int [-+*/] double/.test(said))
    return 'write 2.0 where a number has a fraction (signatures, reputation, budgetLeft), and 2 where it has none'
  return 'protocols/verdict.md has a table of the types'
}
