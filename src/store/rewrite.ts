import { unlinkSync } from 'node:fs'
import { join } from 'node:path'
import {
  appendLines,
  equal,
  isWithheld,
  leafHash,
  linesOf,
  type LogId,
  parseWithheld,
  RejoinError,
  tileWidth,
  Tree,
  utf8
} from '../core/index.ts'
import type { EventIndex, PlacedEvent } from './event-index.ts'
import { readFileRangeSync, replaceFileSync } from './file.ts'
import { linesFor } from './marks.ts'
import type { LogFolder } from './log-folder.ts'
import { type PrivateEntries, type PrivateEntry, type PrivatePlace, privatePlaces } from './private-entries.ts'

const markPath = 'private/rewriting'

/** Returns whether a rewriting was cut off, so that the index may not fit the lines. */
export function wasRewriting(root: string): boolean {
  return readFileRangeSync(join(root, markPath), 0, 1) !== undefined
}

/** Takes note that the index fits the lines again. */
export function endRewriting(root: string): void {
  try {
    unlinkSync(join(root, markPath))
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw cause
  }
}

/** Returns the hash over the entries of a tile up to the end of the log, with some of its lines changed. */
function rootOf({ entries, size }: LogFolder, tile: number, changes: ReadonlyMap<number, Uint8Array>): Uint8Array {
  const tree = new Tree()
  const to = Math.min((tile + 1) * tileWidth, size)
  for (let at = tile * tileWidth; at < to; ) {
    const block = entries.read(at, to)
    for (const line of linesOf(block)) {
      if (changes.has(line.index))
        for (const changed of linesFor(changes, line.index, line.index + line.size)) appendChanged(tree, changed)
      else appendLines(tree, [line])
    }
    at = block.from + block.count
  }
  return tree.root()
}

function appendChanged(tree: Tree, line: Uint8Array): void {
  const runs = isWithheld(line) ? parseWithheld(line, tree.size) : [{ hash: leafHash(line), size: 1 }]
  for (const { hash, size } of runs) tree.appendSubtree(hash, Math.log2(size))
}

const unchanged: ReadonlyMap<number, Uint8Array> = new Map()

/** What moves between a log, the entries that are kept for this node only, and the quarantine. */
export interface Moves {
  /** lines without their newline that come into logs/, by index; of a withheld run all entries or none */
  readonly lines: ReadonlyMap<number, Uint8Array>
  /** text that comes below private/ */
  readonly into: Readonly<Record<PrivatePlace, readonly PrivateEntry[]>>
  /** entries whose text goes from below private/ */
  readonly from: Readonly<Record<PrivatePlace, ReadonlySet<number>>>
}

/** What a rewriting works on. */
export interface RewriteTarget {
  readonly root: string
  readonly folder: LogFolder
  readonly index: EventIndex
  readonly places: Readonly<Record<PrivatePlace, PrivateEntries>>
}

function tilesOf({ lines, into, from }: Moves): readonly number[] {
  const indexes = [...lines.keys(), ...from.kept, ...from.held, ...[...into.kept, ...into.held].map(({ index }) => index)]
  return [...new Set(indexes.map((at) => Math.floor(at / tileWidth)))]
}

/**
 * Moves text between a log, where its hash then stands, and below private/; the log's hashes stay what they were. Text is durable in
 * its new place before it goes from the old one.
 * @param visible returns the events of a tile that are present as text
 * @param visible returns the events of a tile that are used here
 * @throws E_ROOT where a line does not hash to what stands in its place: then nothing is changed
 */
export async function rewriteEntries(
  { root, folder, index, places }: RewriteTarget,
  moves: Moves,
  visible: (log: LogId, tile: number) => readonly PlacedEvent[]
): Promise<void> {
  const { log } = folder
  const tiles = tilesOf(moves)
  for (const tile of tiles) {
    if (!equal(rootOf(folder, tile, moves.lines), rootOf(folder, tile, unchanged)))
      throw new RejoinError('E_ROOT', `lines that were given for tile ${tile} of log ${log} are not its lines`)
  }
  const before = tiles.map((tile) => visible(log, tile))
  replaceFileSync(join(root, markPath), utf8(`${log}\n`), { durable: true })
  for (const place of privatePlaces) places[place].keep(log, moves.into[place])
  folder.entries.rewrite(moves.lines)
  for (const place of privatePlaces) places[place].drop(log, moves.from[place])
  tiles.forEach((tile, i) => index.replace(log, tile, before[i] as readonly PlacedEvent[], visible(log, tile)))
  await index.flush({ all: true })
  endRewriting(root)
}
