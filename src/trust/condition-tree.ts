import type { ASTNode } from '@marcbachmann/cel-js'
import { serialize } from '@marcbachmann/cel-js'
import { environment, factTypes, type FactType } from './fact-types.ts'

/** A parsed CEL expression, or a part of one. */
export type Tree = ASTNode

/** The macros that walk over a list; their first argument names the item. */
export const macros: ReadonlySet<string> = new Set(['all', 'exists', 'exists_one', 'map', 'filter'])

/** Returns the parts directly below a node. Names of items are none of them. */
export function partsOf(node: Tree): readonly Tree[] {
  switch (node.op) {
    case 'value':
    case 'id':
      return []
    case '.':
    case '.?':
      return [node.args[0]]
    case 'call':
      return node.args[1]
    case 'rcall':
      return [node.args[1], ...(itemNameOf(node) === undefined ? node.args[2] : node.args[2].slice(1))]
    case '!_':
    case '-_':
      return [node.args]
    case 'list':
      return node.args
    case 'map':
      return node.args.flat()
    default:
      return node.args
  }
}

/** Returns the name that a macro gives to the items that it walks over, or undefined for other nodes. */
export function itemNameOf(node: Tree): string | undefined {
  if (node.op !== 'rcall' || !macros.has(node.args[0])) return undefined
  const [item] = node.args[2]
  return item?.op === 'id' ? item.args : undefined
}

/** Returns whether a node or a part of it is what `test` looks for. */
export function someNode(node: Tree, test: (node: Tree) => boolean): boolean {
  return test(node) || partsOf(node).some((part) => someNode(part, test))
}

/** Returns `event.type` for the node of it, and undefined for what is no name of a fact. */
export function factOf(node: Tree): string | undefined {
  if (node.op === 'id') return node.args in factTypes ? node.args : undefined
  if (node.op !== '.' || node.args[0].op !== 'id') return undefined
  const path = `${node.args[0].args}.${node.args[1]}`
  return path in factTypes ? path : undefined
}

/** Returns the type of the fact that a node names, or undefined. */
export function factTypeOf(node: Tree): FactType | undefined {
  const fact = factOf(node)
  return fact === undefined ? undefined : factTypes[fact]
}

/** Returns the parts of a condition that its topmost `&&` join, in order. */
export function conjunctsOf(node: Tree): readonly Tree[] {
  return node.op === '&&' ? [...conjunctsOf(node.args[0]), ...conjunctsOf(node.args[1])] : [node]
}

/** A text that two trees share if and only if they are the same; where they stand does not matter. */
function shape(part: unknown): string {
  if (Array.isArray(part)) return `[${part.map(shape).join(',')}]`
  if (part instanceof Uint8Array) return `b${String(part)}`
  if (typeof part === 'object' && part !== null && 'op' in part && 'args' in part)
    return `(${String(part.op)} ${shape(part.args)})`
  return typeof part === 'string' ? JSON.stringify(part) : `${typeof part} ${Object.is(part, -0) ? '-0' : String(part)}`
}

function shapeOf(text: string): string | undefined {
  try {
    return shape(environment.parse(text).ast)
  } catch {
    return undefined
  }
}

/**
 * Returns the text of a part of a condition, or undefined where none can be had. The parser leaves outer parentheses out of a node's range, and
 * its `serialize` drops some that matter (`a - (b - c)`), so each candidate is parsed again and compared.
 */
export function textOf(node: Tree): string | undefined {
  const slice = node.input.slice(node.start, node.end)
  const wanted = shape(node)
  for (let left = 0; left <= 4; left++)
    for (let right = 0; right <= 4; right++) {
      const text = '('.repeat(left) + slice + ')'.repeat(right)
      if (shapeOf(text) === wanted) return text
    }
  const printed = serialize(node)
  return shapeOf(printed) === wanted ? printed : undefined
}

/** The value of an expression without variables, or the failure that evaluating it is. */
export type Constant = { readonly value: unknown } | { readonly failure: string }

/** Returns the value of a node that has no variables, or undefined where it has some. */
export function constantOf(node: Tree): Constant | undefined {
  if (node.op === 'value') return { value: node.args }
  if (someNode(node, ({ op }) => op === 'id')) return undefined
  const text = textOf(node)
  if (text === undefined) return undefined
  try {
    return { value: environment.evaluate(text) as unknown }
  } catch (error) {
    return { failure: (error as { readonly summary?: string }).summary ?? String(error) }
  }
}

/** Returns the string that a node is, or undefined. */
export function stringOf(node: Tree): string | undefined {
  return node.op === 'value' && typeof node.args === 'string' ? node.args : undefined
}
