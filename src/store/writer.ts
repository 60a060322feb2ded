import { randomBytes } from 'node:crypto'
import {
  type BelievedNow,
  believedNow,
  type Checkpoint,
  encodeEvent,
  firstHlc,
  type Hlc,
  type JsonObject,
  merge,
  parseEvent,
  RejoinError,
  type RejoinEvent,
  signCheckpoint,
  signCoseCheckpoint,
  type Signer,
  tick
} from '../core/index.ts'
import type { LogFolder } from './log-folder.ts'

/** What a writer is asked to say; the writer adds the ID, the clock and itself. */
export interface Draft {
  readonly type: string
  readonly subject?: string
  readonly data: JsonObject
}

/** An event that is durable in the writer's own log. */
export interface Written {
  readonly index: number
  readonly event: RejoinEvent
}

/** What a writer tells its owner. */
export interface WriterHooks {
  /** called once for each durable group, before whoever appended is told */
  readonly onWritten: (from: number, written: readonly Written[]) => void
  /** resolves once the next group may be written; must not reject */
  readonly room: () => Promise<void>
  /** called after a checkpoint was signed and put in place */
  readonly onSigned: (checkpoint: Checkpoint) => void
}

interface Waiting {
  readonly drafts: readonly Draft[]
  readonly resolve: (written: readonly Written[]) => void
  readonly reject: (error: unknown) => void
}

/** how long after the last append the head is signed when nobody asks for it before, in milliseconds */
const signDelayMs = 10
/** how long appends that keep coming may put that off, in milliseconds: signing takes as long as appending 20 events */
const maxSignDelayMs = 100
/** when signing is tried again where the disk was full, in milliseconds */
const signRetryMs = 1000
const idsAtOnce = 256
/** most drafts written with one fsync */
const groupSize = 4096

/**
 * The writer of a node's own log. Appends that come while another is on its way to the disk go together in the next one
 * (group commit). Lines are durable before the checkpoint that covers them is signed.
 */
export class Writer {
  readonly folder: LogFolder
  private readonly signer: Signer
  private readonly did: string
  private readonly hooks: WriterHooks
  private readonly waiting: Waiting[] = []
  private running: Promise<void> | undefined
  private timer: NodeJS.Timeout | undefined
  private durable: { readonly size: number; readonly root: Uint8Array }
  private last: Hlc
  private timeMs = Number.NaN
  private time = ''
  private ids = ''
  private idAt = 0
  private unsignedSinceMs: number | undefined

  /** @param folder the writer's log, of which every whole line is durable */
  constructor(folder: LogFolder, signer: Signer, did: string, hooks: WriterHooks) {
    this.folder = folder
    this.signer = signer
    this.did = did
    this.hooks = hooks
    this.durable = { size: folder.size, root: folder.tree.root() }
    const line = folder.entry(folder.size - 1).line
    this.last = line === undefined ? firstHlc : parseEvent(line).hlc
  }

  /** Returns the time as this node may believe it: its own last event's where the wall clock has lost it. */
  now(): BelievedNow {
    return believedNow(Date.now(), this.last)
  }

  /** Merges the clock of an accepted event, so that later events of ours sort after it. */
  observe(hlc: Hlc, nowMs: number): void {
    this.last = merge(this.last, hlc, nowMs)
  }

  /** how long an append waits for the log's lost tail, in milliseconds; without a network nothing can bring it */
  tailWaitMs = 0
  /** entries of this log that were signed by this key before: an older copy of the folder was put back */
  private lost = 0
  private recovered: (() => void)[] = []
  private successor: Writer | undefined

  /** Whether entries of this log are known to be lost here. */
  get lacksTail(): boolean {
    return this.lost > this.folder.size
  }

  /** Holds appends back until the log has `size` entries again: appending before that would fork it. */
  awaitTail(size: number): void {
    this.lost = Math.max(this.lost, size)
  }

  /** Takes note that the log's lost tail is back, and lets appends go on. */
  adopt(): void {
    this.durable = { size: this.folder.size, root: this.folder.tree.root() }
    const line = this.folder.entry(this.folder.size - 1).line
    if (line !== undefined) this.last = parseEvent(line).hlc
    if (this.folder.size >= this.lost) for (const resume of this.recovered.splice(0)) resume()
  }

  /** Takes note that the log's lost tail does not come back: what waits for it is appended to another log. */
  giveUp(successor: Writer): void {
    this.successor = successor
    for (const resume of this.recovered.splice(0)) resume()
  }

  private async tailBack(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(
        () =>
          reject(
            new RejoinError(
              'E_INCOMPLETE',
              `this node's own log had ${this.lost} events, and only ${this.folder.size} are here: an older folder was put back`,
              { hint: 'rejoin sync PEER brings them back; rejoin doctor --new-log goes on without them' }
            )
          ),
        this.tailWaitMs
      )
      this.recovered.push(() => {
        clearTimeout(timer)
        resolve()
      })
    })
  }

  /**
   * Appends events; resolves once they are durable.
   * @throws E_NO_SPACE, E_IO: then none of them is in the log · E_INCOMPLETE where the log's own tail is lost and did not come back in time
   */
  async append(drafts: readonly Draft[]): Promise<readonly Written[]> {
    if (this.lacksTail && this.successor === undefined) await this.tailBack()
    if (this.successor !== undefined) return await this.successor.append(drafts)
    return await new Promise((resolve, reject) => {
      this.waiting.push({ drafts, resolve, reject })
      this.running ??= this.run()
    })
  }

  private async run(): Promise<void> {
    await Promise.resolve()
    while (this.waiting.length > 0) {
      const group: Waiting[] = []
      for (let count = 0; this.waiting.length > 0 && count < groupSize; ) {
        const next = this.waiting.shift() as Waiting
        group.push(next)
        count += next.drafts.length
      }
      await this.write(group)
      await this.hooks.room()
    }
    this.running = undefined
    if (this.durable.size > (this.folder.checkpoint?.size ?? 0)) this.signSoon()
  }

  private signSoon(): void {
    const nowMs = performance.now()
    this.unsignedSinceMs ??= nowMs
    if (this.timer !== undefined && nowMs - this.unsignedSinceMs > maxSignDelayMs - signDelayMs) return
    if (this.timer === undefined) this.timer = setTimeout(() => this.signByItself(), signDelayMs)
    else this.timer.refresh()
  }

  /** On a full disk the head stays unsigned until there is room; the lines are durable. */
  private signByItself(): void {
    try {
      this.sign()
    } catch (error) {
      if (!(error instanceof RejoinError)) throw error
      this.timer = setTimeout(() => this.signByItself(), signRetryMs)
    }
  }

  private async write(group: readonly Waiting[]): Promise<void> {
    const from = this.folder.size
    const written: Written[] = []
    const lines: Uint8Array[] = []
    const lastBefore = this.last
    try {
      for (const { drafts } of group) {
        for (const draft of drafts) {
          const event = this.stamp(draft)
          lines.push(encodeEvent(event), Uint8Array.of(10))
          written.push({ index: from + written.length, event })
        }
      }
      this.folder.append({ from, count: written.length, text: Buffer.concat(lines) })
      await this.folder.sync()
    } catch (error) {
      this.last = lastBefore
      try {
        this.folder.cut(from)
      } finally {
        for (const { reject } of group) reject(error)
      }
      return
    }
    this.durable = { size: this.folder.size, root: this.folder.tree.root() }
    this.hooks.onWritten(from, written)
    let at = 0
    for (const { drafts, resolve } of group) {
      resolve(written.slice(at, at + drafts.length))
      at += drafts.length
    }
  }

  /** Returns the event of a draft, its members in the order of the line, which saves sorting them. */
  private stamp({ type, subject, data }: Draft): RejoinEvent {
    const nowMs = Date.now()
    this.last = tick(this.last, nowMs)
    if (nowMs !== this.timeMs) {
      this.timeMs = nowMs
      this.time = new Date(nowMs).toISOString()
    }
    const { did: source, last: hlc, time } = this
    const id = this.nextId()
    if (subject === undefined) return { data, hlc, id, source, specversion: '1.0', time, type }
    return { data, hlc, id, source, specversion: '1.0', subject, time, type }
  }

  /** Returns 128 random bits. Asking the system for those of 256 events at once takes a tenth of the time. */
  private nextId(): string {
    if (this.idAt === this.ids.length) {
      this.ids = randomBytes(idsAtOnce * 16).toString('hex')
      this.idAt = 0
    }
    const id = this.ids.slice(this.idAt, this.idAt + 32)
    this.idAt += 32
    return id
  }

  /** Signs the head over everything that is durable, unless it is signed already, and returns it. */
  sign(): Checkpoint {
    clearTimeout(this.timer)
    this.timer = undefined
    this.unsignedSinceMs = undefined
    const { checkpoint, coseCheckpoint, log } = this.folder
    if (checkpoint !== undefined && coseCheckpoint !== undefined && checkpoint.size >= this.durable.size) return checkpoint
    const signed = signCheckpoint({ log, ...this.durable }, this.signer)
    this.folder.commit(signed, signCoseCheckpoint(signed, this.signer).bytes, false)
    this.hooks.onSigned(signed)
    return signed
  }

  /** Waits for appends on their way and signs the head. */
  async close(): Promise<void> {
    await this.running
    this.sign()
    this.folder.writePartialTile()
  }
}
