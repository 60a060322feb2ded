import type { Json, JsonObject } from '../core/index.ts'
import type { Facts, TypeName } from './recognised.ts'
import type { SchemaName } from './schema-table.ts'

/** A format whose documents are one JSON object. */
export interface JsonFormat {
  readonly name: TypeName
  /** Returns why an object is not of this format, undefined where it is. A fault against the schema is no such reason. */
  readonly fault: (document: JsonObject) => string | undefined
  /** Where `fault` asks so little that other documents pass too: whether the content alone says that it is this format. */
  readonly tells?: (document: JsonObject) => boolean
  /** Reads an object that has no `fault`. */
  readonly facts: (document: JsonObject) => JsonFacts
}

/** Facts of a JSON document, and the schema to check it against. */
export interface JsonFacts extends Facts {
  readonly schema?: SchemaName | undefined
}

/** Returns a value as a string, undefined where it is none. */
export function stringOf(value: Json | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined
}

/** Returns the items of a value, none where it is no array. */
export function itemsOf(value: Json | undefined): readonly Json[] {
  return Array.isArray(value) ? value : []
}
