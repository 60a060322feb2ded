import { readdirSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import {
  concat,
  edgeLength,
  isLogId,
  type LogId,
  type Offer,
  offerHashes,
  Plan,
  RejoinError,
  tileWidth,
  verifyCheckpoint
} from '../core/index.ts'
import { readFileRangeSync, replaceFileSync } from './file.ts'
import type { LogFolder } from './log-folder.ts'

const wholeFile = Number.MAX_SAFE_INTEGER
const headBytes = 12

function pathOf(root: string, log: LogId): string {
  return join(root, 'private/incoming', log)
}

/**
 * Keeps the offer that a catch-up follows, so that it goes on after a restart at the tile that it reached.
 * The file: three 32-bit big-endian numbers (bytes of the note, bytes of the COSE checkpoint, first tile), then those parts and the hashes.
 */
export function saveOffer(root: string, offer: Offer): void {
  const { note } = offer.checkpoint
  const cose = offer.cose ?? new Uint8Array(0)
  const head = Buffer.alloc(headBytes)
  head.writeUInt32BE(note.length, 0)
  head.writeUInt32BE(cose.length, 4)
  head.writeUInt32BE(offer.fromTile, 8)
  replaceFileSync(pathOf(root, offer.checkpoint.log), concat([head, note, cose, offerHashes(offer)]), { durable: true })
}

/** Forgets the offer of a log; nothing happens where there is none. */
export function dropOffer(root: string, log: LogId): void {
  try {
    unlinkSync(pathOf(root, log))
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw cause
  }
}

/** Returns the logs for which a catch-up was interrupted. */
export function interrupted(root: string): readonly LogId[] {
  try {
    return readdirSync(join(root, 'private/incoming')).filter(isLogId)
  } catch {
    return []
  }
}

/**
 * Cuts off the lines of a log that nothing proves: those beyond its checkpoint, unless the saved offer proves them.
 * @returns how many lines were cut
 */
export function cutUnproven(root: string, folder: LogFolder): number {
  const committed = folder.checkpoint?.size ?? 0
  const before = folder.size
  if (before === committed) return 0
  folder.cut(provenSize(root, folder, committed))
  return before - folder.size
}

function provenSize(root: string, folder: LogFolder, committed: number): number {
  const bytes = readFileRangeSync(pathOf(root, folder.log), 0, wholeFile)
  if (bytes === undefined) return committed
  let at = committed
  try {
    // a catch-up that was gone on with has an offer that begins later; the lines before it are proven by leading to its root
    const from = Math.max(committed, splitOffer(bytes).fromTile * tileWidth)
    if (from > folder.size) return committed
    const plan = Plan.make(folder.tiles.treeAt(from), parseOffer(bytes, folder, from))
    at = from
    while (at < Math.min(folder.size, plan.to)) {
      const end = Math.min((Math.floor(at / tileWidth) + 1) * tileWidth, plan.to)
      if (end > folder.size) break
      const blocks: Uint8Array[] = []
      for (let index = at; index < end; ) {
        const block = folder.entries.read(index, end)
        blocks.push(block.text)
        index = block.from + block.count
      }
      plan.prove({ from: at, count: end - at, text: concat(blocks) })
      at = end
    }
  } catch (error) {
    if (!(error instanceof RejoinError)) throw error
  }
  return at
}

/** The parts of a saved offer, none of them verified. */
export interface SavedOffer {
  readonly note: Uint8Array
  /** of no bytes where the writer made none */
  readonly cose: Uint8Array
  readonly fromTile: number
  /** tile hashes, then the edge, 32 bytes each */
  readonly hashes: Uint8Array
}

/** Returns the parts of a saved offer. @throws E_DAMAGED where they don't fit into the bytes */
export function splitOffer(bytes: Uint8Array): SavedOffer {
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  const noteEnd = head.length < headBytes ? Number.POSITIVE_INFINITY : headBytes + head.readUInt32BE(0)
  const coseEnd = noteEnd > head.length ? noteEnd : noteEnd + head.readUInt32BE(4)
  if (coseEnd > head.length) throw new RejoinError('E_DAMAGED', 'a saved offer is too short')
  return {
    note: bytes.slice(headBytes, noteEnd),
    cose: bytes.slice(noteEnd, coseEnd),
    fromTile: head.readUInt32BE(8),
    hashes: bytes.slice(coseEnd)
  }
}

function parseOffer(bytes: Uint8Array, folder: LogFolder, from: number): Offer {
  const { note, cose, fromTile: firstTile, hashes } = splitOffer(bytes)
  const checkpoint = verifyCheckpoint(note, folder.log, folder.opened.publicKey)
  const fromTile = Math.floor(from / tileWidth)
  const skipped = fromTile - firstTile
  const tilesEnd = hashes.length - edgeLength(checkpoint.size % tileWidth) * 32
  if (skipped < 0 || tilesEnd < skipped * 32) throw new RejoinError('E_DAMAGED', 'a saved offer does not go on from here')
  const edge = Array.from({ length: (hashes.length - tilesEnd) / 32 }, (_, i) =>
    hashes.subarray(tilesEnd + i * 32, tilesEnd + i * 32 + 32)
  )
  return {
    checkpoint,
    cose: cose.length > 0 ? cose : undefined,
    fromTile,
    tileHashes: hashes.subarray(skipped * 32, tilesEnd),
    edge
  }
}
