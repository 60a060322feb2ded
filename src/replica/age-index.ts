import { type Digest, fromHex, isObject, memberOf, parseStrict, RejoinError, textOf, utf8 } from '../core/index.ts'

/** The file at the root of an encrypted medium that says what it is, and nothing of what is in it. */
export const agePath = 'rejoin-encrypted.json'
/** The end of the name of an index, and that of any other file. */
export const ageIndexEnd = '.index.age'
export const ageFileEnd = '.age'
/** The largest index that is read, decrypted. */
export const maxAgeIndexBytes: number = 64 * 1024 * 1024
/** an index is filled up to a multiple of this, so that its length tells less */
const indexStep = 4096

/** One file in an index: what it is, and the opaque name of the age file that holds it. */
export interface AgeEntry {
  readonly path: string
  /** 32 hexadecimal digits, made at random */
  readonly name: string
  readonly sizeBytes: number
  /** of the decrypted bytes; a blob's own digest says the same, and is left out */
  readonly sha256: string | undefined
}

/** The version of indexes that are written; of version 1 the files are not filled up. */
const version = 2
/** files are filled up to this at least */
const leastBytes = 4096

/**
 * Returns up to how many bytes a file is filled with zeros before it is encrypted, so that its size tells less: 4 KiB at least, above that Padmé, which leaves
 * so few sizes that each tells only O(log log n) bits and adds 6 % at most.
 * @see protocols/encrypted.md#ENCRYPTED-9; Padmé is of Nikitin and others, Reducing Metadata Leakage from Encrypted Files and Communication with PURBs
 */
export function filledBytes(sizeBytes: number): number {
  if (sizeBytes <= leastBytes) return leastBytes
  const exponent = Math.floor(Math.log2(sizeBytes))
  const step = 2 ** (exponent - Math.floor(Math.log2(exponent)) - 1)
  return Math.ceil(sizeBytes / step) * step
}

/** Returns the bytes of an index: `{"format":"rejoin-encrypted-index","version":2}`, then a line for each file in reading order, then spaces. */
export function encodeAgeIndex(entries: readonly AgeEntry[]): Uint8Array {
  const lines = entries.map(
    ({ path, name, sizeBytes, sha256 }) =>
      `${JSON.stringify({ path, name, size: sizeBytes, ...(sha256 !== undefined && { sha256 }) })}\n`
  )
  const text = `{"format":"rejoin-encrypted-index","version":${version}}\n${lines.join('')}`
  const bytes = utf8(text)
  return utf8(`${text}${' '.repeat(indexStep - 1 - (bytes.length % indexStep))}\n`)
}

const nameForm = /^[0-9a-f]{32}$/

/** Returns what an index lists; a path that names no file of a replica is left out. @throws E_DAMAGED E_VERSION E_TOO_LARGE */
export function parseAgeIndex(bytes: Uint8Array): readonly AgeEntry[] {
  if (bytes.length > maxAgeIndexBytes)
    throw new RejoinError('E_TOO_LARGE', `an encrypted index is over ${maxAgeIndexBytes} bytes`)
  const [first = '', ...lines] = textOf(bytes).split('\n')
  const head = objectIn(first, 0)
  if (head['format'] !== 'rejoin-encrypted-index') throw new RejoinError('E_DAMAGED', 'an encrypted index does not begin as one')
  if (head['version'] !== 1 && head['version'] !== version)
    throw new RejoinError(
      'E_VERSION',
      `an encrypted index has version ${JSON.stringify(head['version'])}; this program knows 1 and ${version}`
    )
  return lines.flatMap((line, i) => {
    if (line.trim() === '') return []
    const { path, name, size, sha256 } = objectIn(line, i + 1)
    if (
      typeof path !== 'string' ||
      typeof name !== 'string' ||
      !nameForm.test(name) ||
      !Number.isSafeInteger(size) ||
      Number(size) < 0
    )
      throw new RejoinError('E_DAMAGED', `line ${i + 2} of an encrypted index is none of its lines`)
    if (sha256 !== undefined && (typeof sha256 !== 'string' || fromHex(sha256)?.length !== 32))
      throw new RejoinError('E_DAMAGED', `line ${i + 2} of an encrypted index has no SHA-256`)
    return memberOf(path) === undefined ? [] : [{ path, name, sizeBytes: Number(size), sha256: sha256 as string | undefined }]
  })
}

function objectIn(line: string, at: number): Readonly<Record<string, unknown>> {
  try {
    const value = parseStrict(utf8(line), { maxBytes: 2048, maxDepth: 2 })
    if (isObject(value)) return value
  } catch (cause) {
    throw new RejoinError('E_DAMAGED', `line ${at + 1} of an encrypted index is not JSON`, { cause })
  }
  throw new RejoinError('E_DAMAGED', `line ${at + 1} of an encrypted index is no object`)
}

/** Returns the digest that the path of a blob names, undefined for any other path. */
export function digestInPath(path: string): Digest | undefined {
  const member = memberOf(path)
  return member?.kind === 'blob' ? member.digest : undefined
}
