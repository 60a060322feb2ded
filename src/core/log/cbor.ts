import { concat, textOf, utf8 } from '../bytes.ts'
import { RejoinError } from '../error.ts'

// Deterministic CBOR (RFC 8949 section 4.2.1), only as much of it as COSE receipts need. A map is written by listing its
// members in order: mapHead, then key, value, key, value …

const unsigned = 0
const negative = 1
const byteString = 2
const textString = 3
const array = 4
const map = 5
const tag = 6
const nullByte = 0xf6

function head(major: number, value: number): Uint8Array {
  const top = major << 5
  if (value < 24) return Uint8Array.of(top | value)
  const width = value < 0x100 ? 1 : value < 0x1_0000 ? 2 : value < 0x1_0000_0000 ? 4 : 8
  const bytes = new Uint8Array(1 + width)
  bytes[0] = top | (24 + Math.log2(width))
  for (let at = width, rest = value; at > 0; at--, rest = Math.floor(rest / 256)) bytes[at] = rest % 256
  return bytes
}

/** Returns the item of an integer, -2^53 to 2^53 - 1. */
export function integerItem(value: number): Uint8Array {
  return value < 0 ? head(negative, -1 - value) : head(unsigned, value)
}

/** Returns the item of a byte string. */
export function bytesItem(bytes: Uint8Array): Uint8Array {
  return concat([head(byteString, bytes.length), bytes])
}

/** Returns the item of a text string. */
export function textItem(text: string): Uint8Array {
  const bytes = utf8(text)
  return concat([head(textString, bytes.length), bytes])
}

/** Returns the item of an array of items. */
export function arrayItem(items: readonly Uint8Array[]): Uint8Array {
  return concat([head(array, items.length), ...items])
}

/** Returns the item of a map; its members must be ordered by the bytes of their keys. */
export function mapItem(members: readonly (readonly [Uint8Array, Uint8Array])[]): Uint8Array {
  return concat([head(map, members.length), ...members.flat()])
}

/** Returns a tagged item. */
export function tagItem(number: number, item: Uint8Array): Uint8Array {
  return concat([head(tag, number), item])
}

/** The item null. */
export const nullItem: Uint8Array = Uint8Array.of(nullByte)

/** Reads the items of deterministic CBOR one after the other; the caller says what must come. Everything else is E_RECEIPT. */
export class CborCursor {
  private readonly bytes: Uint8Array
  private at = 0

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }

  private fail(what: string): never {
    throw new RejoinError('E_RECEIPT', `${what} expected at byte ${this.at} of a COSE structure`)
  }

  private head(major: number, what: string): number {
    const first = this.bytes[this.at]
    if (first === undefined || first >> 5 !== major) this.fail(what)
    const low = first & 31
    if (low < 24) {
      this.at++
      return low
    }
    const width = low <= 27 ? 2 ** (low - 24) : this.fail(what)
    if (this.at + 1 + width > this.bytes.length) this.fail(what)
    let value = 0
    for (let i = 1; i <= width; i++) value = value * 256 + (this.bytes[this.at + i] as number)
    const shortest = width === 1 ? 24 : 2 ** (4 * width)
    if (value < shortest || !Number.isSafeInteger(value)) this.fail(what)
    this.at += 1 + width
    return value
  }

  private take(sizeBytes: number, what: string): Uint8Array {
    if (this.at + sizeBytes > this.bytes.length) this.fail(what)
    const part = this.bytes.slice(this.at, this.at + sizeBytes)
    this.at += sizeBytes
    return part
  }

  /** Returns an unsigned integer. */
  unsigned(): number {
    return this.head(unsigned, 'an unsigned integer')
  }

  /** Takes one exact integer. */
  integer(expected: number): void {
    const what = `the integer ${expected}`
    const value = expected < 0 ? -1 - this.head(negative, what) : this.head(unsigned, what)
    if (value !== expected) this.fail(what)
  }

  /** Returns a byte string. */
  byteString(): Uint8Array {
    return this.take(this.head(byteString, 'a byte string'), 'a byte string')
  }

  /** Returns a text string. @throws E_UTF8 */
  text(): string {
    return textOf(this.take(this.head(textString, 'a text string'), 'a text string'))
  }

  /** Takes the head of an array and returns its length. */
  arrayLength(): number {
    return this.head(array, 'an array')
  }

  /** Takes the head of an array of exactly that length. */
  arrayOf(length: number): void {
    if (this.arrayLength() !== length) this.fail(`an array of ${length}`)
  }

  /** Takes the head of a map of exactly that many members. */
  mapOf(size: number): void {
    if (this.head(map, 'a map') !== size) this.fail(`a map of ${size}`)
  }

  /** Takes one exact tag. */
  tag(number: number): void {
    if (this.head(tag, `tag ${number}`) !== number) this.fail(`tag ${number}`)
  }

  /** Takes null. */
  null(): void {
    if (this.bytes[this.at] !== nullByte) this.fail('null')
    this.at++
  }

  /** Makes sure that nothing is left. */
  end(): void {
    if (this.at !== this.bytes.length) this.fail('the end')
  }
}
