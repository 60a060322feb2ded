import type { ForkSide, LogId } from '../core/index.ts'
import type { LogFolder, Store } from '../store/index.ts'
import type { Endings } from './endings.ts'

/** What is asked of a replica where another one shows another history of a log. */
export interface Histories {
  /** Returns the root of the first entries of a log; undefined where it has not so many, or two histories of it are known already. */
  readonly rootAt: (log: LogId, size: number) => Uint8Array | undefined
  /** Returns the tile in which another history of a log first differs from the one that is here, by the roots of its tiles. */
  readonly tileAsked: (log: LogId, roots: Uint8Array, size: number) => number
  /** Takes another history of a log, whose head and hashes were verified; keeps the proof where it differs. */
  readonly settle: (log: LogId, theirs: ForkSide) => Promise<'fork' | 'same' | 'unknown'>
}

/** Returns the histories of a node's own store. */
export function historiesOf(store: Store, endings: Endings): Histories {
  return {
    rootAt: (log, size) => rootOfFirst(endings.forkOf(log) === undefined ? store.folder(log) : undefined, size),
    tileAsked: (log, roots, size) => endings.tileAsked(log, roots, size),
    settle: async (log, theirs) => await endings.settle(log, theirs)
  }
}

/** Returns the root of the first entries of a log, undefined where its checkpoint does not cover so many. */
export function rootOfFirst(folder: LogFolder | undefined, size: number): Uint8Array | undefined {
  const { checkpoint, tiles } = folder ?? {}
  if (checkpoint === undefined || tiles === undefined || size > checkpoint.size) return undefined
  return size === checkpoint.size ? checkpoint.root : tiles.treeAt(size).root()
}
