import { equal } from '../bytes.ts'
import { RejoinError } from '../error.ts'
import { foldEdge, nodeHash } from './merkle.ts'

/**
 * Returns the root of the complete subtree over the leaves [position * 2^height, (position + 1) * 2^height), 32 bytes.
 * An implementation must throw where it does not have that hash; it must not return another one.
 */
export type HashReader = (height: number, position: number) => Uint8Array

/** A claim that a leaf is at an index of a tree, with the path that shows it. */
export interface Inclusion {
  readonly index: number
  /** leaves of the tree */
  readonly size: number
  /** leaf hash, 32 bytes */
  readonly leaf: Uint8Array
  /** the sibling hashes from the leaf up, 32 bytes each */
  readonly path: readonly Uint8Array[]
}

/** A claim that one tree is the beginning of another, with the path that shows it. */
export interface Consistency {
  /** at least 1 */
  readonly oldSize: number
  readonly oldRoot: Uint8Array
  readonly newSize: number
  readonly newRoot: Uint8Array
  readonly path: readonly Uint8Array[]
}

function fail(message: string): never {
  throw new RejoinError('E_PROOF', message)
}

/** Returns the largest power of two that is smaller than a count of at least 2. */
function splitOf(count: number): number {
  let left = 1
  while (left * 2 < count) left *= 2
  return left
}

/** Returns the root over the leaves [start, start + count), where start is aligned as RFC 6962 splits a tree. */
function rangeRoot(start: number, count: number, read: HashReader): Uint8Array {
  const edge: Uint8Array[] = []
  let at = start
  for (let left = count; left > 0; ) {
    const width = left === 1 ? 1 : 2 * splitOf(left) === left ? left : splitOf(left)
    edge.push(read(Math.log2(width), at / width))
    at += width
    left -= width
  }
  return foldEdge(edge)
}

/**
 * Returns the inclusion path of the leaf at an index in the tree of a size: sibling hashes from the leaf up, empty for size 1.
 * @throws E_PROOF where index is not below size, and what the reader throws
 * @see RFC 6962 section 2.1.1
 */
export function inclusionPath(index: number, size: number, read: HashReader): readonly Uint8Array[] {
  if (!Number.isSafeInteger(index) || !Number.isSafeInteger(size) || index < 0 || index >= size)
    fail(`there is no index ${index} in a tree of ${size}`)
  const path: Uint8Array[] = []
  let start = 0
  for (let count = size; count > 1; ) {
    const left = splitOf(count)
    if (index - start < left) {
      path.push(rangeRoot(start + left, count - left, read))
      count = left
    } else {
      path.push(rangeRoot(start, left, read))
      start += left
      count -= left
    }
  }
  return path.reverse()
}

/**
 * Returns the path that shows the tree of oldSize to be the beginning of the tree of newSize, empty where they are equal.
 * @param oldSize 1 to newSize
 * @throws E_PROOF where the sizes are not in that order, and what the reader throws
 * @see RFC 6962 section 2.1.2
 */
export function consistencyPath(oldSize: number, newSize: number, read: HashReader): readonly Uint8Array[] {
  if (!Number.isSafeInteger(oldSize) || !Number.isSafeInteger(newSize) || oldSize < 1 || oldSize > newSize)
    fail(`there is no consistency path from size ${oldSize} to ${newSize}`)
  const path: Uint8Array[] = []
  let start = 0
  let count = newSize
  while (start + count !== oldSize) {
    const left = splitOf(count)
    if (oldSize - start <= left) {
      path.push(rangeRoot(start + left, count - left, read))
      count = left
    } else {
      path.push(rangeRoot(start, left, read))
      start += left
      count -= left
    }
  }
  if (start > 0) path.push(rangeRoot(start, count, read))
  return path.reverse()
}

/**
 * Returns the root that an inclusion path leads to.
 * @throws E_PROOF where index is not below size, the path is too long or too short, or a hash does not have 32 bytes
 * @see RFC 9162 section 2.1.3.2
 */
export function rootOfInclusion({ index, size, leaf, path }: Inclusion): Uint8Array {
  if (!Number.isSafeInteger(index) || !Number.isSafeInteger(size) || index < 0 || index >= size)
    fail(`index ${index} is not below the size ${size}`)
  if (leaf.length !== 32 || path.some((hash) => hash.length !== 32)) fail('a hash in an inclusion proof does not have 32 bytes')
  let node = index
  let last = size - 1
  let root = leaf
  for (const sibling of path) {
    if (last === 0) fail('the inclusion path is too long')
    if (node % 2 === 1 || node === last) {
      root = nodeHash(sibling, root)
      while (node % 2 === 0 && node !== 0) {
        node /= 2
        last = Math.floor(last / 2)
      }
    } else {
      root = nodeHash(root, sibling)
    }
    node = Math.floor(node / 2)
    last = Math.floor(last / 2)
  }
  if (last !== 0) fail('the inclusion path is too short')
  return root
}

/**
 * Verifies that a leaf is at an index of the tree with a root.
 * @throws E_PROOF
 * @see RFC 9162 section 2.1.3.2, protocols/proof.md
 */
export function verifyInclusion(claim: Inclusion & { readonly root: Uint8Array }): void {
  if (!equal(rootOfInclusion(claim), claim.root)) fail(`the inclusion path of index ${claim.index} does not lead to the root`)
}

/**
 * Verifies that one tree is the beginning of another. From an empty tree there is nothing to prove, so that is refused.
 * @throws E_PROOF
 * @see RFC 9162 section 2.1.4.2, protocols/proof.md
 */
export function verifyConsistency({ oldSize, oldRoot, newSize, newRoot, path }: Consistency): void {
  if (!Number.isSafeInteger(oldSize) || !Number.isSafeInteger(newSize) || oldSize < 1 || oldSize > newSize)
    fail(`no consistency can be shown from size ${oldSize} to ${newSize}`)
  if ([oldRoot, newRoot, ...path].some((hash) => hash.length !== 32)) fail('a hash in a consistency proof does not have 32 bytes')
  if (oldSize === newSize) {
    if (path.length > 0) fail('the consistency path is too long')
    if (!equal(oldRoot, newRoot)) fail(`two trees of size ${oldSize} have different roots`)
    return
  }
  if (path.length === 0) fail('the consistency path is too short')
  let node = oldSize - 1
  let last = newSize - 1
  const half = (): void => {
    node = Math.floor(node / 2)
    last = Math.floor(last / 2)
  }
  while (node % 2 === 1) half()
  // a complete old tree is a node of the new one, so its root is known and left out of the path
  const [first, ...rest] = node === 0 ? [oldRoot, ...path] : path
  let oldNode = first as Uint8Array
  let newNode = oldNode
  for (const hash of rest) {
    if (last === 0) fail('the consistency path is too long')
    if (node % 2 === 1 || node === last) {
      oldNode = nodeHash(hash, oldNode)
      newNode = nodeHash(hash, newNode)
      while (node % 2 === 0 && node !== 0) half()
    } else {
      newNode = nodeHash(newNode, hash)
    }
    half()
  }
  if (last !== 0) fail('the consistency path is too short')
  if (!equal(oldNode, oldRoot)) fail(`the consistency path does not lead to the root at size ${oldSize}`)
  if (!equal(newNode, newRoot)) fail(`the consistency path does not lead to the root at size ${newSize}`)
}
