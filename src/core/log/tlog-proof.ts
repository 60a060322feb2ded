import { base64, fromBase64, textOf, utf8 } from '../bytes.ts'
import { RejoinError } from '../error.ts'
import type { PublicKey } from '../key.ts'
import { type Checkpoint, maxTreeSize, verifyCheckpoint } from './checkpoint.ts'
import type { LogId } from './log-id.ts'
import { leafHash } from './merkle.ts'
import { type HashReader, inclusionPath, verifyInclusion } from './proof.ts'

const firstLine = 'c2sp.org/tlog-proof@v1'
/** A proof file is never longer than this. */
export const maxTlogProofBytes: number = 64 * 1024
const maxPathLength = Math.log2(maxTreeSize)

/**
 * A proof file, split but not verified. Its bytes, for example:
 * `c2sp.org/tlog-proof@v1\nindex 5\n<base64 hash>\n<base64 hash>\n\n<checkpoint>`.
 */
export interface TlogProof {
  readonly index: number
  /** sibling hashes from the leaf up, 32 bytes each */
  readonly path: readonly Uint8Array[]
  /** the signed note, with any witness cosignatures */
  readonly checkpoint: Uint8Array
  /** opaque and not authenticated; never written here, and never to be believed */
  readonly extra?: Uint8Array
}

/** An entry that a proof file shows to be in a log. */
export interface ProvenEntry {
  readonly index: number
  /** leaf hash of the entry, 32 bytes */
  readonly leaf: Uint8Array
  readonly checkpoint: Checkpoint
}

function fail(message: string): never {
  throw new RejoinError('E_PROOF', message)
}

/** Returns the bytes of a proof file. @see C2SP tlog-proof */
export function encodeTlogProof({ index, path, checkpoint, extra }: TlogProof): Uint8Array {
  const extraLine = extra === undefined ? '' : `extra ${base64(extra)}\n`
  const hashes = path.map((hash) => `${base64(hash)}\n`).join('')
  return utf8(`${firstLine}\n${extraLine}index ${index}\n${hashes}\n${textOf(checkpoint)}`)
}

/**
 * Returns the parts of a proof file, none of them verified.
 * @throws E_TOO_LARGE over 64 KiB · E_UTF8 · E_PROOF
 * @see C2SP tlog-proof
 */
export function parseTlogProof(bytes: Uint8Array): TlogProof {
  if (bytes.length > maxTlogProofBytes)
    throw new RejoinError('E_TOO_LARGE', `a proof file of ${bytes.length} bytes is over ${maxTlogProofBytes}`)
  const text = textOf(bytes)
  const split = text.indexOf('\n\n')
  if (split < 0) fail('a proof file has no checkpoint')
  const [first, ...lines] = text.slice(0, split).split('\n')
  if (first !== firstLine) fail(`the first line of a proof file is not ${firstLine}`)
  const extraLine = lines[0]?.startsWith('extra ') === true ? lines.shift() : undefined
  const extra = extraLine === undefined ? undefined : fromBase64(extraLine.slice('extra '.length))
  if (extraLine !== undefined && extra === undefined) fail('the extra line of a proof file is not base64')
  const match = /^index (0|[1-9][0-9]{0,15})$/.exec(lines.shift() ?? '')
  const index = Number(match?.[1])
  if (match === null || index >= maxTreeSize) fail('the index line of a proof file is malformed')
  if (lines.length > maxPathLength) fail(`a proof file has more than ${maxPathLength} hashes`)
  const path = lines.map((line) => {
    const hash = fromBase64(line)
    return hash?.length === 32 ? hash : fail('a hash in a proof file is not 32 bytes of base64')
  })
  return { index, path, checkpoint: utf8(text.slice(split + 2)), ...(extra !== undefined && { extra }) }
}

/**
 * Returns the proof file of the entry at an index below a checkpoint's size.
 * @param read the hashes of the log's tree, at least up to that size
 * @throws E_PROOF where index is not below the size, and what the reader throws
 */
export function makeTlogProof(checkpoint: Checkpoint, index: number, read: HashReader): Uint8Array {
  return encodeTlogProof({ index, path: inclusionPath(index, checkpoint.size, read), checkpoint: checkpoint.note })
}

/**
 * Verifies that a proof file shows an entry to be in a log, and returns where. Nothing but the log's ID and key is needed.
 * @param expect.entry the entry's bytes, without the newline
 * @throws E_PROOF E_ORIGIN E_SIGNATURE, and what parseTlogProof and parseCheckpoint throw
 * @see protocols/proof.md
 */
export function verifyTlogProof(
  bytes: Uint8Array,
  expect: { readonly log: LogId; readonly key: PublicKey; readonly entry: Uint8Array }
): ProvenEntry {
  const { index, path, checkpoint: note } = parseTlogProof(bytes)
  const checkpoint = verifyCheckpoint(note, expect.log, expect.key)
  const leaf = leafHash(expect.entry)
  verifyInclusion({ index, size: checkpoint.size, leaf, path, root: checkpoint.root })
  return { index, leaf, checkpoint }
}
