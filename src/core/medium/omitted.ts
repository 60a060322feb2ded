import { textOf, utf8 } from '../bytes.ts'
import { type Digest, isDigest } from '../digest.ts'
import { RejoinError } from '../error.ts'

/** The name of the file at a medium's root that lists what was left out by choice. */
export const omittedPath = 'omitted'
/** The largest such file that is read. */
export const maxOmittedBytes: number = 16 * 1024 * 1024

/** A blob that an artifact on a medium names and that was left out by choice. */
export interface Omitted {
  readonly digest: Digest
  /** the platform that it is for, `volume` where it lies on another volume, or `space` where there was no room */
  readonly because: string
}

const lineForm = /^(?<digest>sha(?:256|512):[0-9a-f]+) (?<because>[a-z0-9._/]{1,80})$/

/** Returns the bytes of the file: `rejoin omitted 1`, then a line `<digest> <because>` for each blob, sorted. */
export function encodeOmitted(blobs: Iterable<Omitted>): Uint8Array {
  const lines = [...blobs].map(({ digest, because }) => `${digest} ${because}\n`)
  return utf8(`rejoin omitted 1\n${lines.toSorted().join('')}`)
}

/** Returns what the bytes of the file say. @throws E_TOO_LARGE E_UTF8 E_DAMAGED */
export function parseOmitted(bytes: Uint8Array): ReadonlyMap<Digest, string> {
  if (bytes.length > maxOmittedBytes) throw new RejoinError('E_TOO_LARGE', `${omittedPath} is over ${maxOmittedBytes} bytes`)
  const lines = textOf(bytes).split('\n')
  if (lines[0] !== 'rejoin omitted 1' || lines.at(-1) !== '')
    throw new RejoinError('E_DAMAGED', `${omittedPath} is not a list of what was left out`)
  const blobs = new Map<Digest, string>()
  for (const [i, line] of lines.slice(1, -1).entries()) {
    const { digest = '', because = '' } = lineForm.exec(line)?.groups ?? {}
    if (isDigest(digest)) blobs.set(digest, because)
    else throw new RejoinError('E_DAMAGED', `${omittedPath}: line ${i + 2} is none of its lines`)
  }
  return blobs
}
