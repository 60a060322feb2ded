import { appendLines, concat, type EntryBlock, linesOf, Plan, RejoinError, tileWidth, Tree } from '../../src/core/index.ts'
import type { DiskLog } from './disk.ts'

function blockOf({ lines }: DiskLog, from: number, to: number): EntryBlock {
  return { from, count: to - from, text: concat(lines.slice(from, to).map(({ bytes }) => bytes)) }
}

/** Returns how many lines of an own log are whole: what comes after the first that is not was never signed. */
export function wholeCount({ lines }: DiskLog): number {
  const bad = lines.findIndex(({ bytes }) => bytes[0] !== 0x7b || bytes.at(-1) !== 10)
  return bad < 0 ? lines.length : bad
}

/**
 * Returns how many lines of another's log are proven after a power cut: those below the checkpoint, and where a long catch-up was under way
 * the tiles that its noted offer proves.
 */
export function provenCount(files: DiskLog, committed: number): number {
  const { offer, lines } = files
  // the offer proves from its first tile on; what is before that is proven with it, as the tree that it goes on from
  const from = Math.max(committed, (offer?.fromTile ?? 0) * tileWidth)
  if (offer === undefined || from > lines.length || from > offer.checkpoint.size) return committed
  let at = committed
  try {
    const have = new Tree()
    appendLines(have, linesOf(blockOf(files, 0, from)))
    const fromTile = Math.floor(from / tileWidth)
    const plan = Plan.make(have, { ...offer, fromTile, tileHashes: offer.tileHashes.subarray((fromTile - offer.fromTile) * 32) })
    for (at = from; at < Math.min(lines.length, plan.to); ) {
      const end = Math.min((Math.floor(at / tileWidth) + 1) * tileWidth, plan.to)
      if (end > lines.length) break
      plan.prove(blockOf(files, at, end))
      at = end
    }
    return at
  } catch (error) {
    if (error instanceof RejoinError) return at
    throw error
  }
}
