import { join } from 'node:path'
import {
  type Compiled,
  decideOn,
  didOf,
  entriesPath,
  entriesPerFile,
  isWithheld,
  type LogId,
  msOfHlc,
  parseEventText,
  parseOpenedLine,
  parseWithheld,
  RejoinError,
  type RejoinEvent,
  type Ruling,
  textOf,
  type Verdict
} from '../core/index.ts'
import { type PrivatePlace, readFileRangeSync, type Store } from '../store/index.ts'
import { type Bindings, stays } from './bindings.ts'
import type { EvidenceSource } from './evidence.ts'
import { type Arrival, Gate, type GateOptions } from './gate.ts'

/** What is known of events, and how what isn't known yet is looked up here. Nothing is fetched from others. */
export interface Lookup extends EvidenceSource {
  /** Reads what stands in an event's documents; resolves to whether it is known now. */
  readonly load: (event: RejoinEvent) => Promise<boolean>
}

/** What is tried, and on which entries. */
export interface ReplayInput {
  readonly store: Pick<Store, 'root' | 'listHeads' | 'places'>
  /** the rules that are tried */
  readonly compiled: Compiled
  /** this node's did:key: its own events need no rule, and are left out */
  readonly own: string
  readonly known: Lookup
  /** what a person decided goes before any rules, these too */
  readonly decisionOn?: GateOptions['decisionOn']
  /** to whom tokens bind logs by the rules that are tried */
  readonly bindings?: Bindings
  /** returns the points that peers had when they brought entries of a log; 0 where it is left out */
  readonly reputationsOf?: (log: LogId) => ReadonlyMap<number, number>
  readonly nowMs: number
  /** only this log */
  readonly log?: LogId | undefined
  /** only events whose writer's clock said this or later, Unix milliseconds */
  readonly sinceMs?: number | undefined
}

/** Where text lies that is here: that is its verdict so far. */
export type TextVerdict = Exclude<Verdict, 'refuse'>

/** An event that would get another verdict. */
export interface ReplayChange {
  readonly log: LogId
  readonly index: number
  /** absent where the line is no event */
  readonly event: RejoinEvent | undefined
  readonly before: TextVerdict
  readonly after: Ruling
}

/** One file of entries was gone through. */
export interface ReplayStep {
  /** entries so far, of `total` */
  readonly done: number
  readonly total: number
  readonly changes: readonly ReplayChange[]
}

/** How many events had one verdict and would have another. */
export interface ReplayCount {
  readonly before: TextVerdict
  readonly after: Verdict
  readonly count: number
}

/** What came of a replay. */
export interface ReplayTotals {
  readonly tried: number
  /** entries of which only the hash is here: nobody can say what the rules would do with them */
  readonly withheld: number
  /** events that would be let in further than now */
  readonly weaker: number
  /** those that are not 0 */
  readonly table: readonly ReplayCount[]
}

const openness: readonly Verdict[] = ['refuse', 'hold', 'keep', 'relay']
const wholeFile = Number.MAX_SAFE_INTEGER
const newline = 10
const privateVerdicts: readonly (readonly [PrivatePlace, TextVerdict])[] = [
  ['kept', 'keep'],
  ['held', 'hold']
]

/** Returns whether a verdict lets an event in further than another one: relay further than keep, than hold, than refuse. */
export function isWeaker(before: Verdict, after: Verdict): boolean {
  return openness.indexOf(after) > openness.indexOf(before)
}

interface TextHere {
  readonly index: number
  readonly bytes: Uint8Array
  readonly event: RejoinEvent | undefined
  readonly before: TextVerdict
}

/**
 * Tries rules on every event whose text is here, and changes nothing. The files are read one after the other, so that memory does not grow
 * with the history; content is looked up only where a verdict waits for it. The first line of a log is never judged again, and left out.
 * @returns the totals, once all steps were taken
 */
export async function* replay(input: ReplayInput): AsyncGenerator<ReplayStep, ReplayTotals, void> {
  const { store, own } = input
  const heads = store
    .listHeads()
    .filter(({ log }) => input.log === undefined || log === input.log)
    .toSorted((a, b) => (a.log < b.log ? -1 : 1))
  const total = heads.reduce((sum, { size }) => sum + size, 0)
  const trial = new Trial(input)
  let done = 0
  for (const { log, size } of heads) {
    let author = ''
    for (let from = 0; from < size; from += entriesPerFile) {
      const to = Math.min(from + entriesPerFile, size)
      const file = readEntries(store.root, log, from)
      if (from === 0) author = didOf(parseOpenedLine(file.subarray(0, file.indexOf(newline))).publicKey)
      const changes = author === own ? [] : await trial.take(log, author, file, { from, to })
      done += to - from
      yield { done, total, changes }
      // others get a turn: a node that is up goes on serving
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
  return trial.totals()
}

/** One replay: the gate with the rules that are tried, and what was counted so far. */
class Trial {
  private readonly input: ReplayInput
  private readonly gate: Gate
  private readonly counts = new Map<TextVerdict, Record<Verdict, number>>()
  private withheld = 0

  constructor(input: ReplayInput) {
    this.input = input
    this.gate = new Gate(input.own, input.compiled, {
      evidence: input.known,
      ...(input.bindings && { bindings: input.bindings })
    })
  }

  /** Judges the texts of one file. @returns those that get another verdict */
  async take(log: LogId, author: string, file: Uint8Array, range: Range): Promise<readonly ReplayChange[]> {
    const { known, nowMs, sinceMs, decisionOn } = this.input
    const brought = this.input.compiled.asksReputation ? this.input.reputationsOf?.(log) : undefined
    const changes: ReplayChange[] = []
    for (const here of this.textsIn(log, file, range)) {
      const { index, event, before } = here
      const arrival = { log, author, nowMs, reputation: brought?.get(index) ?? 0 }
      if (sinceMs !== undefined && event !== undefined && msOfHlc(event.hlc) < sinceMs) continue
      const decided = event?.source === author ? decisionOn?.(log, index)?.verdict : undefined
      let after = decided === undefined ? this.judge(here, arrival) : ruledByPerson(decided)
      // only what waits costs a promise
      if (after.waits === 'content' && event !== undefined && (await known.load(event))) after = this.judge(here, arrival)
      if (event !== undefined) this.gate.noteUsage({ index, start: 0, end: here.bytes.length }, event, arrival, after.verdict)
      this.count(before, after.verdict)
      if (after.verdict !== before) changes.push({ log, index, event, before, after })
    }
    return changes
  }

  /** As Gate.judgeOne does, less the digest of the facts, which takes longer than the verdict. */
  private judge({ index, bytes, event, before }: TextHere, arrival: Arrival): Ruling {
    if (event === undefined) return { verdict: 'refuse', rule: 'malformed', conjuncts: [], warnings: [] }
    const facts = this.gate.factsOf({ index, start: 0, end: bytes.length }, event, arrival)
    return stays(decideOn(facts, this.input.compiled, this.input.own), event, before)
  }

  private *textsIn(log: LogId, file: Uint8Array, { from, to }: Range): Generator<TextHere, void, void> {
    const texts = textOf(file).split('\n')
    let index = from
    let start = 0
    for (const text of texts) {
      if (index >= to) return
      const end = file.indexOf(newline, start)
      const bytes = file.subarray(start, end)
      start = end + 1
      if (!isWithheld(bytes)) {
        if (index > 0) yield { index, bytes, event: parseOrNothing(text, bytes), before: 'relay' }
        index++
        continue
      }
      for (const { size } of parseWithheld(bytes, index)) {
        const here = size === 1 ? this.privateText(log, index) : undefined
        if (here === undefined) this.withheld += size
        else yield here
        index += size
      }
    }
  }

  private privateText(log: LogId, index: number): TextHere | undefined {
    for (const [place, before] of privateVerdicts) {
      const bytes = this.input.store.places[place].read(log, index)
      if (bytes !== undefined) return { index, bytes, event: parseOrNothing(textOf(bytes), bytes), before }
    }
    return undefined
  }

  private count(before: TextVerdict, after: Verdict): void {
    let row = this.counts.get(before)
    if (row === undefined) this.counts.set(before, (row = { relay: 0, keep: 0, hold: 0, refuse: 0 }))
    row[after]++
  }

  /** Returns what was counted. */
  totals(): ReplayTotals {
    const table = [...this.counts].flatMap(([before, row]) =>
      Object.entries(row).map(([after, count]) => ({ before, after: after as Verdict, count }))
    )
    const sum = (some: readonly ReplayCount[]): number => some.reduce((all, { count }) => all + count, 0)
    return {
      tried: sum(table),
      withheld: this.withheld,
      weaker: sum(table.filter(({ before, after }) => isWeaker(before, after))),
      table: table.filter(({ count }) => count > 0)
    }
  }
}

interface Range {
  readonly from: number
  readonly to: number
}

const ruledByPerson = (verdict: Verdict): Ruling => ({ verdict, rule: 'person', conjuncts: [], warnings: [] })

/** Not through LogFolder, which keeps the last file that it read of each log in memory. */
function readEntries(root: string, log: LogId, from: number): Uint8Array {
  const path = join(root, entriesPath(log, from))
  const bytes = readFileRangeSync(path, 0, wholeFile)
  if (bytes === undefined) throw new RejoinError('E_DAMAGED', `${path} is missing`, { hint: 'rejoin verify names what is wrong' })
  return bytes
}

function parseOrNothing(text: string, bytes: Uint8Array): RejoinEvent | undefined {
  try {
    return parseEventText(text, bytes)
  } catch (error) {
    if (error instanceof RejoinError) return undefined
    throw error
  }
}
