import { existsSync } from 'node:fs'
import { join } from 'node:path'
import {
  appendLines,
  type Checkpoint,
  checkpointCosePath,
  checkpointPath,
  entriesFileName,
  equal,
  type LogId,
  logFolder,
  logIdOf,
  type Opened,
  parseOpenedLine,
  RejoinError,
  tileWidth,
  Tree,
  verifyCheckpoint,
  verifyCoseCheckpoint
} from '../core/index.ts'
import { readFileRangeSync } from './file.ts'
import { type EntriesText, readEntriesText, textFaults } from './fsck-entries.ts'
import { type Fault, faultOf, type FsckRun, isTemporary, namesIn } from './fsck-run.ts'
import { TileCheck } from './fsck-tiles.ts'

/** What is known of a log once it was checked. */
export interface CheckedLog {
  readonly opened: Opened
  /** entries in its files, and those that its checkpoint covers */
  readonly size: number
  readonly committed: number
  /** the root over each full level-0 tile, 32 bytes each; shorter where the lines are damaged */
  readonly tileRoots: Uint8Array
}

const maxSignedBytes = 64 * 1024
/** roots beyond the checkpoint that are kept, to find the one that a newer checkpoint.cose signs */
const maxLaterRoots = 8192

interface Heads {
  readonly checkpoint: Checkpoint | undefined
  readonly cose: Uint8Array | undefined
  readonly faults: readonly Fault[]
}

/** Reads both signed heads before the lines: a node that runs puts them in place only after the lines that they cover. */
function readHeads(root: string, log: LogId, opened: Opened): Heads {
  const cose = readFileRangeSync(join(root, checkpointCosePath(log)), 0, maxSignedBytes)
  const note = readFileRangeSync(join(root, checkpointPath(log)), 0, maxSignedBytes)
  if (note === undefined) return { checkpoint: undefined, cose, faults: [] }
  try {
    return { checkpoint: verifyCheckpoint(note, log, opened.publicKey), cose, faults: [] }
  } catch (error) {
    return { checkpoint: undefined, cose, faults: [faultOf(error, checkpointPath(log), 0)] }
  }
}

/** Checks one log: its heads, lines and tiles. @returns what is known of it, or undefined where its first line is none */
export async function* checkLog(run: FsckRun, log: LogId): AsyncGenerator<Fault, CheckedLog | undefined, void> {
  const { root } = run
  const folder = `${logFolder(log)}/entries`
  const first = readEntriesText(root, log, 0)
  if (first === undefined || first.lines[0] === undefined) {
    if (namesIn(root, folder).length > 0 || existsSync(join(root, checkpointPath(log))))
      yield {
        path: `${folder}/${entriesFileName(0)}`,
        offset: 0,
        reason: 'the first line of the log is missing',
        code: 'E_OPENED'
      }
    return undefined
  }
  const firstLine = first.lines[0].bytes
  let opened: Opened
  try {
    if (logIdOf(firstLine) !== log) throw new RejoinError('E_OPENED', "the first line does not give the log's ID")
    opened = parseOpenedLine(firstLine)
  } catch (error) {
    yield faultOf(error, first.path, 0)
    return undefined
  }
  const { checkpoint, cose, faults } = readHeads(root, log, opened)
  yield* faults
  const walk = new LogWalk(run, log, opened, checkpoint)
  yield* walk.files(first)
  yield* walk.end(cose)
  for (const name of namesIn(root, folder))
    if (!walk.names.has(name) && !isTemporary(name))
      yield { path: `${folder}/${name}`, offset: 0, reason: 'no entries belong in a file of this name', code: 'E_DAMAGED' }
  const roots = walk.broken ? new Uint8Array(0) : Buffer.concat(walk.tileRoots)
  return { opened, size: walk.size, committed: checkpoint?.size ?? 0, tileRoots: roots }
}

/** The walk over the lines of one log, tile by tile, that builds its tree once more. */
class LogWalk {
  readonly names = new Set<string>()
  readonly tileRoots: Uint8Array[] = []
  size = 0
  /** true once a file does not hold the entries that it should: then no root can be derived */
  broken = false
  private readonly run: FsckRun
  private readonly log: LogId
  private readonly opened: Opened
  private readonly checkpoint: Checkpoint | undefined
  private readonly tree = new Tree()
  private readonly tiles: TileCheck
  private committedRoot: Uint8Array | undefined
  private readonly laterRoots: { readonly size: number; readonly root: Uint8Array }[] = []
  private lineFaults = 0

  constructor(run: FsckRun, log: LogId, opened: Opened, checkpoint: Checkpoint | undefined) {
    this.run = run
    this.log = log
    this.opened = opened
    this.checkpoint = checkpoint
    this.tiles = new TileCheck(run.root, log)
    if (checkpoint?.size === 0) this.committedRoot = this.tree.root()
  }

  async *files(first: EntriesText): AsyncGenerator<Fault, void, void> {
    let file: EntriesText | undefined = first
    for (let number = 0; file !== undefined; number++) {
      this.names.add(entriesFileName(file.from))
      this.run.counts.bytes += file.sizeBytes
      const next = readEntriesText(this.run.root, this.log, number + 1)
      for (const fault of textFaults(file, this.opened.publicKey, this.checkpoint?.size ?? 0, next !== undefined)) {
        this.lineFaults++
        if (fault.breaks) this.broken = true
        yield fault
      }
      for (const line of file.lines) {
        if (line.withheld) this.run.counts.withheld += line.size
        else this.run.counts.events++
      }
      this.takeTiles(file)
      await this.run.step()
      file = next
    }
  }

  private takeTiles(file: EntriesText): void {
    let at = 0
    while (at < file.lines.length) {
      const tile = Math.floor((file.lines[at]?.index ?? 0) / tileWidth)
      let end = at
      while (end < file.lines.length && Math.floor((file.lines[end]?.index ?? 0) / tileWidth) === tile) end++
      this.takeTile(file, file.lines.slice(at, end), tile)
      at = end
    }
  }

  private takeTile(file: EntriesText, lines: EntriesText['lines'], tile: number): void {
    const alone = new Tree()
    const fits = lines[0]?.index === tile * tileWidth
    if (!fits) return
    appendLines(alone, lines, ({ hashes }) => this.tiles.compare(0, tile, hashes, file, lines))
    if (alone.size < tileWidth) this.tiles.comparePartial(0, tile, alone.tail(0), file, lines)
    else if (alone.tail(0) === undefined || lines.some(({ size }) => size > 1)) this.tiles.hole(tile)
    if (this.broken) return
    this.size = tile * tileWidth + alone.size
    const committed = this.checkpoint?.size ?? 0
    if (this.size > committed && tile * tileWidth < committed + maxLaterRoots) this.noteRoots(lines, committed)
    if (alone.size < tileWidth) {
      appendLines(this.tree, lines)
      return
    }
    const root = alone.root()
    this.tileRoots.push(root)
    this.tiles.note(tile, lines)
    this.tree.appendSubtree(root, 8, ({ level, index, hashes }) => this.tiles.compare(level, index, hashes))
    if (this.size === committed) this.committedRoot = this.tree.root()
  }

  private noteRoots(lines: EntriesText['lines'], committed: number): void {
    const tree = this.tree.clone()
    for (const line of lines) {
      appendLines(tree, [line])
      if (tree.size === committed) this.committedRoot = tree.root()
      if (tree.size > committed && this.laterRoots.length < maxLaterRoots)
        this.laterRoots.push({ size: tree.size, root: tree.root() })
    }
  }

  /** Compares the root with the signed one, which decides whether lines or tiles are wrong. */
  *end(cose: Uint8Array | undefined): Generator<Fault, void, void> {
    const { checkpoint, log } = this
    for (let level = 1; this.tree.size >= tileWidth ** level; level++)
      this.tiles.comparePartial(level, Math.floor(this.tree.size / tileWidth ** (level + 1)), this.tree.tail(level))
    if (checkpoint !== undefined && this.size === checkpoint.size) this.committedRoot ??= this.tree.root()
    const right =
      checkpoint === undefined ? !this.broken : this.committedRoot !== undefined && equal(this.committedRoot, checkpoint.root)
    if (checkpoint !== undefined && !this.broken && this.size < checkpoint.size) {
      const path = `${logFolder(log)}/entries/${entriesFileName(this.size)}`
      yield {
        path,
        offset: 0,
        reason: `the checkpoint covers ${checkpoint.size} entries and only ${this.size} are there`,
        code: 'E_DAMAGED'
      }
    } else if (!right && !this.broken) {
      const located = [...this.tiles.lineFaults(checkpoint?.size ?? 0)]
      yield* located
      if (located.length === 0 && this.lineFaults === 0)
        yield {
          path: `${logFolder(log)}/entries`,
          offset: 0,
          reason: 'the lines do not give the root of the checkpoint',
          code: 'E_ROOT'
        }
    }
    yield* this.tiles.tileFaults(right ? 'lines' : 'neither', this.size)
    yield* this.checkCose(cose, right)
  }

  private *checkCose(bytes: Uint8Array | undefined, right: boolean): Generator<Fault, void, void> {
    const path = checkpointCosePath(this.log)
    const { checkpoint } = this
    if (bytes === undefined) return
    try {
      if (checkpoint !== undefined) verifyCoseCheckpoint(bytes, checkpoint, this.opened.publicKey)
    } catch (error) {
      if (right && checkpoint !== undefined && this.signsLater(bytes, checkpoint)) return
      yield faultOf(error, path, 0)
    }
  }

  /** A node writes checkpoint.cose before checkpoint: between the two, or after a crash there, it is the newer one. */
  private signsLater(bytes: Uint8Array, checkpoint: Checkpoint): boolean {
    return this.laterRoots.some((head) => {
      try {
        verifyCoseCheckpoint(bytes, { ...checkpoint, ...head }, this.opened.publicKey)
        return true
      } catch {
        return false
      }
    })
  }
}
