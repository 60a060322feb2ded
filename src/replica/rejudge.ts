import {
  basisOf,
  didOf,
  encodeWithheld,
  entriesPerFile,
  leafHash,
  type LogId,
  eventIn,
  type RejoinEvent,
  utf8,
  type Verdict
} from '../core/index.ts'
import type { LogFolder, Moves, PrivateEntry, Store, Verdicts } from '../store/index.ts'
import { type Gate, type Judged, verdictLines } from '../trust/index.ts'

/** An entry whose verdict is another one than before. */
export interface Changed {
  readonly log: LogId
  readonly index: number
  /** leaf hash */
  readonly hash: Uint8Array
  readonly event: RejoinEvent | undefined
  readonly before: Verdict
  readonly after: Verdict
  readonly rule: string
}

/** What judging again works on. */
export interface RejudgeTarget {
  readonly store: Store
  readonly gate: Gate
  readonly verdicts: Verdicts
  readonly nowMs: number
  /** the wall clock has lost the time */
  readonly isLost?: boolean
  /** makes known what verdicts on an event may depend on beside its line */
  readonly load?: ((event: RejoinEvent) => Promise<unknown>) | undefined
}

/** The text of an entry that is here, with where it lies: that is its verdict so far. */
interface Lying {
  readonly index: number
  readonly line: Uint8Array
  readonly before: 'relay' | 'keep' | 'hold'
}

/** Moves of one file of entries, to be filled. */
export interface OpenMoves extends Moves {
  readonly lines: Map<number, Uint8Array>
  readonly into: { readonly kept: PrivateEntry[]; readonly held: PrivateEntry[] }
  readonly from: { readonly kept: Set<number>; readonly held: Set<number> }
}

/** Returns no moves. */
export function noMoves(): OpenMoves {
  return { lines: new Map(), into: { kept: [], held: [] }, from: { kept: new Set(), held: new Set() } }
}

/** Returns whether there is nothing to move. */
export function isStill({ lines, into, from }: Moves): boolean {
  return lines.size + into.kept.length + into.held.length + from.kept.size + from.held.size === 0
}

/** Notes where the text of an entry comes to lie by its verdict; refused text lies nowhere. */
export function moveTo(moves: OpenMoves, { index, line }: PrivateEntry, verdict: Verdict): void {
  if (verdict === 'relay') moves.lines.set(index, line)
  else if (verdict === 'keep') moves.into.kept.push({ index, line })
  else if (verdict === 'hold') moves.into.held.push({ index, line })
}

function move(moves: OpenMoves, { index, line, before }: Lying, after: Verdict): void {
  if (before === 'relay') moves.lines.set(index, utf8(encodeWithheld({ hash: leafHash(line), size: 1 })))
  else moves.from[before === 'keep' ? 'kept' : 'held'].add(index)
  moveTo(moves, { index, line }, after)
}

function lyingAt(store: Store, folder: LogFolder, index: number): Lying | undefined {
  const { line, size } = folder.entry(index)
  if (line !== undefined) return { index, line, before: 'relay' }
  if (size > 1) return undefined
  const kept = store.places.kept.read(folder.log, index)
  if (kept !== undefined) return { index, line: kept, before: 'keep' }
  const held = store.places.held.read(folder.log, index)
  return held && { index, line: held, before: 'hold' }
}

/**
 * Judges entries again whose text is here, and moves it to where the new verdict lets it lie: before this returns, text that may not be
 * passed on any more is no longer below logs/. What changed is recorded. The first line of a log stays what it is.
 * @param indexes which entries; all of them where it is left out
 * @param isOver asked before each file of entries: true ends it early
 */
export async function* rejudge(
  target: RejudgeTarget,
  log: LogId,
  indexes?: ReadonlySet<number>,
  isOver: () => boolean = () => false
): AsyncGenerator<Changed, void, void> {
  const folder = target.store.needFolder(log)
  const files =
    indexes === undefined
      ? Array.from({ length: Math.ceil(folder.size / entriesPerFile) }, (_, i) => i)
      : [...new Set([...indexes].map((index) => Math.floor(index / entriesPerFile)))].toSorted((a, b) => a - b)
  const brought = target.gate.rules.asksReputation ? target.verdicts.reputations(log) : noReputations
  for (const file of files) {
    if (isOver()) return
    yield* rejudgeFile(target, folder, file, indexes, brought)
  }
}

const noReputations: ReadonlyMap<number, number> = new Map()

async function* rejudgeFile(
  { store, gate, verdicts, nowMs, isLost = false, load }: RejudgeTarget,
  folder: LogFolder,
  file: number,
  indexes: ReadonlySet<number> | undefined,
  brought: ReadonlyMap<number, number>
): AsyncGenerator<Changed, void, void> {
  const { log } = folder
  const arrival = { log, author: didOf(folder.opened.publicKey), nowMs, isLost }
  const moves = noMoves()
  const changed: Changed[] = []
  const recorded: Judged[] = []
  const to = Math.min((file + 1) * entriesPerFile, folder.size)
  for (let index = Math.max(1, file * entriesPerFile); index < to; index++) {
    if (indexes !== undefined && !indexes.has(index)) continue
    const lying = lyingAt(store, folder, index)
    if (lying === undefined) continue
    const line = { index, size: 1, hash: leafHash(lying.line), withheld: false, start: 0, end: lying.line.length }
    const event = eventIn(lying.line)
    if (load !== undefined && event !== undefined) await load(event)
    const judged = gate.judgeOne(line, event, { ...arrival, before: lying.before, reputation: brought.get(index) ?? 0 })
    const { verdict, rule } = judged.decision
    if (verdict !== lying.before || indexes !== undefined) recorded.push(judged)
    if (verdict === lying.before) continue
    move(moves, lying, verdict)
    changed.push({ log, index, hash: line.hash, event: judged.event, before: lying.before, after: verdict, rule })
  }
  if (!isStill(moves)) await store.rewrite(folder, moves)
  verdicts.note(log, verdictLines(recorded, basisOf(gate.rules.file), new Date(nowMs).toISOString()))
  verdicts.flush()
  yield* changed
  await new Promise((resolve) => setImmediate(resolve))
}
