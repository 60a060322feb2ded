import { join } from 'node:path'
import {
  appendLines,
  type Checkpoint,
  checkpointCosePath,
  checkpointPath,
  type EntryBlock,
  type EntryLine,
  equal,
  linesOf,
  type LogId,
  logIdOf,
  type Opened,
  parseCheckpoint,
  parseOpenedLine,
  RejoinError,
  tileWidth,
  type Tree,
  verifyCheckpoint,
  verifyCoseCheckpoint
} from '../core/index.ts'
import { Entries } from './entries.ts'
import { readFileRangeSync, replaceFileSync } from './file.ts'
import { Tiles } from './tiles.ts'

/** A notice about what opening a log repaired. */
export interface Repair {
  readonly log: LogId
  readonly what: 'torn-line' | 'unproven-lines' | 'tiles'
  readonly count: number
}

const maxNoteBytes = 64 * 1024

/**
 * The folder of one log: its lines, tiles and newest checkpoint. Holds no judgement and no key: who appends has verified or
 * written the lines, and who commits has verified or signed the checkpoint.
 */
export class LogFolder {
  readonly log: LogId
  readonly opened: Opened
  readonly entries: Entries
  readonly tiles: Tiles
  /** the tree of all lines in the files */
  readonly tree: Tree
  private readonly root: string
  private committed: Checkpoint | undefined
  private cose: Uint8Array | undefined

  private constructor(
    root: string,
    log: LogId,
    opened: Opened,
    entries: Entries,
    tiles: Tiles,
    tree: Tree,
    committed: Checkpoint | undefined
  ) {
    this.root = root
    this.log = log
    this.opened = opened
    this.entries = entries
    this.tiles = tiles
    this.tree = tree
    this.committed = committed
    this.cose = committed === undefined ? undefined : readCose(root, committed, opened)
  }

  /**
   * Returns a new log without entries; the first append must begin with `firstLine` (here without its newline).
   * @throws E_OPENED where the line does not give the log's ID
   */
  static create(root: string, log: LogId, firstLine: Uint8Array): LogFolder {
    if (logIdOf(firstLine) !== log) throw new RejoinError('E_OPENED', `the first line does not give the log ID ${log}`)
    const entries = new Entries(root, log)
    const tiles = new Tiles(root, log, entries)
    return new LogFolder(root, log, parseOpenedLine(firstLine), entries, tiles, tiles.treeAt(0), undefined)
  }

  /**
   * Opens a log: cuts a torn tail, verifies the checkpoint's signature and that the tree has its root.
   * Lines beyond the checkpoint stay; the caller signs them again (own log), proves them or cuts them off.
   * @returns undefined where the folder holds no whole first line
   * @throws E_DAMAGED where lines and checkpoint do not fit together
   */
  static open(root: string, log: LogId, onRepair: (repair: Repair) => void): LogFolder | undefined {
    const entries = new Entries(root, log)
    const torn = entries.recover()
    if (torn > 0) onRepair({ log, what: 'torn-line', count: torn })
    if (entries.size === 0) return undefined
    const first = entries.read(0, 1)
    const firstLine = first.text.subarray(0, first.text.indexOf(10))
    if (logIdOf(firstLine) !== log) throw damaged(log, 'its first line does not give its ID')
    const opened = parseOpenedLine(firstLine)
    const note = readFileRangeSync(join(root, checkpointPath(log)), 0, maxNoteBytes)
    const committed = note === undefined || note.length === 0 ? undefined : verifyCheckpoint(note, log, opened.publicKey)
    if (entries.size > (committed?.size ?? 0)) entries.syncFound(committed?.size ?? 0)
    const tiles = new Tiles(root, log, entries)
    const tree = treeOf(tiles, entries, committed, onRepair)
    return new LogFolder(root, log, opened, entries, tiles, tree, committed)
  }

  /** Entries in the files, whether a checkpoint covers them or not. */
  get size(): number {
    return this.entries.size
  }

  /** The newest checkpoint, where there is one. */
  get checkpoint(): Checkpoint | undefined {
    return this.committed
  }

  /** The newest checkpoint's root signed as COSE_Sign1, where there is one. */
  get coseCheckpoint(): Uint8Array | undefined {
    return this.cose
  }

  /**
   * Appends lines that the caller has verified or written, all or none. They reach the disk with sync().
   * @param lines the block's lines, where the caller has hashed them already
   * @param tileRoot the root that they were proven to give, where they are exactly one tile
   */
  append(block: EntryBlock, lines: readonly EntryLine[] = linesOf(block), tileRoot?: Uint8Array): void {
    const before = this.size
    try {
      this.entries.append(block)
      appendLines(this.tree, lines, (tile) => this.tiles.write(tile), tileRoot)
    } catch (error) {
      this.entries.cut(before)
      Object.assign(this.tree, this.tiles.treeAt(before))
      throw error
    }
  }

  /** Cuts off the lines from an entry on. */
  cut(size: number): void {
    if (size >= this.size) return
    this.entries.cut(size)
    Object.assign(this.tree, this.tiles.treeAt(size))
  }

  /** Makes all appended lines durable. */
  async sync(): Promise<void> {
    await this.entries.sync()
  }

  /**
   * Replaces the checkpoint. Every line that it covers must be durable already.
   * @param durable false for a log of one's own, whose checkpoint can be signed again
   */
  commit(checkpoint: Checkpoint, cose: Uint8Array | undefined, durable: boolean): void {
    if (checkpoint.size > this.size) throw new Error('bug: a checkpoint covers lines that are not there')
    if (cose !== undefined) replaceFileSync(join(this.root, checkpointCosePath(this.log)), cose, { durable })
    replaceFileSync(join(this.root, checkpointPath(this.log)), checkpoint.note, { durable })
    this.committed = checkpoint
    this.cose = cose
  }

  /** Returns the leaf hash and, unless withheld, the line of an entry. @throws E_NOT_FOUND beyond the end */
  entry(index: number): { readonly line: Uint8Array | undefined; readonly hash: Uint8Array; readonly size: number } {
    if (index >= this.size || index < 0)
      throw new RejoinError('E_NOT_FOUND', `log ${this.log} has no entry ${index}; it has ${this.size}`)
    const block = this.entries.read(index, index + 1)
    const [line] = linesOf(block)
    if (line === undefined) throw damaged(this.log, `entry ${index} is not readable`)
    return { line: line.withheld ? undefined : block.text.subarray(line.start, line.end), hash: line.hash, size: line.size }
  }

  /** Writes the unfinished tile of each level: a checker can name the line where something was changed, a reader over the web need not make it. */
  writePartialTile(): void {
    for (let level = 0; this.size >= tileWidth ** level; level++) {
      const tail = this.tree.tail(level)
      if (tail !== undefined) this.tiles.writePartial(level, this.size, tail)
    }
  }

  /** Closes the files. */
  async close(): Promise<void> {
    await this.entries.close()
    await this.tiles.flush()
  }
}

function damaged(log: LogId, why: string): RejoinError {
  return new RejoinError('E_DAMAGED', `log ${log} is damaged: ${why}`, { hint: 'rejoin verify names what is wrong' })
}

/** A crash between the two writes of commit() leaves a newer checkpoint.cose: it must not be handed out with an older checkpoint. */
function readCose(root: string, committed: Checkpoint, opened: Opened): Uint8Array | undefined {
  const bytes = readFileRangeSync(join(root, checkpointCosePath(committed.log)), 0, maxNoteBytes)
  try {
    return bytes === undefined ? undefined : verifyCoseCheckpoint(bytes, committed, opened.publicKey).bytes
  } catch (error) {
    if (error instanceof RejoinError) return undefined
    throw error
  }
}

function treeOf(tiles: Tiles, entries: Entries, committed: Checkpoint | undefined, onRepair: (repair: Repair) => void): Tree {
  if (committed === undefined) return tiles.rebuild(entries.size)
  const { log, size, root } = committed
  if (size > entries.size) throw damaged(log, `the checkpoint covers ${size} entries and only ${entries.size} are there`)
  let tree = tiles.treeAt(size)
  if (!equal(tree.root(), root)) {
    tree = tiles.rebuild(size)
    if (!equal(tree.root(), root)) throw damaged(log, 'its lines do not give the root of its checkpoint')
    onRepair({ log, what: 'tiles', count: Math.floor(size / tileWidth) })
  }
  tiles.appendFrom(tree, size, entries.size, (tile) => tiles.write(tile))
  return tree
}

/** Returns the size and root of a log from its checkpoint file without opening the log, or undefined where there is none. */
export function peekCheckpoint(root: string, log: LogId): { readonly size: number; readonly root: Uint8Array } | undefined {
  const note = readFileRangeSync(join(root, checkpointPath(log)), 0, maxNoteBytes)
  return note === undefined || note.length === 0 ? undefined : parseCheckpoint(note)
}
