import { existsSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { RejoinError } from '../core/index.ts'
import type { FolderReplica } from '../replica/index.ts'
import { roomOn, type Store } from '../store/index.ts'
import type { BlobNeed } from '../sync/index.ts'
import type { EntrySpan } from './export-artifacts.ts'
import { rounded, sizeText } from './export-order.ts'

/** What is to go to a medium, and the room that is left there. */
export interface Room {
  /** a folder that is there */
  readonly place: string
  /** the file system that it lies on */
  readonly device: number
  /** as files take it, in whole blocks */
  readonly neededBytes: number
  /** less a reserve */
  readonly roomBytes: number
  readonly largestBytes: number
}

/** room that is left on a medium whatever happens */
const reserveBytes = 4 * 1024 * 1024

/** Returns the bytes of the lines of some entries. */
export function lineBytesOf(store: Store, spans: readonly EntrySpan[]): number {
  let bytes = 0
  for (const { log, from, to } of spans) {
    const { entries } = store.needFolder(log)
    for (let at = from; at < to; ) {
      const block = entries.read(at, to)
      bytes += block.text.length
      at = block.from + block.count
    }
  }
  return bytes
}

/** Returns what blobs that are not there and lines take on a medium, and what room it has. @throws E_IO E_GONE */
export function roomFor(target: FolderReplica, lacking: readonly BlobNeed[], lineBytes: number): Room {
  const sizes = lacking.map(({ digest, sizeBytes = 0 }) => Math.max(0, sizeBytes - target.blobs.partBytes(digest)))
  return roomAt(target.root, [lineBytes, ...sizes])
}

/** Returns what files of some sizes take at a path, which need not be there yet, and what room there is. @throws E_IO E_GONE */
export function roomAt(path: string, sizes: readonly number[]): Room {
  let place = path
  while (!existsSync(place) && dirname(place) !== place) place = dirname(place)
  const { freeBytes, blockBytes } = roomOn(place)
  return {
    place,
    device: statSync(place).dev,
    neededBytes: sizes.reduce((sum, bytes) => sum + rounded(bytes, blockBytes), 0),
    roomBytes: Math.max(0, freeBytes - reserveBytes),
    largestBytes: sizes.reduce((most, bytes) => Math.max(most, bytes), 0)
  }
}

/** Refuses what can't fit, before anything is written; folders of one file system share its room. @throws E_NO_SPACE */
export function refuseWhereFull(rooms: readonly Room[]): void {
  for (const { device, place, roomBytes } of rooms) {
    const together = rooms.filter((one) => one.device === device)
    const neededBytes = together.reduce((sum, one) => sum + one.neededBytes, 0)
    if (neededBytes <= roomBytes || neededBytes === 0) continue
    const largest = together.reduce((most, one) => Math.max(most, one.largestBytes), 0)
    const volumes =
      roomBytes > largest && together.length === 1
        ? `${Math.ceil(neededBytes / roomBytes)} such media would hold it: --volumes; `
        : ''
    throw new RejoinError(
      'E_NO_SPACE',
      `${place} has room for ${sizeText(roomBytes)} and ${sizeText(neededBytes)} are to go there; nothing was written`,
      {
        hint: `${volumes}free ${sizeText(neededBytes - roomBytes)} there, or choose less with --max-bytes, --repo or --to`
      }
    )
  }
}
