import { randomBytes } from 'node:crypto'
import {
  type EntryBlock,
  FrameSplitter,
  hex,
  type Interest,
  type LogId,
  maxSyncFrameBytes,
  parsePublicKey,
  peerIdOf,
  RejoinError,
  Session,
  type SessionEffect,
  type SessionInput,
  type SyncMessage,
  wantedBy
} from '../core/index.ts'
import type { Replica, Taken } from '../replica/index.ts'
import type { ByteStream } from './byte-stream.ts'
import { bytesOf, defaultIdleMs, type DriveOptions, idlesOfAnswer, isNoneOfTheLog, type SyncResult } from './drive-io.ts'
import { type LineFilter, serveWant } from './serve.ts'
import { decodeSyncFrame, encodeSyncFrame } from './wire.ts'

/** blocks that may wait for the disk before reading stops */
const maxStoreQueue = 4
/** urgent records of one session that are looked at; an honest side sends at most 100 */
const maxUrgent = 200

/**
 * Runs one sync session to its end, over a stream to the other side's session: the only loop that runs core's machine.
 * @throws E_GONE E_TIMEOUT where the other side went away · E_NETWORK E_VERSION E_PROTOCOL … where it broke the rules; what was
 * stored until then stays, and the next session goes on from there
 */
export async function driveSession(replica: Replica, stream: ByteStream, options: DriveOptions): Promise<SyncResult> {
  return await new Drive(replica, stream, options).run()
}

class Drive {
  private readonly replica: Replica
  private readonly stream: ByteStream
  private readonly options: DriveOptions
  private readonly session: Session
  /** which interest HELLO names */
  private readonly epoch: number | undefined
  /** peer ID of the other side, where the connection proves it */
  private readonly by: string | undefined
  private outgoing: Promise<void> = Promise.resolve()
  private storing: Promise<void> = Promise.resolve()
  private storeQueue = 0
  private failure: Error | undefined
  private closed: { readonly complete: boolean } | undefined
  /** the session is over; what it proved may still be on its way to the disk */
  private ending = false
  private readonly finished: Promise<void>
  private finish: () => void = () => {}
  /** resolves when the session fails, so that nothing waits for a stream that does not let go */
  private readonly broken: Promise<void>
  private breakOff: () => void = () => {}
  private storedCount = 0
  private readonly counts = {
    events: 0,
    refused: 0,
    held: 0,
    entriesReceived: 0,
    entriesSent: 0,
    bytesReceived: 0,
    bytesSent: 0,
    conflicts: 0
  }
  private readonly suspects = new Set<LogId>()
  private urgentCount = 0
  private timer: NodeJS.Timeout | undefined
  /** when the peer owed nothing, or last completed a tile or an answer */
  private progressMs = Date.now()
  private isWanted: LineFilter | undefined

  constructor(replica: Replica, stream: ByteStream, options: DriveOptions) {
    this.replica = replica
    this.stream = stream
    this.options = options
    this.epoch = replica.interestEpoch?.()
    this.by = options.peer && peerIdOf(parsePublicKey(options.peer.slice()))
    const { storeId, seq } = replica.journal()
    const cursor = options.peer === undefined ? undefined : replica.cursor(options.peer)
    this.session = new Session(
      {
        network: replica.network,
        node: replica.node,
        store: bytesOf(storeId),
        seq,
        salt: randomBytes(16),
        cursor: cursor && { store: bytesOf(cursor.storeId), seq: cursor.seq },
        logCount: replica.heads().length,
        interest: replica.interest(),
        urgent: replica.urgent().map((note) => ({ note, other: new Uint8Array(0) }))
      },
      options.share.catchups
    )
    this.finished = new Promise((resolve) => {
      this.finish = resolve
    })
    this.broken = new Promise((resolve) => {
      this.breakOff = resolve
    })
  }

  async run(): Promise<SyncResult> {
    const { signal, share } = this.options
    const onAbort = (): void =>
      this.fail(signal.reason instanceof Error ? signal.reason : new RejoinError('E_INTERRUPTED', 'interrupted'))
    const poke = (): void => this.step({ kind: 'poke' })
    signal.throwIfAborted()
    signal.addEventListener('abort', onAbort, { once: true })
    share.pokes.add(poke)
    const ticks = setInterval(() => this.step({ kind: 'tick' }), (this.options.idleMs ?? defaultIdleMs) / 3)
    this.touch()
    try {
      this.step({ kind: 'start' })
      const reading = this.read()
      await this.finished
      await this.storing
      await this.unlessBroken(this.outgoing)
      clearTimeout(this.timer)
      await this.unlessBroken(this.stream.close())
      this.touch()
      // everything is here and went out: where the other side does not close its half, that is cut off
      await Promise.race([reading, this.broken])
      return { complete: this.closed?.complete === true, ...this.counts, suspects: [...this.suspects] }
    } catch (error) {
      this.stream.abort(error as Error)
      throw error
    } finally {
      clearTimeout(this.timer)
      clearInterval(ticks)
      signal.removeEventListener('abort', onAbort)
      share.pokes.delete(poke)
      this.session.release()
      for (const other of share.pokes) other()
    }
  }

  private touch(): void {
    clearTimeout(this.timer)
    const ms = this.options.idleMs ?? defaultIdleMs
    if (!this.session.isOwed) this.progressMs = Date.now()
    else if (Date.now() - this.progressMs > idlesOfAnswer * ms) {
      const error = new RejoinError('E_TIMEOUT', 'the peer sends, but not what it was asked for')
      this.blame(error)
      this.fail(error)
      return
    }
    const { storedCount } = this
    this.timer = setTimeout(() => {
      // it is this side's disk that is waited for
      if (this.storeQueue > 0 && this.storedCount > storedCount) this.touch()
      else this.fail(new RejoinError('E_TIMEOUT', `the peer sent nothing for ${Math.round(ms / 1000)} s`))
    }, ms)
  }

  private async unlessBroken(work: Promise<void>): Promise<void> {
    await Promise.race([work, this.broken])
    if (this.failure !== undefined) throw this.failure
  }

  /** Ends the session; the stream is cut off, which frees a send that waits for a reader who is gone. */
  private fail(error: Error): void {
    this.failure ??= error
    this.finish()
    this.breakOff()
    this.stream.abort(this.failure)
  }

  /** Notes that it was the other side that broke the rules; must come before fail(). */
  private blame(error: unknown): void {
    if (this.failure === undefined && error instanceof RejoinError && error.code !== 'E_GONE') this.options.onFault?.(error)
  }

  private *frames(splitter: FrameSplitter, chunk: Uint8Array): Generator<Uint8Array, void, void> {
    try {
      yield* splitter.push(chunk)
    } catch (error) {
      this.blame(error)
      throw error
    }
  }

  private parse(frame: Uint8Array): SyncMessage {
    try {
      return decodeSyncFrame(frame)
    } catch (error) {
      this.blame(error)
      throw error
    }
  }

  private async read(): Promise<void> {
    const splitter = new FrameSplitter(maxSyncFrameBytes + 64)
    try {
      for await (const chunk of this.stream) {
        this.touch()
        this.counts.bytesReceived += chunk.length
        for (const frame of this.frames(splitter, chunk)) {
          if (this.closed !== undefined || this.failure !== undefined) return
          this.take(this.parse(frame))
          while (this.storeQueue > maxStoreQueue) await this.storing
        }
      }
      splitter.end()
      if (!this.ending) throw new RejoinError('E_GONE', 'the peer closed the session before its end')
    } catch (error) {
      this.fail(error as Error)
    }
  }

  private take(message: SyncMessage): void {
    const { peer } = this.options
    if (message.kind === 'hello' && peer !== undefined && hex(message.node) !== hex(peer)) {
      const error = new RejoinError('E_PROTOCOL', 'the peer says that it is another node than its connection shows')
      this.blame(error)
      throw error
    }
    if (message.kind === 'lines') this.counts.entriesReceived += message.count
    this.step({ kind: 'message', message })
    if (message.kind === 'hashes' || message.kind === 'end') this.progressMs = Date.now()
    if (message.kind === 'lines')
      this.options.onProgress?.({ entries: this.counts.entriesReceived, bytes: this.counts.bytesReceived })
  }

  private step(input: SessionInput): void {
    if (this.failure !== undefined) return
    let effects: readonly SessionEffect[]
    try {
      effects = this.session.step(input)
    } catch (error) {
      if (input.kind === 'message') this.blame(error)
      this.fail(error as Error)
      return
    }
    for (const effect of effects) this.carryOut(effect)
  }

  private carryOut(effect: SessionEffect): void {
    if (effect.kind === 'store' || effect.kind === 'texts') this.progressMs = Date.now()
    switch (effect.kind) {
      case 'send':
        this.queueOut(async () => await this.send(encodeSyncFrame(effect.message) as Uint8Array))
        return
      case 'serve':
        this.queueOut(async () => await this.serve(effect.want, effect.interest))
        return
      case 'changes':
        this.step({ kind: 'changes', heads: this.replica.changedSince(hex(effect.store), effect.seq) })
        return
      case 'heads':
        this.step({ kind: 'heads', heads: this.replica.heads() })
        return
      case 'poke':
        setImmediate(() => {
          for (const poke of this.options.share.pokes) poke()
        })
        return
      case 'close':
        this.ending = true
        this.queueStore(async () => {
          this.closed = { complete: effect.complete }
          this.finish()
          await Promise.resolve()
        })
        return
      case 'store':
      case 'commit':
        this.queueStore(async () => await this.keep(effect), effect.log)
        return
      default:
        this.queueStore(async () => await this.keep(effect))
    }
  }

  private queueOut(work: () => Promise<void>): void {
    this.outgoing = this.outgoing.then(work).catch((error: unknown) => this.fail(error as Error))
  }

  private queueStore(work: () => Promise<void>, log?: LogId): void {
    this.storeQueue++
    const { queue, catchups } = this.options.share
    this.storing = queue.tail
      .then(async () => {
        // proven lines are kept even where their session has failed: those of other sessions go on behind them
        if (this.failure === undefined || log !== undefined) await work()
      })
      .catch((error: unknown) => {
        if (log !== undefined) catchups.delete(log)
        this.fail(error as Error)
      })
      .finally(() => {
        this.storeQueue--
        this.storedCount++
      })
    queue.tail = this.storing
  }

  private async send(frame: Uint8Array): Promise<void> {
    if (this.failure !== undefined) return
    this.counts.bytesSent += frame.length
    await this.stream.send(frame)
    this.touch()
  }

  private async serve(want: Extract<SyncMessage, { kind: 'want' }>, interest: readonly Interest[]): Promise<void> {
    if (interest.length > 0) this.isWanted ??= wantedBy(interest)
    const frames = serveWant(this.replica, want, this.isWanted)
    for (;;) {
      const { value, done } = await frames.next()
      if (done === true) {
        this.counts.entriesSent += value
        this.step({ kind: 'served', entries: value })
        return
      }
      await this.send(value)
    }
  }

  private async takeUrgent(record: Uint8Array): Promise<void> {
    if (this.urgentCount++ >= maxUrgent) return
    try {
      await this.replica.takeUrgent(record)
    } catch (error) {
      // who passes on what it did not verify answers for it; who passes on a proof answers for nothing
      this.blame(error)
      throw error
    }
  }

  private async keep(
    effect: Exclude<SessionEffect, { kind: 'send' | 'serve' | 'changes' | 'heads' | 'poke' | 'close' }>
  ): Promise<void> {
    switch (effect.kind) {
      case 'survey':
        for (const log of this.replica.contradicted(effect.heads)) this.suspects.add(log)
        this.step({ kind: 'pulls', pulls: this.replica.survey(effect.heads, this.options.peer) })
        return
      case 'looked':
        this.step({ kind: 'pulls', pulls: this.replica.looked?.(effect.head, effect.block) ?? [] })
        return
      case 'seek':
        this.step({ kind: 'texts', pulls: this.replica.seek(effect.node, effect.store, effect.heads) })
        return
      case 'texts':
        await this.keepTexts(effect)
        return
      case 'prepare':
        this.replica.prepare(effect.offer)
        return
      case 'store':
        this.count(
          await this.replica.accept(
            effect.log,
            effect.blocks.map((block) => this.asNarrowed(block)),
            this.by
          )
        )
        return
      case 'commit':
        await this.replica.commit(effect.log, effect.checkpoint, effect.cose)
        return
      case 'conflict':
        this.counts.conflicts++
        this.suspects.add(effect.log)
        await this.replica.conflict(effect.log, effect.note)
        return
      case 'urgent':
        await this.takeUrgent(effect.note)
        return
      case 'cursor':
        if (this.replica.interestEpoch?.() === this.epoch) this.replica.setCursor(effect.node, hex(effect.store), effect.seq)
        return
    }
  }

  private async keepTexts({ log, block, node }: Extract<SessionEffect, { kind: 'texts' }>): Promise<void> {
    try {
      this.count(await this.replica.takeTexts(log, this.asNarrowed(block), node, this.by))
    } catch (error) {
      // the other side may have another history of the log; what is here stays, and so does the session
      if (!isNoneOfTheLog(error)) throw error
      this.step({ kind: 'texts-refused', log })
    }
  }

  /** What was left out by an interest that has changed meanwhile may be wanted now. */
  private asNarrowed<Block extends EntryBlock>(block: Block): Block {
    return block.narrowed === true && this.replica.interestEpoch?.() !== this.epoch ? { ...block, narrowed: false } : block
  }

  private count({ events, refused, held }: Taken): void {
    this.counts.events += events
    this.counts.refused += refused
    this.counts.held += held
  }
}
