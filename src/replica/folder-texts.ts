import { appendLines, encodeWithheld, type EntryBlock, equal, isWithheld, linesOf, tileWidth, Tree, utf8 } from '../core/index.ts'
import type { LogFolder } from '../store/index.ts'
import { finerLines } from './finer-lines.ts'

/** Returns the ranges of whole tiles, up to a size, in which some entry is there as its hash only. */
export function lackingTexts(folder: LogFolder, size: number): readonly { readonly from: number; readonly to: number }[] {
  const ranges: { from: number; to: number }[] = []
  for (let at = 0; at < size; ) {
    const block = folder.entries.read(at, size)
    const tiles = new Set<number>()
    if (mayLack(block)) for (const { index, withheld } of linesOf(block)) if (withheld) tiles.add(Math.floor(index / tileWidth))
    for (const tile of tiles) {
      const last = ranges.at(-1)
      const to = Math.min((tile + 1) * tileWidth, size)
      if (last !== undefined && last.to === tile * tileWidth) last.to = to
      else ranges.push({ from: tile * tileWidth, to })
    }
    at = block.from + block.count
  }
  return ranges
}

/** Looking for the marker costs a tenth of hashing the lines. */
function mayLack({ text }: EntryBlock): boolean {
  return isWithheld(text.subarray(0, 100)) || Buffer.from(text.buffer, text.byteOffset, text.length).includes('\n{"withheld":"')
}

/**
 * Puts texts in the place of the hashes that they have; others are passed over.
 * @returns how many entries have their texts now
 */
export function fillTexts(folder: LogFolder, block: EntryBlock): number {
  const theirs = new Map(linesOf(block).map((line) => [line.index, line]))
  const changes = new Map<number, Uint8Array>()
  let filled = 0
  const end = block.from + block.count
  for (let at = block.from; at < end; ) {
    const own = folder.entries.read(at, end)
    for (const line of linesOf(own)) {
      if (!line.withheld || line.index < block.from || line.index + line.size > end) continue
      const parts = finerLines(theirs, line)
      if (parts === undefined || parts.every(({ withheld }) => withheld)) continue
      const tree = new Tree()
      appendLines(tree, parts)
      if (!equal(tree.root(), line.hash)) continue
      for (const { index, size, hash, withheld, start, end: to } of parts) {
        changes.set(index, withheld ? utf8(encodeWithheld({ hash, size })) : block.text.slice(start, to))
        if (!withheld) filled++
      }
    }
    at = own.from + own.count
  }
  if (changes.size > 0) folder.entries.rewrite(changes)
  return filled
}
