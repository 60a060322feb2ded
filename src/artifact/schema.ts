import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv, type ErrorObject, type Options, type ValidateFunction } from 'ajv'
import { Ajv2020 } from 'ajv/dist/2020.js'
import type { Json, JsonObject } from '../core/index.ts'
import { maxWarnings, type Warning, warning } from './recognised.ts'
import { schemaFormats } from './schema-format.ts'
import { type SchemaName, type SchemaSource, schemaTable } from './schema-table.ts'
import { areUnique } from './schema-unique.ts'

/** Documents over this size are not checked against a schema, 4 MiB. */
export const maxCheckedBytes: number = 4 * 1024 * 1024
/** Up to this size every fault is looked for, beyond it the first: a hostile list of a million empty components has millions of them. */
const maxAllFaultsBytes = 128 * 1024
const maxPatternChars = 65_536
const maxPathChars = 50

const folder = join(import.meta.dirname, '../../protocols/schemas')
const validators = new Map<string, ValidateFunction>()

/** A pattern that backtracks over millions of characters runs out of stack, so such a text passes unlooked at. */
const boundedPattern: NonNullable<NonNullable<Options['code']>['regExp']> = Object.assign(
  (pattern: string, flags: string) => {
    const expression = new RegExp(pattern, flags)
    // ajv takes two patterns of one text for the same pattern
    return { test: (text: string) => text.length > maxPatternChars || expression.test(text), toString: () => String(expression) }
  },
  { code: 'undefined' }
)

function read(file: string): JsonObject {
  return JSON.parse(readFileSync(join(folder, file), 'utf8')) as JsonObject
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
  const ajv = draft === '7' ? new Ajv(options) : new Ajv2020(options)
  ajv.removeKeyword('uniqueItems')
  ajv.addKeyword({
    keyword: 'uniqueItems',
    type: 'array',
    schemaType: 'boolean',
    validate: (wanted: boolean, items: readonly Json[]) => !wanted || areUnique(items),
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
 * Returns a document's faults against a schema, at most maxWarnings, each once. The first call for a schema compiles it: 50 to 250 ms.
 * @param sizeBytes the document's size, at most maxCheckedBytes
 */
export function schemaWarnings(name: SchemaName, document: Json, sizeBytes: number): readonly Warning[] {
  const validate = validatorOf(name, sizeBytes <= maxAllFaultsBytes)
  if (validate(document)) return []
  const found = new Map<string, Warning>()
  for (const error of validate.errors ?? []) {
    if (found.size === maxWarnings) break
    const made = warningOf(error)
    found.set(`${made.message} ${made.at}`, made)
  }
  validate.errors = null
  return [...found.values()]
}
