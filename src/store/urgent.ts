import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import {
  type ClosedLog,
  closedLogOf,
  closedPath,
  closedRecord,
  codeOf,
  equal,
  type Fork,
  forkPath,
  fromBase64,
  isLogId,
  type LogId,
  lowestFork,
  maxUrgentBytes,
  type Opened,
  RejoinError,
  textOf,
  type UrgentRecord,
  utf8,
  verifyUrgent
} from '../core/index.ts'
import { readFileRangeSync, replaceFileSync } from './file.ts'
import { namesIn } from './fsck-run.ts'

/** A log that was closed: who wrote it, and what its closings come to. */
export interface ClosedEntry {
  readonly log: LogId
  readonly opened: Opened
  readonly closed: ClosedLog
}

interface Known {
  closed?: Extract<UrgentRecord, { kind: 'closed' }>
  /** what its closings come to */
  end?: ClosedLog | undefined
  fork?: Extract<UrgentRecord, { kind: 'fork' }>
}

/** most logs without entries of which records are kept: anybody can make such a log */
const maxStrangers = 1000
const maxSuspicionBytes = 128 * 1024

/**
 * What ends logs: closings and fork proofs, each verified, in `logs/<id>/closed` and `logs/<id>/fork`. Of each log one of either
 * kind is kept, the one that the others come to, so that the order in which they arrive changes nothing.
 */
export class UrgentRecords {
  private readonly root: string
  /** the newest last */
  private readonly known = new Map<LogId, Known>()
  private readonly strangers = new Set<LogId>()
  private next = 0
  /** paths of files that are damaged: what they said is not known */
  readonly damaged: readonly string[]

  private constructor(root: string) {
    this.root = root
    this.damaged = this.load()
  }

  /** Reads the records of a data folder. A damaged one is passed over and named. */
  static open(root: string): UrgentRecords {
    return new UrgentRecords(root)
  }

  private load(): readonly string[] {
    const damaged: string[] = []
    for (const log of namesIn(this.root, 'logs').filter(isLogId))
      for (const path of [closedPath(log), forkPath(log)]) {
        // asking first takes a tenth of the time of an error
        if (!existsSync(join(this.root, path))) continue
        try {
          this.put(readUrgentFile(this.root, path, log))
        } catch (error) {
          if (codeOf(error) === undefined) throw error
          damaged.push(path)
        }
      }
    return damaged
  }

  private put(record: UrgentRecord): void {
    const { log } = record
    const known = this.known.get(log) ?? {}
    this.known.delete(log)
    const end = record.kind === 'closed' ? { end: closedLogOf(record.closings) } : {}
    this.known.set(log, { ...known, [record.kind]: record, ...end })
    if (!this.hasEntries(log)) this.strangers.add(log)
  }

  private hasEntries(log: LogId): boolean {
    return existsSync(join(this.root, `logs/${log}/entries`))
  }

  /** Returns what the closings of a log come to, where there is one. */
  closed(log: LogId): ClosedLog | undefined {
    return this.known.get(log)?.end
  }

  /** Returns the fork that a log ends at, where one was proven. */
  fork(log: LogId): Fork | undefined {
    return this.known.get(log)?.fork?.fork
  }

  /** Returns every log that was closed. */
  closedLogs(): readonly ClosedEntry[] {
    return [...this.known].flatMap(([log, { closed, end }]) =>
      closed === undefined || end === undefined ? [] : [{ log, opened: closed.opened, closed: end }]
    )
  }

  /** Returns the logs of which a fork was proven. */
  forkedLogs(): readonly LogId[] {
    return [...this.known].filter(([, { fork }]) => fork !== undefined).map(([log]) => log)
  }

  /** Returns whether exactly these bytes are known: then nothing of them need be verified. */
  has(log: LogId, bytes: Uint8Array): boolean {
    const { closed, fork } = this.known.get(log) ?? {}
    return [closed, fork].some((record) => record !== undefined && equal(record.bytes, bytes))
  }

  /**
   * Keeps what a verified record adds, durably.
   * @returns the record that is to be passed on, or undefined where it adds nothing, or speaks of one stranger too many
   */
  add(record: UrgentRecord): UrgentRecord | undefined {
    const known = this.known.get(record.log)
    const merged = merge(known, record)
    const before = known?.[record.kind]
    if (before !== undefined && equal(before.bytes, merged.bytes)) return undefined
    if (known === undefined && !this.hasEntries(record.log) && !this.hasRoom()) return undefined
    const path = merged.kind === 'closed' ? closedPath(merged.log) : forkPath(merged.log)
    replaceFileSync(join(this.root, path), merged.bytes, { durable: true })
    this.put(merged)
    return merged
  }

  private hasRoom(): boolean {
    for (const log of this.strangers) if (this.hasEntries(log)) this.strangers.delete(log)
    return this.strangers.size < maxStrangers
  }

  /**
   * Returns records for a session, the newest first, at most so many. Where there are more, the newest half of them always goes,
   * and the rest takes turns from one call to the next.
   */
  forSession(maxCount: number): readonly Uint8Array[] {
    const all = [...this.known.values()]
      .toReversed()
      .flatMap(({ closed, fork }) => [closed, fork].flatMap((one) => one?.bytes ?? []))
    if (all.length <= maxCount) return all
    const fixed = Math.floor(maxCount / 2)
    const rest = all.slice(fixed)
    const turn = Array.from({ length: maxCount - fixed }, (_, i) => rest[(this.next + i) % rest.length] as Uint8Array)
    this.next = (this.next + turn.length) % rest.length
    return [...all.slice(0, fixed), ...turn]
  }

  /** Forgets the two heads of a log that seemed to contradict each other; nothing happens where there are none. */
  dropSuspicion(log: LogId): void {
    rmSync(join(this.root, suspicionPath(log)), { force: true })
  }

  /** Keeps two heads of which nothing has shown yet that one does not go on from the other. */
  noteSuspicion(log: LogId, notes: readonly [string, string]): void {
    replaceFileSync(join(this.root, suspicionPath(log)), utf8(`${JSON.stringify({ log, notes })}\n`), { durable: true })
  }

  /** Returns the two heads of a log that seem to contradict each other, ours first; undefined where there are none, or they are damaged. */
  suspicion(log: LogId): readonly [Uint8Array, Uint8Array] | undefined {
    const bytes = readFileRangeSync(join(this.root, suspicionPath(log)), 0, maxSuspicionBytes)
    try {
      const { notes } = JSON.parse(textOf(bytes ?? new Uint8Array(0))) as { readonly notes: readonly string[] }
      const [ours, theirs] = notes.map((note) => fromBase64(note))
      return ours === undefined || theirs === undefined ? undefined : [ours, theirs]
    } catch {
      return undefined
    }
  }

  /** Returns the logs of which two heads seem to contradict each other. */
  suspectedLogs(): readonly LogId[] {
    return namesIn(this.root, 'private/forks').filter(isLogId)
  }
}

function suspicionPath(log: LogId): string {
  return `private/forks/${log}`
}

function merge(known: Known | undefined, record: UrgentRecord): UrgentRecord {
  if (record.kind === 'fork') {
    const before = known?.fork
    return before !== undefined && lowestFork([before.fork, record.fork]) === before.fork ? before : record
  }
  const before = known?.closed
  if (before === undefined) return record
  return closedRecord(firstLineIn(record.bytes), [...before.closings, ...record.closings])
}

/** Returns the log's first line in the bytes of a verified record: the second line of both kinds. */
export function firstLineIn(record: Uint8Array): Uint8Array {
  const start = record.indexOf(10) + 1
  return record.subarray(start, record.indexOf(10, start))
}

/**
 * Returns the verified record in a file.
 * @throws E_ORIGIN where it is of another log, and what verifyUrgent throws
 */
export function readUrgentFile(root: string, path: string, log: LogId): UrgentRecord {
  const record = verifyUrgent(readFileRangeSync(join(root, path), 0, maxUrgentBytes + 1) ?? new Uint8Array(0))
  const expected = record.kind === 'closed' ? closedPath(log) : forkPath(log)
  if (record.log !== log || path !== expected) throw new RejoinError('E_ORIGIN', 'it belongs to another log or file')
  return record
}
