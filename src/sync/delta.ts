import {
  concat,
  encodeWithheld,
  type EntryBlock,
  type EntryLine,
  linesOf,
  type LogId,
  narrow,
  tileWidth,
  utf8
} from '../core/index.ts'
import type { FileReplica } from '../replica/index.ts'

/** Up to where a receiver holds a log, and where others end of which it is known. */
export interface Held {
  /** entries before this one are held: their texts need not go */
  readonly from: number
  /** sizes that some node is known to hold: in the tiles where these end each hash stands for one entry, so that such a node can go on from there */
  readonly known: readonly number[]
}

/**
 * Returns a replica that is another one without the texts that its receivers hold: these entries are there as hashes, in runs of up to a tile, so that the log
 * still verifies from its first line to its head, and a receiver that lacks them can take all the rest at once.
 * @param held by log; logs that are not in it are whole
 */
export function withoutHeld(source: FileReplica, held: ReadonlyMap<LogId, Held>): FileReplica {
  const wrapped: FileReplica = {
    name: source.name,
    network: source.network,
    storeId: source.storeId,
    heads: async (wait) => await source.heads(wait),
    offer: async (head, from, wait) => await source.offer(head, from, wait),
    leaves: async (log, tile, width, wait) => await source.leaves(log, tile, width, wait),
    size: async (digest, wait) => await source.size(digest, wait),
    small: (digest, sizeBytes) => source.small?.(digest, sizeBytes),
    blob: (digest, fromByte, wait) => source.blob(digest, fromByte, wait),
    urgent: (wait) => source.urgent(wait),
    frontiers: (wait) => source.frontiers(wait),
    receipts: (wait) => source.receipts(wait),
    [Symbol.asyncDispose]: async () => await source[Symbol.asyncDispose](),
    blocks: async function* (log, from, to, wait) {
      const own = held.get(log)
      for await (const block of source.blocks(log, from, to, wait)) yield own === undefined ? block : withhold(block, own)
    }
  }
  return wrapped
}

/** Returns a block in which the texts of entries that are held are hashes; the first entry of a log stays, as it holds its key. */
export function withhold(block: EntryBlock, { from, known }: Held): EntryBlock {
  if (block.from >= from) return block
  const single = new Set([from, ...known].map((size) => Math.floor(size / tileWidth)))
  const parts: Uint8Array[] = []
  for (const [tile, lines] of Map.groupBy(linesOf(block), ({ index }) => Math.floor(index / tileWidth))) {
    const first = lines[0] as EntryLine
    const last = lines.at(-1) as EntryLine
    const part = {
      from: first.index,
      count: last.index + last.size - first.index,
      text: block.text.subarray(first.start, last.end + 1)
    }
    if (!single.has(tile)) parts.push(narrow(part, (_, index) => index > 0 && index < from).text)
    else
      for (const { index, size, hash, withheld, start, end } of lines)
        parts.push(
          !withheld && (index === 0 || index >= from)
            ? block.text.subarray(start, end + 1)
            : utf8(`${encodeWithheld({ hash, size })}\n`)
        )
  }
  return { from: block.from, count: block.count, text: concat(parts) }
}
