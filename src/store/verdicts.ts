import { closeSync, fstatSync, mkdirSync, openSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { concat, isLogId, isObject, type Json, type LogId, textOf, utf8, type Verdict } from '../core/index.ts'
import { ioError, readFileRangeSync, writeFullySync } from './file.ts'

/** One line of a log's verdict file: the verdict on an entry, or on neighbouring ones that were judged alike. @see protocols/verdict.md */
export interface VerdictLine {
  readonly index: number
  /** entries it is about, 1 where it is absent */
  readonly count?: number
  readonly verdict: Verdict
  readonly rule: string
  /** of the rule that decided: CEL text → true, false, error or unknown */
  readonly conjuncts?: Readonly<Record<string, string>>
  readonly waits?: 'content' | 'voices'
  readonly warnings?: readonly string[]
  /** points that the peer that brought it had then, where rules ask for them */
  readonly reputation?: number
  /** SHA-256 of the trust file, hexadecimal */
  readonly trust: string
  /** SHA-256 of the facts, hexadecimal; of a run, over the leaf hashes of its entries */
  readonly facts: string
  /** wall clock, ISO 8601 */
  readonly at: string
}

/** What a person decided about an event. */
export interface DecisionLine {
  readonly log: LogId
  readonly index: number
  /** absent where an earlier decision was withdrawn */
  readonly verdict?: Verdict
  readonly because?: string
  readonly at: string
}

const pieceBytes = 1024 * 1024
const newline = 10
const decisionsFile = 'verdicts/decisions.ndjson'

/**
 * Every verdict and every decision of a person, as lines that are only ever appended: `verdicts/<logId>.ndjson`, in which the last line about
 * an entry counts, and `verdicts/decisions.ndjson`. They never leave the node. Verdicts can be derived again; decisions can't, and are
 * durable when decide() returns.
 */
export class Verdicts {
  private readonly root: string
  private readonly waiting = new Map<LogId, VerdictLine[]>()
  private readonly decisions = new Map<string, DecisionLine>()

  constructor(root: string) {
    this.root = root
    for (const line of linesIn<DecisionLine>(join(root, decisionsFile))) this.remember(line)
  }

  private remember(line: DecisionLine): void {
    const key = `${line.log}/${line.index}`
    if (line.verdict === undefined) this.decisions.delete(key)
    else this.decisions.set(key, line)
  }

  /** Notes verdicts; they reach their file with flush(). */
  note(log: LogId, lines: readonly VerdictLine[]): void {
    const waiting = this.waiting.get(log)
    if (waiting === undefined) this.waiting.set(log, [...lines])
    else waiting.push(...lines)
  }

  /** Writes the verdicts that were noted. @throws E_NO_SPACE E_IO */
  flush(): void {
    for (const [log, lines] of this.waiting) {
      this.waiting.delete(log)
      append(join(this.root, `verdicts/${log}.ndjson`), lines)
    }
  }

  /** Yields the verdicts on the entries of a log, the oldest first. */
  *read(log: LogId): Generator<VerdictLine, void, void> {
    yield* linesIn<VerdictLine>(join(this.root, `verdicts/${log}.ndjson`))
    yield* this.waiting.get(log) ?? []
  }

  /** Returns the verdicts that count now on some entries of a log. */
  latest(log: LogId, wanted: (index: number) => boolean): ReadonlyMap<number, VerdictLine> {
    const found = new Map<number, VerdictLine>()
    for (const line of this.read(log))
      for (let index = line.index; index < line.index + (line.count ?? 1); index++) if (wanted(index)) found.set(index, line)
    return found
  }

  /** Returns the points that peers had when they brought entries of a log, as far as that was recorded; the last time counts. */
  reputations(log: LogId): ReadonlyMap<number, number> {
    const found = new Map<number, number>()
    for (const { index, reputation } of this.read(log)) if (reputation !== undefined) found.set(index, reputation)
    return found
  }

  /** Returns the logs on which verdicts were noted. */
  logs(): readonly LogId[] {
    const names = namesIn(join(this.root, 'verdicts')).flatMap((name) => (name.endsWith('.ndjson') ? [name.slice(0, -7)] : []))
    return [...new Set([...names.filter(isLogId), ...this.waiting.keys()])]
  }

  /** Returns what a person decided about an event, unless it was withdrawn. */
  decisionOn(log: LogId, index: number): DecisionLine | undefined {
    return this.decisions.size === 0 ? undefined : this.decisions.get(`${log}/${index}`)
  }

  /** Returns the decisions that stand. */
  standing(): readonly DecisionLine[] {
    return [...this.decisions.values()]
  }

  /** Records what a person decided; durable when it returns. @throws E_NO_SPACE E_IO */
  decide(lines: readonly DecisionLine[]): void {
    append(join(this.root, decisionsFile), lines)
    for (const line of lines) this.remember(line)
  }
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw ioError(cause, 'read', folder)
  }
}

function append(path: string, lines: readonly object[]): void {
  if (lines.length === 0) return
  const text = lines.map((line) => `${JSON.stringify(line)}\n`).join('')
  try {
    mkdirSync(dirname(path), { recursive: true })
    const fd = openSync(path, 'a')
    try {
      writeFullySync(fd, utf8(text), fstatSync(fd).size, path)
    } finally {
      closeSync(fd)
    }
  } catch (cause) {
    throw ioError(cause, 'write', path)
  }
}

/** Yields the lines of a file a piece at a time; one that a crash cut off is none. */
function* linesIn<Line>(path: string): Generator<Line, void, void> {
  let rest: Uint8Array = new Uint8Array(0)
  for (let at = 0; ; ) {
    const piece = readFileRangeSync(path, at, pieceBytes)
    if (piece === undefined || piece.length === 0) return
    at += piece.length
    const bytes = rest.length === 0 ? piece : concat([rest, piece])
    const end = bytes.lastIndexOf(newline) + 1
    for (const text of textOf(bytes.subarray(0, end)).split('\n')) {
      const line = text === '' ? undefined : parseLine<Line>(text)
      if (line !== undefined) yield line
    }
    rest = bytes.slice(end)
  }
}

function parseLine<Line>(text: string): Line | undefined {
  try {
    const value = JSON.parse(text) as Json
    return isObject(value) ? (value as unknown as Line) : undefined
  } catch {
    return undefined
  }
}
