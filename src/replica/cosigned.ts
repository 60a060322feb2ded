import {
  type Checkpoint,
  codeOf,
  type CosignerKey,
  equal,
  hex,
  parseNote,
  type PublicKey,
  sha256,
  verifiedCosignatures,
  verifyCheckpoint,
  type WireHead,
  withCosignatures
} from '../core/index.ts'

/**
 * Returns a checkpoint with its log's signature and the cosignatures that verify, and no other line.
 * @see protocols/witness.md#WITNESS-7
 */
export function verifiedOnly(checkpoint: Checkpoint, key: PublicKey, witnesses: readonly CosignerKey[]): Checkpoint {
  return withCosignatures(checkpoint, key, verifiedCosignatures(parseNote(checkpoint.note), witnesses))
}

/**
 * Returns our checkpoint with the cosignatures of another note of the same head added, or undefined where that adds nothing, or is of another head.
 * @param note its log's signature is verified here
 * @throws what verifyCheckpoint throws
 */
export function withNoteOf(
  ours: Checkpoint,
  note: Uint8Array,
  key: PublicKey,
  witnesses: readonly CosignerKey[]
): Checkpoint | undefined {
  const theirs = verifyCheckpoint(note, ours.log, key)
  if (theirs.size !== ours.size || !equal(theirs.root, ours.root)) return undefined
  const known = [ours.note, note].flatMap((one) => verifiedCosignatures(parseNote(one), witnesses))
  try {
    const merged = withCosignatures(ours, key, known)
    return equal(merged.note, ours.note) ? undefined : merged
  } catch (error) {
    // more witnesses than a note has room for
    if (codeOf(error) === undefined) throw error
    return undefined
  }
}

/** Returns whether every line of a note is a line of another one. */
export function isCovered(note: Uint8Array, by: Uint8Array): boolean {
  const lines = parseNote(by).signatures
  return parseNote(note).signatures.every((one) =>
    lines.some((line) => line.name === one.name && equal(line.keyId, one.keyId) && equal(line.signature, one.signature))
  )
}

const signatureMark = Buffer.from('\n\u2014 ')
const hashes = new WeakMap<Uint8Array, { readonly hash: Uint8Array | undefined }>()

/** Returns what names a note that witnesses have cosigned; undefined for one with the log's signature alone. */
function cosignedHash(note: Uint8Array): Uint8Array | undefined {
  let known = hashes.get(note)
  if (known === undefined) {
    const bytes = Buffer.from(note.buffer, note.byteOffset, note.length)
    const isCosigned = bytes.indexOf(signatureMark) !== bytes.lastIndexOf(signatureMark)
    known = { hash: isCosigned ? sha256(note).slice(0, 16) : undefined }
    hashes.set(note, known)
  }
  return known.hash
}

/** Returns what a head says on the wire of its note. */
export function noteOf(checkpoint: Checkpoint | undefined): Pick<WireHead, 'cosigned'> {
  const cosigned = checkpoint && cosignedHash(checkpoint.note)
  return cosigned === undefined ? {} : { cosigned }
}

const maxSeen = 10_000

/** Which cosigned notes of others were asked for in this run: one that brought nothing new is not asked for again. */
export class SeenNotes {
  private readonly seen = new Set<string>()

  /** Returns whether another side's note of the very head that is here may have cosignatures that ours lacks; it is to be asked for then. */
  isNews({ size, root, cosigned }: WireHead, ours: Checkpoint | undefined, witnesses: readonly CosignerKey[]): boolean {
    if (cosigned === undefined || ours === undefined || witnesses.length === 0) return false
    if (size !== ours.size || size === 0 || !equal(root, ours.root)) return false
    const own = cosignedHash(ours.note)
    const key = hex(cosigned)
    if ((own !== undefined && equal(own, cosigned)) || this.seen.has(key)) return false
    if (this.seen.size >= maxSeen) this.seen.clear()
    this.seen.add(key)
    return true
  }
}
