import { type Checkpoint, equal, hex, leafHash, type LogId, type SyncMessage, Tree } from '../../src/core/index.ts'
import type { Disk, DiskLog } from './disk.ts'

/** What the world knows of an event, whatever a node believes. */
export interface Truth {
  readonly hash: Uint8Array
  readonly type: string
}

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
  readonly truth: Map<LogId, { readonly author: number; readonly events: Truth[] }> = new Map<
    LogId,
    { readonly author: number; readonly events: Truth[] }
  >()
  /** entries of each log that its writer was told are durable */
  readonly acknowledged: Map<LogId, number> = new Map<LogId, number>()
  /** trees of what was hashed again from the bytes already */
  private readonly checked = new WeakMap<DiskLog, Tree>()
  private readonly signed = new Map<string, Uint8Array>()
  checkCount: number = 0

  private fail(message: string): never {
    throw new Violation(message)
  }

  /** A writer signs a head: never two of one size, never more than is durable. */
  onSigned(checkpoint: Checkpoint, disk: Disk): void {
    const { log, size, root } = checkpoint
    const key = `${log} ${size}`
    const before = this.signed.get(key)
    if (before !== undefined && !equal(before, root)) this.fail(`log ${log}: two trees of size ${size} were signed`)
    this.signed.set(key, root)
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
  checkSent(
    node: Bound,
    log: LogId,
    { from, count, text }: Pick<Extract<SyncMessage, { kind: 'lines' }>, 'from' | 'count' | 'text'>
  ): void {
    const truth = this.truth.get(log)
    let start = 0
    for (let index = from; index < from + count; index++) {
      const end = text.indexOf(10, start)
      const withheld = text[start + 2] === 0x77
      const event = truth?.events[index]
      if (!withheld && truth !== undefined && event !== undefined && node.refuses(event.type, truth.author))
        this.fail(`${node.name} sends entry ${index} of log ${log}, which it refuses`)
      start = end + 1
    }
    this.checkCount++
  }

  /**
   * What a node holds up to its checkpoint leads to the signed root, hashed again from the bytes.
   * @param whole whether to hash also what was hashed for an earlier checkpoint
   */
  checkPrefix(name: string, checkpoint: Checkpoint, disk: Disk, whole: boolean): void {
    const { log, size, root } = checkpoint
    const files = disk.log(log)
    const { lines, syncedCount } = files
    if (syncedCount < size)
      this.fail(`${name}: the checkpoint of log ${log} covers ${size} entries and ${syncedCount} are durable`)
    const before = whole ? undefined : this.checked.get(files)
    const tree = before ?? new Tree()
    this.checked.set(files, tree)
    for (const { bytes, hash, withheld } of lines.slice(tree.size, size)) {
      if (!withheld && !equal(hash, leafHash(bytes.subarray(0, -1))))
        this.fail(`${name}: a line of log ${log} does not have its hash`)
      tree.append(hash)
    }
    if (!equal(tree.root(), root))
      this.fail(`${name}: ${size} entries of log ${log} do not give the root ${hex(root).slice(0, 8)}`)
    this.checkCount++
  }
}
