import { base64, compare, equal, fromBase64, textOf, utf8 } from '../bytes.ts'
import { RejoinError } from '../error.ts'
import { type Opened, parseOpenedLine } from '../event/opened.ts'
import type { PublicKey } from '../key.ts'
import { type Checkpoint, maxTreeSize, parseCheckpoint, type TreeHead, verifyCheckpoint } from './checkpoint.ts'
import { withCosignatures } from './cosignature.ts'
import { type LogId, logIdOf } from './log-id.ts'
import { type HashReader, inclusionPath, verifyInclusion } from './proof.ts'

const magic = 'rejoin/fork-proof/v1'
/** A fork proof is never longer than this; one of two large logs has some 3 kB. */
export const maxForkProofBytes: number = 64 * 1024
const maxPathLength = Math.log2(maxTreeSize)

/** A leaf hash of one of the two trees, with the path that shows it at the index of the proof. */
export interface ForkLeaf {
  /** 32 bytes */
  readonly leaf: Uint8Array
  /** sibling hashes from the leaf up, 32 bytes each */
  readonly path: readonly Uint8Array[]
}

/**
 * A fork proof, split but not verified. Its bytes are the line `rejoin/fork-proof/v1`, the log's first line, and then either two
 * checkpoints of one size, or a line `index N` and twice a leaf with its path and a checkpoint; an empty line before each part.
 */
export interface ForkProof {
  /** the log's first line, without its newline */
  readonly opened: Uint8Array
  /** two signed notes, the one of the smaller size first, of the same size the one of the smaller root */
  readonly notes: readonly [Uint8Array, Uint8Array]
  /** where the trees differ; absent where two notes of one size say enough */
  readonly entry?: { readonly index: number; readonly leaves: readonly [ForkLeaf, ForkLeaf] }
}

/** A fork that was proven: a writer signed two trees of one log of which neither is the beginning of the other. Only verifyForkProof makes one. */
export interface Fork {
  readonly log: LogId
  readonly author: PublicKey
  readonly opened: Opened
  /** entries from this index on are disputed: they differ there, or, where not `exact`, there or before */
  readonly atIndex: number
  readonly exact: boolean
  readonly heads: readonly [Checkpoint, Checkpoint]
  /** the proof itself, to be kept and passed on */
  readonly bytes: Uint8Array
  readonly __verified: true
}

/** One of the two sides of a fork: what the writer signed, and the hashes of that tree. */
export interface ForkSide {
  readonly checkpoint: Checkpoint
  readonly read: HashReader
}

function fail(message: string): never {
  throw new RejoinError('E_PROOF', message)
}

/** Returns how two heads stand in a proof: by size, then by root. */
function inOrder(a: TreeHead, b: TreeHead): number {
  return a.size - b.size || compare(a.root, b.root)
}

function leafLines({ leaf, path }: ForkLeaf): string {
  return `leaf ${base64(leaf)}\n${path.map((hash) => `${base64(hash)}\n`).join('')}\n`
}

/** Returns the bytes of a fork proof. @see protocols/fork.md */
export function encodeForkProof({ opened, notes, entry }: ForkProof): Uint8Array {
  const [first, second] = notes.map(textOf) as [string, string]
  const head = `${magic}\n${textOf(opened)}\n`
  if (entry === undefined) return utf8(`${head}\n${first}\n${second}`)
  const [a, b] = entry.leaves.map(leafLines)
  return utf8(`${head}index ${entry.index}\n\n${a}${first}\n${b}${second}`)
}

function parseHash(line: string | undefined): Uint8Array {
  const hash = fromBase64(line ?? '')
  return hash?.length === 32 ? hash : fail('a hash in a fork proof is not 32 bytes of base64')
}

function parseLeaf(section: string): ForkLeaf {
  const [first = '', ...path] = section.split('\n')
  if (!first.startsWith('leaf ')) fail('a fork proof has no leaf before a checkpoint')
  if (path.length > maxPathLength) fail(`a path in a fork proof has more than ${maxPathLength} hashes`)
  return { leaf: parseHash(first.slice('leaf '.length)), path: path.map(parseHash) }
}

/**
 * Returns the parts of a fork proof, none of them verified.
 * @throws E_TOO_LARGE over 64 KiB · E_UTF8 · E_PROOF
 * @see protocols/fork.md
 */
export function parseForkProof(bytes: Uint8Array): ForkProof {
  if (bytes.length > maxForkProofBytes)
    throw new RejoinError('E_TOO_LARGE', `a fork proof of ${bytes.length} bytes is over ${maxForkProofBytes}`)
  // no part of it has an empty line but for the one in each note
  const [head = '', ...parts] = textOf(bytes).split('\n\n')
  const [first, opened, indexLine, ...rest] = head.split('\n')
  if (first !== magic) fail(`the first line of a fork proof is not ${magic}`)
  if (opened === undefined || rest.length > 0) fail('a fork proof does not begin with the first line of a log')
  const note = (text = '', signatures = '', end = ''): Uint8Array => utf8(`${text}\n\n${signatures}${end}`)
  if (indexLine === undefined) {
    if (parts.length !== 4) fail('a fork proof without index does not have two checkpoints')
    return { opened: utf8(opened), notes: [note(parts[0], parts[1], '\n'), note(parts[2], parts[3])] }
  }
  const index = Number(/^index (0|[1-9][0-9]{0,15})$/.exec(indexLine)?.[1] ?? Number.NaN)
  if (!(index < maxTreeSize)) fail('the index line of a fork proof is malformed')
  if (parts.length !== 6) fail('a fork proof with index does not have two leaves and two checkpoints')
  const leaves: [ForkLeaf, ForkLeaf] = [parseLeaf(parts[0] ?? ''), parseLeaf(parts[3] ?? '')]
  const notes: [Uint8Array, Uint8Array] = [note(parts[1], parts[2], '\n'), note(parts[4], parts[5])]
  return { opened: utf8(opened), notes, entry: { index, leaves } }
}

/**
 * Verifies a fork proof with nothing but its own bytes, and returns what it proves, of which log and author. Who showed it says nothing.
 * @throws E_PROOF where it proves nothing · E_ORIGIN E_SIGNATURE E_OPENED, and what parseForkProof, parseCheckpoint and parseEvent throw
 * @see protocols/fork.md
 */
export function verifyForkProof(bytes: Uint8Array): Fork {
  const { opened: openedLine, notes, entry } = parseForkProof(bytes)
  const opened = parseOpenedLine(openedLine)
  const log = logIdOf(openedLine)
  const heads = notes.map((note) => verifyCheckpoint(note, log, opened.publicKey)) as [Checkpoint, Checkpoint]
  const [a, b] = heads
  const order = inOrder(a, b)
  if (order === 0) fail('the two checkpoints of a fork proof say the same')
  if (order > 0) fail('the two checkpoints of a fork proof are in the wrong order')
  const found = { log, author: opened.publicKey, opened, heads, bytes, __verified: true } as const
  if (entry === undefined) {
    if (a.size !== b.size) fail('two checkpoints of different sizes are no fork without two leaves')
    return { ...found, atIndex: a.size - 1, exact: false }
  }
  const { index, leaves } = entry
  if (equal(leaves[0].leaf, leaves[1].leaf)) fail('the two leaves of a fork proof are the same')
  for (const [i, { size, root }] of heads.entries()) verifyInclusion({ index, size, root, ...(leaves[i] as ForkLeaf) })
  return { ...found, atIndex: index, exact: true }
}

/**
 * Returns the lowest index below a size at which two trees have different leaves, or undefined where they have none. Takes log2(size) steps.
 * @throws what the readers throw
 */
export function firstDifference(size: number, a: HashReader, b: HashReader): number | undefined {
  const differ = (height: number, position: number): boolean => !equal(a(height, position), b(height, position))
  let start = 0
  for (let height = Math.floor(Math.log2(Math.max(size, 1))); height >= 0; height--) {
    if (start + 2 ** height > size) continue
    let position = start / 2 ** height
    if (differ(height, position)) {
      for (let low = height; low > 0; low--) position = 2 * position + (differ(low - 1, 2 * position) ? 0 : 1)
      return position
    }
    start += 2 ** height
  }
  return undefined
}

/** Returns a checkpoint's note with the log's signature alone: cosignatures prove nothing here and take room. */
function bare(checkpoint: Checkpoint, log: LogId, key: PublicKey): Uint8Array {
  if (checkpoint.log !== log) throw new RejoinError('E_ORIGIN', `the checkpoint is of ${checkpoint.log}, not of ${log}`)
  return withCosignatures(checkpoint, key, []).note
}

/**
 * Returns the proof that two checkpoints of one log and size are of different trees. It needs no hashes, and tells only that the trees
 * differ somewhere; makeForkProof tells where.
 * @param opened the log's first line, without its newline
 * @throws E_PROOF where they prove nothing · E_ORIGIN where one is of another log
 */
export function makeSizeForkProof(opened: Uint8Array, a: Checkpoint, b: Checkpoint): Uint8Array {
  const { publicKey } = parseOpenedLine(opened)
  const [first, second] = [a, b].toSorted(inOrder).map((one) => bare(one, logIdOf(opened), publicKey)) as [Uint8Array, Uint8Array]
  return verifyForkProof(encodeForkProof({ opened, notes: [first, second] })).bytes
}

/**
 * Returns the proof that two trees of one log differ, at the lowest index where they do, or undefined where one is the beginning of the other.
 * @param opened the log's first line, without its newline
 * @throws E_PROOF where the readers lack a hash, and what verifyForkProof throws
 */
export function makeForkProof(opened: Uint8Array, one: ForkSide, other: ForkSide): Uint8Array | undefined {
  const { publicKey } = parseOpenedLine(opened)
  const sides = [one, other].toSorted((a, b) => inOrder(a.checkpoint, b.checkpoint)) as [ForkSide, ForkSide]
  const index = firstDifference(sides[0].checkpoint.size, sides[0].read, sides[1].read)
  if (index === undefined) return undefined
  const leafOf = ({ checkpoint, read }: ForkSide): ForkLeaf => ({
    leaf: read(0, index),
    path: inclusionPath(index, checkpoint.size, read)
  })
  const notes = sides.map(({ checkpoint }) => bare(checkpoint, logIdOf(opened), publicKey)) as [Uint8Array, Uint8Array]
  const leaves = sides.map(leafOf) as [ForkLeaf, ForkLeaf]
  return verifyForkProof(encodeForkProof({ opened, notes, entry: { index, leaves } })).bytes
}

function byDepth(a: Fork, b: Fork): number {
  return (
    a.atIndex - b.atIndex || Number(b.exact) - Number(a.exact) || a.bytes.length - b.bytes.length || compare(a.bytes, b.bytes)
  )
}

/**
 * Returns the fork that a log ends at: of proofs of one log, the one of the lowest index. It depends on the set of proofs
 * alone, not on their order, so that two nodes that know the same proofs end the log at the same place.
 */
export function lowestFork(forks: readonly Fork[]): Fork | undefined {
  if (new Set(forks.map(({ log }) => log)).size > 1) throw new Error('bug: forks of several logs')
  return forks.toSorted(byDepth)[0]
}

/** Returns which log a fork proof speaks of, without verifying it: so that one of an unknown log can be put off. @throws as parseForkProof */
export function claimedForkLog(bytes: Uint8Array): LogId {
  return parseCheckpoint(parseForkProof(bytes).notes[0]).log
}
