import {
  type Checkpoint,
  encodeWithheld,
  hashOfLogId,
  hex,
  isAhead,
  type LogId,
  logIdOfHash,
  type Offer,
  type ProvenBlock,
  type PublicKey,
  type Pull,
  textOf,
  Tree,
  utf8,
  verifyCheckpoint,
  type WireHead
} from '../../src/core/index.ts'
import { Disk, type DiskLine } from './disk.ts'
import { hlcOf } from './line.ts'
import { provenCount, wholeCount } from './recovery.ts'
import type { Self } from './surroundings.ts'

/** What is known in memory of a log on a node's disk. */
export interface Held {
  readonly author: PublicKey
  readonly tree: Tree
  checkpoint: Checkpoint | undefined
}

/** The logs of a simulated node, on its disk and behind its rules: the part that LocalReplica and Store play in a real one. */
export class Holding {
  disk: Disk = new Disk()
  heads: Map<LogId, Held> = new Map<LogId, Held>()
  /** logs in the order in which they got a new head, since the start */
  changes: LogId[] = []
  /** 16 random bytes, others with each start, since a crash may take changes back */
  store: Uint8Array
  /** text that was refused, where the mistake is planted that it is shown nevertheless */
  private readonly secrets: Map<string, Uint8Array> = new Map<string, Uint8Array>()
  private readonly self: Self

  constructor(self: Self) {
    this.self = self
    this.store = self.around.world.random.bytes(16)
  }

  /** Takes up what the disk has after a power cut, as the store does. */
  recover(ownLog: LogId | undefined, signAgain: (log: LogId) => void): void {
    this.heads = new Map()
    this.changes = []
    this.store = this.self.around.world.random.bytes(16)
    const { oracle, faults } = this.self.around
    for (const [log, files] of this.disk.logs) {
      if (files.lines.at(-1)?.torn === true) files.lines.pop()
      const own = log === ownLog
      const author = this.authorOf(log)
      const checkpoint = files.note === undefined ? undefined : verifyCheckpoint(files.note, log, author)
      const survivedCount = oracle.survivedCount(log, files)
      const resume = faults.has('resume-unproven') ? files.lines.length : provenCount(files, checkpoint?.size ?? 0)
      files.lines.length = own ? wholeCount(files) : resume
      if (!own) oracle.checkRecovered(this.self, log, files, survivedCount)
      files.syncedCount = Math.min(files.syncedCount, files.lines.length)
      const tree = new Tree()
      for (const { hash } of files.lines) tree.append(hash)
      if (files.lines.length === 0) continue
      this.heads.set(log, { author, tree, checkpoint })
      if (checkpoint !== undefined) this.changes.push(log)
      if (own) signAgain(log)
    }
  }

  private authorOf(log: LogId): PublicKey {
    const author = this.self.around.oracle.truth.get(log)?.author
    for (const { index, key } of this.self.around.authors.values()) if (index === author) return key
    throw new Error(`bug: nobody wrote log ${log}`)
  }

  /** Returns the heads of these logs as a session sends them. */
  wireHeads(logs: ReadonlySet<LogId>): readonly WireHead[] {
    return [...logs].flatMap((log) => {
      const held = this.heads.get(log)
      if (held?.checkpoint === undefined) return []
      return [{ log: hashOfLogId(log), size: held.checkpoint.size, root: held.checkpoint.root, author: held.author, texts: 0 }]
    })
  }

  /** Returns what of another node's head is wanted here. */
  survey({ log: id, size, author }: WireHead): Pull | undefined {
    const log = logIdOfHash(id)
    const known = this.self.around.authors.get(hex(author))
    if (known === undefined || !this.self.trusts(known.index)) return undefined
    const { key } = known
    const held = this.heads.get(log)
    if (held === undefined) return { log, author: key, have: new Tree(), size }
    if (size <= (held.checkpoint?.size ?? 0)) return undefined
    if (size >= held.tree.size) return { log, author: key, have: held.tree.clone(), size }
    const have = new Tree()
    for (const { hash } of this.disk.log(log).lines.slice(0, size)) have.append(hash)
    return { log, author: key, have, size }
  }

  /** Returns a line as it came, where the mistake is planted that its text was remembered although it is refused. */
  secretOf({ hash, bytes }: DiskLine): Uint8Array {
    return this.secrets.get(hex(hash)) ?? bytes
  }

  /**
   * Stores proven lines; those that the rules refuse as their hashes.
   * @returns whether all of them are there as text, so that they may be passed on as they came
   */
  accept(log: LogId, block: ProvenBlock): boolean {
    const { oracle, faults } = this.self.around
    let held = this.heads.get(log)
    if (held === undefined) {
      held = { author: this.authorOf(log), tree: new Tree(), checkpoint: undefined }
      this.heads.set(log, held)
    }
    const { lines } = this.disk.log(log)
    const before = lines.length
    const remembers = faults.has('serve-refused') || faults.has('announce-refused')
    let isWhole = true
    if (block.from > before) throw new Error(`bug: a block from ${block.from} for a log of ${before}`)
    for (const line of block.lines) {
      if (line.index < before) continue
      const bytes = block.text.slice(line.start, line.end + 1)
      const shut = !line.withheld && this.isShut(bytes, oracle.truth.get(log)?.author ?? -1)
      if (shut && remembers) this.secrets.set(hex(line.hash), bytes)
      const withheld = line.withheld || (shut && !faults.has('keep-refused'))
      const kept: DiskLine = {
        bytes: shut && withheld ? utf8(`${encodeWithheld(line)}\n`) : bytes,
        hash: line.hash,
        withheld,
        torn: false
      }
      isWhole &&= !line.withheld && !shut
      lines.push(kept)
      held.tree.append(line.hash)
    }
    oracle.checkStored(this.self, log, this.disk, before, lines.length)
    return isWhole
  }

  private isShut(bytes: Uint8Array, author: number): boolean {
    if (author === this.self.index) return false
    const type = /"type":"([^"]+)"/.exec(textOf(bytes))?.[1]
    return type !== undefined && (this.self.refuses(type, author) || isAhead(hlcOf(bytes), this.self.nowMs))
  }

  /** Notes the offer that a long catch-up follows, and first makes the lines durable from which it goes on. */
  prepare(offer: Offer): void {
    const { log } = offer.checkpoint
    const { oracle, faults } = this.self.around
    oracle.onPrepared(this.self, log)
    if (faults.has('forget-offer')) return
    this.disk.sync(log)
    this.disk.log(log).offer = offer
  }

  /**
   * Puts a verified head in place once its lines are durable.
   * @returns whether it is a new one
   */
  commit(checkpoint: Checkpoint): boolean {
    const { log, size } = checkpoint
    const held = this.heads.get(log)
    if (held === undefined || (held.checkpoint?.size ?? 0) >= size || held.tree.size < size) return false
    this.disk.sync(log)
    this.self.around.oracle.checkPrefix(this.self.name, checkpoint, this.disk, false)
    this.disk.putNote(log, checkpoint.note, true)
    this.disk.log(log).offer = undefined
    this.self.around.oracle.onCaughtUp(this.self, log)
    held.checkpoint = checkpoint
    this.changes.push(log)
    return true
  }
}
