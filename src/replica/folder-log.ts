import {
  appendLines,
  checkpointCosePath,
  checkpointPath,
  type EntryBlock,
  entriesPath,
  entriesPerFile,
  foldEdge,
  linesOf,
  type LogId,
  logIdOf,
  maxCoseBytes,
  maxLineBytes,
  maxNoteBytes,
  type Opened,
  parseCheckpoint,
  parseOpenedLine,
  RejoinError,
  subtreeRoot,
  tilePath,
  tileWidth,
  Tree,
  type TreeHead
} from '../core/index.ts'
import { indexAt, type Marked, marksOf, type Outside, readMarked } from '../store/index.ts'

const maxFileBytes = entriesPerFile * (maxLineBytes + 1)
const newline = 10

/** One log in a folder that somebody else may have written; nothing is proven here but that the first line gives the log's ID. */
export class FolderLog {
  readonly log: LogId
  private readonly files: Outside
  private loaded: (Marked & { readonly file: number }) | undefined

  constructor(files: Outside, log: LogId) {
    this.files = files
    this.log = log
  }

  /** Returns what the checkpoint says, undefined where there is none. @throws E_NOTE E_CHECKPOINT E_TOO_LARGE E_BAD_OBJECT, E_ORIGIN for another log's */
  head(): (TreeHead & { readonly note: Uint8Array }) | undefined {
    const note = this.files.read(checkpointPath(this.log), maxNoteBytes)
    if (note === undefined || note.length === 0) return undefined
    const { log, size, root } = parseCheckpoint(note)
    if (log !== this.log) throw new RejoinError('E_ORIGIN', `the checkpoint of log ${this.log} is of another log`)
    return { log, size, root, note }
  }

  /** Returns the root as COSE, not verified. */
  cose(): Uint8Array | undefined {
    return this.files.read(checkpointCosePath(this.log), maxCoseBytes)
  }

  /** Returns what the first line says. @throws E_OPENED where it is missing, or does not give the log's ID */
  opened(): Opened {
    const bytes = this.files.readRange(entriesPath(this.log, 0), 0, maxLineBytes + 1)
    const end = bytes?.indexOf(newline) ?? -1
    if (bytes === undefined || end < 0) throw new RejoinError('E_OPENED', `log ${this.log} has no first line there`)
    const line = bytes.subarray(0, end)
    if (logIdOf(line) !== this.log) throw new RejoinError('E_OPENED', `the first line of log ${this.log} does not give its ID`)
    return parseOpenedLine(line)
  }

  private load(file: number): NonNullable<typeof this.loaded> {
    if (this.loaded?.file === file) return this.loaded
    const path = entriesPath(this.log, file * entriesPerFile)
    const text = this.files.read(path, maxFileBytes)
    if (text === undefined) throw new RejoinError('E_INCOMPLETE', `${path} is missing`, { at: path })
    this.loaded = { file, text, marks: marksOf(text, file * entriesPerFile) }
    return this.loaded
  }

  /** Forgets the file that was read last. */
  release(): void {
    this.loaded = undefined
  }

  /**
   * Returns entries from the line that holds `from` up to at most `to`, within one file, whole runs only: one that begins before is returned whole.
   * @throws E_INCOMPLETE where there are not so many · E_TOO_LARGE E_WITHHELD E_BAD_OBJECT
   */
  read(from: number, to: number): EntryBlock {
    const loaded = this.load(Math.floor(from / entriesPerFile))
    if (from >= indexAt(loaded.marks, loaded.marks.length - 1))
      throw new RejoinError('E_INCOMPLETE', `log ${this.log} has no entry ${from} there`, { at: entriesPath(this.log, from) })
    return readMarked(loaded, from, to, maxFileBytes)
  }

  /** Returns a tile, undefined where there is none of that width. */
  tile(level: number, index: number, width: number): Uint8Array | undefined {
    const path = tilePath(this.log, level, index)
    const full = this.files.size(path)
    if (full === tileWidth * 32) return this.files.read(path, tileWidth * 32)?.subarray(0, width * 32)
    if (width === tileWidth) return undefined
    const part = `${path}.p/${width}`
    return this.files.size(part) === width * 32 ? this.files.read(part, width * 32) : undefined
  }

  /**
   * Returns the hash over a whole tile of a level: from the tile itself, else from what lies below it.
   * @param derive true: from the lines only
   * @throws E_INCOMPLETE where the lines are not there either
   */
  rootOf(level: number, index: number, derive: boolean): Uint8Array {
    const tile = derive ? undefined : this.tile(level, index, tileWidth)
    if (tile !== undefined) return subtreeRoot(tile)
    if (level > 0) return subtreeRoot(this.rootsOf(level, index * tileWidth, tileWidth, derive))
    return this.treeOfLines(index * tileWidth, (index + 1) * tileWidth).root()
  }

  /** Returns `width` hashes of a tile level from a position on: the roots of tiles one level down. @throws E_INCOMPLETE */
  rootsOf(level: number, position: number, width: number, derive: boolean): Uint8Array {
    const hashes = new Uint8Array(width * 32)
    for (let i = 0; i < width; ) {
      const slot = (position + i) % tileWidth
      const count = Math.min(width - i, tileWidth - slot)
      const above = derive ? undefined : this.tile(level, Math.floor((position + i) / tileWidth), slot + count)
      if (above !== undefined) hashes.set(above.subarray(slot * 32, (slot + count) * 32), i * 32)
      else for (let k = i; k < i + count; k++) hashes.set(this.rootOf(level - 1, position + k, derive), k * 32)
      i += count
    }
    return hashes
  }

  /** Returns the tree of entries that begin a tile. @throws E_INCOMPLETE */
  treeOfLines(from: number, to: number): Tree {
    const tree = new Tree()
    for (let at = from; at < to; ) {
      const block = this.read(at, to)
      if (block.from !== at || block.from + block.count > to)
        throw new RejoinError('E_WITHHELD', `a withheld run of log ${this.log} reaches over entry ${at}`)
      appendLines(tree, linesOf(block))
      at = block.from + block.count
    }
    return tree
  }

  /** Returns the subtrees that make up the entries after the last whole tile, the largest first: from the tile, else from the lines. */
  edgeOf(size: number, derive: boolean): readonly Uint8Array[] {
    const width = size % tileWidth
    const tile = derive || width === 0 ? undefined : this.tile(0, Math.floor(size / tileWidth), width)
    if (tile === undefined) return this.treeOfLines(size - width, size).edge()
    const tree = new Tree()
    for (let at = 0; at < tile.length; at += 32) tree.append(tile.subarray(at, at + 32))
    return tree.edge()
  }
}

/** Returns the root of hashes of whole tiles and the edge of the last one. */
export function rootOfTiles(tileHashes: Uint8Array, edge: readonly Uint8Array[]): Uint8Array {
  const tree = new Tree()
  for (let at = 0; at < tileHashes.length; at += 32) tree.appendSubtree(tileHashes.subarray(at, at + 32), 8)
  return foldEdge([...tree.edge(), ...edge])
}
