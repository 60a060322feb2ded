import { RejoinError } from './error.ts'

/** A JSON value; objects have a null prototype or Object's and are never changed after parsing. */
export type Json = string | number | boolean | null | readonly Json[] | JsonObject
/** A JSON object. */
export interface JsonObject {
  readonly [key: string]: Json
}

/** Limits of one JSON text. */
export interface JsonLimits {
  /** bytes of the whole text */
  readonly maxBytes: number
  /** levels of arrays and objects; 1 is an object of scalars */
  readonly maxDepth: number
}

/** Returns whether a JSON value is an object (not an array). */
export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/**
 * Returns the error for a text over its limit.
 * @param sizeBytes the bytes that came
 * @param maxBytes the bytes that are allowed
 */
export function tooLarge(sizeBytes: number, maxBytes: number): RejoinError {
  return new RejoinError('E_TOO_LARGE', `${sizeBytes} bytes are over the limit of ${maxBytes}`)
}
