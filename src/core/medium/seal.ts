import { utf8 } from '../bytes.ts'
import { type Digest, isDigest } from '../digest.ts'
import { RejoinError } from '../error.ts'
import { didOf, parseKey, type PublicKey, type Signer } from '../key.ts'
import { encodeNote, parseNote, signNote, verifyNote } from '../log/note.ts'

/** The name of the file at a medium's root that vouches for all of it. */
export const sealPath = 'seal'
const firstLine = 'rejoin/seal/v1'

/** What a seal says: that a node wrote exactly this on a medium. */
export interface Seal {
  readonly network: string
  readonly author: PublicKey
  /** what the author's clock said, for people only: `2026-11-28T16:20:00Z` */
  readonly time: string
  /** digest of the file `heads` */
  readonly heads: Digest
  /** digest of the file `SHA256SUMS` */
  readonly files: Digest
}

const timeForm = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/

function textFor({ network, author, time, heads, files }: Seal): string {
  return `${firstLine}\n${didOf(author)}\n${network}\n${time}\nheads ${heads}\nfiles ${files}\n`
}

/** Returns the bytes of a seal: a C2SP signed note under the name `rejoin/seal`. */
export function signSeal(seal: Omit<Seal, 'author'>, signer: Signer): Uint8Array {
  return encodeNote(signNote(textFor({ ...seal, author: signer.publicKey }), 'rejoin/seal', signer))
}

/**
 * Returns what a seal says, once the signature of the key that it names verified. Whether that key is to be believed is for the caller.
 * @throws E_TOO_LARGE E_UTF8 E_NOTE · E_SEAL where the text is no seal · E_KEY E_SIGNATURE
 */
export function verifySeal(bytes: Uint8Array): Seal {
  const note = parseNote(bytes)
  const [first, did = '', network = '', time = '', heads = '', files = '', end, ...rest] = note.text.split('\n')
  const digests = [heads.replace(/^heads /, ''), files.replace(/^files /, '')] as const
  if (first !== firstLine || network === '' || !timeForm.test(time) || end !== '' || rest.length > 0)
    throw new RejoinError('E_SEAL', 'the text of the seal is malformed')
  const [headsDigest, filesDigest] = digests
  if (!isDigest(headsDigest) || !isDigest(filesDigest) || heads === headsDigest || files === filesDigest)
    throw new RejoinError('E_SEAL', 'the seal names no digests of heads and files')
  const author = parseKey(did)
  const seal = { network, author, time, heads: headsDigest, files: filesDigest }
  if (textFor(seal) !== note.text) throw new RejoinError('E_SEAL', 'the text of the seal is malformed')
  verifyNote(note, 'rejoin/seal', author)
  return seal
}

/** Returns the name by which a path stands in SHA256SUMS: `<64 hexadecimal digits>  <path>`, as `sha256sum -c` reads it. */
export function sumsLine(hex: string, path: string): string {
  return `${hex}  ${path}\n`
}

/** Returns the bytes of SHA256SUMS for lines by sumsLine. */
export function encodeSums(lines: readonly string[]): Uint8Array {
  return utf8(lines.toSorted((a, b) => (a.slice(66) < b.slice(66) ? -1 : 1)).join(''))
}
