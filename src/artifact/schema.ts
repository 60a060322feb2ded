import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import type { Ajv, ErrorObject, Options, ValidateFunction } from 'ajv'
import type { Json, JsonObject } from '../core/index.ts'
import { maxWarnings, type Warning, warning } from './recognised.ts'
import { schemaFormats } from './schema-format.ts'
import { type SchemaName, type SchemaSource, schemaTable } from './schema-table.ts'
import { areUnique, newNumbering } from './schema-unique.ts'

/** Documents over this size are not checked against a schema, 4 MiB. */
export const maxCheckedBytes: number = 4 * 1024 * 1024
/**
 * Up to this many values every fault is looked for, beyond it the first: ajv copies all the faults it has with each item that has
 * one, so 43,000 empty components, 128 KiB, took 16 s.
 */
const maxAllFaultsValues = 4096
const maxPatternChars = 65_536
const maxPathChars = 50

const folder = join(import.meta.dirname, '../../protocols/schemas')
const load = createRequire(import.meta.url)
const validators = new Map<string, ValidateFunction>()
/** Of the document that is being checked: ajv makes its keywords once and for all. */
let numberOf = newNumbering()

/** A pattern that backtracks over millions of characters runs out of stack, so such a text passes unlooked at. */
const boundedPattern: NonNullable<NonNullable<Options['code']>['regExp']> = Object.assign(
  (pattern: string, flags: string) => {
    const expression = new RegExp(pattern, flags)
    // ajv takes two patterns of one text for the same pattern
    return { test: (text: string) => text.length > maxPatternChars || expression.test(text), toString: () => String(expression) }
  },
  { code: 'undefined' }
)

/** Returns how many values a document has, itself among them, or anything over `most` where it has more than that. */
function countValues(value: Json, most: number): number {
  if (typeof value !== 'object' || value === null) return 1
  let count = 1
  for (const inner of Array.isArray(value) ? value : Object.values(value as JsonObject)) {
    if (count > most) return count
    count += countValues(inner, most - count)
  }
  return count
}

function read(file: string): JsonObject {
  return JSON.parse(readFileSync(join(folder, file), 'utf8')) as JsonObject
}

/** Loads ajv when the first document is checked: it takes 30 ms that a node which publishes nothing need not wait for. */
function newAjv(draft: SchemaSource['draft'], options: Options): Ajv {
  // no `new (load(…) as …).Ajv(…)`: tsc 7.0.2 drops the parentheses together with the type, and dist/ then calls `new load(…)`
  if (draft === '7') {
    const { Ajv } = load('ajv') as typeof import('ajv')
    return new Ajv(options)
  }
  const { Ajv2020 } = load('ajv/dist/2020.js') as typeof import('ajv/dist/2020.js')
  return new Ajv2020(options)
}

function compile({ file, draft, needs, stubs }: SchemaSource, allErrors: boolean): ValidateFunction {
  const options: Options = {
    allErrors,
    strict: false,
    logger: false,
    validateSchema: false,
    formats: schemaFormats,
    // compiling is what a single document waits for: some 150 to 210 ms for CycloneDX 1.6, 230 to 320 ms with ajv's defaults
    inlineRefs: false,
    code: { regExp: boundedPattern, optimize: false }
  }
  const ajv = newAjv(draft, options)
  ajv.removeKeyword('uniqueItems')
  ajv.addKeyword({
    keyword: 'uniqueItems',
    type: 'array',
    schemaType: 'boolean',
    validate: (wanted: boolean, items: readonly Json[]) => !wanted || areUnique(items, numberOf),
    error: { message: 'must NOT have duplicate items' }
  })
  for (const other of needs) ajv.addSchema(read(other))
  for (const stub of stubs) ajv.addSchema({ ...stub })
  return ajv.compile(read(file))
}

function validatorOf(name: SchemaName, allErrors: boolean): ValidateFunction {
  const key = `${name} ${allErrors}`
  const known = validators.get(key)
  if (known !== undefined) return known
  const made = compile(schemaTable[name], allErrors)
  validators.set(key, made)
  return made
}

function detailOf({ keyword, params }: ErrorObject): string {
  const { additionalProperty, allowedValue } = params as { additionalProperty?: unknown; allowedValue?: unknown }
  if (keyword === 'additionalProperties') return ` ${JSON.stringify(additionalProperty)}`
  if (keyword === 'const') return ` ${JSON.stringify(allowedValue)}`
  return ''
}

function warningOf(error: ErrorObject): Warning {
  const path = error.instancePath
  const shown = path.length > maxPathChars ? `…${path.slice(1 - maxPathChars)}` : path === '' ? 'the document' : path
  return warning('W_SCHEMA', `${shown} ${error.message ?? 'is not valid'}${detailOf(error)}`, path)
}

/**
 * Returns the faults of a document of at most maxCheckedBytes against a schema, at most maxWarnings, each once. The first call
 * for a schema compiles it: 50 to 250 ms.
 */
export function schemaWarnings(name: SchemaName, document: Json): readonly Warning[] {
  const validate = validatorOf(name, countValues(document, maxAllFaultsValues) <= maxAllFaultsValues)
  numberOf = newNumbering()
  const isValid = validate(document)
  numberOf = newNumbering()
  if (isValid) return []
  const found = new Map<string, Warning>()
  for (const error of validate.errors ?? []) {
    if (found.size === maxWarnings) break
    const made = warningOf(error)
    found.set(`${made.message} ${made.at}`, made)
  }
  validate.errors = null
  return [...found.values()]
}
