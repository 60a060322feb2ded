import { env } from 'node:process'
import { assert, type IRawProperty } from 'fast-check'

/** Checks a property on 50 random cases, on 5,000 with SLOW=1; fast-check prints the seed and path of a failure. */
export function holds<T>(property: IRawProperty<T, false>): void {
  assert(property, { numRuns: env['SLOW'] === '1' ? 5000 : 50 })
}
