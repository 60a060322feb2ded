import {
  type Bound,
  bindingBy,
  bindsByToken,
  boundType,
  type Compiled,
  didOf,
  doorEntries,
  eventIn,
  type LogId,
  type Place,
  type ProvenBlock,
  parseOpenedLine,
  type RejoinEvent,
  type Ruling,
  textOf,
  type TokenFault,
  type Verdict
} from '../core/index.ts'
import type { EventIndex } from '../store/index.ts'

/** Reads the line of an entry that is here as text, undefined where it is not. */
export type ReadLine = (log: LogId, index: number) => Uint8Array | undefined

interface PlacedBound extends Bound {
  readonly index: number
}

/** tokens of one log that are looked at: who renews one each hour has enough for a month */
const maxTokensALog = 1024
/** logs that were let in at the door and have not come yet */
const maxAtDoor = 64
const maxFaults = 1000

/**
 * To whom tokens bind logs: found out when an `identity.bound` is met, and kept as facts that a gate can ask at once. Who a token binds
 * depends on the event, its log and the trust file alone, so that it is the same whenever it is found out.
 * @see protocols/binding.md
 */
export class Bindings {
  private readonly readLine: ReadLine
  private compiled: Compiled
  private isUsed: boolean
  /** where identity.bound events stand, in order */
  private readonly places = new Map<LogId, number[]>()
  private readonly found = new Map<LogId, readonly PlacedBound[]>()
  /** what was wrong with the last token that was seen of a log at the door */
  private readonly faults = new Map<LogId, TokenFault | 'token'>()
  /** logs that are not here yet, with what the door saw */
  private readonly atDoor = new Map<LogId, readonly PlacedBound[]>()

  constructor(compiled: Compiled, readLine: ReadLine) {
    this.compiled = compiled
    this.isUsed = bindsByToken(compiled.file)
    this.readLine = readLine
  }

  /** Takes another trust file into account. */
  reload(compiled: Compiled): void {
    this.compiled = compiled
    this.isUsed = bindsByToken(compiled.file)
    this.found.clear()
    this.atDoor.clear()
    this.faults.clear()
  }

  /** Returns the same logs, looked at by another trust file. */
  by(compiled: Compiled): Bindings {
    const other = new Bindings(compiled, this.readLine)
    for (const [log, places] of this.places) other.places.set(log, [...places])
    return other
  }

  /** Whether the rules let tokens bind keys that they don't name. */
  get isOpen(): boolean {
    return this.isUsed
  }

  /** Takes note that an identity.bound stands somewhere. @returns whether that is new */
  note(log: LogId, index: number): boolean {
    const places = this.places.get(log) ?? []
    if (places.includes(index) || places.length >= maxTokensALog) return false
    this.places.set(
      log,
      [...places, index].toSorted((a, b) => a - b)
    )
    return true
  }

  /** Takes note of all that an index knows. */
  async noteAll(index: Pick<EventIndex, 'byType'>): Promise<void> {
    for (const { log, index: at } of await index.byType(boundType)) this.note(log, at)
  }

  /** Takes an event in that is stored next, or was just now. Entries of a log must be shown in their order, where they are judged by what comes of it. */
  learn({ log, index, author }: Place, event: RejoinEvent): void {
    if (event.type !== boundType || !this.note(log, index)) return
    if (!this.isUsed) return
    const before = this.found.get(log) ?? this.atDoor.get(log) ?? this.search(log, author, index)
    const bound = bindingBy(event, author, this.compiled.file)
    const all = typeof bound === 'string' ? before : [...before.filter((one) => one.index !== index), { ...bound, index }]
    this.found.set(
      log,
      all.toSorted((a, b) => a.index - b.index)
    )
    this.atDoor.delete(log)
  }

  /**
   * Looks into the first entries of a log that is not here: a token that binds it lets it in.
   * @param block begins with the first line
   * @returns whether one does
   */
  knock(log: LogId, block: ProvenBlock): boolean {
    if (!this.isUsed) return false
    const [first] = block.lines
    if (first === undefined || first.withheld) return false
    const author = didOf(parseOpenedLine(block.text.subarray(first.start, first.end)).publicKey)
    const found: PlacedBound[] = []
    for (const { index, withheld, start, end } of block.lines) {
      if (index >= doorEntries) break
      const line = block.text.subarray(start, end)
      const event = withheld || !mayBind(line) ? undefined : eventIn(line)
      const bound = event && bindingBy(event, author, this.compiled.file)
      if (typeof bound === 'string') remember(this.faults, log, bound, maxFaults)
      else if (bound !== undefined) found.push({ ...bound, index })
    }
    if (found.length === 0) return false
    remember(this.atDoor, log, found, maxAtDoor)
    return true
  }

  /** Returns what was wrong with the last token that was seen of a log which was not let in. */
  faultAtDoor(log: LogId): TokenFault | 'token' | undefined {
    return this.faults.get(log)
  }

  /**
   * Returns to whom a log is bound at an entry: by the newest token at or before it. The first line counts with the first token.
   * @param timeMs of the entry's clock; without it a binding does not end
   */
  at(log: LogId, index: number, author: string, timeMs = 0): Place['bound'] {
    if (!this.isUsed) return undefined
    const all = this.of(log, author)
    const bound = index === 0 ? all[0] : all.findLast((one) => one.index <= index)
    return bound && { ...bound, isOver: timeMs > bound.untilMs }
  }

  /** Returns whether any token binds a log. */
  has(log: LogId, author: string): boolean {
    return this.isUsed && this.of(log, author).length > 0
  }

  /** Returns the logs in which tokens were met. */
  logs(): Iterable<LogId> {
    return this.places.keys()
  }

  private of(log: LogId, author: string): readonly PlacedBound[] {
    const known = this.found.get(log) ?? this.atDoor.get(log)
    if (known !== undefined) return known
    const places = this.places.get(log)
    if (places === undefined) return []
    const found = this.search(log, author)
    this.found.set(log, found)
    return found
  }

  private search(log: LogId, author: string, except?: number): readonly PlacedBound[] {
    return (this.places.get(log) ?? []).flatMap((index) => {
      const line = index === except ? undefined : this.readLine(log, index)
      const event = line && eventIn(line)
      const bound = event && bindingBy(event, author, this.compiled.file)
      return bound === undefined || typeof bound === 'string' ? [] : [{ ...bound, index }]
    })
  }
}

/** Puts a value at the end of a map, and takes the oldest out where there are too many. */
function remember<Value>(map: Map<LogId, Value>, log: LogId, value: Value, max: number): void {
  map.delete(log)
  map.set(log, value)
  for (const oldest of map.keys()) {
    if (map.size <= max) break
    map.delete(oldest)
  }
}

/** What stands in the line of each event of that type; canonical JSON has it nowhere else, but in texts. */
function mayBind(line: Uint8Array): boolean {
  return textOf(line).includes(`"type":"${boundType}"`)
}

/**
 * Returns a ruling on an event that is here. The token of a writer whom the rules no longer know stays, as the first line of its log does: else
 * rules that believe its issuer again would find nothing to believe.
 */
export function stays(ruling: Ruling, event: RejoinEvent, before: Verdict | undefined): Ruling {
  if (event.type !== boundType || before !== 'relay' || ruling.rule !== 'unknown-author') return ruling
  return { verdict: 'relay', rule: 'binding', conjuncts: [], warnings: [] }
}

/** Binds nobody. */
export function noBindings(compiled: Compiled): Bindings {
  return new Bindings(compiled, () => undefined)
}
