import {
  base64,
  type Checkpoint,
  claimedUrgentLog,
  codeOf,
  equal,
  type Fork,
  type ForkSide,
  type LogId,
  logIdOfHash,
  makeForkProof,
  makeSizeForkProof,
  parseCheckpoint,
  tileWidth,
  type UrgentRecord,
  verifyCheckpoint,
  verifyUrgent,
  type WireHead
} from '../core/index.ts'
import { dropOffer, hashesOf, type LogFolder, type Store } from '../store/index.ts'
import type { StoreEnds } from './ends.ts'

/** What is told when a log turns out to end. */
export interface EndingHooks {
  /** something urgent was learned and is durable: it is to be passed on before anything else */
  readonly onUrgent?: ((record: UrgentRecord) => void) | undefined
  /** a signed head contradicts what is here */
  readonly onConflict?: ((log: LogId) => void) | undefined
}

/** Judges entries of a log again; all where no indexes are given. */
export type JudgeAgain = (log: LogId, indexes?: ReadonlySet<number>) => Promise<void>

/** changes of what is known of one log's end in an hour: each can only lower it, but its writer can make as many as it has entries */
const maxChangesAnHour = 8
const hourMs = 3_600_000
const sessionRecords = 100

/**
 * Takes in what ends logs, closings and forks, and lets it bite: one place for what comes by gossip, in a session, from a folder or out of
 * what this node finds itself.
 */
export class Endings {
  private readonly store: Store
  private readonly ends: StoreEnds
  private readonly judgeAgain: JudgeAgain
  private readonly hooks: EndingHooks
  /** logs of which two heads seem to contradict each other, and nothing proves it yet */
  private readonly suspected: Set<LogId>
  private readonly changes = new Map<LogId, number[]>()

  constructor(store: Store, ends: StoreEnds, judgeAgain: JudgeAgain, hooks: EndingHooks) {
    this.store = store
    this.ends = ends
    this.judgeAgain = judgeAgain
    this.hooks = hooks
    this.suspected = new Set(store.urgent.suspectedLogs())
  }

  /** Returns what goes out first in a session. */
  records(): readonly Uint8Array[] {
    return this.store.urgent.forSession(sessionRecords)
  }

  /**
   * Verifies a record and keeps what it adds, durably. apply() must follow where it added something.
   * @returns what was added and is to be passed on, undefined for nothing new
   * @throws what verifyUrgent throws; who sent the record made it up, then
   */
  add(bytes: Uint8Array): UrgentRecord | undefined {
    const log = claimedUrgentLog(bytes)
    if (this.store.urgent.has(log, bytes) || !this.mayChange(log)) return undefined
    const record = verifyUrgent(bytes)
    return this.keep(record)
  }

  private keep(record: UrgentRecord): UrgentRecord | undefined {
    const added = this.store.urgent.add(record)
    if (added === undefined) return undefined
    this.changes.set(record.log, [...(this.changes.get(record.log) ?? []), performance.now()])
    this.ends.changed()
    this.hooks.onUrgent?.(added)
    return added
  }

  private mayChange(log: LogId): boolean {
    const since = performance.now() - hourMs
    const recent = (this.changes.get(log) ?? []).filter((atMs) => atMs > since)
    if (recent.length > 0) this.changes.set(log, recent)
    else this.changes.delete(log)
    return recent.length < maxChangesAnHour
  }

  /** Lets a record bite: void text goes, a forked log freezes. It may be called again. */
  async apply({ kind, log }: UrgentRecord): Promise<void> {
    if (kind === 'closed') await this.applyClosing(log)
    else {
      this.clear(log)
      dropOffer(this.store.root, log)
      if (this.store.folder(log) !== undefined) this.hooks.onConflict?.(log)
    }
  }

  /**
   * Applies every closing again, as a node must when it starts: it may have been stopped between learning of one and applying it. Two heads of
   * one size that an older program kept become a proof.
   */
  async applyAll(): Promise<void> {
    for (const log of this.suspected) {
      const [, theirs] = (this.store.folder(log) && this.store.urgent.suspicion(log)) ?? []
      if (theirs !== undefined && sizeIn(theirs) === this.store.head(log)?.size) await this.conflict(log, theirs)
    }
    for (const { log } of this.store.urgent.closedLogs()) await this.applyClosing(log)
  }

  private async applyClosing(log: LogId): Promise<void> {
    const folder = this.store.folder(log)
    const closed = this.store.urgent.closed(log)
    if (folder === undefined || closed === undefined) return
    if (folder.size > 1 && this.ends.beyond(log, 1) === 'disputed') await this.judgeAgain(log)
    else if (folder.size > closed.size)
      await this.judgeAgain(log, new Set(Array.from({ length: folder.size - closed.size }, (_, i) => closed.size + i)))
  }

  /** Takes note that a log grew: whether it is the one that was closed shows once it has the size of its closing. */
  async grown(log: LogId, size: number): Promise<void> {
    const closed = this.store.urgent.closed(log)
    if (closed !== undefined && size >= closed.size) await this.applyClosing(log)
  }

  /** Returns whether a log takes nothing more in: it is suspected, or it has all that it had before its end. */
  isShut(log: LogId): boolean {
    if (this.suspected.has(log)) return true
    const fork = this.store.urgent.fork(log)
    const closed = this.store.urgent.closed(log)
    if (fork === undefined && closed === undefined) return false
    const end = Math.min(fork?.atIndex ?? Number.POSITIVE_INFINITY, closed?.size ?? Number.POSITIVE_INFINITY)
    return (this.store.folder(log)?.checkpoint?.size ?? 0) >= Math.max(end, 1)
  }

  /** Returns the logs of which another history is known or suspected. */
  conflicts(): readonly LogId[] {
    return [...new Set([...this.store.urgent.forkedLogs(), ...this.suspected])]
  }

  /** Returns the proof of a log's fork, undefined where there is none or only a suspicion. */
  forkOf(log: LogId): Fork | undefined {
    return this.store.urgent.fork(log)
  }

  /**
   * Takes a signed head that contradicts what is here. Of one size both heads are proof enough; else the log is frozen until settle()
   * has shown whether it forked, since the hashes beside the head may be what is wrong.
   */
  async conflict(log: LogId, note: Uint8Array): Promise<void> {
    const folder = this.store.needFolder(log)
    this.store.writer?.sign()
    const ours = folder.checkpoint
    if (ours === undefined || this.store.urgent.fork(log)?.exact === true) return
    const theirs = verifyCheckpoint(note, log, folder.opened.publicKey)
    if (theirs.size <= ours.size && equal(rootAt(folder, ours, theirs.size), theirs.root)) return
    if (theirs.size === ours.size) {
      await this.found(folder, makeSizeForkProof(firstLine(folder), ours, theirs))
      return
    }
    this.suspected.add(log)
    this.store.urgent.noteSuspicion(log, [base64(ours.note), base64(note)])
    dropOffer(this.store.root, log)
    this.hooks.onConflict?.(log)
  }

  private async found({ log }: LogFolder, proof: Uint8Array): Promise<void> {
    const added = this.keep(verifyUrgent(proof))
    if (added === undefined) this.clear(log)
    else await this.apply(added)
  }

  private clear(log: LogId): void {
    this.suspected.delete(log)
    this.store.urgent.dropSuspicion(log)
  }

  /** Returns which logs another side seems to have another history of, as its heads say. They are only claims: inquire. */
  contradicted(heads: readonly WireHead[]): readonly LogId[] {
    return heads.flatMap((head) => {
      const log = logIdOfHash(head.log)
      if (this.store.urgent.fork(log)?.exact === true) return []
      const ours = this.store.head(log)
      // a head that is surveyed again comes without its root
      if (ours === undefined || head.size === 0 || head.root.every((byte) => byte === 0)) return []
      const differs = ours.size === head.size && !equal(ours.root, head.root)
      return differs || (this.suspected.has(log) && !equal(ours.root, head.root)) ? [log] : []
    })
  }

  /** Returns the tile in which another history first differs from ours, for an inquiry. */
  tileAsked(log: LogId, roots: Uint8Array, size: number): number {
    const folder = this.store.needFolder(log)
    const common = Math.min(Math.floor(folder.size / tileWidth), roots.length / 32)
    const ours = folder.tiles.rootsOf(1, 0, common)
    for (let tile = 0; tile < common; tile++)
      if (!equal(ours.subarray(tile * 32, tile * 32 + 32), roots.subarray(tile * 32, tile * 32 + 32))) return tile
    return Math.min(common, Math.floor((size - 1) / tileWidth))
  }

  /**
   * Takes what an inquiry found: another history, whose head and hashes were verified. Where it differs from ours the proof is made and kept,
   * else a suspicion is over.
   */
  async settle(log: LogId, theirs: ForkSide): Promise<'fork' | 'same' | 'unknown'> {
    const folder = this.store.needFolder(log)
    this.store.writer?.sign()
    const ours = folder.checkpoint
    if (ours === undefined) return 'unknown'
    try {
      const side: ForkSide = { checkpoint: ours, read: hashesOf(folder, ours.size) }
      const proof = makeForkProof(firstLine(folder), side, theirs)
      if (proof === undefined) {
        if (this.suspected.has(log)) this.clear(log)
        return 'same'
      }
      await this.found(folder, proof)
      return 'fork'
    } catch (error) {
      // a leaf inside a run that one of us withholds by one hash
      if (codeOf(error) !== 'E_PROOF') throw error
      if (theirs.checkpoint.size !== ours.size) return 'unknown'
      await this.found(folder, makeSizeForkProof(firstLine(folder), ours, theirs.checkpoint))
      return 'fork'
    }
  }
}

/** Returns the size in a head, undefined where it is damaged: the log stays frozen then, and fsck names the file. */
function sizeIn(note: Uint8Array): number | undefined {
  try {
    return parseCheckpoint(note).size
  } catch (error) {
    if (codeOf(error) === undefined) throw error
    return undefined
  }
}

function firstLine(folder: LogFolder): Uint8Array {
  const { line } = folder.entry(0)
  if (line === undefined) throw new Error('bug: the first line of a log is withheld')
  return line
}

function rootAt({ tiles }: LogFolder, { size, root }: Checkpoint, at: number): Uint8Array {
  return at === size ? root : tiles.treeAt(at).root()
}
