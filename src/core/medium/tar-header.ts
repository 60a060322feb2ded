import { concat, utf8 } from '../bytes.ts'
import { RejoinError } from '../error.ts'

/** Headers and contents of a tar archive stand at multiples of this many bytes. */
export const tarBlockBytes = 512
/** Bytes of a header that speaks of the next member's name or size: longer ones are of nothing that is read here. */
export const maxTarNoteBytes: number = 64 * 1024

/** What one header says; `name` is whatever stands there. */
export interface TarHeader {
  readonly name: string
  readonly sizeBytes: number
  /** `file`, `folder`; `pax`, `pax-global`, `long-name`, `long-link` speak of what follows; `other` is a link, a device or unknown */
  readonly type: 'file' | 'folder' | 'pax' | 'pax-global' | 'long-name' | 'long-link' | 'other'
  /** the type flag as it stands there, e.g. `2` for a symbolic link */
  readonly flag: string
}

const typeOfFlag: Readonly<Record<string, TarHeader['type']>> = {
  '\0': 'file',
  '0': 'file',
  '7': 'file',
  '5': 'folder',
  x: 'pax',
  g: 'pax-global',
  L: 'long-name',
  K: 'long-link'
}

function latin1(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) {
    if (byte === 0) break
    text += String.fromCharCode(byte)
  }
  return text
}

/** Octal digits, or GNU's base 256 where the first bit is set. NaN where it is neither. */
function numberIn(field: Uint8Array): number {
  if (((field[0] as number) & 0x80) !== 0) {
    if (field[0] !== 0x80) return Number.NaN
    let value = 0
    for (const byte of field.subarray(1)) value = value * 256 + byte
    return Number.isSafeInteger(value) ? value : Number.NaN
  }
  const digits = latin1(field).trim()
  return /^[0-7]{1,12}$/.test(digits) ? Number.parseInt(digits, 8) : Number.NaN
}

function checksum(block: Uint8Array): number {
  let sum = 8 * 32
  for (let i = 0; i < tarBlockBytes; i++) if (i < 148 || i >= 156) sum += block[i] as number
  return sum
}

/**
 * Returns what a header of 512 bytes says, or undefined for a block of zeros, which ends an archive.
 * @throws E_ARCHIVE where it is no header: then nothing tells where the next one is
 * @see POSIX.1-2017 pax, ustar Interchange Format
 */
export function parseTarHeader(block: Uint8Array): TarHeader | undefined {
  if (block[0] === 0 && block.every((byte) => byte === 0)) return undefined
  const sizeBytes = numberIn(block.subarray(124, 136))
  if (numberIn(block.subarray(148, 156)) !== checksum(block))
    throw new RejoinError('E_ARCHIVE', 'a member of the archive has no valid header')
  if (Number.isNaN(sizeBytes)) throw new RejoinError('E_ARCHIVE', 'the header of a member of the archive has no valid size')
  const flag = String.fromCharCode(block[156] as number)
  const isUstar = latin1(block.subarray(257, 262)) === 'ustar'
  const prefix = isUstar && block[262] === 0 ? latin1(block.subarray(345, 500)) : ''
  const name = latin1(block.subarray(0, 100))
  return {
    name: prefix === '' ? name : `${prefix}/${name}`,
    sizeBytes,
    type: Object.hasOwn(typeOfFlag, flag) ? (typeOfFlag[flag] as TarHeader['type']) : 'other',
    flag
  }
}

/**
 * Returns what a pax header says of the name and size of the next member; of a key that comes twice the last.
 * @throws E_ARCHIVE where it is malformed
 */
export function parsePax(bytes: Uint8Array): { readonly path?: string; readonly sizeBytes?: number; readonly link: boolean } {
  const said: { path?: string; sizeBytes?: number; link: boolean } = { link: false }
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(32, at)
    const length = space < 0 || space - at > 6 ? Number.NaN : Number(latin1(bytes.subarray(at, space)))
    const end = at + length
    if (!Number.isSafeInteger(length) || length <= space - at + 1 || end > bytes.length || bytes[end - 1] !== 10)
      throw new RejoinError('E_ARCHIVE', 'a pax header of the archive is malformed')
    const record = latin1(bytes.subarray(space + 1, end - 1))
    const equals = record.indexOf('=')
    const [key, value] = [record.slice(0, equals), record.slice(equals + 1)]
    if (key === 'path') said.path = value
    else if (key === 'linkpath') said.link = true
    else if (key === 'size') {
      if (!/^\d{1,16}$/.test(value) || !Number.isSafeInteger(Number(value)))
        throw new RejoinError('E_ARCHIVE', 'a pax header of the archive has no valid size')
      said.sizeBytes = Number(value)
    }
    at = end
  }
  return said
}

const maxOctal = 8 ** 11 - 1

function put(block: Uint8Array, at: number, text: string): void {
  block.set(utf8(text), at)
}

function octal(value: number, digits: number): string {
  return value.toString(8).padStart(digits, '0')
}

function ustar(name: string, sizeBytes: number, flag: string): Uint8Array {
  const block = new Uint8Array(tarBlockBytes)
  put(block, 0, name)
  put(block, 100, flag === '5' ? '0000755' : '0000644')
  put(block, 108, '0000000')
  put(block, 116, '0000000')
  put(block, 124, octal(sizeBytes, 11))
  put(block, 136, octal(0, 11))
  put(block, 156, flag)
  put(block, 257, 'ustar\u000000')
  put(block, 329, '0000000')
  put(block, 337, '0000000')
  put(block, 148, `${octal(checksum(block), 6)}\u0000 `)
  return block
}

function paxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`
  let length = rest.length + 1
  while (`${length}${rest}`.length !== length) length = `${length}${rest}`.length
  return `${length}${rest}`
}

/**
 * Returns the header of a file, the same for the same name and size: no time, no owner. A name over 100 bytes, or 8 GiB and more, are told by
 * a pax header before it.
 */
export function encodeTarHeader(name: string, sizeBytes: number): Uint8Array {
  const records =
    (name.length > 100 ? paxRecord('path', name) : '') + (sizeBytes > maxOctal ? paxRecord('size', String(sizeBytes)) : '')
  const own = ustar(name.slice(0, 100), Math.min(sizeBytes, maxOctal), '0')
  if (records === '') return own
  const said = utf8(records)
  return concat([ustar('pax', said.length, 'x'), said, new Uint8Array(tarPadding(said.length)), own])
}

/** Returns how many zeros follow a content of so many bytes. */
export function tarPadding(sizeBytes: number): number {
  return (tarBlockBytes - (sizeBytes % tarBlockBytes)) % tarBlockBytes
}
