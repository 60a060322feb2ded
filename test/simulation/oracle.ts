import { type Checkpoint, equal, type GossipDecision, hex, leafHash, type LogId, tileWidth, Tree } from '../../src/core/index.ts'
import type { Forgery } from './announcement.ts'
import type { Disk, DiskLog } from './disk.ts'
import { type Truth, Written } from './written.ts'

/** A rule of the project that a simulated world broke. */
export class Violation extends Error {}

/** Rules of a simulated node, as the oracle sees them. */
export interface Bound {
  readonly name: string
  readonly trusts: (author: number) => boolean
  readonly refuses: (type: string, author: number) => boolean
}

/** Knows everything that happened in a world, and throws a Violation where something happened that must not. */
export class Oracle {
  readonly truth: Written = new Written()
  /** entries of each log that its writer was told are durable */
  readonly acknowledged: Map<LogId, number> = new Map<LogId, number>()
  /** lines of a file that were compared already */
  private readonly compared = new WeakMap<DiskLog, number>()
  /** events below the largest head that was signed */
  private readonly signed = new Map<LogId, readonly Truth[]>()
  /** catch-ups that must go on after a power cut where they were, by node and log */
  private readonly prepared = new Set<string>()
  checkCount: number = 0
  forgeryCount: number = 0
  /** announcements whose lines a node stored */
  takenCount: number = 0
  /** entries that power cuts left of catch-ups under way */
  resumedCount: number = 0

  private fail(message: string): never {
    throw new Violation(message)
  }

  /** A writer signs a head: never two trees of one size, also within larger ones, and never more than is durable. */
  onSigned({ log, size, root }: Checkpoint, disk: Disk): void {
    const events = this.truth.get(log)?.events ?? []
    const before = this.signed.get(log)
    const common = Math.min(size, before?.length ?? 0)
    if (before !== undefined && before[common - 1] !== events[common - 1])
      this.fail(`log ${log}: two trees of size ${common} were signed`)
    if (!equal(root, this.truth.rootOf(log, size)))
      this.fail(`log ${log}: size ${size} was signed with a root that is not its own`)
    if (size > common) this.signed.set(log, events.slice(0, size))
    const durable = disk.log(log).syncedCount
    if (durable < size) this.fail(`log ${log}: size ${size} was signed where only ${durable} lines are durable`)
    this.checkCount++
  }

  /** What a writer was told is durable must be so until an older copy of its disk is put back. */
  checkAcknowledged(log: LogId, disk: Disk): void {
    const owed = this.acknowledged.get(log) ?? 0
    const { lines, syncedCount } = disk.log(log)
    if (syncedCount < owed) this.fail(`log ${log}: ${owed} entries were acknowledged and ${syncedCount} are durable`)
    const events = this.truth.get(log)?.events
    const last = events?.[owed - 1]
    if (owed > 0 && (last === undefined || !equal(last.hash, (lines[owed - 1] as { readonly hash: Uint8Array }).hash))) {
      this.fail(`log ${log}: the acknowledged entry ${owed - 1} is another one now`)
    }
    this.checkCount++
  }

  /** A node stored lines [from, to): none of them is text that its rules refuse. */
  checkStored(node: Bound, log: LogId, disk: Disk, from: number, to: number): void {
    const truth = this.truth.get(log)
    if (truth === undefined || !node.trusts(truth.author))
      this.fail(`${node.name} holds log ${log}, whose author it does not trust`)
    const { lines } = disk.log(log)
    for (let index = from; index < to; index++) {
      const event = truth.events[index]
      if (event !== undefined && lines[index]?.withheld === false && node.refuses(event.type, truth.author)) {
        this.fail(`${node.name} holds the text of entry ${index} of log ${log}, which it refuses`)
      }
    }
    this.checkCount++
  }

  /** A node sends lines: none of them is text that its rules refuse. */
  checkSent(node: Bound, how: 'sends' | 'announces' | 'passes on', log: LogId, from: number, text: Uint8Array): void {
    const truth = this.truth.get(log)
    for (const [index, line] of numbered(from, text)) {
      const event = truth?.events[index]
      if (truth !== undefined && event !== undefined && line[2] !== 0x77 && node.refuses(event.type, truth.author))
        this.fail(`${node.name} ${how} entry ${index} of log ${log}, which it refuses`)
    }
    this.checkCount++
  }

  /** A node announces lines, or passes an announcement on: besides, all of them were written where they are said to be. */
  checkAnnounced(node: Bound, how: 'announces' | 'passes on', log: LogId, from: number, text: Uint8Array): void {
    this.checkSent(node, how, log, from, text)
    for (const [index, line] of numbered(from, text)) {
      let event = this.truth.get(log)?.events[index]
      while (event !== undefined && line[2] !== 0x77 && !equal(event.bytes, line)) event = event.instead
      if (event === undefined) this.fail(`${node.name} ${how} a line that is not entry ${index} of log ${log}`)
    }
  }

  /** A node decided on an announcement that a liar made: it must be rejected where the node can tell, and never be taken in. */
  checkForgery(node: Bound, forgery: Forgery, verdict: GossipDecision['verdict'], knowsLog: boolean, storedCount: number): void {
    const mustReject = forgery === 'malformed' || (forgery === 'badly signed' && knowsLog)
    if (mustReject ? verdict !== 'reject' : verdict !== 'ignore')
      this.fail(`${node.name} answers a ${forgery} announcement with ${verdict}`)
    if (storedCount !== 0) this.fail(`${node.name} stores ${storedCount} lines of a ${forgery} announcement`)
    this.forgeryCount++
  }

  /** A node was told to note the offer that a long catch-up follows. */
  onPrepared(node: Bound, log: LogId): void {
    this.prepared.add(`${node.name} ${log}`)
  }

  /** A catch-up is through. */
  onCaughtUp(node: Bound, log: LogId): void {
    this.prepared.delete(`${node.name} ${log}`)
  }

  /** Returns how many entries in whole tiles are as they were written after a power cut. */
  survivedCount(log: LogId, files: DiskLog): number {
    let count = 0
    while (count + tileWidth <= files.lines.length && this.truth.isAsWritten(log, files, count, count + tileWidth))
      count += tileWidth
    return count
  }

  /** A node took up another's log after a power cut: nothing unproven is kept, and nothing of a noted catch-up is thrown away. */
  checkRecovered(node: Bound, log: LogId, files: DiskLog, survivedCount: number): void {
    const kept = files.lines.length
    const bad = files.lines.findIndex((_, index) => !this.truth.isAsWritten(log, files, index, index + 1))
    if (bad >= 0) this.fail(`${node.name} keeps entry ${bad} of log ${log}, which nothing proves`)
    if (this.prepared.has(`${node.name} ${log}`)) {
      if (kept < survivedCount)
        this.fail(`${node.name} goes on with ${kept} entries of log ${log}, where ${survivedCount} were proven`)
      this.resumedCount += kept
    }
    this.checkCount++
  }

  /**
   * What a node holds up to its checkpoint leads to the signed root.
   * @param whole whether to look also at what was looked at for an earlier checkpoint
   */
  checkPrefix(name: string, checkpoint: Checkpoint, disk: Disk, whole: boolean): void {
    const { log, size, root } = checkpoint
    const files = disk.log(log)
    if (files.syncedCount < size)
      this.fail(`${name}: the checkpoint of log ${log} covers ${size} entries and ${files.syncedCount} are durable`)
    const from = whole ? 0 : Math.min(this.compared.get(files) ?? 0, size)
    const found = this.truth.isAsWritten(log, files, from, size)
      ? this.truth.rootOf(log, size)
      : this.hashedRoot(name, log, files, size)
    if (!equal(found, root)) this.fail(`${name}: ${size} entries of log ${log} do not give the root ${hex(root).slice(0, 8)}`)
    this.compared.set(files, size)
    this.checkCount++
  }

  private hashedRoot(name: string, log: LogId, { lines }: DiskLog, size: number): Uint8Array {
    const tree = new Tree()
    for (const { bytes, hash, withheld } of lines.slice(0, size)) {
      if (!withheld && !equal(hash, leafHash(bytes.subarray(0, -1))))
        this.fail(`${name}: a line of log ${log} does not have its hash`)
      tree.append(hash)
    }
    return tree.root()
  }
}

/** Yields the lines of a text with their newlines, numbered from an index on. */
function* numbered(from: number, text: Uint8Array): Generator<readonly [number, Uint8Array]> {
  let start = 0
  for (let index = from; start < text.length; index++) {
    const end = text.indexOf(10, start) + 1 || text.length
    yield [index, text.subarray(start, end)]
    start = end
  }
}
