import {
  type EntryBlock,
  endOfAnswer,
  endReason,
  isWithheld,
  logIdOfHash,
  maxLinesTextBytes,
  narrow,
  RejoinError,
  type SyncMessage,
  tileWidth
} from '../core/index.ts'
import type { Replica } from '../replica/index.ts'
import { encodeSyncFrame } from './wire.ts'

type Want = Extract<SyncMessage, { kind: 'want' }>

const hashesAFrame = 64 * 1024

/** Returns whether the text of a line is to go out, and not its hash. */
export type LineFilter = (line: Uint8Array) => boolean

/** Returns the frames of LINES for entries from `from` on, at whole tiles where that is possible, and the entry after them. */
async function linesFrame(
  replica: Replica,
  want: Want,
  from: number,
  to: number,
  isWanted: LineFilter | undefined
): Promise<{ readonly frame: Uint8Array; readonly count: number }> {
  const log = logIdOfHash(want.log)
  for (let maxBytes = maxLinesTextBytes; ; maxBytes = Math.floor(maxBytes / 2)) {
    let block = await replica.read(log, from, to, maxBytes)
    const end = block.from + block.count
    const tileEnd = end - (end % tileWidth)
    if (end !== to && end !== tileEnd && tileEnd > from) block = await replica.read(log, from, tileEnd, maxBytes)
    // a run that is withheld here and reaches over either end can't be cut (SYNC-24)
    if (block.count === 0 || block.from !== from || block.from + block.count > to)
      throw new RejoinError('E_NOT_FOUND', `log ${log} has no entry ${from} to serve`)
    const { count, text } = narrowed(block, isWanted)
    const whole = isWanted !== undefined && !hasHashes(block)
    const frame =
      text.length > maxLinesTextBytes
        ? undefined
        : encodeSyncFrame({ kind: 'lines', id: want.id, from, count, text, size: 0, narrowed: whole })
    if (frame !== undefined) return { frame, count }
    if (maxBytes < 1024) throw new Error('bug: one line does not fit a frame')
  }
}

/** Without an interest no line is looked at. */
function narrowed(block: EntryBlock, isWanted: LineFilter | undefined): EntryBlock {
  return isWanted === undefined ? block : narrow(block, (line) => !isWanted(line))
}

/** Whether an entry of a block is only a hash here. */
function hasHashes({ text }: EntryBlock): boolean {
  for (let start = 0, end = text.indexOf(10); end >= 0; start = end + 1, end = text.indexOf(10, start))
    if (isWithheld(text.subarray(start, end))) return true
  return false
}

async function* proofFrames(replica: Replica, { id, log, from }: Want): AsyncGenerator<Uint8Array, number> {
  const { note, cose, size, tiles, edge } = await replica.proof(logIdOfHash(log), from)
  yield encodeSyncFrame({ kind: 'checkpoint', id, note, cose }) as Uint8Array
  for (let at = 0; at < tiles.length || at === 0; at += hashesAFrame) {
    const last = at + hashesAFrame >= tiles.length
    const part = tiles.subarray(at, at + hashesAFrame)
    yield encodeSyncFrame({ kind: 'hashes', id, tiles: part, edge: last ? edge : new Uint8Array(0), last }) as Uint8Array
  }
  return size
}

/**
 * Yields the frames that answer a WANT: checkpoint and hashes where a proof is asked for, then lines, then END with their count.
 * A log that is not here (any more) ends at once, with that as reason.
 * @param isWanted which lines go as text; without it all that are here
 * @returns the number of entries that were sent
 */
export async function* serveWant(replica: Replica, want: Want, isWanted?: LineFilter): AsyncGenerator<Uint8Array, number> {
  let at = want.from
  let reason: number = endReason.done
  try {
    const size = want.proof ? yield* proofFrames(replica, want) : want.to
    for (const to = endOfAnswer(want, size); at < to; ) {
      const { frame, count } = await linesFrame(replica, want, at, to, isWanted)
      yield frame
      at += count
    }
  } catch (error) {
    if (!(error instanceof RejoinError && error.code === 'E_NOT_FOUND')) throw error
    reason = endReason.gone
  }
  yield encodeSyncFrame({ kind: 'end', id: want.id, count: at - want.from, reason }) as Uint8Array
  return at - want.from
}
