import { basisOf, type Compiled, type LogId } from '../core/index.ts'
import type { Changed, LocalReplica } from '../replica/index.ts'
import type { BlobStore, EventRef, Store } from '../store/index.ts'
import type { Gate, Known } from '../trust/index.ts'
import { type BlobChange, blobChangeOf, moveBlobs } from './blob-moves.ts'
import { Told } from './told.ts'
import { judgedBy, readTrustInForce, writeJudgedBy } from './trust-in-force.ts'

/** What judging again works on, and whom it tells. */
export interface RejudgingOptions {
  readonly store: Store
  readonly blobs: BlobStore
  readonly gate: Gate
  readonly known: Known
  readonly replica: LocalReplica
  readonly ownLog: () => LogId
  /** other rules are in force */
  readonly onRules: (rules: Compiled) => void
  readonly onChanged: (changed: readonly Changed[]) => void
  readonly onNotice: (text: string) => void
}

/** changed verdicts that are told of together */
const toldAtOnce = 1024

/** Puts other rules in force, and judges by them what is here. */
export class Rejudging {
  private readonly options: RejudgingOptions
  private work: Promise<void> = Promise.resolve()
  /** entries that were judged again since somebody said the same, or no longer does */
  readonly judgedAgain: Told<readonly EventRef[]> = new Told()
  private stopped = false

  constructor(options: RejudgingOptions) {
    this.options = options
  }

  /**
   * Reads trust.yaml again and judges everything again by it, in the background; rules that don't load leave those in force.
   * @returns whether they are others than before
   * @throws E_TRUST_FILE
   */
  reload(): boolean {
    const { store, gate, known, replica } = this.options
    const nowMs = Date.now()
    const rules = readTrustInForce(store.root, nowMs)
    if (basisOf(rules.file) === basisOf(gate.rules.file)) return false
    known.reload(rules, nowMs)
    gate.reload(rules)
    this.options.onRules(rules)
    replica.seekAnew()
    this.soon()
    return true
  }

  /** Where the rules were changed while no node was open, what is here is judged by them now. */
  begin(): void {
    const { store, gate, replica } = this.options
    const before = judgedBy(store.root)
    if (before === basisOf(gate.rules.file)) return
    if (before !== undefined) replica.seekAnew()
    this.soon()
  }

  private soon(): void {
    this.work = this.work
      .then(async () => await this.all())
      .catch((error: unknown) => this.options.onNotice(`judging again failed: ${(error as Error).message}`))
  }

  private async all(): Promise<void> {
    const { store, gate, known, ownLog } = this.options
    await known.ready((place) => gate.identityOf(place))
    const basis = basisOf(gate.rules.file)
    // by ID, as trust test does: of logs of one identity the first ones give way to a smaller quota
    const logs = store.listHeads().map(({ log }) => log)
    for (const log of logs.toSorted()) if (log !== ownLog() && !this.stopped) await this.rejudge(log)
    if (!this.stopped && basis === basisOf(gate.rules.file)) writeJudgedBy(store.root, basis)
  }

  /** Judges entries of a log again, and moves their text and blobs to where the verdicts let them lie. @returns how many verdicts changed */
  async rejudge(log: LogId, indexes?: ReadonlySet<number>): Promise<number> {
    const { store, blobs, known, replica, onChanged } = this.options
    const moved: BlobChange[] = []
    const changed: Changed[] = []
    let count = 0
    for await (const one of replica.rejudge(log, indexes, () => this.stopped)) {
      count++
      const change = blobChangeOf(one)
      if (change !== undefined) moved.push(change)
      if (one.after === 'refuse' && one.event !== undefined) this.stir(known.voices.drop(one.event, one))
      if (changed.push(one) === toldAtOnce) onChanged(changed.splice(0))
    }
    await moveBlobs(store, blobs, moved)
    if (changed.length > 0) onChanged(changed)
    return count
  }

  /** Judges entries again, in turn: how many keys said the same has changed. */
  stir(places: readonly EventRef[]): void {
    const others = places.filter(({ log }) => log !== this.options.ownLog())
    if (others.length === 0) return
    const byLog = Map.groupBy(others, ({ log }) => log)
    const work = [...byLog].map(async ([log, some]) => await this.inTurn(log, new Set(some.map(({ index }) => index))))
    // where it fails, that is told
    Promise.all(work).then(
      () => this.judgedAgain.tell(others),
      () => {}
    )
  }

  /** Judges entries of a log again once what is under way is through. */
  async inTurn(log: LogId, indexes?: ReadonlySet<number>): Promise<void> {
    const done = this.work.then(async () => void (await this.rejudge(log, indexes)))
    this.work = done.catch((error: unknown) => this.options.onNotice(`judging again failed: ${(error as Error).message}`))
    await done
  }

  /** Ends what is under way at the next file of entries; what is left is judged at the next start. */
  stop(): void {
    this.stopped = true
  }

  /** Resolves once everything was judged by the rules in force. */
  async settled(): Promise<void> {
    await this.work
  }
}
