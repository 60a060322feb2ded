import type { Json, JsonObject } from '../core/index.ts'

/** Returns a text that is equal for equal values, whatever the order of their keys. */
function orderedText(value: Json): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map((item: Json) => orderedText(item)).join(',')}]`
  const object = value as JsonObject
  const members = Object.keys(object)
    .toSorted()
    .map((key) => `${JSON.stringify(key)}:${orderedText(object[key] as Json)}`)
  return `{${members.join(',')}}`
}

/**
 * Returns whether no two items are equal, in time that grows with their text. ajv's own `uniqueItems` compares each with each:
 * measured side by side, 5.7 s against 0.06 s for 10,000 components.
 */
export function areUnique(items: readonly Json[]): boolean {
  if (items.length < 2) return true
  return new Set(items.map((item) => orderedText(item))).size === items.length
}
