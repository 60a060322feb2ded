import {
  type Document,
  isAlias,
  isCollection,
  isMap,
  isNode,
  isPair,
  isScalar,
  Lexer,
  LineCounter,
  type Node,
  parseDocument
} from 'yaml'
import type { PlacedDocument } from './yaml-place.ts'

const maxDepth = 32
const forbiddenNames: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype'])

/** Why a text is not taken as YAML here, and at which offset. */
export interface YamlFault {
  readonly message: string
  readonly suggestion?: string
  readonly offset: number
}

/** A document, or why there is none. */
export type StrictYaml =
  | { readonly kind: 'good'; readonly placed: PlacedDocument; readonly value: unknown }
  | { readonly kind: 'bad'; readonly fault: YamlFault; readonly lines: LineCounter }

/** Returns the offset at which a text nests too deep. Found before it is parsed: 1 MiB of `[` takes the parser 7 s, of `- ` 3 s. */
function tooDeepAt(text: string): number | undefined {
  let offset = 0
  let flowDepth = 0
  let lineDepth = 0
  for (const token of new Lexer().lex(text)) {
    if (token === '[' || token === '{') flowDepth++
    else if (token === ']' || token === '}') flowDepth--
    else if (flowDepth === 0 && (token === '-' || token === '?')) lineDepth++
    else if (token.includes('\n')) lineDepth = 0
    if (flowDepth > maxDepth || lineDepth > maxDepth) return offset
    // these three mark a document's start, a flow's end and a scalar, and are not in the text
    if (token !== '\u0002' && token !== '\u0018' && token !== '\u001f') offset += token.length
  }
  return undefined
}

function offsetOf(node: unknown): number {
  return (isNode(node) ? node.range?.[0] : undefined) ?? 0
}

function faultOfNode(node: Node): YamlFault | undefined {
  const offset = offsetOf(node)
  const { anchor, tag } = isScalar(node) || isCollection(node) ? node : {}
  if (isAlias(node) || anchor !== undefined)
    return { message: 'anchors and aliases are not allowed', suggestion: 'write the value out', offset }
  // set where one was written
  if (tag !== undefined) return { message: 'tags are not allowed', suggestion: 'leave out what begins with !', offset }
  return undefined
}

/** Returns the first thing in a document that YAML allows and this format does not. Two equal names: the parser itself compares each with each. */
function faultBelow(node: unknown, depth: number): YamlFault | undefined {
  if (!isNode(node)) return undefined
  const offset = offsetOf(node)
  if (depth > maxDepth) return { message: 'the file is nested too deep', offset }
  const own = faultOfNode(node)
  if (own !== undefined || !isCollection(node)) return own
  const names = new Set<string>()
  for (const item of node.items) {
    const fault = isPair(item) ? (faultOfName(item.key, names) ?? faultBelow(item.key, depth + 1)) : undefined
    const below = fault ?? faultBelow(isPair(item) ? item.value : item, depth + 1)
    if (below !== undefined) return below
  }
  return undefined
}

function faultOfName(key: unknown, names: Set<string>): YamlFault | undefined {
  const offset = offsetOf(key)
  const name = isScalar(key) ? String(key.value) : ''
  const shown = JSON.stringify(name.slice(0, 60))
  if (forbiddenNames.has(name)) return { message: `the name ${shown} is not allowed`, suggestion: 'take another name', offset }
  if (names.has(name)) return { message: `${shown} stands there twice`, suggestion: 'leave one of the two', offset }
  names.add(name)
  return undefined
}

function faultOf(document: Document.Parsed): YamlFault | undefined {
  const [error] = document.errors
  if (error?.code === 'MULTIPLE_DOCS')
    return {
      message: 'more than one document',
      suggestion: 'a file holds one policy: leave out what begins at ---',
      offset: error.pos[0]
    }
  // the parser turns its own exhausted stack into an error
  if (error?.message.includes('call stack') === true) return { message: 'the file is nested too deep', offset: error.pos[0] }
  if (error !== undefined) return { message: error.message, offset: error.pos[0] }
  if (document.directives.yaml.explicit === true || Object.keys(document.directives.tags).length > 1)
    return { message: 'directives are not allowed', suggestion: 'leave out the line that begins with %', offset: 0 }
  if (!isMap(document.contents))
    return { message: 'the file is not a mapping', suggestion: 'begin with: apiVersion: rejoin/v1', offset: 0 }
  return faultBelow(document.contents, 1)
}

/** Returns a YAML 1.2 document (core schema) and its plain value; anchors, aliases, tags, directives, a second document and names that come twice are refused. */
export function parseStrictYaml(text: string): StrictYaml {
  const lines = new LineCounter()
  const deep = tooDeepAt(text)
  if (deep !== undefined) {
    lines.addNewLine(0)
    for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) lines.addNewLine(at + 1)
    return { kind: 'bad', fault: { message: 'the file is nested too deep', offset: deep }, lines }
  }
  const document = parseDocument(text, {
    version: '1.2',
    schema: 'core',
    merge: false,
    stringKeys: true,
    uniqueKeys: false,
    prettyErrors: false,
    lineCounter: lines
  })
  const fault = faultOf(document)
  if (fault !== undefined) return { kind: 'bad', fault, lines }
  return { kind: 'good', placed: { document, lines, text }, value: document.toJS({ maxAliasCount: 0 }) }
}
