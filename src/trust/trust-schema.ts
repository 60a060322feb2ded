import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import type { ErrorObject, ValidateFunction } from 'ajv'
import { hex, sha256, suggestionFor, type TrustProblem } from '../core/index.ts'

const schemaPath = join(import.meta.dirname, '../../protocols/schemas/trust/trust.schema.json')
const load = createRequire(import.meta.url)
const validators = new Map<boolean, ValidateFunction>()

type Path = readonly (string | number)[]
interface Titled {
  readonly title?: string
  readonly properties?: Readonly<Record<string, unknown>>
}

/** Returns the SHA-256 of the schema, hexadecimal. */
export function trustSchemaDigest(): string {
  return hex(sha256(readFileSync(schemaPath)))
}

/** Loads ajv and compiles when the first file is checked, some 40 ms that a command without rules need not wait for. */
function validatorOf(allErrors: boolean): ValidateFunction {
  const known = validators.get(allErrors)
  if (known !== undefined) return known
  const { Ajv2020 } = load('ajv/dist/2020.js') as typeof import('ajv/dist/2020.js')
  const ajv = new Ajv2020({
    allErrors,
    verbose: true,
    strict: true,
    allowUnionTypes: true,
    strictRequired: false,
    logger: false,
    // each command waits for this: 40 ms, and 155 ms with ajv's defaults. A test holds the schema to its own
    validateSchema: false,
    code: { optimize: false }
  })
  const made = ajv.compile(JSON.parse(readFileSync(schemaPath, 'utf8')) as object)
  validators.set(allErrors, made)
  return made
}

/** Returns the parts of a JSON pointer; an index of a list is a number. */
function pathOf(pointer: string, document: unknown): Path {
  let value = document
  return pointer
    .split('/')
    .slice(1)
    .map((part) => {
      const name = part.replaceAll('~1', '/').replaceAll('~0', '~')
      const key = Array.isArray(value) ? Number(name) : name
      value = (value as Readonly<Record<string | number, unknown>>)[key]
      return key
    })
}

/** Returns a path as people write it, e.g. `delegations[0].paths`. */
function shownPath(path: Path): string {
  return path.map((part, i) => (typeof part === 'number' ? `[${part}]` : i === 0 ? part : `.${part}`)).join('')
}

function shownValue(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value)
  if (Array.isArray(value)) return 'a list'
  return value !== null && typeof value === 'object' ? 'a mapping' : String(value)
}

function valueProblem(path: Path, { keyword, params, parentSchema, data }: ErrorObject): TrustProblem {
  const shown = shownPath(path)
  const { title } = parentSchema as Titled
  const { limit, allowedValues, allowedValue } = params as {
    readonly limit?: number
    readonly allowedValues?: readonly unknown[]
    readonly allowedValue?: unknown
  }
  if (keyword === 'const')
    return { path, message: `${shown} is not ${String(allowedValue)}`, suggestion: `write ${shown}: ${String(allowedValue)}` }
  if (keyword === 'maxItems' || keyword === 'maxProperties') return { path, message: `${shown} has more than ${limit} items` }
  if (keyword === 'minItems' || keyword === 'minProperties')
    return { path, message: `${shown} is empty`, suggestion: 'leave it out, or put something into it' }
  const message = `${shown} is not ${title ?? 'valid'}: ${shownValue(data)}`
  return allowedValues === undefined
    ? { path, message }
    : { path, message, suggestion: suggestionFor(String(data), allowedValues.map(String)) }
}

function problemOf(error: ErrorObject, document: unknown): TrustProblem {
  const path = pathOf(error.instancePath, document)
  const shown = shownPath(path)
  const { keyword, parentSchema, data } = error
  const params = error.params as Readonly<Record<string, unknown>>
  const name = (params['additionalProperty'] ?? params['propertyName']) as string | undefined
  if (keyword === 'additionalProperties') {
    const known = Object.keys((parentSchema as Titled).properties ?? {}).filter((one) => !Object.hasOwn(data as object, one))
    const suggestion = suggestionFor(name ?? '', known)
    const where = shown === '' ? '' : ` in ${shown}`
    return { path: [...path, name ?? ''], message: `unknown member ${shownValue(name)}${where}`, suggestion, onName: true }
  }
  if (keyword === 'propertyNames') {
    const { title } = (parentSchema as { readonly propertyNames: Titled }).propertyNames
    return { path: [...path, name ?? ''], message: `not ${title ?? 'a name'}: ${shownValue(name)}`, onName: true }
  }
  if (keyword === 'required') {
    const missing = String(params['missingProperty'])
    return { path, message: `${shown === '' ? 'the file' : shown} has no ${missing}`, suggestion: `add ${missing}`, onName: true }
  }
  if (keyword === 'uniqueItems') {
    const index = Math.max(Number(params['i']), Number(params['j']))
    return { path: [...path, index], message: `${shown} has an item twice`, suggestion: 'leave one of the two' }
  }
  return valueProblem(path, error)
}

/** Of an alternative that none of the ways fits only the whole is told, and of a bad name not also what is wrong with its letters. */
function tellOnce(errors: readonly ErrorObject[]): readonly ErrorObject[] {
  const wholes = errors.filter(({ keyword }) => keyword === 'oneOf' || keyword === 'anyOf')
  const isPart = ({ instancePath, schemaPath: at }: ErrorObject): boolean =>
    wholes.some((whole) => whole.instancePath === instancePath && at.startsWith(`${whole.schemaPath}/`))
  return errors.filter((error) => error.propertyName === undefined && !isPart(error))
}

/**
 * Returns where a plain value is not of the shape that a trust file has.
 * @param allErrors all of them and not only the first, which takes longer
 */
export function schemaProblems(document: unknown, allErrors: boolean): readonly TrustProblem[] {
  const validate = validatorOf(allErrors)
  if (validate(document)) return []
  const { errors } = validate
  validate.errors = null
  return tellOnce(errors ?? []).map((error) => problemOf(error, document))
}
