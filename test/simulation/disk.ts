import type { LogId, Offer } from '../../src/core/index.ts'
import type { Random } from './world.ts'

/** A line of a log as it lies on a virtual disk. */
export interface DiskLine {
  /** its bytes with the newline; without one it is torn */
  readonly bytes: Uint8Array
  readonly hash: Uint8Array
  readonly withheld: boolean
  readonly torn: boolean
}

/** One log on a virtual disk: what is before `syncedCount` outlives a crash. */
export interface DiskLog {
  readonly lines: DiskLine[]
  syncedCount: number
  /** newest checkpoint file, and the last one that is sure to outlive a crash */
  note: Uint8Array | undefined
  syncedNote: Uint8Array | undefined
  /** what a long catch-up follows; durable once it is there */
  offer: Offer | undefined
}

/** A disk in memory, which forgets in a crash what was not synced. */
export class Disk {
  readonly logs: Map<LogId, DiskLog> = new Map<LogId, DiskLog>()

  /** Returns a log's files, made where they are not there. */
  log(log: LogId): DiskLog {
    let found = this.logs.get(log)
    if (found === undefined) {
      found = { lines: [], syncedCount: 0, note: undefined, syncedNote: undefined, offer: undefined }
      this.logs.set(log, found)
    }
    return found
  }

  /** Returns how many lines there are in all logs. */
  lineCount(): number {
    return [...this.logs.values()].reduce((sum, { lines }) => sum + lines.length, 0)
  }

  /** Makes a log's lines durable. */
  sync(log: LogId): void {
    const files = this.log(log)
    files.syncedCount = files.lines.length
  }

  /** Replaces a log's checkpoint in one step. */
  putNote(log: LogId, note: Uint8Array, durable: boolean): void {
    const files = this.log(log)
    files.note = note
    if (durable) files.syncedNote = note
  }

  /**
   * Power cut: of what is not synced some lines remain, the last of them perhaps in part, and one in between perhaps as zeros, since
   * blocks reach a disk in any order; checkpoints may be the older ones.
   */
  crash(random: Random): void {
    for (const files of this.logs.values()) {
      const unsynced = files.lines.length - files.syncedCount
      const kept = files.syncedCount + random.below(unsynced + 1)
      const torn = kept < files.lines.length && random.chance(0.5) ? (files.lines[kept] as DiskLine) : undefined
      files.lines.length = kept
      const lost = files.syncedCount + random.below(kept - files.syncedCount)
      if (kept > files.syncedCount && random.chance(0.3)) {
        const line = files.lines[lost] as DiskLine
        files.lines[lost] = { ...line, bytes: new Uint8Array(line.bytes.length) }
      }
      if (torn !== undefined)
        files.lines.push({ ...torn, bytes: torn.bytes.subarray(0, random.below(torn.bytes.length)), torn: true })
      if (random.chance(0.5)) files.note = files.syncedNote
    }
  }

  /** Returns a copy of everything that is durable: a backup. */
  backup(): Disk {
    const copy = new Disk()
    for (const [log, { lines, syncedCount, syncedNote, offer }] of this.logs) {
      copy.logs.set(log, { lines: lines.slice(0, syncedCount), syncedCount, note: syncedNote, syncedNote, offer })
    }
    return copy
  }
}
