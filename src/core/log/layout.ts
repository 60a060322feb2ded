import { type Digest, digestParts } from '../digest.ts'
import type { LogId } from './log-id.ts'

/** Entries in one file below `entries/`. */
export const entriesPerFile = 1024

/** Returns the folder of a log below the root of a replica. */
export function logFolder(log: LogId): string {
  return `logs/${log}`
}

/** Returns the path of the newest verified checkpoint. */
export function checkpointPath(log: LogId): string {
  return `logs/${log}/checkpoint`
}

/** Returns the path of the same root signed as COSE_Sign1. */
export function checkpointCosePath(log: LogId): string {
  return `logs/${log}/checkpoint.cose`
}

/** Returns the path of the closings of a log, as an urgent record. */
export function closedPath(log: LogId): string {
  return `logs/${log}/closed`
}

/** Returns the path of the proof that a log has two histories. */
export function forkPath(log: LogId): string {
  return `logs/${log}/fork`
}

/** Returns the name of the file that holds an entry, e.g. `000000.ndjson` for 0 to 1,023. */
export function entriesFileName(index: number): string {
  return `${String(Math.floor(index / entriesPerFile)).padStart(6, '0')}.ndjson`
}

/** Returns the path of the file that holds an entry. */
export function entriesPath(log: LogId, index: number): string {
  return `logs/${log}/entries/${entriesFileName(index)}`
}

/** Returns the path of the file that holds the text of an entry that is kept for this node only. */
export function privateEntriesPath(log: LogId, index: number): string {
  return `private/${entriesPath(log, index)}`
}

/** Returns the path of the file that holds the text of an entry in quarantine. */
export function heldEntriesPath(log: LogId, index: number): string {
  return `private/held/${log}/entries/${entriesFileName(index)}`
}

/** Returns a tile index as C2SP spells it: groups of three digits, all but the last with an x, e.g. 1234067 → `x001/x234/067`. */
export function tileIndexPath(index: number): string {
  let path = String(index % 1000).padStart(3, '0')
  for (let rest = Math.floor(index / 1000); rest > 0; rest = Math.floor(rest / 1000))
    path = `x${String(rest % 1000).padStart(3, '0')}/${path}`
  return path
}

/** Returns the tile index that a C2SP spelling stands for, or undefined where it is none: `x001/x234/067` → 1234067. */
export function parseTileIndex(path: string): number | undefined {
  const index = Number(path.replaceAll(/[x/]/g, ''))
  return index <= Number.MAX_SAFE_INTEGER && tileIndexPath(index) === path ? index : undefined
}

/** Returns the path of a full hash tile. @see C2SP tlog-tiles */
export function tilePath(log: LogId, level: number, index: number): string {
  return `logs/${log}/tile/${level}/${tileIndexPath(index)}`
}

/** Returns the path of a blob, e.g. `blobs/sha256/<hex>`. */
export function blobPath(digest: Digest): string {
  const { algorithm, hex } = digestParts(digest)
  return `blobs/${algorithm}/${hex}`
}
