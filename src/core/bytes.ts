import { base32 } from 'multiformats/bases/base32'
import { RejoinError } from './error.ts'

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

const base64Letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
const hexDigits = '0123456789abcdef'
const hexOfByte: readonly string[] = Array.from({ length: 256 }, (_, byte) => `${hexDigits[byte >> 4]}${hexDigits[byte & 15]}`)

/** Returns the UTF-8 bytes of a text. */
export function utf8(text: string): Uint8Array {
  return encoder.encode(text)
}

/**
 * Returns the text of UTF-8 bytes.
 * @throws E_UTF8 where they are not valid UTF-8
 */
export function textOf(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes)
  } catch (cause) {
    throw new RejoinError('E_UTF8', 'the text is not valid UTF-8', { cause })
  }
}

/** Returns the lower-case hexadecimal form of bytes. */
export function hex(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) text += hexOfByte[byte]
  return text
}

/** Returns the bytes of a lower-case hexadecimal text, or undefined where it is none. */
export function fromHex(text: string): Uint8Array | undefined {
  if (text.length % 2 !== 0 || !/^[0-9a-f]*$/.test(text)) return undefined
  const bytes = new Uint8Array(text.length / 2)
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(text.slice(2 * i, 2 * i + 2), 16)
  return bytes
}

/** Returns the padded base64 form (RFC 4648, section 4) of bytes. */
export function base64(bytes: Uint8Array): string {
  let latin1 = ''
  for (const byte of bytes) latin1 += String.fromCharCode(byte)
  return btoa(latin1)
}

/** Returns the bytes of a padded base64 text, or undefined where it is not the one canonical spelling of some bytes. */
export function fromBase64(text: string): Uint8Array | undefined {
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) return undefined
  const latin1 = atob(text)
  const bytes = new Uint8Array(latin1.length)
  for (let i = 0; i < bytes.length; i++) bytes[i] = latin1.charCodeAt(i)
  if (!text.endsWith('=')) return bytes
  // bits of the last letter that belong to no byte must be zero, else several texts would spell the same
  const [last, spareBits] = text.endsWith('==') ? [text.at(-3), 15] : [text.at(-2), 3]
  return (base64Letters.indexOf(last as string) & spareBits) === 0 ? bytes : undefined
}

/** Returns the bytes of a base64url text (RFC 4648, section 5, without padding), or undefined where it is not the one canonical spelling of some bytes. */
export function fromBase64url(text: string): Uint8Array | undefined {
  if (!/^[A-Za-z0-9_-]*$/.test(text) || text.length % 4 === 1) return undefined
  return fromBase64(text.replaceAll('-', '+').replaceAll('_', '/') + '='.repeat((4 - (text.length % 4)) % 4))
}

/** Returns the lower-case base32 form (RFC 4648, without padding) of bytes. */
export function base32Of(bytes: Uint8Array): string {
  return base32.baseEncode(bytes)
}

/** Returns the bytes of a lower-case base32 text, or undefined where it is not the one canonical spelling of some bytes. */
export function fromBase32(text: string): Uint8Array | undefined {
  if (!/^[a-z2-7]*$/.test(text)) return undefined
  try {
    const bytes = base32.baseDecode(text)
    return base32.baseEncode(bytes) === text ? bytes : undefined
  } catch {
    return undefined
  }
}

/** Returns one array that holds the given ones, in order. */
export function concat(parts: readonly Uint8Array[]): Uint8Array {
  let sizeBytes = 0
  for (const part of parts) sizeBytes += part.length
  const whole = new Uint8Array(sizeBytes)
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

/** Returns whether two byte arrays are equal. */
export function equal(a: Uint8Array, b: Uint8Array): boolean {
  return compare(a, b) === 0
}

/** Returns a negative number, zero or a positive number as `a` sorts before, with or after `b`, byte by byte. */
export function compare(a: Uint8Array, b: Uint8Array): number {
  const sizeBytes = Math.min(a.length, b.length)
  for (let i = 0; i < sizeBytes; i++) {
    const difference = (a[i] as number) - (b[i] as number)
    if (difference !== 0) return difference
  }
  return a.length - b.length
}
