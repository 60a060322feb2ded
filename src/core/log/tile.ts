import { RejoinError } from '../error.ts'
import { appendLines, type EntryLine } from './block.ts'
import { subtreeRoot, tileWidth, Tree } from './merkle.ts'
import type { HashReader } from './proof.ts'

/**
 * Returns the hashes of a tile, 32 bytes each, from the left: all 256, or those that it had at some earlier size.
 * Undefined where it has a hole, since a withheld run stands for several of its leaves; then the lines must give the hashes.
 */
export type TileReader = (level: number, index: number) => Uint8Array | undefined

/**
 * Returns how many hashes a tile has in the tree of a size: 256, fewer at the right edge, 0 beyond it.
 * @see C2SP tlog-tiles
 */
export function tileWidthAt(size: number, level: number, index: number): number {
  return Math.max(0, Math.min(tileWidth, Math.floor(size / tileWidth ** level) - index * tileWidth))
}

/**
 * Returns the bytes of a tile that came from outside, after its length was checked.
 * @param width hashes that it must have, 1 to 256
 * @throws E_TILE where it has another length
 */
export function parseTile(bytes: Uint8Array, width: number): Uint8Array {
  if (bytes.length !== width * 32)
    throw new RejoinError('E_TILE', `a tile of ${width} hashes has ${width * 32} bytes, not ${bytes.length}`)
  return bytes
}

/**
 * Returns a reader of subtree hashes that takes them from the tiles of a tree of a size.
 * @param below gives the hashes of height 0 to 8 where readTile has no level-0 tile; readerOfLines makes one
 * @throws E_PROOF (the reader) for a hash beyond the size or in a tile that is not there · E_TILE for a tile of a wrong length
 */
export function readerOfTiles(size: number, readTile: TileReader, below?: HashReader): HashReader {
  return (height, position) => {
    const level = Math.floor(height / 8)
    const count = 2 ** (height % 8)
    const first = position * count
    const index = Math.floor(first / tileWidth)
    const slot = first % tileWidth
    const width = tileWidthAt(size, level, index)
    if (slot + count > width)
      throw new RejoinError('E_PROOF', `no subtree of height ${height} at ${position} in a tree of ${size}`)
    const tile = readTile(level, index)
    if (tile === undefined) {
      if (below !== undefined && height <= 8) return below(height, position)
      throw new RejoinError('E_PROOF', `the tile ${level}/${index} is not here`)
    }
    if (tile.length % 32 !== 0 || tile.length < width * 32 || tile.length > tileWidth * 32)
      throw new RejoinError('E_TILE', `the tile ${level}/${index} has ${tile.length} bytes where ${width * 32} are needed`)
    return subtreeRoot(tile.subarray(slot * 32, (slot + count) * 32))
  }
}

/**
 * Returns a reader of the subtree hashes that lie within consecutive lines of a log.
 * @throws E_PROOF (the reader) where the lines don't cover the subtree, or it lies inside a withheld run
 */
export function readerOfLines(lines: readonly EntryLine[]): HashReader {
  return (height, position) => {
    const from = position * 2 ** height
    const to = from + 2 ** height
    const within = lines.filter((line) => line.index >= from && line.index + line.size <= to)
    const tree = new Tree()
    appendLines(tree, within)
    if (tree.size !== to - from)
      throw new RejoinError('E_PROOF', `the hash over entries ${from} to ${to - 1} is not here or inside a withheld run`)
    return tree.root()
  }
}
