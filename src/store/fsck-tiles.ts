import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { entriesPath, type LogId, tilePath, tileWidth } from '../core/index.ts'
import { readFileRangeSync } from './file.ts'
import type { EntriesText, RawLine } from './fsck-entries.ts'
import { type Fault, isTemporary, namesIn } from './fsck-run.ts'

const maxTileBytes = tileWidth * 32

/** A tile file that has other bytes than the lines give. */
interface Mismatch {
  readonly path: string
  readonly level: number
  readonly index: number
  /** first byte that differs */
  readonly atByte: number
  /** the line whose hash differs, for level 0 */
  readonly line: { readonly path: string; readonly offset: number; readonly index: number } | undefined
}

/** The comparison of one log's tile files with what its lines give. It can't tell which of the two is wrong; the root decides. */
export class TileCheck {
  private readonly root: string
  private readonly log: LogId
  private readonly mismatches: Mismatch[] = []
  private readonly malformed: Fault[] = []
  private readonly holes = new Set<number>()
  /** byte at which the first line of each full tile begins */
  private readonly startOfTile: number[] = []

  constructor(root: string, log: LogId) {
    this.root = root
    this.log = log
  }

  /** Notes where the lines of a full tile begin. */
  note(tile: number, lines: readonly RawLine[]): void {
    this.startOfTile[tile] = lines[0]?.start ?? 0
  }

  /** Notes that no level-0 tile can be made here, since a run is withheld. */
  hole(tile: number): void {
    this.holes.add(tile)
  }

  /** Compares a full tile, and what is left of it from when it was not full. */
  compare(level: number, index: number, hashes: Uint8Array, file?: EntriesText, lines?: readonly RawLine[]): void {
    const path = tilePath(this.log, level, index)
    const bytes = readFileRangeSync(join(this.root, path), 0, maxTileBytes + 1)
    if (bytes !== undefined) this.compareBytes({ path, level, index, bytes, width: tileWidth }, hashes, file, lines)
    this.comparePartial(level, index, hashes, file, lines)
  }

  /** Compares the partial tiles of a place with the hashes that the lines give. */
  comparePartial(
    level: number,
    tile: number,
    hashes: Uint8Array | undefined,
    file?: EntriesText,
    lines?: readonly RawLine[]
  ): void {
    const folder = `${tilePath(this.log, level, tile)}.p`
    for (const name of this.partials(folder)) {
      const path = `${folder}/${name}`
      const width = /^[1-9][0-9]{0,2}$/.test(name) ? Number(name) : undefined
      if (width === undefined || width >= tileWidth) {
        this.malformed.push({ path, offset: 0, reason: 'a partial tile is named by its width, 1 to 255', code: 'E_TILE' })
        continue
      }
      const bytes = readFileRangeSync(join(this.root, path), 0, maxTileBytes + 1)
      // wider than the lines that were read: a running node wrote it since
      if (bytes === undefined || hashes === undefined || width * 32 > hashes.length) continue
      this.compareBytes({ path, level, index: tile, bytes, width }, hashes, file, lines)
    }
  }

  private partials(folder: string): readonly string[] {
    return existsSync(join(this.root, folder)) ? namesIn(this.root, folder).filter((name) => !isTemporary(name)) : []
  }

  private compareBytes(
    tile: {
      readonly path: string
      readonly level: number
      readonly index: number
      readonly bytes: Uint8Array
      readonly width: number
    },
    hashes: Uint8Array,
    file: EntriesText | undefined,
    lines: readonly RawLine[] | undefined
  ): void {
    const { path, level, index, bytes, width } = tile
    const sizeBytes = width * 32
    if (bytes.length !== sizeBytes) {
      const offset = Math.min(bytes.length, sizeBytes)
      this.malformed.push({
        path,
        offset,
        reason: `a tile of ${width} hashes has ${sizeBytes} bytes, not ${bytes.length}`,
        code: 'E_TILE'
      })
      return
    }
    if (Buffer.compare(bytes, hashes.subarray(0, sizeBytes)) === 0) return
    let slotFrom = -1
    for (let atByte = 0; atByte < sizeBytes; atByte++) {
      if (bytes[atByte] === hashes[atByte]) continue
      const slot = Math.floor(atByte / 32)
      if (slot === slotFrom) continue
      slotFrom = slot
      const line = lines?.find((one) => one.index === index * tileWidth + slot)
      this.mismatches.push({
        path,
        level,
        index,
        atByte,
        line: line && file && { path: file.path, offset: line.start, index: line.index }
      })
    }
  }

  /** Yields the lines whose hashes are not those of the tiles; where only higher tiles tell, the first line of 256. */
  *lineFaults(committed: number): Generator<Fault, void, void> {
    const seen = new Set<number>()
    for (const { line } of this.mismatches) {
      if (line === undefined || line.index >= committed || seen.has(line.index)) continue
      seen.add(line.index)
      const reason = `the line of entry ${line.index} has another hash than the tile of the log`
      yield { path: line.path, offset: line.offset, reason, code: 'E_LINE' }
    }
    if (seen.size > 0) return
    for (const { level, index, atByte } of this.mismatches) {
      if (level !== 1) continue
      const tile = index * tileWidth + Math.floor(atByte / 32)
      const path = entriesPath(this.log, tile * tileWidth)
      const reason = `one of the ${tileWidth} entries from ${tile * tileWidth} on has another hash than the tile of the log`
      yield { path, offset: this.startOfTile[tile] ?? 0, reason, code: 'E_LINE' }
    }
  }

  /**
   * Yields the tiles that are wrong.
   * @param trusted whether the lines were found right; where neither is known to be, only malformed tiles are named
   * @param size entries in the files; tiles beyond were written since or are left over, and count for nothing
   */
  *tileFaults(trusted: 'lines' | 'neither', size: number): Generator<Fault, void, void> {
    yield* this.malformed
    if (trusted === 'lines') {
      const seen = new Set<string>()
      for (const { path, atByte } of this.mismatches) {
        if (seen.has(path)) continue
        seen.add(path)
        yield { path, offset: atByte, reason: 'the tile has other hashes than the lines', code: 'E_TILE' }
      }
    }
    for (const tile of this.holes) {
      if ((tile + 1) * tileWidth > size) continue
      const path = tilePath(this.log, 0, tile)
      if (existsSync(join(this.root, path)))
        yield { path, offset: 0, reason: 'a run is withheld here, so that this tile can not be made', code: 'E_TILE' }
    }
  }
}
