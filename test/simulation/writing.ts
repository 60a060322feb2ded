import {
  concat,
  encodeEvent,
  firstHlc,
  hex,
  type Hlc,
  type LogId,
  logIdOf,
  nextKeyDigest,
  openedEvent,
  type Signer,
  signCheckpoint,
  tick,
  Tree,
  utf8
} from '../../src/core/index.ts'
import type { Held, Holding } from './holding.ts'
import { hlcOf } from './line.ts'
import type { Self } from './surroundings.ts'

/** The own log of a simulated node: the part that the store's Writer plays in a real one. */
export class Writing {
  log: LogId | undefined
  /** size of the own log that was ever handed to a signature; kept outside the data folder, so no backup brings back an older one */
  private generation = 0
  private hlc: Hlc = firstHlc
  private readonly self: Self
  private readonly holding: Holding
  private readonly signer: Signer

  private readonly onSigned: (log: LogId) => void

  constructor(self: Self, holding: Holding, signer: Signer, onSigned: (log: LogId) => void) {
    this.self = self
    this.holding = holding
    this.signer = signer
    this.onSigned = onSigned
  }

  /** Signs what the disk has of the own log after a power cut. */
  signAgain(log: LogId): void {
    const { disk } = this.holding
    if (!this.self.around.faults.has('sign-again-unsynced')) disk.sync(log)
    this.adopt(log)
    this.sign(log)
  }

  /** Goes on from the last line of the own log. */
  adopt(log: LogId): void {
    const last = this.holding.disk.log(log).lines.at(-1)
    if (last !== undefined) this.hlc = hlcOf(last.bytes)
  }

  /** Whether a part of the own log is missing here that was signed once. */
  private get lacksTail(): boolean {
    return this.log !== undefined && this.holding.disk.log(this.log).lines.length < this.generation
  }

  /**
   * Appends events to the own log: one group, one fsync, then one signature.
   * @param wasAsked whether a session was through since the start, so that a lost tail was asked for
   * @param isAsking whether a session is open
   */
  append(types: readonly string[], { wasAsked, isAsking }: { readonly wasAsked: boolean; readonly isAsking: boolean }): void {
    const { around, incarnation } = this.self
    const { oracle, world, faults } = around
    let { log } = this
    if (this.lacksTail) {
      // the tail is lost: it is waited for until a session was through; where it did not come, a new log goes on
      if (!wasAsked && isAsking) return
      if (!(faults.has('append-after-one-sync') && wasAsked && !isAsking)) log = undefined
    }
    // a power cut before its first line was durable: there is no such log
    if (log !== undefined && !this.holding.heads.has(log)) log = undefined
    log ??= this.open()
    const { disk } = this.holding
    const held = this.holding.heads.get(log) as Held
    const files = disk.log(log)
    for (const type of types) {
      this.hlc = tick(this.hlc, this.self.nowMs)
      this.put(log, held, utf8(`{"id":"${world.random.below(2 ** 31)}","hlc":"${this.hlc}","type":"${type}"}\n`), type)
    }
    const size = files.lines.length
    if (faults.has('sign-before-fsync')) this.sign(log)
    const target = log
    world.after(1 + world.random.below(150), () => {
      if (this.self.incarnation !== incarnation || this.holding.disk.log(target).lines.length < size) return
      around.touched.add(this.self)
      this.holding.disk.sync(target)
      oracle.acknowledged.set(target, Math.max(oracle.acknowledged.get(target) ?? 0, size))
      world.after(world.random.below(10), () => {
        if (this.self.incarnation !== incarnation) return
        const { syncedCount, lines } = this.holding.disk.log(target)
        if (syncedCount === lines.length) this.sign(target)
      })
    })
  }

  private put(log: LogId, held: Held, bytes: Uint8Array, type: string): void {
    const { lines } = this.holding.disk.log(log)
    const hash = this.self.around.oracle.truth.put(log, this.self.index, lines.length, bytes, type)
    lines.push({ bytes, hash, withheld: false, torn: false })
    held.tree.append(hash)
  }

  private open(): LogId {
    const { publicKey } = this.signer
    const stamp = { id: hex(this.self.around.world.random.bytes(16)), time: '2026-11-20T10:00:00.000Z', hlc: this.hlc }
    const event = openedEvent({ publicKey, nextKey: nextKeyDigest(publicKey), name: this.self.name }, stamp)
    const bytes = concat([encodeEvent(event), utf8('\n')])
    const log = logIdOf(bytes.subarray(0, -1))
    const held: Held = { author: publicKey, tree: new Tree(), checkpoint: undefined }
    this.generation = 0
    this.put(log, held, bytes, 'log.opened')
    this.holding.heads.set(log, held)
    this.log = log
    return log
  }

  private sign(log: LogId): void {
    const { oracle } = this.self.around
    const { disk } = this.holding
    const held = this.holding.heads.get(log)
    if (held === undefined || held.tree.size <= (held.checkpoint?.size ?? 0)) return
    const checkpoint = signCheckpoint({ log, size: held.tree.size, root: held.tree.root() }, this.signer)
    this.generation = Math.max(this.generation, checkpoint.size)
    oracle.onSigned(checkpoint, disk)
    held.checkpoint = checkpoint
    disk.putNote(log, checkpoint.note, false)
    this.holding.changes.push(log)
    this.onSigned(log)
  }
}
