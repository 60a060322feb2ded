import { bytesAt, type Kind, malformed } from './protobuf-kind.ts'
import { type Cursor, readVarint, varintSize, writeVarint } from './varint.ts'

/** A message type: a kind that can also stand alone. */
export interface MessageCodec<T> extends Kind<T> {
  /** Returns the message's bytes. */
  readonly encode: (value: T) => Uint8Array
  /** Returns the message's bytes after their length as varint: one frame of a stream. */
  readonly encodeFrame: (value: T) => Uint8Array
  /**
   * Returns the message in bytes; its own bytes are views of them, not copies.
   * @throws E_FRAME where they are malformed or over a limit · E_UTF8 where a string is not UTF-8
   */
  readonly decode: (bytes: Uint8Array) => T
}

/** One field of a message; made by field, optional and repeated. */
export interface Field<T> {
  readonly number: number
  readonly wire: 0 | 2
  /** whether more than one occurrence is allowed */
  readonly many: boolean
  readonly absent: (name: string) => T
  readonly size: (value: T) => number
  readonly write: (value: T, to: Uint8Array, at: number) => number
  readonly read: (cursor: Cursor, before: T | undefined) => T
}

const maxFieldNumber = 0x1fffffff

const tagOf = (number: number, wire: 0 | 2): number => {
  if (!Number.isInteger(number) || number < 1 || number > maxFieldNumber) throw new Error(`bug: ${number} is no field number`)
  return number * 8 + wire
}

/** Returns a field that is not written where it is zero, as proto3 has it; one whose kind has no zero must be there. */
export function field<T>(number: number, kind: Kind<T>): Field<T> {
  const tag = tagOf(number, kind.wire)
  const isAbsent = (value: T): boolean => kind.zero !== undefined && kind.isZero(value)
  return {
    number,
    wire: kind.wire,
    many: false,
    absent: (name) => {
      if (kind.zero === undefined) throw malformed(`field ${name} is missing`)
      return kind.zero
    },
    size: (value) => (isAbsent(value) ? 0 : varintSize(tag) + kind.size(value)),
    write: (value, to, at) => (isAbsent(value) ? at : kind.write(value, to, writeVarint(to, at, tag))),
    read: (cursor) => kind.read(cursor)
  }
}

/** Returns a field that may be absent, which is not the same as zero: proto3's `optional`, or a message. */
export function optional<T>(number: number, kind: Kind<T>): Field<T | undefined> {
  const tag = tagOf(number, kind.wire)
  return {
    number,
    wire: kind.wire,
    many: false,
    absent: () => undefined,
    size: (value) => (value === undefined ? 0 : varintSize(tag) + kind.size(value)),
    write: (value, to, at) => (value === undefined ? at : kind.write(value, to, writeVarint(to, at, tag))),
    read: (cursor) => kind.read(cursor)
  }
}

/** Returns a field of at most `max` values: one occurrence each, or for numbers and truth values one packed occurrence. */
export function repeated<T>(number: number, kind: Kind<T>, max: number): Field<readonly T[]> {
  const tag = tagOf(number, 2)
  const packed = kind.wire === 0
  const none: readonly T[] = []
  const sizeOfItems = (values: readonly T[]): number => values.reduce((sum, value) => sum + kind.size(value), 0)
  const checked = (count: number): void => {
    if (count > max) throw malformed(`more than ${max} values in a repeated field`)
  }
  return {
    number,
    wire: 2,
    many: !packed,
    absent: () => none,
    size: (values) => {
      if (values.length > max) throw new Error(`bug: ${values.length} values in a field of at most ${max}`)
      if (values.length === 0) return 0
      const items = sizeOfItems(values)
      return packed ? varintSize(tag) + varintSize(items) + items : varintSize(tag) * values.length + items
    },
    write: (values, to, at) => {
      if (values.length === 0) return at
      if (packed) {
        const start = writeVarint(to, writeVarint(to, at, tag), sizeOfItems(values))
        return values.reduce((position, value) => kind.write(value, to, position), start)
      }
      return values.reduce((position, value) => kind.write(value, to, writeVarint(to, position, tag)), at)
    },
    read: (cursor, before) => {
      const values = (before ?? []) as T[]
      if (packed) {
        const inner = bytesAt(cursor)
        const items: Cursor = { bytes: inner, at: 0, end: inner.length }
        while (items.at < items.end) {
          values.push(kind.read(items))
          checked(values.length)
        }
      } else {
        values.push(kind.read(cursor))
        checked(values.length)
      }
      return values
    }
  }
}

/** Skips the value of a field that this version does not know. */
function skip(cursor: Cursor, wire: number): void {
  if (wire === 2) {
    bytesAt(cursor)
    return
  }
  if (wire === 0) {
    for (let count = 1; ; count++) {
      if (count > 10 || cursor.at >= cursor.end) throw malformed('a varint is cut short or too long')
      if ((cursor.bytes[cursor.at++] as number) < 128) return
    }
  }
  const size = wire === 1 ? 8 : wire === 5 ? 4 : 0
  if (size === 0) throw malformed(`wire type ${wire} is not allowed`)
  if (size > cursor.end - cursor.at) throw malformed('a field is cut short')
  cursor.at += size
}

function codec<T>(size: (value: T) => number, write: Kind<T>['write'], read: (cursor: Cursor) => T): MessageCodec<T> {
  const decode = (whole: Uint8Array): T => read({ bytes: whole, at: 0, end: whole.length })
  return {
    wire: 2,
    zero: undefined,
    isZero: () => false,
    size: (value) => {
      const body = size(value)
      return varintSize(body) + body
    },
    write: (value, to, at) => write(value, to, writeVarint(to, at, size(value))),
    read: (cursor) => decode(bytesAt(cursor)),
    encode: (value) => {
      const to = new Uint8Array(size(value))
      write(value, to, 0)
      return to
    },
    encodeFrame: (value) => {
      const body = size(value)
      const to = new Uint8Array(varintSize(body) + body)
      write(value, to, writeVarint(to, 0, body))
      return to
    },
    decode
  }
}

/** Calls `each` with the number and wire type of every field; `each` returns false for one that it doesn't know, which is then skipped. */
function eachField(cursor: Cursor, each: (number: number, wire: number) => boolean): void {
  while (cursor.at < cursor.end) {
    const tag = readVarint(cursor)
    const number = Math.floor(tag / 8)
    if (number < 1 || number > maxFieldNumber) throw malformed(`${number} is no field number`)
    if (!each(number, tag % 8)) skip(cursor, tag % 8)
  }
}

/**
 * Returns the codec of a message type, one field for each member. Fields are written in the order given; they are read in any order,
 * a field that is not repeated at most once, and fields of unknown number are skipped, so that a later version can add some.
 * @see https://protobuf.dev/programming-guides/encoding/
 */
export function message<T extends object>(fields: { readonly [K in keyof T]-?: Field<T[K]> }): MessageCodec<T> {
  const entries = Object.entries(fields) as [keyof T & string, Field<unknown>][]
  const byNumber = new Map(entries.map((entry) => [entry[1].number, entry]))
  if (byNumber.size !== entries.length) throw new Error('bug: two fields have one number')
  return codec<T>(
    (value) => entries.reduce((sum, [name, f]) => sum + f.size(value[name]), 0),
    (value, to, at) => entries.reduce((position, [name, f]) => f.write(value[name], to, position), at),
    (cursor) => {
      const value: Record<string, unknown> = {}
      const seen = new Set<number>()
      eachField(cursor, (number, wire) => {
        const entry = byNumber.get(number)
        if (entry === undefined) return false
        const [name, f] = entry
        if (f.wire !== wire) throw malformed(`field ${name} has wire type ${wire}`)
        if (!f.many && seen.has(number)) throw malformed(`field ${name} is there twice`)
        seen.add(number)
        value[name] = f.read(cursor, value[name])
        return true
      })
      for (const [name, f] of entries) if (!seen.has(f.number)) value[name] = f.absent(name)
      return value as T
    }
  )
}

/** A message that is one of several: the field number and the type of each, by its `kind`. */
export type Variants<T extends { readonly kind: string }> = {
  readonly [K in T['kind']]: readonly [number: number, codec: MessageCodec<Omit<Extract<T, { readonly kind: K }>, 'kind'>>]
}

/** Returns the codec of a message that holds exactly one of several messages (a `oneof`), as a union with `kind`. */
export function oneOf<T extends { readonly kind: string }>(variants: Variants<T>): MessageCodec<T> {
  const entries = Object.entries(variants) as [T['kind'], readonly [number, MessageCodec<object>]][]
  const byNumber = new Map(entries.map(([kind, [number, inner]]) => [number, { kind, inner }]))
  if (byNumber.size !== entries.length) throw new Error('bug: two kinds have one number')
  const fieldOf = (value: T): Field<object> => {
    const [number, inner] = variants[value.kind as T['kind']] as unknown as readonly [number, MessageCodec<object>]
    return field(number, inner)
  }
  return codec<T>(
    (value) => fieldOf(value).size(value),
    (value, to, at) => fieldOf(value).write(value, to, at),
    (cursor) => {
      let found: T | undefined
      eachField(cursor, (number, wire) => {
        const variant = byNumber.get(number)
        if (variant === undefined) return false
        if (found !== undefined) throw malformed('a frame holds two messages')
        if (wire !== 2) throw malformed(`a message of kind ${variant.kind} has wire type ${wire}`)
        found = { kind: variant.kind, ...variant.inner.read(cursor) } as unknown as T
        return true
      })
      if (found === undefined) throw malformed('a frame holds no message of a known kind')
      return found
    }
  )
}
