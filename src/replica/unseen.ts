import { join } from 'node:path'
import { isLogId, linesOf, type LogId, textOf, tileWidth, utf8 } from '../core/index.ts'
import { type LogFolder, readFileRangeSync, replaceFileSync, type Store } from '../store/index.ts'
import { TileSet } from './tile-set.ts'

const path = 'private/unseen.json'
const maxBytes = 64 * 1024 * 1024

/**
 * The tiles of each log in which an entry is present only as its hash and its text was never judged here: another replica may have it.
 * A superset does no harm, so the file may be lost.
 */
export class Unseen {
  private readonly store: Store
  private readonly tiles = new Map<LogId, TileSet>()
  private changed = false
  private isForgotten = false

  constructor(store: Store) {
    this.store = store
    const bytes = readFileRangeSync(join(store.root, path), 0, maxBytes)
    try {
      const known = bytes === undefined ? {} : (JSON.parse(textOf(bytes)) as Readonly<Record<string, [number, number][]>>)
      for (const [log, ranges] of Object.entries(known)) if (isLogId(log)) this.tiles.set(log, new TileSet(ranges))
    } catch {
      // looked for again in the lines
    }
  }

  /** Returns the tiles of a log; where they are not known, its lines are looked through. */
  of(log: LogId): TileSet {
    let found = this.tiles.get(log)
    if (found === undefined) {
      const folder = this.store.folder(log)
      found = folder === undefined ? new TileSet() : this.search(folder)
      this.tiles.set(log, found)
      this.changed = true
    }
    return found
  }

  /** Returns the logs of which some tiles are known to lack text. */
  logs(): readonly LogId[] {
    if (this.isForgotten) for (const { log } of this.store.listHeads()) this.of(log)
    this.isForgotten = false
    return [...this.tiles].flatMap(([log, { ranges }]) => (ranges.length > 0 ? [log] : []))
  }

  private search(folder: LogFolder): TileSet {
    const found = new TileSet()
    const { kept, held } = this.store.places
    for (let at = 0; at < folder.size; ) {
      const block = folder.entries.read(at, folder.size)
      for (const { index, size, withheld } of linesOf(block)) {
        if (!withheld) continue
        const isHere = size === 1 && (kept.read(folder.log, index) ?? held.read(folder.log, index)) !== undefined
        if (!isHere) found.add(Math.floor(index / tileWidth))
      }
      at = block.from + block.count
    }
    return found
  }

  /** Notes that a tile of a log has an entry whose text never came. */
  add(log: LogId, tile: number): void {
    const known = this.tiles.get(log) ?? new TileSet()
    this.tiles.set(log, known)
    if (known.has(tile)) return
    known.add(tile)
    this.changed = true
  }

  /** Notes that a log begins of which no text is missing so far. */
  begin(log: LogId): void {
    if (!this.tiles.has(log)) this.tiles.set(log, new TileSet())
    this.changed = true
  }

  /** Notes that all text of a tile came by. */
  remove(log: LogId, tile: number): void {
    this.tiles.get(log)?.remove(tile)
    this.changed = true
  }

  /** Forgets what was judged: the rules changed, so that refused text may be wanted now. */
  forget(): void {
    this.tiles.clear()
    this.isForgotten = true
    this.changed = true
  }

  /** Forgets what was judged of one log. */
  forgetLog(log: LogId): void {
    this.tiles.delete(log)
    this.of(log)
  }

  /** Writes what is known to its file, where it changed. */
  save(): void {
    if (!this.changed) return
    this.changed = false
    const known = Object.fromEntries([...this.tiles].map(([log, { ranges }]) => [log, ranges]))
    replaceFileSync(join(this.store.root, path), utf8(`${JSON.stringify(known)}\n`), { durable: false })
  }
}
