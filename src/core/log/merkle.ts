import { hash } from 'node:crypto'
import { concat } from '../bytes.ts'
import { sha256 } from '../digest.ts'

/** Hashes in a full tile, and the fan-out from one tile level to the next. @see C2SP tlog-tiles */
export const tileWidth = 256

const nodeScratch = Uint8Array.of(1, ...new Uint8Array(64))

/** Returns the hash of an inner node: SHA-256(0x01 || left || right). @see RFC 6962 section 2.1 */
export function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  nodeScratch.set(left, 1)
  nodeScratch.set(right, 33)
  return hash('sha256', nodeScratch, 'buffer')
}

/** Returns the hash of a leaf: SHA-256(0x00 || line). @see RFC 6962 section 2.1 */
export function leafHash(line: Uint8Array): Uint8Array {
  return sha256(concat([Uint8Array.of(0), line]))
}

/** The root of a tree of no leaves: SHA-256 of nothing. */
export const emptyRoot: Uint8Array = sha256(new Uint8Array(0))

/** Returns the root over adjacent complete subtrees, the largest first, as an edge lists them. */
export function foldEdge(edge: readonly Uint8Array[]): Uint8Array {
  let root = edge.at(-1)
  if (root === undefined) return emptyRoot
  for (let i = edge.length - 2; i >= 0; i--) root = nodeHash(edge[i] as Uint8Array, root)
  return root
}

/** Returns the root of 2^k hashes that lie one behind the other, 32 bytes each. */
export function subtreeRoot(hashes: Uint8Array): Uint8Array {
  let level: Uint8Array[] = []
  for (let at = 0; at < hashes.length; at += 32) level.push(hashes.subarray(at, at + 32))
  while (level.length > 1) {
    const up: Uint8Array[] = []
    for (let i = 0; i < level.length; i += 2) up.push(nodeHash(level[i] as Uint8Array, level[i + 1] as Uint8Array))
    level = up
  }
  const root = level[0]
  if (root === undefined) throw new Error('bug: a subtree has at least one hash')
  return root
}

/** A full tile that appending made: 256 hashes at a tile level. */
export interface FullTile {
  readonly level: number
  readonly index: number
  /** 8,192 bytes */
  readonly hashes: Uint8Array
}

/**
 * The right edge of one growing Merkle tree: the compact range, and the hashes of the last unfinished tile of each level.
 * Mutable, for the hot path: a caller must not share one between two logs.
 * @see RFC 6962 section 2.1, C2SP tlog-tiles
 */
export class Tree {
  size = 0
  private edgeHashes: Uint8Array[] = []
  private tails: Uint8Array[] = []
  /** true at a level whose unfinished tile lacks a hash, because a withheld run stands for several */
  private holes: boolean[] = []

  /** Returns the compact range: the roots of the complete subtrees that make up the tree, the largest first. */
  edge(): readonly Uint8Array[] {
    return this.edgeHashes.slice()
  }

  /** Returns the root hash. */
  root(): Uint8Array {
    return foldEdge(this.edgeHashes)
  }

  /** Returns the hashes of the unfinished tile of a level, 32 bytes each, or undefined where a withheld run left a hole. */
  tail(level: number): Uint8Array | undefined {
    if (this.holes[level] === true) return undefined
    const width = Math.floor(this.size / tileWidth ** level) % tileWidth
    return this.tails[level]?.slice(0, width * 32) ?? new Uint8Array(0)
  }

  /** Returns an independent copy. */
  clone(): Tree {
    const copy = new Tree()
    copy.size = this.size
    copy.edgeHashes = this.edgeHashes.slice()
    copy.tails = this.tails.map((tail) => tail.slice())
    copy.holes = this.holes.slice()
    return copy
  }

  /** Appends one leaf; full tiles go to `onTile` from the lowest level up. */
  append(leaf: Uint8Array, onTile?: (tile: FullTile) => void): void {
    this.appendSubtree(leaf, 0, onTile)
  }

  /**
   * Appends a complete subtree of 2^height leaves by its root alone.
   * @param height 0 to 8; the size of the tree must be a multiple of 2^height
   */
  appendSubtree(subtree: Uint8Array, height: number, onTile?: (tile: FullTile) => void): void {
    const count = 2 ** height
    if (height > 8 || this.size % count !== 0) throw new Error('bug: misaligned subtree')
    const before = this.size
    this.size += count
    if (height === 0) this.note(0, before, subtree, onTile)
    else this.holes[0] = true
    let node = subtree
    let level = height
    if (level === 8) this.finishTile(before, node, onTile)
    for (let position = before / count; position % 2 === 1; position = (position - 1) / 2) {
      node = nodeHash(this.edgeHashes.pop() as Uint8Array, node)
      level++
      if (level % 8 === 0) this.finishTile(before, node, onTile, level / 8)
    }
    this.edgeHashes.push(node)
  }

  /**
   * Appends a whole tile of leaves whose root is known already, without hashing it again. The size must be a multiple of 256.
   * @param leaves 256 leaf hashes, 8,192 bytes, which the caller gives away
   * @param root their root, 32 bytes
   */
  appendTile(leaves: Uint8Array, root: Uint8Array, onTile?: (tile: FullTile) => void): void {
    onTile?.({ level: 0, index: Math.floor(this.size / tileWidth), hashes: leaves })
    this.appendSubtree(root, 8, onTile)
  }

  /** Notes the hash of a finished tile of level - 1 in the tile above it. */
  private finishTile(atLeaf: number, node: Uint8Array, onTile: ((tile: FullTile) => void) | undefined, level = 1): void {
    this.holes[level - 1] = false
    this.note(level, Math.floor(atLeaf / tileWidth ** level), node, onTile)
  }

  private note(level: number, position: number, node: Uint8Array, onTile: ((tile: FullTile) => void) | undefined): void {
    let tail = this.tails[level]
    if (tail === undefined) {
      tail = new Uint8Array(tileWidth * 32)
      this.tails[level] = tail
    }
    const slot = position % tileWidth
    tail.set(node, slot * 32)
    if (slot === tileWidth - 1 && this.holes[level] !== true) {
      onTile?.({ level, index: Math.floor(position / tileWidth), hashes: tail.slice() })
    }
  }
}

/**
 * Returns the tree of a given size from the hashes that its tiles hold, without its leaves.
 * @param tailOf returns the hashes of the unfinished tile of a level (32 bytes each), or undefined where a lower level has a hole
 * @param edgeBelow the edge of the unfinished level-0 tile, where tailOf(0) is undefined
 */
export function treeOfTails(
  size: number,
  tailOf: (level: number, width: number) => Uint8Array | undefined,
  edgeBelow?: readonly Uint8Array[]
): Tree {
  const tree = new Tree()
  const levels: { readonly level: number; readonly width: number }[] = []
  for (let level = 0, rest = size; rest > 0; level++, rest = Math.floor(rest / tileWidth))
    levels.push({ level, width: rest % tileWidth })
  const edge: Uint8Array[] = []
  for (const { level, width } of levels.toReversed()) {
    const tail = tailOf(level, width)
    if (tail === undefined) {
      if (level !== 0 || edgeBelow === undefined) throw new Error('bug: only the lowest tile may have holes')
      edge.push(...edgeBelow)
      tree['holes'][0] = true
      continue
    }
    tree['tails'][level] = padded(tail)
    edge.push(...edgeOf(tail.subarray(0, width * 32)))
  }
  tree.size = size
  tree['edgeHashes'] = edge
  return tree
}

function padded(tail: Uint8Array): Uint8Array {
  const whole = new Uint8Array(tileWidth * 32)
  whole.set(tail)
  return whole
}

/** Returns the compact range over up to 255 neighbouring hashes of one level, the largest subtree first. */
export function edgeOf(hashes: Uint8Array): readonly Uint8Array[] {
  const edge: Uint8Array[] = []
  let count = hashes.length / 32
  for (let at = 0, bit = 128; bit >= 1; bit /= 2) {
    if (count < bit) continue
    edge.push(subtreeRoot(hashes.subarray(at * 32, (at + bit) * 32)))
    at += bit
    count -= bit
  }
  return edge
}
