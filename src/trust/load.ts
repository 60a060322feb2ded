import {
  checkTrustFile,
  codeOf,
  hex,
  RejoinError,
  sha256,
  textOf,
  type TrustDocument,
  type TrustFile,
  type TrustProblem,
  type TrustRule
} from '../core/index.ts'
import { schemaProblems } from './trust-schema.ts'
import { type PlacedDocument, placeOf } from './yaml-place.ts'
import { parseStrictYaml } from './yaml-strict.ts'

/** A trust file is never longer than this. */
export const maxTrustFileBytes: number = 1024 * 1024
/** Up to this size all problems of a file's shape are told, beyond it the first: with each one ajv copies all that it has. */
const maxAllErrorsBytes = 64 * 1024

/** Something that is wrong with a trust file, and where; line and column count from 1. */
export interface PlacedProblem {
  readonly line: number
  readonly column: number
  readonly message: string
  readonly suggestion?: string
}

/** Something that is wrong with the condition of a rule. */
export interface ConditionFinding {
  /** which rule, counted from 0 */
  readonly index: number
  /** in the text of its condition; both count from 1 */
  readonly line: number
  readonly column: number
  readonly message: string
  readonly hint: string
}

/** Returns what is wrong with the conditions of rules, as compileRules does. */
export type RulesCheck = (rules: readonly TrustRule[]) => readonly ConditionFinding[]

/** A trust file, or what is wrong with it, at most a hundred things, in the order of the text. */
export type InspectedTrust =
  | { readonly kind: 'good'; readonly file: TrustFile }
  | { readonly kind: 'bad'; readonly problems: readonly PlacedProblem[] }

/** Finding the place of a problem walks the document. */
const maxProblemCount = 100
const noCheck: RulesCheck = () => []

function bad(problems: readonly PlacedProblem[]): InspectedTrust {
  return { kind: 'bad', problems: problems.toSorted((a, b) => a.line - b.line || a.column - b.column) }
}

function place(document: PlacedDocument, problems: readonly TrustProblem[]): InspectedTrust {
  return bad(problems.slice(0, maxProblemCount).map((problem) => placed(document, problem)))
}

function placed(document: PlacedDocument, { path, message, suggestion, ...options }: TrustProblem): PlacedProblem {
  return { ...placeOf(document, path, options), message, ...(suggestion !== undefined && { suggestion }) }
}

function ofRule({ index, line, column, message, hint }: ConditionFinding): TrustProblem {
  return { path: ['rules', index, 'when'], message, suggestion: hint, inText: { line, column } }
}

/** A member that is named and left empty counts as absent, as a person leaves it who deletes its last item. */
function withoutEmpty(value: unknown): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(value as Readonly<Record<string, unknown>>).filter(([, member]) => member !== null))
}

function decode(bytes: Uint8Array): string | PlacedProblem {
  if (bytes.length > maxTrustFileBytes) return { line: 1, column: 1, message: `the file is over ${maxTrustFileBytes} bytes` }
  try {
    return textOf(bytes)
  } catch (error) {
    if (codeOf(error) !== 'E_UTF8') throw error
    return { line: 1, column: 1, message: 'the file is not UTF-8', suggestion: 'save it as UTF-8' }
  }
}

/**
 * Returns the trust file that bytes of YAML hold, or all that is wrong with it that can be told at once: what is no YAML hides the shape,
 * a wrong shape what it means, and that the conditions.
 * @param checkRules looks at the conditions of the rules; without it they are taken as they are
 * @see protocols/trust.md
 */
export function inspectTrustFile(bytes: Uint8Array, checkRules: RulesCheck = noCheck): InspectedTrust {
  const text = decode(bytes)
  if (typeof text !== 'string') return bad([text])
  const yaml = parseStrictYaml(text)
  if (yaml.kind === 'bad') {
    const { offset, ...fault } = yaml.fault
    const { line, col } = yaml.lines.linePos(offset)
    return bad([{ line: Math.max(1, line), column: Math.max(1, col), ...fault }])
  }
  const document = withoutEmpty(yaml.value)
  const shape = schemaProblems(document, bytes.length <= maxAllErrorsBytes)
  if (shape.length > 0) return place(yaml.placed, shape)
  const checked = checkTrustFile(document as TrustDocument, hex(sha256(bytes)))
  if (checked.kind === 'bad') return place(yaml.placed, checked.problems)
  const conditions = checkRules(checked.file.rules ?? [])
  return conditions.length === 0 ? checked : place(yaml.placed, conditions.map(ofRule))
}

/**
 * Returns the trust file that bytes of YAML hold.
 * @param label what the file is called in the message
 * @throws E_TRUST_FILE for the first problem, its place in the message and, as `L:C`, in `at`, the suggestion as hint
 */
export function parseTrustFile(bytes: Uint8Array, checkRules: RulesCheck = noCheck, label = 'trust.yaml'): TrustFile {
  const inspected = inspectTrustFile(bytes, checkRules)
  if (inspected.kind === 'good') return inspected.file
  const [first, ...others] = inspected.problems
  if (first === undefined) throw new Error('bug: a bad trust file without a problem')
  const { line, column, message, suggestion } = first
  const more = others.length === 0 ? '' : ` (and ${others.length} more)`
  throw new RejoinError('E_TRUST_FILE', `${label}: ${message} at line ${line}, column ${column}${more}`, {
    at: `${line}:${column}`,
    hint: suggestion ?? 'correct the file; the rules that were in force stay in force'
  })
}
