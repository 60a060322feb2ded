import { concat } from '../bytes.ts'
import { RejoinError } from '../error.ts'
import { hashOfLogId, type LogId } from '../log/log-id.ts'
import { tileWidth } from '../log/merkle.ts'
import { type EntryRange, rangeEntries } from './catchup.ts'
import { mayBeLines } from './lines-bound.ts'
import { endReason, type SyncMessage } from './message.ts'
import type { SessionEffect, TextPull } from './session-io.ts'

interface AskedText {
  readonly log: LogId
  readonly range: EntryRange
  /** text that came and was not handed out yet, from entry `got` to entry `next` */
  pieces: Uint8Array[]
  got: number
  next: number
  /** whether hashes in the pieces are only what this side's interest leaves out */
  narrowed: boolean
}

const maxAsked = 4

/**
 * The part of a session that fetches texts of entries whose hashes are here. The lines are handed out unproven: whoever holds the
 * log's tree checks them. A log of which they don't come is left as it is, and the session goes on. Mutable.
 */
export class TextFetching {
  /** entries that came */
  received = 0
  /** questions under way to this side for what it wants */
  seeks = 0
  private readonly newId: () => number
  private readonly asked = new Map<number, AskedText>()
  private queue: { readonly log: LogId; readonly range: EntryRange }[] = []

  /** @param newId returns a number that no WANT of the session had */
  constructor(newId: () => number) {
    this.newId = newId
  }

  /** Takes what this side wants texts of: whole tiles, or up to the end that both sides have. */
  add(pulls: readonly TextPull[]): void {
    this.seeks--
    for (const { log, ranges } of pulls) {
      for (const { from, to } of ranges) {
        if (from % tileWidth !== 0 || from >= to) throw new Error(`bug: texts ${from} to ${to} of log ${log} are no tiles`)
        for (let at = from; at < to; at += rangeEntries)
          this.queue.push({ log, range: { from: at, to: Math.min(to, at + rangeEntries) } })
      }
    }
  }

  /** Whether nothing is under way or waiting. */
  get idle(): boolean {
    return this.seeks === 0 && this.queue.length === 0 && this.asked.size === 0
  }

  /** Whether the other side owes an answer. */
  get isOwed(): boolean {
    return this.asked.size > 0
  }

  /** Whether a number is that of a WANT for texts which is open. */
  has(id: number): boolean {
    return this.asked.has(id)
  }

  /** Asks for as much as may be under way at once. */
  pump(effects: SessionEffect[]): void {
    while (this.asked.size < maxAsked) {
      const next = this.queue.shift()
      if (next === undefined) return
      const { log, range } = next
      const id = this.newId()
      this.asked.set(id, { log, range, narrowed: true, pieces: [], got: range.from, next: range.from })
      effects.push({ kind: 'send', message: { kind: 'want', id, log: hashOfLogId(log), ...range, proof: false } })
    }
  }

  /** Asks for no more of a log. */
  drop(log: LogId): void {
    this.queue = this.queue.filter((one) => one.log !== log)
  }

  /** Takes lines, and hands them out as whole tiles. @throws E_PROTOCOL */
  takeLines(
    { id, from, count, text, narrowed }: Extract<SyncMessage, { kind: 'lines' }>,
    node: Uint8Array,
    effects: SessionEffect[]
  ): void {
    mayBeLines(count, text)
    const asked = this.asked.get(id) as AskedText
    const { log, range } = asked
    if (from !== asked.next || from + count > range.to || count === 0)
      throw new RejoinError('E_PROTOCOL', `LINES from ${from} where ${asked.next} was to come`)
    this.received += count
    asked.pieces.push(text)
    asked.narrowed &&= narrowed === true
    asked.next += count
    if (asked.next % tileWidth !== 0 && asked.next !== range.to) {
      if (asked.next - asked.got > tileWidth) throw new RejoinError('E_PROTOCOL', 'LINES do not end where a tile ends')
      return
    }
    const block = { from: asked.got, count: asked.next - asked.got, text: concat(asked.pieces), narrowed: asked.narrowed }
    asked.narrowed = true
    asked.pieces = []
    asked.got = asked.next
    effects.push({ kind: 'texts', node, log, block })
  }

  /** Takes the end of an answer. @throws E_PROTOCOL where its count is another than came */
  takeEnd({ id, count, reason }: Extract<SyncMessage, { kind: 'end' }>): void {
    const { log, range, next } = this.asked.get(id) as AskedText
    if (count !== next - range.from)
      throw new RejoinError('E_PROTOCOL', `END counts ${count} entries where ${next - range.from} came`)
    this.asked.delete(id)
    if (reason !== endReason.done) this.drop(log)
  }
}
