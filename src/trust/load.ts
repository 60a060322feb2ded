import { join } from 'node:path'
import {
  checkTrustFile,
  codeOf,
  maxKeySetBytes,
  type KeySet,
  parseKeySet,
  hex,
  RejoinError,
  sha256,
  textOf,
  type TrustDocument,
  type TrustFile,
  type TrustProblem,
  type TrustRule
} from '../core/index.ts'
import { readFileRangeSync } from '../store/index.ts'
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

/** Returns the bytes of a file that a trust file names, undefined where it is missing. @param path relative to the folder of the trust file */
export type ReadBeside = (path: string) => Uint8Array | undefined

/** Returns how files beside a trust file in a folder are read. */
export function readBeside(folder: string): ReadBeside {
  return (path) => readFileRangeSync(join(folder, path), 0, maxKeySetBytes + 1)
}

/** Trust files whose shape was found right before, by their SHA-256. */
export interface KnownShapes {
  readonly has: (digest: string) => boolean
  readonly add: (digest: string) => void
}

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

/** Reads the key sets of a file's issuers. */
function readKeySets(file: TrustFile, read: ReadBeside): ReadonlyMap<string, KeySet> | readonly TrustProblem[] {
  const sets = new Map<string, KeySet>()
  const problems: TrustProblem[] = []
  for (const { name, jwks, jwksDigest, algs } of file.issuers?.values() ?? []) {
    const wrong = (message: string, suggestion: string, member = 'jwks'): void =>
      void problems.push({ path: ['issuers', name, member], message: `the key set ${jwks}: ${message}`, suggestion })
    const bytes = readOrSay(read, jwks)
    if (typeof bytes === 'string' || bytes === undefined) {
      wrong(bytes ?? 'there is no such file', 'save what the issuer serves at its jwks_uri there; nothing fetches it by itself')
      continue
    }
    const set = parseKeySet(bytes)
    if ('message' in set) wrong(set.message, set.suggestion)
    else if (jwksDigest !== undefined && jwksDigest !== set.digest)
      wrong(`it is another file than the one with this digest`, `write sha256:${set.digest}, where you trust it`, 'jwksDigest')
    else if (!set.keys.some((key) => key.algs.some((alg) => algs.includes(alg))))
      wrong(
        `it has no key that can check ${algs.length > 3 ? 'a token' : algs.join(', ')}`,
        'see algs, and use and alg of its keys'
      )
    else sets.set(name, set)
  }
  return problems.length > 0 ? problems : sets
}

function readOrSay(read: ReadBeside, path: string): Uint8Array | string | undefined {
  try {
    return read(path)
  } catch (error) {
    if (codeOf(error) === undefined) throw error
    return (error as RejoinError).message
  }
}

/**
 * Returns the trust file that bytes of YAML hold, or all that is wrong with it that can be told at once: what is no YAML hides the shape,
 * a wrong shape what it means, and that the conditions.
 * @param read reads the files that it names; without it no token binds anything
 * @param checkRules looks at the conditions of the rules; without it they are taken as they are
 * @param known trust files whose shape was found right before
 * @see protocols/trust.md
 */
export function inspectTrustFile(
  bytes: Uint8Array,
  checkRules: RulesCheck = noCheck,
  read?: ReadBeside,
  known?: KnownShapes
): InspectedTrust {
  const text = decode(bytes)
  if (typeof text !== 'string') return bad([text])
  const yaml = parseStrictYaml(text)
  if (yaml.kind === 'bad') {
    const { offset, ...fault } = yaml.fault
    const { line, col } = yaml.lines.linePos(offset)
    return bad([{ line: Math.max(1, line), column: Math.max(1, col), ...fault }])
  }
  const document = withoutEmpty(yaml.value)
  const digest = hex(sha256(bytes))
  if (known?.has(digest) !== true) {
    const shape = schemaProblems(document, bytes.length <= maxAllErrorsBytes)
    if (shape.length > 0) return place(yaml.placed, shape)
    known?.add(digest)
  }
  const checked = checkTrustFile(document as TrustDocument, digest)
  if (checked.kind === 'bad') return place(yaml.placed, checked.problems)
  const conditions = checkRules(checked.file.rules ?? [])
  if (conditions.length > 0) return place(yaml.placed, conditions.map(ofRule))
  if (read === undefined || checked.file.issuers === undefined) return checked
  const keySets = readKeySets(checked.file, read)
  return 'length' in keySets ? place(yaml.placed, keySets) : { kind: 'good', file: { ...checked.file, keySets } }
}

/**
 * Returns the trust file that bytes of YAML hold.
 * @param label what the file is called in the message
 * @throws E_TRUST_FILE for the first problem, its place in the message and, as `L:C`, in `at`, the suggestion as hint
 */
export function parseTrustFile(
  bytes: Uint8Array,
  checkRules: RulesCheck = noCheck,
  label = 'trust.yaml',
  read?: ReadBeside,
  known?: KnownShapes
): TrustFile {
  const inspected = inspectTrustFile(bytes, checkRules, read, known)
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
