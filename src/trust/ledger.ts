import {
  bytesOfEvent,
  type Compiled,
  limitsUsage,
  type LogId,
  msOfHlc,
  noUsage,
  type RejoinEvent,
  type Usage
} from '../core/index.ts'

/** Entries of one log whose text is here, by index. */
interface Account {
  readonly identity: string
  readonly indexes: number[]
  readonly bytes: number[]
  /** the writer's clock, never going back */
  readonly ms: number[]
  total: number
  /** bytes of the entries before a place among them, remembered since events are judged one behind the other */
  sum: { place: number; bytes: number }
}

type Counted = Pick<RejoinEvent, 'data' | 'hlc'>

/**
 * What each identity has here, of those events whose text is here: kept in memory where the trust file limits it, and made again from the
 * texts.
 * @see protocols/trust.md#TRUST-30
 */
export class Ledger {
  private readonly accounts = new Map<LogId, Account>()
  private readonly totals = new Map<string, { events: number; bytes: number }>()
  private spanMs = 0
  private mostRecent = 0
  private file: Compiled['file'] | undefined

  /** Takes other rules into account; what was counted is forgotten. */
  configure({ file }: Compiled): void {
    this.file = limitsUsage(file) ? file : undefined
    this.accounts.clear()
    this.totals.clear()
    const { identityRate } = file
    this.spanMs = (identityRate?.burst ?? 0) * 1000
    this.mostRecent = identityRate === undefined ? 0 : Math.min(1e6, Math.ceil(identityRate.eventsPerSecond * identityRate.burst))
  }

  /** Whether anything is counted. */
  get isNeeded(): boolean {
    return this.file !== undefined
  }

  private counts(identity: string): boolean {
    return identity !== '' && (this.file?.identityRate !== undefined || this.file?.quotas.has(identity) === true)
  }

  /** Returns what an identity has here before an event at a place. */
  before(identity: string, log: LogId, index: number, { hlc }: Counted): Usage {
    if (!this.counts(identity)) return noUsage
    const total = this.totals.get(identity) ?? { events: 0, bytes: 0 }
    const account = this.accounts.get(log)
    if (account?.identity !== identity) return { ...noUsage, ...total }
    const place = placeOf(account.indexes, index)
    const atMs = Math.max(msOfHlc(hlc), account.ms[place - 1] ?? 0)
    let recentEvents = 0
    let recentBytes = 0
    for (let i = place - 1; i >= 0 && recentEvents < this.mostRecent && (account.ms[i] as number) > atMs - this.spanMs; i--) {
      recentEvents++
      recentBytes += account.bytes[i] as number
    }
    return {
      events: total.events - account.indexes.length + place,
      bytes: total.bytes - account.total + sumBefore(account, place),
      recentEvents,
      recentBytes
    }
  }

  /** Takes note that the text of an event is here. */
  add(identity: string, log: LogId, index: number, event: Counted, lineBytes: number): void {
    if (!this.counts(identity)) return
    const account = this.accounts.get(log) ?? emptyAccount(identity)
    this.accounts.set(log, account)
    const place = placeOf(account.indexes, index)
    if (account.indexes[place] === index) return
    const bytes = bytesOfEvent(event, lineBytes)
    account.indexes.splice(place, 0, index)
    account.bytes.splice(place, 0, bytes)
    account.ms.splice(place, 0, Math.max(msOfHlc(event.hlc), account.ms[place - 1] ?? 0))
    this.change(account, place, 1, bytes)
  }

  /** Takes note that the text of an event is not here. */
  drop(log: LogId, index: number): void {
    const account = this.accounts.get(log)
    if (account === undefined) return
    const place = placeOf(account.indexes, index)
    if (account.indexes[place] !== index) return
    const bytes = account.bytes[place] as number
    for (const list of [account.indexes, account.bytes, account.ms]) list.splice(place, 1)
    this.change(account, place, -1, -bytes)
  }

  private change(account: Account, place: number, events: number, bytes: number): void {
    account.total += bytes
    if (place < account.sum.place) account.sum = { place: 0, bytes: 0 }
    const total = this.totals.get(account.identity) ?? { events: 0, bytes: 0 }
    this.totals.set(account.identity, { events: total.events + events, bytes: total.bytes + bytes })
  }
}

function emptyAccount(identity: string): Account {
  return { identity, indexes: [], bytes: [], ms: [], total: 0, sum: { place: 0, bytes: 0 } }
}

/** Returns the place of the first index that is not below one; most often that is the end. */
function placeOf(indexes: readonly number[], index: number): number {
  let low = 0
  let high = indexes.length
  if (high === 0 || (indexes[high - 1] as number) < index) return high
  while (low < high) {
    const middle = (low + high) >> 1
    if ((indexes[middle] as number) < index) low = middle + 1
    else high = middle
  }
  return low
}

function sumBefore(account: Account, place: number): number {
  let { place: at, bytes } = account.sum
  if (at > place) {
    at = 0
    bytes = 0
  }
  for (; at < place; at++) bytes += account.bytes[at] as number
  account.sum = { place, bytes }
  return bytes
}
