import { concat, encodeWithheld, type EntryBlock, linesOf, type LogId, RejoinError, tileWidth, utf8 } from '../core/index.ts'
import { faultIn, type FileReplica } from '../replica/index.ts'

/** Entries of one tile, some of which may be damaged, and the leaf hashes of the tile. */
export interface DamagedEntries {
  readonly from: number
  readonly to: number
  readonly leaves: Uint8Array
  readonly signal: AbortSignal
}

/**
 * Returns the entries [from, to) with those that don't have their leaf hashes as hashes only; nothing of it is proven.
 * @throws E_INCOMPLETE where it is the first line of a log, without which nothing can be verified
 */
export async function patchedBlock(
  source: FileReplica,
  log: LogId,
  { from, to, leaves, signal }: DamagedEntries
): Promise<EntryBlock> {
  const texts = await linesThatFit(source, log, { from, to, leaves, signal })
  if (from === 0 && !texts.has(0)) throw new RejoinError('E_INCOMPLETE', `log ${log} has no first line there`)
  const parts: Uint8Array[] = []
  for (let index = from; index < to; index++) {
    const slot = (index % tileWidth) * 32
    parts.push(texts.get(index) ?? utf8(`${encodeWithheld({ hash: leaves.subarray(slot, slot + 32), size: 1 })}\n`))
  }
  return { from, count: to - from, text: concat(parts) }
}

async function linesThatFit(
  source: FileReplica,
  log: LogId,
  { from, to, leaves, signal }: DamagedEntries
): Promise<ReadonlyMap<number, Uint8Array>> {
  const fits = new Map<number, Uint8Array>()
  try {
    for await (const block of source.blocks(log, from, to, { signal }))
      for (const { index, withheld, hash, start, end } of linesOf(block)) {
        const slot = (index % tileWidth) * 32
        if (!withheld && Buffer.compare(hash, leaves.subarray(slot, slot + 32)) === 0)
          fits.set(index, block.text.slice(start, end + 1))
      }
  } catch (error) {
    // what came before it stands
    faultIn(error, '')
  }
  return fits
}

/** Returns blocks that follow each other as one. */
export async function blockOf(blocks: AsyncIterable<EntryBlock>): Promise<EntryBlock> {
  const all = await Array.fromAsync(blocks)
  return {
    from: all[0]?.from ?? 0,
    count: all.reduce((sum, { count }) => sum + count, 0),
    text: concat(all.map(({ text }) => text))
  }
}
