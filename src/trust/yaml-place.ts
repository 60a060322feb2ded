import { type Document, isMap, isScalar, isSeq, type LineCounter, type Node, type Pair, Scalar } from 'yaml'

/** A place in a text; both count from 1. */
export interface TextPlace {
  readonly line: number
  readonly column: number
}

/** A YAML document with the text that it was parsed from. */
export interface PlacedDocument {
  readonly document: Document
  readonly lines: LineCounter
  readonly text: string
}

/** What is asked for beside a path. */
export interface PlaceOptions {
  /** the last name of the path, not what stands under it */
  readonly onName?: boolean
  /** a place in the text that stands at the path */
  readonly inText?: TextPlace
}

function lineOf({ lines, text }: PlacedDocument, line: number): string {
  const start = lines.lineStarts[line - 1]
  return start === undefined ? '' : text.slice(start, lines.lineStarts[line])
}

/** Finds a place of a scalar's text in the file, where that line of the text stands there as it is; a text with escapes doesn't. */
function placeInScalar(placed: PlacedDocument, node: Scalar, start: TextPlace, inText: TextPlace): TextPlace {
  const wanted = String(node.value).split('\n')[inText.line - 1] ?? ''
  const isBlock = node.type === Scalar.BLOCK_LITERAL
  const line = isBlock ? start.line + inText.line : start.line
  const from = isBlock ? 0 : start.column - 1
  const at = wanted === '' ? -1 : lineOf(placed, line).indexOf(wanted, from)
  return at < 0 ? start : { line, column: at + inText.column }
}

function stepInto(node: unknown, name: string | number): Pair | { readonly key: undefined; readonly value: unknown } | undefined {
  if (isMap(node)) return node.items.find(({ key }) => isScalar(key) && String(key.value) === String(name))
  return isSeq(node) && typeof name === 'number' ? { key: undefined, value: node.items[name] } : undefined
}

/** Returns where in a YAML text a value stands; of a path that leads nowhere, where the last part of it that is there does. */
export function placeOf(placed: PlacedDocument, path: readonly (string | number)[], options: PlaceOptions = {}): TextPlace {
  let node: unknown = placed.document.contents
  let name: unknown
  for (const part of path) {
    const step = stepInto(node, part)
    if (step === undefined) break
    name = step.key
    node = step.value
  }
  const there = options.onName === true ? [name, node] : [node, name]
  const range = there.map((one) => (one as Node | null | undefined)?.range).find((found) => found !== undefined && found !== null)
  const { line, col } = placed.lines.linePos(range?.[0] ?? 0)
  const start = { line: Math.max(1, line), column: Math.max(1, col) }
  return options.inText !== undefined && isScalar(node) ? placeInScalar(placed, node, start, options.inText) : start
}
