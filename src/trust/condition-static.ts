import { matchGlob } from '../core/index.ts'
import { constantOf, factOf, factTypeOf, itemNameOf, type Tree } from './condition-tree.ts'
import { conditionLimits, factTypes } from './fact-types.ts'
import {
  everything,
  join,
  limited,
  meet,
  type NumberLimit,
  nothing,
  type Region,
  type TextPattern,
  type TextTest
} from './region.ts'

const gateStates: Region = textsIn(['pass', 'fail', 'none'])

/** What facts can be at all where rules are asked: what is settled before the rules can't be otherwise there. */
const domains: Readonly<Record<string, (fact: string) => Region>> = {
  'event.type': (fact) => limited(fact, { kind: 'text', anyOf: undefined, tests: [startTest('log.', false)] }),
  'freshness.tier': (fact) => renamed(textsIn(['fresh', 'warn', 'local']), fact),
  'gates.vulnerability': (fact) => renamed(gateStates, fact),
  'gates.license': (fact) => renamed(gateStates, fact),
  'gates.version': (fact) => renamed(gateStates, fact),
  'signer.known': (fact) => limited(fact, { kind: 'bool', values: [true] })
}

function textsIn(texts: readonly string[]): Region {
  return limited('', { kind: 'text', anyOf: texts.map((text) => ({ text, open: false })), tests: [] })
}

function renamed(region: Region, fact: string): Region {
  return { ...region, limits: new Map([...region.limits.values()].map((limit) => [fact, limit])) }
}

function startTest(beginning: string, wanted: boolean): TextTest {
  return {
    holds: (text) => text.startsWith(beginning) === wanted,
    shuts: (start) => (wanted ? !start.startsWith(beginning) && !beginning.startsWith(start) : start.startsWith(beginning))
  }
}

const test = (holds: (text: string) => boolean, wanted: boolean): TextTest => ({
  holds: (text) => holds(text) === wanted,
  shuts: () => false
})

/**
 * Returns where a condition may be true or can't be evaluated (`wanted` true), or where it may be false or can't be evaluated.
 */
export function regionOf(node: Tree, wanted: boolean): Region {
  switch (node.op) {
    case '!_':
      return regionOf(node.args, !wanted)
    case '&&':
    case '||': {
      const [left, right] = [regionOf(node.args[0], wanted), regionOf(node.args[1], wanted)]
      return (node.op === '&&') === wanted ? meet(left, right) : join(left, right)
    }
    default: {
      const constant = constantOf(node)
      if (constant === undefined) return domainOf(node, atomRegion(node, wanted))
      return 'value' in constant && constant.value === !wanted ? nothing(`it is always ${String(!wanted)}`) : everything
    }
  }
}

function domainOf(node: Tree, region: Region): Region {
  let within = region
  for (const fact of region.limits.keys()) {
    const domain = domains[fact]
    if (domain !== undefined) within = meet(within, domain(fact))
  }
  if (within.empty !== undefined && region.empty === undefined) return nothing(domainReason(factsIn(region), node))
  return within
}

const factsIn = (region: Region): string => [...region.limits.keys()].join(' and ')

function domainReason(fact: string, node: Tree): string {
  if (fact === 'event.type') return 'events of type log.… are passed on before the rules are asked'
  if (fact === 'signer.known') return 'events of unknown authors are refused before the rules are asked'
  if (fact === 'freshness.tier') return 'freshness.tier is fresh, warn or local where the rules are asked'
  return fact.startsWith('gates.') ? `${fact} is pass, fail or none` : `${fact} can't be that at ${node.start + 1}`
}

function atomRegion(node: Tree, wanted: boolean): Region {
  const fact = factOf(node)
  if (fact !== undefined && factTypeOf(node) === 'bool') return limited(fact, { kind: 'bool', values: [wanted] })
  switch (node.op) {
    case '==':
    case '!=':
      return equality(node.args[0], node.args[1], (node.op === '==') === wanted)
    case '<':
    case '<=':
    case '>':
    case '>=':
      return order(node.args[0], node.args[1], node.op, wanted)
    case 'in':
      return membership(node.args[0], node.args[1], wanted)
    case 'call':
      return node.args[0] === 'glob' ? globbed(node.args[1], wanted) : everything
    case 'rcall':
      return called(node, wanted)
    default:
      return everything
  }
}

const textLimit = (fact: string, anyOf: readonly TextPattern[] | undefined, tests: readonly TextTest[]): Region =>
  limited(fact, { kind: 'text', anyOf, tests })

function constantText(node: Tree): string | undefined {
  const constant = constantOf(node)
  return constant !== undefined && 'value' in constant && typeof constant.value === 'string' ? constant.value : undefined
}

/** A number that doubles hold exactly, for comparisons of limits. */
function constantNumber(node: Tree): number | undefined {
  const constant = constantOf(node)
  if (constant === undefined || !('value' in constant)) return undefined
  const { value } = constant
  if (typeof value === 'number') return value
  return typeof value === 'bigint' && Number.isSafeInteger(Number(value)) ? Number(value) : undefined
}

function equality(left: Tree, right: Tree, equal: boolean): Region {
  const fact = factOf(left)
  if (fact === undefined) return factOf(right) === undefined ? numbers(left, right, equal) : equality(right, left, equal)
  if (fact === factOf(right) && factTypes[fact] !== 'double') return equal ? everything : nothing(`${fact} is always itself`)
  const text = constantText(right)
  if (text !== undefined)
    return equal ? textLimit(fact, [{ text, open: false }], []) : textLimit(fact, undefined, [test((one) => one === text, false)])
  const constant = constantOf(right)
  if (constant !== undefined && 'value' in constant && typeof constant.value === 'boolean')
    return limited(fact, { kind: 'bool', values: [constant.value === equal] })
  return numbers(left, right, equal)
}

function numbers(left: Tree, right: Tree, equal: boolean): Region {
  const [name, value] = [numberNameOf(left), constantNumber(right)]
  if (name === undefined || value === undefined)
    return numberNameOf(right) !== undefined && constantNumber(left) !== undefined ? numbers(right, left, equal) : everything
  return equal ? interval(left, name, { low: value, high: value }) : everything
}

/** The name under which a number is limited: of a fact, or of a list's size. */
function numberNameOf(node: Tree): string | undefined {
  const fact = factOf(node)
  if (fact !== undefined) return factTypes[fact] === 'int' || factTypes[fact] === 'double' ? fact : undefined
  const sized = sizedBy(node)
  const list = sized === undefined ? undefined : factOf(sized)
  return list === undefined ? undefined : `${list}.size()`
}

/** Returns the node whose size another node is, or undefined. */
export function sizedBy(node: Tree): Tree | undefined {
  if (node.op === 'rcall' && node.args[0] === 'size' && node.args[2].length === 0) return node.args[1]
  return node.op === 'call' && node.args[0] === 'size' ? node.args[1][0] : undefined
}

function interval(node: Tree, name: string, part: Partial<NumberLimit>): Region {
  const double = factTypeOf(node) === 'double'
  const low = double ? Number.NEGATIVE_INFINITY : 0
  const all: NumberLimit = {
    kind: 'number',
    low,
    lowOpen: false,
    high: Number.POSITIVE_INFINITY,
    highOpen: false,
    whole: !double
  }
  return meet(limited(name, all), limited(name, { ...all, low: Number.NEGATIVE_INFINITY, ...part }))
}

const mirrored = { '<': '>', '<=': '>=', '>': '<', '>=': '<=' } as const
const opposite = { '<': '>=', '<=': '>', '>': '<=', '>=': '<' } as const

function order(left: Tree, right: Tree, op: keyof typeof mirrored, wanted: boolean): Region {
  const name = numberNameOf(left)
  if (name === undefined)
    return numberNameOf(right) === undefined || constantNumber(left) === undefined
      ? everything
      : order(right, left, mirrored[op], wanted)
  const value = constantNumber(right)
  if (value === undefined) return everything
  const effective = wanted ? op : opposite[op]
  const open = effective === '<' || effective === '>'
  return effective.startsWith('<')
    ? interval(left, name, { high: value, highOpen: open })
    : interval(left, name, { low: value, lowOpen: open })
}

function textsOf(list: Tree): readonly string[] | undefined {
  if (list.op !== 'list') return undefined
  const texts = list.args.map((item) => constantText(item))
  return texts.includes(undefined) ? undefined : (texts as readonly string[])
}

function membership(item: Tree, list: Tree, wanted: boolean): Region {
  const role = constantText(item)
  if (role !== undefined && factOf(list) === 'signer.roles')
    return wanted ? limited('signer.roles', { kind: 'member', anyOf: [role] }) : everything
  if (list.op === 'list' && list.args.length === 0) return wanted ? nothing('nothing is in an empty list') : everything
  const [fact, texts] = [factOf(item), textsOf(list)]
  if (fact === undefined || texts === undefined) return everything
  return wanted
    ? textLimit(
        fact,
        texts.map((text) => ({ text, open: false })),
        []
      )
    : textLimit(fact, undefined, [test((one) => texts.includes(one), false)])
}

function globbed([text, pattern]: readonly Tree[], wanted: boolean): Region {
  const fact = text === undefined ? undefined : factOf(text)
  const written = pattern === undefined ? undefined : constantText(pattern)
  if (fact === undefined || written === undefined || written.length > conditionLimits.patternChars) return everything
  const tests = [test((one) => matchGlob(one, written), wanted)]
  if (!wanted) return textLimit(fact, undefined, tests)
  const beginning = /^[^*?[\]{}\\!]*/.exec(written)?.[0] as string
  return textLimit(
    fact,
    [beginning === written ? { text: written, open: false } : { text: openStart(beginning), open: true }],
    tests
  )
}

/** `apps/**` may fit `apps` too. */
const openStart = (beginning: string): string => (beginning.endsWith('/') ? beginning.slice(0, -1) : beginning)

function called(node: Tree & { readonly op: 'rcall' }, wanted: boolean): Region {
  const [name, receiver, given] = node.args
  const [fact, first] = [factOf(receiver), given[0]]
  if (itemNameOf(node) !== undefined)
    return name === 'exists' && fact === 'signer.roles' && wanted ? roles(node, given) : everything
  const text = first === undefined ? undefined : constantText(first)
  if (fact === undefined || text === undefined) return everything
  if (name === 'startsWith')
    return textLimit(fact, wanted ? [{ text, open: true }] : undefined, wanted ? [] : [startTest(text, false)])
  if (name === 'endsWith') return textLimit(fact, undefined, [test((one) => one.endsWith(text), wanted)])
  return name === 'contains' ? textLimit(fact, undefined, [test((one) => one.includes(text), wanted)]) : everything
}

/** `signer.roles.exists(r, r == "builder")`: the limits of `r` are roles of which the signer has one. */
function roles(node: Tree, given: readonly Tree[]): Region {
  const found = given[1] === undefined ? undefined : rolesIn(given[1], itemNameOf(node) as string)
  return found === undefined ? everything : limited('signer.roles', { kind: 'member', anyOf: found })
}

function rolesIn(node: Tree, item: string): readonly string[] | undefined {
  const isItem = (part: Tree): boolean => part.op === 'id' && part.args === item
  switch (node.op) {
    case '==': {
      const text = isItem(node.args[0])
        ? constantText(node.args[1])
        : isItem(node.args[1])
          ? constantText(node.args[0])
          : undefined
      return text === undefined ? undefined : [text]
    }
    case 'in':
      return isItem(node.args[0]) ? textsOf(node.args[1]) : undefined
    case '||': {
      const [left, right] = [rolesIn(node.args[0], item), rolesIn(node.args[1], item)]
      return left === undefined || right === undefined ? undefined : [...left, ...right]
    }
    default:
      return undefined
  }
}
