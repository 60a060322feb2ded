import {
  type EntryLine,
  type HashReader,
  linesOf,
  readerOfLines,
  readerOfTiles,
  type TileReader,
  tileWidth,
  tileWidthAt
} from '../core/index.ts'
import type { LogFolder } from './log-folder.ts'

/**
 * Returns a reader of subtree hashes of the first `size` entries of a log: from tiles, below them from lines.
 * @throws E_PROOF (the reader) for a hash inside a withheld run
 */
export function hashesOf({ tiles, entries }: LogFolder, size: number): HashReader {
  const below: HashReader = (height, position) => {
    const from = position * 2 ** height
    const start = from - (from % tileWidth)
    const end = Math.min(size, start + tileWidth)
    const lines: EntryLine[] = []
    for (let at = start; at < end; ) {
      const block = entries.read(at, end)
      lines.push(...linesOf(block))
      at = block.from + block.count
    }
    return readerOfLines(lines)(height, position)
  }
  const readTile: TileReader = (level, index) =>
    level === 0 ? tiles.read(0, index) : tiles.rootsOf(level, index * tileWidth, tileWidthAt(size, level, index))
  return readerOfTiles(size, readTile, below)
}
