import { textOf, utf8 } from './bytes.ts'
import { RejoinError } from './error.ts'
import { parseStrict } from './json-strict.ts'
import { type Json, type JsonLimits, type JsonObject, tooLarge } from './json-value.ts'

/** Returns whether `a` sorts before `b` by UTF-16 code units, as RFC 8785 section 3.2.3 orders keys. */
function sortsBefore(a: string, b: string): boolean {
  return a < b
}

/**
 * Returns the RFC 8785 canonical text of a value. The engine prints a value at once whose keys are in order already.
 * @throws E_NOT_CANONICAL for a number that is not finite or a string with a lone surrogate
 */
export function canonicalize(value: Json): string {
  if (isPrintable(value)) {
    const text = JSON.stringify(value)
    if (!text.includes('\\ud')) return text
  }
  return canonicalizeEach(value)
}

/** Returns whether JSON.stringify prints a value in order and loses nothing of it; lone surrogates aside, which it escapes. */
function isPrintable(value: Json): boolean {
  if (typeof value === 'string' || typeof value === 'boolean' || value === null) return true
  if (typeof value === 'number') return Number.isFinite(value)
  if (typeof value !== 'object') return false
  if (Array.isArray(value)) return value.every(isPrintable)
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) return false
  const object = value as JsonObject
  let last: string | undefined
  for (const key in object) {
    if (last !== undefined && !sortsBefore(last, key)) return false
    if (key === 'toJSON' || !isPrintable(object[key] as Json)) return false
    last = key
  }
  return true
}

function canonicalizeEach(value: Json): string {
  if (typeof value === 'string') {
    if (!value.isWellFormed()) throw new RejoinError('E_NOT_CANONICAL', 'a string has a lone surrogate')
    return JSON.stringify(value)
  }
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new RejoinError('E_NOT_CANONICAL', 'a number is not finite')
    return JSON.stringify(value)
  }
  if (typeof value === 'boolean' || value === null) return String(value)
  if (Array.isArray(value)) return `[${value.map((item: Json) => canonicalizeEach(item)).join(',')}]`
  const object = value as JsonObject
  const members = Object.keys(object)
    .sort()
    .map((key) => `${canonicalizeEach(key)}:${canonicalizeEach(object[key] as Json)}`)
  return `{${members.join(',')}}`
}

/** Returns whether every object's keys come in order, none is forbidden, and no level is deeper than the limit. */
function isOrdered(value: Json, depthLeft: number): boolean {
  if (typeof value !== 'object' || value === null) return true
  if (depthLeft === 0) return false
  if (Array.isArray(value)) {
    for (const item of value) if (!isOrdered(item, depthLeft - 1)) return false
    return true
  }
  const object = value as JsonObject
  let last: string | undefined
  for (const key in object) {
    if (last !== undefined && !sortsBefore(last, key)) return false
    if (key === '__proto__' || key === 'constructor' || key === 'prototype') return false
    last = key
    const member = object[key] as Json
    if (typeof member === 'object' && !isOrdered(member, depthLeft - 1)) return false
  }
  return true
}

/**
 * Returns the RFC 8785 canonical text of an object that parseCanonicalText takes, so that no writer signs what readers refuse.
 * Walking a value costs a tenth of parsing its text again, which is left for values that are not printed at once.
 * @throws what parseCanonicalText throws
 */
export function canonicalizeStrict(value: JsonObject, limits: JsonLimits): string {
  const text = canonicalize(value)
  if (!isPrintable(value) || !isOrdered(value, limits.maxDepth) || text.includes('\\ud'))
    parseCanonicalText(text, utf8(text), limits)
  return text
}

/**
 * Returns the value of a text that must be RFC 8785 canonical JSON.
 *
 * The fast path lets the engine parse and print again: equal texts with ordered keys and no escaped surrogate are canonical.
 * Whatever fails there goes through the strict parser, which names the fault.
 * @throws E_TOO_LARGE E_UTF8 E_JSON E_TOO_DEEP E_DUPLICATE_KEY E_FORBIDDEN_KEY E_NOT_CANONICAL
 * @see RFC 8785
 */
export function parseCanonical(bytes: Uint8Array, limits: JsonLimits): Json {
  if (bytes.length > limits.maxBytes) throw tooLarge(bytes.length, limits.maxBytes)
  return parseCanonicalText(textOf(bytes), bytes, limits)
}

/** As parseCanonical, for a caller that has decoded the (size-checked) bytes already. */
export function parseCanonicalText(text: string, bytes: Uint8Array, limits: JsonLimits): Json {
  try {
    const value = JSON.parse(text) as Json
    if (JSON.stringify(value) === text && !text.includes('\\ud') && isOrdered(value, limits.maxDepth)) return value
  } catch {
    // the strict parser below says what is wrong
  }
  const value = parseStrict(bytes, limits)
  if (canonicalize(value) !== text) throw new RejoinError('E_NOT_CANONICAL', 'the JSON is not in canonical form (RFC 8785)')
  return value
}
