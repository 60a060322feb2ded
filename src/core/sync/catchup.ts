import type { LogId } from '../log/log-id.ts'
import type { Plan, ProvenBlock } from './plan.ts'

/** Entries asked of one source at a time: 32 tiles. */
export const rangeEntries = 8192
/** Proven entries that may wait for earlier ones, which another source owes. */
const maxAheadEntries = 8 * rangeEntries

/** Entries [from, to) of a log. */
export interface EntryRange {
  readonly from: number
  readonly to: number
}

/**
 * One catch-up of one log, shared by all sessions of a node: hands out ranges to sources, and puts proven blocks back in order.
 * Mutable; one lives per log while a catch-up goes on.
 */
export class Catchup {
  readonly log: LogId
  readonly plan: Plan
  private next: number
  private written: number
  private readonly returned: EntryRange[] = []
  private readonly early = new Map<number, ProvenBlock>()
  /** ranges that a source was asked for and neither gave nor gave up */
  private openRanges = 1
  /** sessions that take part; the last one that leaves an unfinished catch-up forgets it */
  users = 0

  constructor(log: LogId, plan: Plan, claimed: EntryRange) {
    this.log = log
    this.plan = plan
    this.next = claimed.to
    this.written = claimed.from
  }

  /** Returns a range that nobody fetches yet and a source with `size` entries can give, or undefined where there is none now. */
  claim(size: number): EntryRange | undefined {
    const again = this.returned.findIndex(({ to }) => to <= size && to > this.written)
    if (again >= 0) {
      this.openRanges++
      return this.returned.splice(again, 1)[0]
    }
    if (this.next >= this.plan.to || this.next >= this.written + maxAheadEntries) return undefined
    const to = Math.min(this.plan.to, (Math.floor(this.next / rangeEntries) + 1) * rangeEntries)
    if (to > size) return undefined
    const range = { from: this.next, to }
    this.next = to
    this.openRanges++
    return range
  }

  /**
   * Returns the range that everything waits for, although another source owes it: for a source that has nothing else to do, so that no
   * source holds a catch-up up by sending nothing. What comes twice is stored once.
   */
  claimOwed(size: number): EntryRange | undefined {
    const to = Math.min(this.plan.to, (Math.floor(this.written / rangeEntries) + 1) * rangeEntries)
    if (this.done || to > size) return undefined
    this.openRanges++
    return { from: this.written, to }
  }

  /** Takes back what a source did not give. */
  giveBack(range: EntryRange): void {
    this.openRanges--
    if (range.from < range.to) this.returned.push(range)
  }

  /** Takes proven blocks in any order and returns those that can be stored now, in order. */
  deliver(blocks: readonly ProvenBlock[]): readonly ProvenBlock[] {
    for (const block of blocks) if (block.from >= this.written) this.early.set(block.from, block)
    const ready: ProvenBlock[] = []
    for (let block = this.early.get(this.written); block !== undefined; block = this.early.get(this.written)) {
      this.early.delete(this.written)
      this.written += block.count
      ready.push(block)
    }
    return ready
  }

  /** Takes note that a claimed range came in whole. */
  finishRange(): void {
    this.openRanges--
  }

  /** Whether some source still owes a range; what can't be claimed now may come from it, or be given back. */
  get isFetching(): boolean {
    return this.openRanges > 0
  }

  /** The entry up to which everything was handed out for storing. */
  get stored(): number {
    return this.written
  }

  /** Whether every entry was handed out for storing. */
  get done(): boolean {
    return this.written >= this.plan.to
  }
}
