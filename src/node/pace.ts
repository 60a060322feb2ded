import type { VerbRecord } from './control.ts'

/** What a transfer has done, as progress records tell it. */
export interface Progress {
  readonly kind: 'progress'
  /** bytes that are durable, of `total`; never goes back */
  readonly done: number
  readonly total: number
  readonly events: number
  readonly blobs: number
  /** bytes a second, over the last seconds */
  readonly rate: number
  /** seconds, where they can be told */
  readonly left: number | undefined
}

const windowMs = 5000

/** Counts what a transfer makes durable and tells it, with the rate and the time left. */
export class Pace {
  private readonly say: (record: VerbRecord) => void
  private readonly now: () => number
  private readonly marks: { readonly atMs: number; readonly done: number }[] = []
  private done = 0
  private events = 0
  private blobs = 0
  private total = 0

  constructor(say: (record: VerbRecord) => void, now: () => number = () => performance.now()) {
    this.say = say
    this.now = now
    this.marks.push({ atMs: now(), done: 0 })
  }

  /** Sets how many bytes there are to do beyond those that are done, as far as that is known. */
  expect(bytes: number): void {
    this.total = Math.max(this.total, this.done + bytes)
  }

  /** Counts bytes that became durable. `moved`: false where they were so already and only looked at. */
  add({
    bytes = 0,
    events = 0,
    blobs = 0
  }: {
    readonly bytes?: number
    readonly events?: number
    readonly blobs?: number
  }): void {
    this.done += bytes
    this.events += events
    this.blobs += blobs
    this.total = Math.max(this.total, this.done)
    this.tell()
  }

  private tell(): void {
    const atMs = this.now()
    const last = this.marks.at(-1)
    if (last === undefined || atMs - last.atMs > 100) this.marks.push({ atMs, done: this.done })
    while (this.marks.length > 2 && atMs - (this.marks[0]?.atMs ?? atMs) > windowMs) this.marks.shift()
    const first = this.marks[0]
    const seconds = (atMs - (first?.atMs ?? atMs)) / 1000
    const rate = seconds > 0 ? Math.round((this.done - (first?.done ?? 0)) / seconds) : 0
    const record: Progress = {
      kind: 'progress',
      done: this.done,
      total: this.total,
      events: this.events,
      blobs: this.blobs,
      rate,
      left: rate > 0 ? Math.ceil((this.total - this.done) / rate) : undefined
    }
    this.say(record)
  }
}
