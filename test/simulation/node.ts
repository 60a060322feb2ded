import {
  type Catchup,
  type Checkpoint,
  encodeWithheld,
  endOfAnswer,
  endReason,
  equal,
  hashOfLogId,
  hex,
  isAhead,
  leafHash,
  type LogId,
  logIdOf,
  logIdOfHash,
  type ProvenBlock,
  type PublicKey,
  type Pull,
  RejoinError,
  Session,
  type SessionEffect,
  type SessionInput,
  type Signer,
  signCheckpoint,
  type SyncMessage,
  syncMessage,
  tick,
  firstHlc,
  type Hlc,
  parseHlc,
  textOf,
  Tree,
  utf8,
  verifyCheckpoint,
  type WireHead
} from '../../src/core/index.ts'
import { answerOf } from './answer.ts'
import { Disk, type DiskLine } from './disk.ts'
import type { Bound, Oracle } from './oracle.ts'
import type { World } from './world.ts'

/** Mistakes that can be planted, to see that the oracle finds them. */
export type Fault =
  | 'sign-before-fsync'
  | 'sign-again-unsynced'
  | 'accept-unproven'
  | 'keep-refused'
  | 'serve-refused'
  | 'append-after-one-sync'

type Want = Extract<SyncMessage, { kind: 'want' }>

/** What is known in memory of a log on the node's disk. */
interface Held {
  readonly author: PublicKey
  readonly tree: Tree
  checkpoint: Checkpoint | undefined
}

/** One session of a node, with what carries its frames. */
export interface Link {
  readonly session: Session
  readonly incarnation: number
  /** hands a frame to the network */
  readonly send: (frame: Uint8Array) => void
  /** cuts the stream */
  readonly abort: () => void
  readonly onClosed: (complete: boolean) => void
  ended: boolean
}

/** What all nodes of a world share. */
export interface Surroundings {
  readonly world: World
  readonly oracle: Oracle
  readonly faults: ReadonlySet<Fault>
  /** every node, by its key in hexadecimal digits */
  readonly authors: Map<string, { readonly index: number; readonly key: PublicKey }>
  /** nodes whose disk changed in this step */
  readonly touched: Set<SimNode>
}

/** One simulated node: core's machines over a virtual disk. */
export class SimNode implements Bound {
  readonly index: number
  readonly name: string
  readonly signer: Signer
  readonly clockOffsetMs: number
  readonly trusts: (author: number) => boolean
  readonly refuses: (type: string, author: number) => boolean
  disk: Disk = new Disk()
  up = true
  incarnation = 0
  lies = false
  /** size of the own log that was ever handed to a signature; kept outside the data folder, so no backup brings back an older one */
  generation = 0
  ownLog: LogId | undefined
  conflictCount = 0
  private readonly around: Surroundings
  private held = new Map<LogId, Held>()
  private links = new Set<Link>()
  private catchups = new Map<LogId, Catchup>()
  private cursors = new Map<string, { readonly store: Uint8Array; readonly seq: number }>()
  private store: Uint8Array
  private changes: LogId[] = []
  private diskFreeAtMs = 0
  private hlc: Hlc = firstHlc
  private syncedSince = false
  private readonly secrets = new Map<string, Uint8Array>()

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
    this.store = around.world.random.bytes(16)
  }

  private get nowMs(): number {
    return this.around.world.nowMs + this.clockOffsetMs
  }

  /** Returns what this node holds of each log. */
  heads(): ReadonlyMap<LogId, Held> {
    return this.held
  }

  /** Cuts the power. */
  crash(): void {
    this.up = false
    this.incarnation++
    for (const link of this.links) this.finish(link, false)
    this.disk.crash(this.around.world.random)
    this.around.touched.add(this)
  }

  /** Starts again: recovers what the disk has, as the store does. */
  restart(): void {
    this.up = true
    this.around.touched.add(this)
    this.held = new Map()
    this.catchups = new Map()
    this.changes = []
    this.store = this.around.world.random.bytes(16)
    this.diskFreeAtMs = 0
    this.syncedSince = false
    for (const [log, files] of this.disk.logs) {
      if (files.lines.at(-1)?.torn === true) files.lines.pop()
      const own = log === this.ownLog
      if (!own && files.note === undefined) files.lines.length = 0
      const author = this.authorOf(log)
      const checkpoint = files.note === undefined ? undefined : verifyCheckpoint(files.note, log, author)
      if (!own) files.lines.length = checkpoint?.size ?? 0
      files.syncedCount = Math.min(files.syncedCount, files.lines.length)
      const tree = new Tree()
      for (const { hash } of files.lines) tree.append(hash)
      if (files.lines.length === 0) continue
      this.held.set(log, { author, tree, checkpoint })
      if (checkpoint !== undefined) this.changes.push(log)
      if (own) this.signAgain(log)
    }
  }

  private signAgain(log: LogId): void {
    if (!this.around.faults.has('sign-again-unsynced')) this.disk.sync(log)
    const last = this.disk.log(log).lines.at(-1)
    if (last !== undefined) this.hlc = hlcOf(last.bytes)
    this.sign(log)
  }

  private authorOf(log: LogId): PublicKey {
    const author = this.around.oracle.truth.get(log)?.author
    for (const { index, key } of this.around.authors.values()) if (index === author) return key
    throw new Error(`bug: nobody wrote log ${log}`)
  }

  /** Puts a backup in the place of the disk, with the power off. */
  restore(backup: Disk): void {
    this.disk = backup.backup()
    this.cursors = new Map()
    const { acknowledged } = this.around.oracle
    const own = this.ownLog
    if (own !== undefined) acknowledged.set(own, Math.min(acknowledged.get(own) ?? 0, this.disk.log(own).syncedCount))
  }

  /** Appends events to the own log: one group, one fsync, then one signature. */
  append(types: readonly string[]): void {
    const { oracle, world, faults } = this.around
    if (!this.up) return
    let log = this.ownLog
    if (log !== undefined && this.disk.log(log).lines.length < this.generation) {
      const early = faults.has('append-after-one-sync') && this.syncedSince
      // the tail is lost: it is waited for until a session was through; where it did not come, a new log goes on
      if (!this.syncedSince && this.links.size > 0) return
      if (!early) log = undefined
    }
    if (log === undefined) log = this.open()
    const held = this.held.get(log) as Held
    const truth = (oracle.truth.get(log) as { events: { hash: Uint8Array; type: string }[] }).events
    const files = this.disk.log(log)
    for (const type of types) {
      this.hlc = tick(this.hlc, this.nowMs)
      this.put(log, held, utf8(`{"id":"${world.random.below(2 ** 31)}","hlc":"${this.hlc}","type":"${type}"}\n`), type, truth)
    }
    const size = files.lines.length
    const { incarnation } = this
    if (faults.has('sign-before-fsync')) this.sign(log)
    const target = log
    world.after(1 + world.random.below(150), () => {
      if (this.incarnation !== incarnation || this.disk.log(target).lines.length < size) return
      this.around.touched.add(this)
      this.disk.sync(target)
      oracle.acknowledged.set(target, Math.max(oracle.acknowledged.get(target) ?? 0, size))
      world.after(world.random.below(10), () => {
        if (this.incarnation === incarnation && this.disk.log(target).syncedCount === this.disk.log(target).lines.length)
          this.sign(target)
      })
    })
  }

  private put(log: LogId, held: Held, bytes: Uint8Array, type: string, truth: { hash: Uint8Array; type: string }[]): void {
    const { lines } = this.disk.log(log)
    const hash = leafHash(bytes.subarray(0, -1))
    truth[lines.length] = { hash, type }
    lines.push({ bytes, hash, withheld: false, torn: false })
    held.tree.append(hash)
  }

  private open(): LogId {
    const { oracle, world } = this.around
    const bytes = utf8(`{"id":"${world.random.below(2 ** 31)}","hlc":"${this.hlc}","opened":"${hex(this.signer.publicKey)}"}\n`)
    const log = logIdOf(bytes.subarray(0, -1))
    const events: { hash: Uint8Array; type: string }[] = []
    oracle.truth.set(log, { author: this.index, events })
    const held: Held = { author: this.signer.publicKey, tree: new Tree(), checkpoint: undefined }
    this.generation = 0
    this.put(log, held, bytes, 'log.opened', events)
    this.held.set(log, held)
    this.ownLog = log
    return log
  }

  private sign(log: LogId): void {
    const { oracle } = this.around
    const held = this.held.get(log)
    if (held === undefined || held.tree.size <= (held.checkpoint?.size ?? 0)) return
    const checkpoint = signCheckpoint({ log, size: held.tree.size, root: held.tree.root() }, this.signer)
    this.generation = Math.max(this.generation, checkpoint.size)
    oracle.onSigned(checkpoint, this.disk)
    held.checkpoint = checkpoint
    this.disk.putNote(log, checkpoint.note, false)
    this.changes.push(log)
  }

  /** Begins a session. */
  connect(link: Pick<Link, 'send' | 'abort' | 'onClosed'>, peer: SimNode): Link {
    const cursor = this.cursors.get(peer.name)
    const self = {
      network: 'sim',
      node: this.signer.publicKey,
      store: this.store,
      seq: this.changes.length,
      salt: this.around.world.random.bytes(16),
      cursor,
      logCount: this.held.size,
      urgent: []
    }
    const made: Link = { ...link, session: new Session(self, this.catchups), incarnation: this.incarnation, ended: false }
    this.links.add(made)
    this.step(made, peer, { kind: 'start' })
    return made
  }

  /** Ends a session, cleanly or not. */
  finish(link: Link, complete: boolean): void {
    if (link.ended) return
    link.ended = true
    link.session.release()
    this.links.delete(link)
    if (complete) this.syncedSince = true
    else link.abort()
    link.onClosed(complete)
    this.pokeAll()
  }

  private pokeAll(): void {
    for (const link of this.links) this.around.world.after(0, () => this.step(link, undefined, { kind: 'poke' }))
  }

  /** Takes a frame from the network. */
  receive(link: Link, peer: SimNode, frame: Uint8Array): void {
    if (link.ended) return
    this.step(link, peer, { kind: 'message', message: syncMessage.decode(frame) })
  }

  private readonly peers = new WeakMap<Link, SimNode>()

  private step(link: Link, peer: SimNode | undefined, input: SessionInput): void {
    if (link.ended) return
    if (peer !== undefined) this.peers.set(link, peer)
    try {
      for (const effect of link.session.step(input)) this.carryOut(link, effect)
    } catch (error) {
      if (!(error instanceof RejoinError)) throw error
      this.finish(link, false)
    }
  }

  private carryOut(link: Link, effect: SessionEffect): void {
    switch (effect.kind) {
      case 'send':
        link.send(syncMessage.encode(effect.message))
        return
      case 'serve':
        this.step(link, undefined, { kind: 'served', entries: this.serve(link, effect.want) })
        return
      case 'changes': {
        const known = equal(effect.store, this.store) && effect.seq <= this.changes.length
        this.step(link, undefined, {
          kind: 'changes',
          heads: known ? this.wireHeads(new Set(this.changes.slice(effect.seq))) : undefined
        })
        return
      }
      case 'heads':
        this.step(link, undefined, { kind: 'heads', heads: this.wireHeads(new Set(this.held.keys())) })
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
    const { world } = this.around
    const { incarnation } = this
    this.diskFreeAtMs = Math.max(this.diskFreeAtMs, world.nowMs) + world.random.below(4)
    world.after(this.diskFreeAtMs - world.nowMs, () => {
      if (this.incarnation !== incarnation) return
      this.around.touched.add(this)
      work()
    })
  }

  private wireHeads(logs: ReadonlySet<LogId>): readonly WireHead[] {
    return [...logs].flatMap((log) => {
      const held = this.held.get(log)
      if (held?.checkpoint === undefined) return []
      return [{ log: hashOfLogId(log), size: held.checkpoint.size, root: held.checkpoint.root, author: held.author }]
    })
  }

  private keep(link: Link, effect: SessionEffect): void {
    switch (effect.kind) {
      case 'survey':
        this.step(link, undefined, { kind: 'pulls', pulls: effect.heads.flatMap((head) => this.survey(head) ?? []) })
        return
      case 'store':
        for (const block of effect.blocks) this.accept(effect.log, block)
        return
      case 'commit':
        this.commit(effect.checkpoint)
        return
      case 'conflict':
        this.conflictCount++
        return
      case 'cursor': {
        const peer = this.peers.get(link)
        if (peer !== undefined && !link.ended) this.cursors.set(peer.name, { store: effect.store, seq: effect.seq })
        return
      }
      case 'close':
        this.finish(link, effect.complete)
        return
      default:
        return
    }
  }

  private survey({ log: id, size, author }: WireHead): Pull | undefined {
    const log = logIdOfHash(id)
    const known = this.around.authors.get(hex(author))
    if (known === undefined || !this.trusts(known.index)) return undefined
    const { key } = known
    const held = this.held.get(log)
    if (held === undefined) return { log, author: key, have: new Tree(), size }
    if (size <= (held.checkpoint?.size ?? 0)) return undefined
    if (size >= held.tree.size) return { log, author: key, have: held.tree.clone(), size }
    const have = new Tree()
    for (const { hash } of this.disk.log(log).lines.slice(0, size)) have.append(hash)
    return { log, author: key, have, size }
  }

  private accept(log: LogId, block: ProvenBlock): void {
    const { oracle, faults } = this.around
    let held = this.held.get(log)
    if (held === undefined) {
      held = { author: this.authorOf(log), tree: new Tree(), checkpoint: undefined }
      this.held.set(log, held)
    }
    const { lines } = this.disk.log(log)
    const before = lines.length
    if (block.from > before) throw new Error(`bug: a block from ${block.from} for a log of ${before}`)
    for (const line of block.lines) {
      if (line.index < before) continue
      const bytes = block.text.slice(line.start, line.end + 1)
      const shut = !line.withheld && this.isShut(bytes, this.around.oracle.truth.get(log)?.author ?? -1)
      if (shut && faults.has('serve-refused')) this.secrets.set(hex(line.hash), bytes)
      const withheld = line.withheld || (shut && !faults.has('keep-refused'))
      const kept: DiskLine = {
        bytes: shut && withheld ? utf8(`${encodeWithheld(line)}\n`) : bytes,
        hash: line.hash,
        withheld,
        torn: false
      }
      lines.push(kept)
      held.tree.append(line.hash)
    }
    oracle.checkStored(this, log, this.disk, before, lines.length)
  }

  private isShut(bytes: Uint8Array, author: number): boolean {
    if (author === this.index) return false
    const text = textOf(bytes)
    const type = /"type":"([^"]+)"/.exec(text)?.[1]
    return type !== undefined && (this.refuses(type, author) || isAhead(hlcOf(bytes), this.nowMs))
  }

  private commit(checkpoint: Checkpoint): void {
    const { log, size } = checkpoint
    const held = this.held.get(log)
    if (held === undefined || (held.checkpoint?.size ?? 0) >= size || held.tree.size < size) return
    this.disk.sync(log)
    this.around.oracle.checkPrefix(this.name, checkpoint, this.disk, false)
    this.disk.putNote(log, checkpoint.note, true)
    held.checkpoint = checkpoint
    this.changes.push(log)
    if (log !== this.ownLog) return
    const last = this.disk.log(log).lines.at(-1)
    if (last !== undefined) this.hlc = hlcOf(last.bytes)
  }

  private serve(link: Link, { id, log: bytes, from, to, proof }: Want): number {
    const log = logIdOfHash(bytes)
    const held = this.held.get(log)
    const checkpoint = held?.checkpoint
    if (checkpoint === undefined || from > checkpoint.size || (!proof && to > checkpoint.size)) {
      link.send(syncMessage.encode({ kind: 'end', id, count: 0, reason: endReason.gone }))
      return 0
    }
    const { lines } = this.disk.log(log)
    for (const frame of answerOf(
      { id, from, to, proof },
      checkpoint,
      lines,
      (line) => this.secrets.get(hex(line.hash)) ?? line.bytes
    )) {
      if (frame.kind === 'lines') {
        this.around.oracle.checkSent(this, log, frame)
        const { text } = frame
        if (this.lies && this.around.world.random.chance(0.5)) text[text.length - 5] = (text[text.length - 5] as number) ^ 1
      }
      link.send(syncMessage.encode(frame))
    }
    return endOfAnswer({ to, proof }, checkpoint.size) - from
  }
}

function hlcOf(bytes: Uint8Array): Hlc {
  const found = /"hlc":"([0-9a-f]{16})"/.exec(textOf(bytes))?.[1]
  return found === undefined ? firstHlc : parseHlc(found)
}
