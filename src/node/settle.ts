import { type Digest, isDigest, type LogId, parseEvent, type RejoinEvent } from '../core/index.ts'
import type { EventRef } from '../store/index.ts'
import type { Judged } from '../trust/index.ts'
import { rulingNow } from './held-events.ts'
import type { Node } from './node.ts'

/** Brings blobs of the artifact of an entry's event here that are missing; resolves to whether all of them are here. */
export type Bring = (log: LogId, index: number, event: RejoinEvent) => Promise<boolean>

interface Waiting {
  readonly log: LogId
  readonly index: number
  readonly event: RejoinEvent
}

/**
 * Settles what was held until the content of an artifact is known: brings it into quarantine, looks into it and judges again. The same for
 * artifacts about which somebody said something new. Works in the background, one event after the other.
 */
export class Settler {
  private readonly node: Node
  private readonly bring: Bring
  private readonly waiting: Waiting[] = []
  private readonly stopListening: () => void
  private running: Promise<void> | undefined
  private stopped = false

  constructor(node: Node, bring: Bring) {
    this.node = node
    this.bring = bring
    const stops = [
      node.onJudged((log, judged) => this.take(log, judged)),
      node.rejudging.judgedAgain.on((places) => this.lookAt(places))
    ]
    this.stopListening = () => {
      for (const stop of stops) stop()
    }
  }

  /** Tries everything that is in quarantine: at the start, and when a peer or other rules may help. */
  again(): void {
    this.waiting.length = 0
    for (const { log, entries } of this.node.store.places.held.list())
      for (const { index, line } of entries) this.waiting.push({ log, index, event: parseEvent(line) })
    this.poke()
  }

  private take(log: LogId, judged: readonly Judged[]): void {
    for (const { line, event, decision } of judged) {
      if (event === undefined) continue
      if (decision.waits === 'content') this.waiting.push({ log, index: line.index, event })
      const { refers } = event.data
      if (typeof refers === 'string' && isDigest(refers)) void this.saidAbout(refers)
    }
    this.poke()
  }

  /** Of what was judged again, some may wait for content now. */
  private lookAt(places: readonly EventRef[]): void {
    for (const { log, index } of places) {
      const line = this.node.store.places.held.read(log, index)
      if (line !== undefined && rulingNow(this.node, log, index, line, Date.now()).waits === 'content')
        this.waiting.push({ log, index, event: parseEvent(line) })
    }
    this.poke()
  }

  /** Somebody said something about an artifact: what waits for that is looked at again. */
  private async saidAbout(digest: Digest): Promise<void> {
    this.node.known.forget(digest)
    if (this.node.gate.rules.file.gates.vulnerability === undefined) return
    for (const { log, entries } of this.node.store.places.held.list())
      for (const { index, line } of entries) {
        const event = parseEvent(line)
        if (event.data['digest'] === digest) this.waiting.push({ log, index, event })
      }
    for (const { log, index } of await this.node.store.index.bySubject(digest)) {
      const line = this.node.store.lineOf(log, index)
      if (line !== undefined) this.waiting.push({ log, index, event: parseEvent(line) })
    }
    this.poke()
  }

  /** Tries soon what is waiting; nothing where it is being tried. */
  poke(): void {
    if (this.stopped) return
    this.running ??= this.run().finally(() => {
      this.running = undefined
      if (this.waiting.length > 0) this.poke()
    })
  }

  private async run(): Promise<void> {
    await Promise.resolve()
    for (let next = this.waiting.shift(); next !== undefined && !this.stopped; next = this.waiting.shift()) {
      try {
        if (await this.bring(next.log, next.index, next.event)) await this.settle(next)
      } catch (error) {
        if (!this.stopped) this.node.say(`an event in quarantine could not be looked at: ${(error as Error).message}`)
      }
    }
  }

  private async settle({ log, index, event }: Waiting): Promise<void> {
    if (this.node.store.places.held.read(log, index) === undefined && this.node.store.lineOf(log, index) === undefined) return
    await this.node.known.load(event)
    await this.node.rejudge(log, new Set([index]))
  }

  /** Resolves once nothing is being looked at. */
  async idle(): Promise<void> {
    while (this.running !== undefined) await this.running
  }

  /** Ends; what is waiting is looked at again at the next start. */
  async stop(): Promise<void> {
    this.stopped = true
    this.stopListening()
    await this.running
  }
}
