import { celEnv, celFunc, CelScalar, isCelError, parse, plan } from '@bufbuild/cel'
import { timestampFromMs } from '@bufbuild/protobuf/wkt'
import { type Facts, matchGlob } from '../../src/core/index.ts'

const env = celEnv({
  funcs: [celFunc('glob', [CelScalar.STRING, CelScalar.STRING], CelScalar.BOOL, (text, pattern) => matchGlob(text, pattern))]
})
const whole: ReadonlySet<string> = new Set(['size', 'index', 'timeMs', 'count', 'ageMs'])

/** Makes maps of objects, and bigints of the members that CEL calls int. */
function celValue(value: unknown, name = ''): unknown {
  if (typeof value === 'number') return whole.has(name) ? BigInt(value) : value
  if (Array.isArray(value)) return value.map((item) => celValue(item))
  if (typeof value !== 'object' || value === null) return value
  return new Map(Object.entries(value).map(([key, member]) => [key, celValue(member, key)]))
}

const bindings = new WeakMap<Facts, Record<string, unknown>>()

function bindingsOf(facts: Facts): Record<string, unknown> {
  let known = bindings.get(facts)
  if (known === undefined) {
    const { line: _line, now, ...rest } = facts
    known = Object.fromEntries(Object.entries(rest).map(([name, value]) => [name, celValue(value, name)]))
    known['now'] = timestampFromMs(now)
    bindings.set(facts, known)
  }
  return known
}

const plans = new Map<string, (bindings: never) => unknown>()

/** Returns what another implementation of CEL (@bufbuild/cel) makes of a condition: true, false or error. */
export function secondOpinion(condition: string, facts: Facts): 'true' | 'false' | 'error' {
  let evaluate = plans.get(condition)
  if (evaluate === undefined) plans.set(condition, (evaluate = plan(env, parse(condition)) as (bindings: never) => unknown))
  const value = evaluate(bindingsOf(facts) as never)
  if (isCelError(value)) return 'error'
  if (typeof value !== 'boolean') throw new Error(`${condition} gives ${String(value)}`)
  return value ? 'true' : 'false'
}
