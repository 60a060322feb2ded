import type { Facts } from '../core/index.ts'
import { factOf, factTypeOf, itemNameOf, partsOf, someNode, type Tree } from './condition-tree.ts'
import { conditionLimits as limits } from './fact-types.ts'

type Count = (facts: Facts) => number

const one: Count = () => 1

/** Returns the list that a fact is. */
function listOf(facts: Facts, fact: string): readonly unknown[] {
  const [variable, member] = fact.split('.') as [keyof Facts, string | undefined]
  const value: unknown = member === undefined ? facts[variable] : (facts[variable] as Readonly<Record<string, unknown>>)[member]
  return value as readonly unknown[]
}

/** How many items the list can have that a node is. */
function lengthOf(node: Tree): Count {
  const fact = factOf(node)
  if (fact !== undefined) return (facts) => listOf(facts, fact).length
  if (node.op === 'list') return () => node.args.length
  if (node.op === '.') return (facts) => Math.max(1, ...(facts.content?.components ?? []).slice(0, 1).map(() => longest(facts)))
  const counts = partsOf(node).map((part) => lengthOf(part))
  return (facts) => counts.reduce((sum, count) => sum + count(facts), 1)
}

const longestLists = new WeakMap<object, number>()

/** The most licences that one component has. */
function longest({ content }: Facts): number {
  if (content === undefined) return 1
  let most = longestLists.get(content)
  if (most === undefined) {
    most = content.components.reduce((max, { licenses }) => Math.max(max, licenses.length), 1)
    longestLists.set(content, most)
  }
  return most
}

/** How many steps evaluating a node takes at most. */
function stepsOf(node: Tree): Count {
  if (itemNameOf(node) !== undefined) {
    const [range, ...bodies] = partsOf(node)
    if (range === undefined) return one
    const [length, each] = [lengthOf(range), bodies.map((body) => stepsOf(body))]
    const before = stepsOf(range)
    return (facts) => before(facts) + length(facts) * each.reduce((sum, steps) => sum + steps(facts), 1)
  }
  const parts = partsOf(node).map((part) => stepsOf(part))
  const walked = node.op === 'in' || node.op === '==' || node.op === '!=' || node.op === '+' ? listOperand(node) : undefined
  return (facts) => parts.reduce((sum, steps) => sum + steps(facts), 1) + (walked?.(facts) ?? 0)
}

/** `in` and `==` walk over the list on their right, `+` copies it. */
function listOperand(node: Tree): Count | undefined {
  const right = partsOf(node)[1]
  if (right === undefined) return undefined
  const isList = right.op === 'list' || factTypeOf(right)?.startsWith('list') === true || right.op === '.' || right.op === 'rcall'
  return isList ? lengthOf(right) : undefined
}

/**
 * Returns a test of whether facts are small enough for a part of a condition: no list over 20,000 items, no more than 2,000,000 steps.
 * Returns undefined where the part walks over no list that others can make long.
 */
export function sizeGuardOf(node: Tree): ((facts: Facts) => boolean) | undefined {
  const lists = new Set<string>()
  someNode(node, (part) => {
    const fact = factOf(part)
    if (fact !== undefined && factTypeOf(part)?.startsWith('list') === true) lists.add(fact)
    return false
  })
  lists.delete('signer.roles') // comes from the trust file itself
  if (lists.size === 0) return undefined
  const steps = stepsOf(node)
  return (facts) => {
    for (const fact of lists) if (listOf(facts, fact).length > limits.listItems) return false
    return steps(facts) <= limits.steps
  }
}
