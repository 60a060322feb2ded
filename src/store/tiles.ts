import { readdirSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import {
  appendLines,
  type FullTile,
  type LogId,
  linesOf,
  RejoinError,
  subtreeRoot,
  tilePath,
  tileWidth,
  Tree,
  treeOfTails
} from '../core/index.ts'
import type { Entries } from './entries.ts'
import { readFileRangeSync, replaceFile, replaceFileSync } from './file.ts'

const fullBytes = tileWidth * 32
/** tiles that may wait, 8 MiB */
const maxPending = 1024
/** how long no tile may have come before those that wait are written, in milliseconds */
const pauseMs = 20

/** The hash tiles of one log: derived from its lines, written when full, made again when missing. */
export class Tiles {
  private readonly root: string
  private readonly log: LogId
  private readonly entries: Entries
  /** tiles on their way to their files */
  private readonly pending = new Map<string, Uint8Array>()
  private writing: Promise<void> | undefined
  private timer: NodeJS.Timeout | undefined

  constructor(root: string, log: LogId, entries: Entries) {
    this.root = root
    this.log = log
    this.entries = entries
  }

  /**
   * Writes a full tile in the background, once appends pause: making a file takes as long as hashing a tile's lines, and delays the
   * fsync of lines. Not durable, and a tile that can't be written is left out, since it can be made again.
   */
  write({ level, index, hashes }: FullTile): void {
    this.pending.set(tilePath(this.log, level, index), hashes)
    if (this.writing !== undefined) return
    if (this.pending.size >= maxPending) this.begin()
    else if (this.timer === undefined) this.timer = setTimeout(() => this.begin(), pauseMs)
    else this.timer.refresh()
  }

  private begin(): void {
    clearTimeout(this.timer)
    this.timer = undefined
    this.writing ??= this.drain()
  }

  private async drain(): Promise<void> {
    for (let [next] = this.pending; next !== undefined; [next] = this.pending) {
      const [path, hashes] = next
      try {
        await replaceFile(join(this.root, path), hashes)
      } catch (error) {
        if (!(error instanceof RejoinError)) throw error
      }
      if (this.pending.get(path) === hashes) this.pending.delete(path)
    }
    this.writing = undefined
  }

  /** Waits until every tile is in its file. */
  async flush(): Promise<void> {
    this.begin()
    await this.writing
  }

  /** Returns the 8,192 bytes of a full tile, or undefined where there is no file of that length. */
  read(level: number, index: number): Uint8Array | undefined {
    const written = this.pending.get(tilePath(this.log, level, index))
    if (written !== undefined) return written
    const bytes = readFileRangeSync(join(this.root, tilePath(this.log, level, index)), 0, fullBytes + 1)
    return bytes?.length === fullBytes ? bytes : undefined
  }

  /** Returns the root over one full tile, from its file or from the lines. */
  rootOf(level: number, index: number): Uint8Array {
    const tile = this.read(level, index)
    if (tile !== undefined) return subtreeRoot(tile)
    return level === 0
      ? this.treeOfLines(index * tileWidth, (index + 1) * tileWidth).root()
      : subtreeRoot(this.rootsOf(level, index * tileWidth, tileWidth))
  }

  /** Returns `width` hashes of a tile level from a position on: the roots of tiles one level down. */
  rootsOf(level: number, position: number, width: number): Uint8Array {
    const hashes = new Uint8Array(width * 32)
    for (let i = 0; i < width; ) {
      const slot = (position + i) % tileWidth
      const above = this.read(level, Math.floor((position + i) / tileWidth))
      const count = Math.min(width - i, tileWidth - slot)
      if (above !== undefined) hashes.set(above.subarray(slot * 32, (slot + count) * 32), i * 32)
      else for (let k = i; k < i + count; k++) hashes.set(this.rootOf(level - 1, position + k), k * 32)
      i += count
    }
    return hashes
  }

  private treeOfLines(from: number, to: number): Tree {
    const tree = new Tree()
    this.appendFrom(tree, from, to)
    return tree
  }

  /** Appends the entries [from, to) to a tree, which the caller has at an aligned size. */
  appendFrom(tree: Tree, from: number, to: number, onTile?: (tile: FullTile) => void): void {
    for (let at = from; at < to; ) {
      const block = this.entries.read(at, to)
      appendLines(tree, linesOf(block), onTile)
      at = block.from + block.count
    }
  }

  /** Returns the tree of the first `size` entries, from tiles where they exist. */
  treeAt(size: number): Tree {
    const aligned = size - (size % tileWidth)
    const tree = treeOfTails(aligned, (level, width) =>
      level === 0 ? new Uint8Array(0) : this.rootsOf(level, Math.floor(aligned / tileWidth ** level) - width, width)
    )
    this.appendFrom(tree, aligned, size)
    return tree
  }

  /** Returns the tree of the first `size` entries from the lines alone, writing every tile anew. */
  rebuild(size: number): Tree {
    const tree = new Tree()
    this.appendFrom(tree, 0, size, ({ level, index, hashes }) =>
      replaceFileSync(join(this.root, tilePath(this.log, level, index)), hashes, { durable: false })
    )
    return tree
  }

  /** Returns the roots of the complete subtrees that make up the last `size % 256` entries, the largest first. */
  edgeBelow(size: number): readonly Uint8Array[] {
    const aligned = size - (size % tileWidth)
    return this.treeOfLines(aligned, size).edge()
  }

  /** Writes the unfinished tile of a level as C2SP partial tile, in the place of an older one; for checkers and static servers. */
  writePartial(level: number, size: number, tail: Uint8Array): void {
    const folder = join(this.root, `${tilePath(this.log, level, Math.floor(size / tileWidth ** (level + 1)))}.p`)
    const width = String(tail.length / 32)
    if (tail.length > 0) replaceFileSync(join(folder, width), tail, { durable: false })
    for (const name of listed(folder)) if (name !== width) unlinkSync(join(folder, name))
  }
}

function listed(folder: string): readonly string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}
