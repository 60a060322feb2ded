import { Environment } from '@marcbachmann/cel-js'
import { type ContentFacts, type Facts, matchGlob } from '../core/index.ts'

/** Limits of one condition. */
export const conditionLimits = {
  patternChars: 256,
  nodes: 500,
  depth: 32,
  listElements: 100,
  nesting: 2,
  listItems: 20_000,
  steps: 2_000_000
} as const

/** The CEL types of facts. */
export type FactType =
  | 'string'
  | 'int'
  | 'double'
  | 'bool'
  | 'google.protobuf.Timestamp'
  | 'list<string>'
  | 'list<Component>'
  | 'list<Vulnerability>'

/** Every fact that a condition can ask for, and its type; protocols/verdict.md has the same table. */
export const factTypes: Readonly<Record<string, FactType>> = {
  'event.type': 'string',
  'event.path': 'string',
  'event.tag': 'string',
  'event.mediaType': 'string',
  'event.artifactType': 'string',
  'event.subject': 'string',
  'event.size': 'int',
  'event.index': 'int',
  'event.log': 'string',
  'event.id': 'string',
  'event.source': 'string',
  'event.timeMs': 'int',
  'event.signatures': 'double',
  'signer.name': 'string',
  'signer.did': 'string',
  'signer.roles': 'list<string>',
  'signer.known': 'bool',
  'signer.issuer': 'string',
  'signer.claims': 'list<string>',
  delegated: 'bool',
  'witnesses.count': 'int',
  'witnesses.quorum': 'bool',
  'freshness.ageMs': 'int',
  'freshness.tier': 'string',
  'peer.reputation': 'double',
  now: 'google.protobuf.Timestamp',
  budgetLeft: 'double',
  overlap: 'list<string>',
  'gates.vulnerability': 'string',
  'gates.license': 'string',
  'gates.version': 'string',
  'content.components': 'list<Component>',
  'content.licenses': 'list<string>',
  'content.vulnerabilities': 'list<Vulnerability>',
  'content.layerTypes': 'list<string>',
  'content.signers': 'list<string>'
}

/** What the items of content's lists have. */
export const itemTypes: Readonly<Record<'Component' | 'Vulnerability', Readonly<Record<string, FactType>>>> = {
  Component: { name: 'string', version: 'string', purl: 'string', licenses: 'list<string>' },
  Vulnerability: { id: 'string', severity: 'string', status: 'string' }
}

/** The variables that need an artifact's documents. */
export const contentVariables: ReadonlySet<string> = new Set(['overlap', 'gates', 'content'])
/** The names that conditions know. */
export const variables: readonly string[] = [...new Set(Object.keys(factTypes).map((path) => path.split('.')[0] as string))]

/** What cel-js takes for a message: it tells types of objects apart by their constructor. */
class Message {
  constructor(members: object) {
    Object.assign(this, members)
  }
}
class Component extends Message {}
class Vulnerability extends Message {}

const messages = new Map<string, typeof Message>()

function makeEnvironment(): Environment {
  const environment = new Environment({
    limits: {
      maxAstNodes: conditionLimits.nodes,
      maxDepth: conditionLimits.depth,
      maxListElements: conditionLimits.listElements,
      maxMapEntries: conditionLimits.listElements
    }
  })
  environment.registerType('Component', { ctor: Component, fields: itemTypes.Component as Record<string, string> })
  environment.registerType('Vulnerability', { ctor: Vulnerability, fields: itemTypes.Vulnerability as Record<string, string> })
  for (const variable of variables) {
    const type = factTypes[variable]
    environment.registerVariable(variable, type ?? registerMessage(environment, variable))
  }
  return environment.registerFunction('glob(string, string): bool', (text: string, pattern: string) => matchGlob(text, pattern))
}

function registerMessage(environment: Environment, variable: string): string {
  const name = variable[0]?.toUpperCase() + variable.slice(1)
  const ctor = { [name]: class extends Message {} }[name] as typeof Message
  messages.set(variable, ctor)
  const fields: Record<string, string> = {}
  for (const [path, type] of Object.entries(factTypes))
    if (path.startsWith(`${variable}.`)) fields[path.slice(variable.length + 1)] = type
  environment.registerType(name, { ctor, fields })
  return name
}

/** The CEL of conditions: the facts as variables, and `glob`. */
export const environment: Environment = makeEnvironment()

const contexts = new WeakMap<Facts, Readonly<Record<string, unknown>>>()
const contents = new WeakMap<ContentFacts, object>()

/** Returns facts as cel-js takes them; whole numbers are bigints there. */
export function contextOf(facts: Facts): Readonly<Record<string, unknown>> {
  let context = contexts.get(facts)
  if (context === undefined) contexts.set(facts, (context = makeContext(facts)))
  return context
}

function makeContext(facts: Facts): Readonly<Record<string, unknown>> {
  const { event, witnesses, freshness, content, gates, overlap } = facts
  return {
    event: make('event', { ...event, size: BigInt(event.size), index: BigInt(event.index), timeMs: BigInt(event.timeMs) }),
    signer: make('signer', facts.signer),
    delegated: facts.delegated,
    witnesses: make('witnesses', { ...witnesses, count: BigInt(witnesses.count) }),
    freshness: make('freshness', { ...freshness, ageMs: BigInt(freshness.ageMs) }),
    peer: make('peer', facts.peer),
    now: new Date(facts.now),
    budgetLeft: facts.budgetLeft,
    ...(overlap && { overlap }),
    ...(gates && { gates: make('gates', gates) }),
    ...(content && { content: contentOf(content) })
  }
}

function make(variable: string, members: object): object {
  const Kind = messages.get(variable) as typeof Message
  return new Kind(members)
}

function contentOf(content: ContentFacts): object {
  let message = contents.get(content)
  if (message === undefined) {
    const components = content.components.map((component) => new Component(component))
    const vulnerabilities = content.vulnerabilities.map((vulnerability) => new Vulnerability(vulnerability))
    contents.set(content, (message = make('content', { ...content, components, vulnerabilities })))
  }
  return message
}
