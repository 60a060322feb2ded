import type { LogId, Signer } from '../../src/core/index.ts'
import type { Message } from './announcement.ts'
import { Announcing } from './announcing.ts'
import type { Disk } from './disk.ts'
import { type Held, Holding } from './holding.ts'
import type { Bound } from './oracle.ts'
import { type Link, Sessions } from './sessions.ts'
import type { Self, Surroundings } from './surroundings.ts'
import { Writing } from './writing.ts'

/** One simulated node: core's machines over a virtual disk, with a power switch. */
export class SimNode implements Self {
  readonly index: number
  readonly name: string
  readonly around: Surroundings
  readonly trusts: (author: number) => boolean
  readonly refuses: (type: string, author: number) => boolean
  up = true
  incarnation = 0
  lies = false
  private readonly signer: Signer
  private readonly clockOffsetMs: number
  private readonly holding: Holding
  private readonly writing: Writing
  private readonly sessions: Sessions
  private readonly announcing: Announcing

  constructor(
    around: Surroundings,
    index: number,
    signer: Signer,
    rules: Pick<Bound, 'trusts' | 'refuses'>,
    clockOffsetMs: number
  ) {
    this.around = around
    this.index = index
    this.name = `node ${index}`
    this.signer = signer
    this.trusts = rules.trusts
    this.refuses = rules.refuses
    this.clockOffsetMs = clockOffsetMs
    this.holding = new Holding(this)
    this.writing = new Writing(this, this.holding, signer, (log) => this.announcing.grown(log))
    this.sessions = new Sessions(this, this.holding, signer.publicKey, (log) => {
      if (log === this.ownLog) this.writing.adopt(log)
      this.announcing.grown(log)
    })
    this.announcing = new Announcing(this, this.holding, this.sessions)
  }

  /** The node's own clock. */
  get nowMs(): number {
    return this.around.world.nowMs + this.clockOffsetMs
  }

  /** The node's disk. */
  get disk(): Disk {
    return this.holding.disk
  }

  /** The log that the node writes, once it wrote something. */
  get ownLog(): LogId | undefined {
    return this.writing.log
  }

  /** Returns what this node holds of each log. */
  heads(): ReadonlyMap<LogId, Held> {
    return this.holding.heads
  }

  /** Cuts the power. */
  crash(): void {
    this.up = false
    this.incarnation++
    for (const link of this.sessions.links) this.sessions.finish(link, false)
    this.disk.crash(this.around.world.random)
    this.around.touched.add(this)
  }

  /** Starts again: recovers what the disk has. */
  restart(): void {
    this.up = true
    this.around.touched.add(this)
    this.sessions.restart()
    this.announcing.restart()
    this.holding.recover(this.ownLog, (log) => this.writing.signAgain(log))
  }

  /** Puts a backup in the place of the disk, with the power off. */
  restore(backup: Disk): void {
    this.holding.disk = backup.backup()
    this.sessions.forgetCursors()
    const { acknowledged } = this.around.oracle
    const own = this.ownLog
    if (own !== undefined) acknowledged.set(own, Math.min(acknowledged.get(own) ?? 0, this.disk.log(own).syncedCount))
  }

  /** Appends events to the own log, unless the power is off. */
  append(types: readonly string[]): void {
    if (!this.up) return
    const { completed, links } = this.sessions
    this.writing.append(types, { wasAsked: completed, isAsking: links.size > 0 })
  }

  /** Begins a session. */
  connect(link: Pick<Link, 'send' | 'abort' | 'onClosed'>, peer: SimNode): Link {
    return this.sessions.connect(link, peer.name)
  }

  /** Ends a session, cleanly or not. */
  finish(link: Link, complete: boolean): void {
    this.sessions.finish(link, complete)
  }

  /** Takes a frame from the network. */
  receive(link: Link, frame: Uint8Array): void {
    this.sessions.receive(link, frame)
  }

  /** Takes an announcement from the network. */
  hear(message: Message, from: number): void {
    this.announcing.hear(message, from)
  }

  /** Sends an announcement that nobody may take in. */
  lie(): void {
    if (this.up) this.announcing.lie(this.signer)
  }
}
