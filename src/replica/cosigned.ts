import {
  type Checkpoint,
  codeOf,
  type CosignerKey,
  equal,
  parseNote,
  type PublicKey,
  verifiedCosignatures,
  verifyCheckpoint,
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
