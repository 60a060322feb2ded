import {
  type Catchup,
  type Checkpoint,
  endOfAnswer,
  endReason,
  equal,
  type LogId,
  logIdOfHash,
  RejoinError,
  Session,
  type SessionEffect,
  type SessionInput,
  type SyncMessage,
  syncMessage
} from '../../src/core/index.ts'
import { answerOf } from './answer.ts'
import type { DiskLine } from './disk.ts'
import type { Holding } from './holding.ts'
import type { Self } from './surroundings.ts'

type Want = Extract<SyncMessage, { kind: 'want' }>

/** One session of a node, with what carries its frames. */
export interface Link {
  readonly session: Session
  /** name of the node on the other side */
  readonly peer: string
  /** hands a frame to the network */
  readonly send: (frame: Uint8Array) => void
  /** cuts the stream */
  readonly abort: () => void
  readonly onClosed: (complete: boolean) => void
  ended: boolean
}

/** The sessions of a simulated node: core's machine, with the effects that src/sync carries out in a real one. */
export class Sessions {
  readonly links: Set<Link> = new Set<Link>()
  /** whether a session was through since the start */
  completed = false
  catchups: Map<LogId, Catchup> = new Map<LogId, Catchup>()
  private cursors = new Map<string, { readonly store: Uint8Array; readonly seq: number }>()
  private diskFreeAtMs = 0
  private readonly self: Self
  private readonly holding: Holding
  private readonly publicKey: Uint8Array
  private readonly onCommitted: (log: LogId) => void

  constructor(self: Self, holding: Holding, publicKey: Uint8Array, onCommitted: (log: LogId) => void) {
    this.self = self
    this.holding = holding
    this.publicKey = publicKey
    this.onCommitted = onCommitted
  }

  /** Forgets what a power cut takes. */
  restart(): void {
    this.catchups = new Map()
    this.diskFreeAtMs = 0
    this.completed = false
  }

  /** Forgets what was seen of other stores, as an older copy of the data folder does. */
  forgetCursors(): void {
    this.cursors = new Map()
  }

  /** Begins a session. */
  connect(link: Pick<Link, 'send' | 'abort' | 'onClosed'>, peer: string): Link {
    const { holding } = this
    const self = {
      network: 'sim',
      node: this.publicKey,
      store: holding.store,
      seq: holding.changes.length,
      salt: this.self.around.world.random.bytes(16),
      cursor: this.cursors.get(peer),
      logCount: holding.heads.size,
      interest: [],
      urgent: []
    }
    const made: Link = { ...link, peer, session: new Session(self, this.catchups), ended: false }
    this.links.add(made)
    this.step(made, { kind: 'start' })
    return made
  }

  /** Ends a session, cleanly or not. */
  finish(link: Link, complete: boolean): void {
    if (link.ended) return
    link.ended = true
    link.session.release()
    this.links.delete(link)
    if (complete) this.completed = true
    else link.abort()
    link.onClosed(complete)
    this.pokeAll()
  }

  private pokeAll(): void {
    for (const link of this.links) this.self.around.world.after(0, () => this.step(link, { kind: 'poke' }))
  }

  /** Takes a frame from the network. */
  receive(link: Link, frame: Uint8Array): void {
    if (!link.ended) this.step(link, { kind: 'message', message: syncMessage.decode(frame) })
  }

  private step(link: Link, input: SessionInput): void {
    if (link.ended) return
    try {
      for (const effect of link.session.step(input)) this.carryOut(link, effect)
    } catch (error) {
      if (!(error instanceof RejoinError)) throw error
      this.finish(link, false)
    }
  }

  private carryOut(link: Link, effect: SessionEffect): void {
    const { holding } = this
    switch (effect.kind) {
      case 'send':
        link.send(syncMessage.encode(effect.message))
        return
      case 'serve':
        this.step(link, { kind: 'served', entries: this.serve(link, effect.want) })
        return
      case 'changes': {
        const known = equal(effect.store, holding.store) && effect.seq <= holding.changes.length
        const heads = known ? holding.wireHeads(new Set(holding.changes.slice(effect.seq))) : undefined
        this.step(link, { kind: 'changes', heads })
        return
      }
      case 'heads':
        this.step(link, { kind: 'heads', heads: holding.wireHeads(new Set(holding.heads.keys())) })
        return
      case 'poke':
        this.pokeAll()
        return
      default:
        this.onDisk(() => this.keep(link, effect))
    }
  }

  /** Does work on the disk in order, each a little later. */
  private onDisk(work: () => void): void {
    const { around, incarnation } = this.self
    const { world } = around
    this.diskFreeAtMs = Math.max(this.diskFreeAtMs, world.nowMs) + world.random.below(4)
    world.after(this.diskFreeAtMs - world.nowMs, () => {
      if (this.self.incarnation !== incarnation) return
      around.touched.add(this.self)
      work()
    })
  }

  private keep(link: Link, effect: SessionEffect): void {
    switch (effect.kind) {
      case 'survey':
        this.step(link, { kind: 'pulls', pulls: effect.heads.flatMap((head) => this.holding.survey(head) ?? []) })
        return
      case 'seek':
        this.step(link, { kind: 'texts', pulls: [] })
        return
      case 'prepare':
        this.holding.prepare(effect.offer)
        return
      case 'store':
        for (const block of effect.blocks) this.holding.accept(effect.log, block)
        return
      case 'commit':
        this.commit(effect.checkpoint)
        return
      case 'cursor':
        if (!link.ended) this.cursors.set(link.peer, { store: effect.store, seq: effect.seq })
        return
      case 'close':
        this.finish(link, effect.complete)
        return
      default:
        return
    }
  }

  private commit(checkpoint: Checkpoint): void {
    if (this.holding.commit(checkpoint)) this.onCommitted(checkpoint.log)
  }

  /** Puts the head of an announcement in place, whose lines are stored already. */
  commitSoon(checkpoint: Checkpoint): void {
    this.onDisk(() => this.commit(checkpoint))
  }

  private serve(link: Link, { id, log: bytes, from, to, proof }: Want): number {
    const log = logIdOfHash(bytes)
    const held = this.holding.heads.get(log)
    const checkpoint = held?.checkpoint
    if (held === undefined || checkpoint === undefined || from > checkpoint.size || (!proof && to > checkpoint.size)) {
      link.send(syncMessage.encode({ kind: 'end', id, count: 0, reason: endReason.gone }))
      return 0
    }
    const { oracle, world, faults } = this.self.around
    const { lines } = this.holding.disk.log(log)
    const shown = (line: DiskLine): Uint8Array => (faults.has('serve-refused') ? this.holding.secretOf(line) : line.bytes)
    for (const frame of answerOf({ id, from, to, proof }, checkpoint, lines, held.tree, shown)) {
      if (frame.kind === 'lines') {
        oracle.checkSent(this.self, 'sends', log, frame.from, frame.text)
        const { text } = frame
        if (this.self.lies && world.random.chance(0.5)) text[text.length - 5] = (text[text.length - 5] as number) ^ 1
      }
      link.send(syncMessage.encode(frame))
    }
    return endOfAnswer({ to, proof }, checkpoint.size) - from
  }
}
