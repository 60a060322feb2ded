import {
  concat,
  encodeWithheld,
  type EntryBlock,
  entryCount,
  isWithheld,
  parseWithheld,
  RejoinError,
  utf8,
  type Withheld
} from '../core/index.ts'

const newline = 10
/** lines that one text may have: a block of a catch-up has up to 8,192, a file 1,024 */
const maxLinesAtOnce = 65_536
const lineEnd = Uint8Array.of(newline)

/** Where one line of an entries file begins, and which entry it is. */
export interface Mark {
  readonly index: number
  readonly atByte: number
}

/** Text with one mark a line, and one for the end of the last whole line. */
export interface Marked {
  readonly text: Uint8Array
  readonly marks: readonly Mark[]
}

/**
 * Returns where the lines of an entries file begin, and where the last whole one ends.
 * @throws E_LINE for far more than a file may have · E_WITHHELD
 */
export function marksOf(text: Uint8Array, firstIndex: number): readonly Mark[] {
  const marks: Mark[] = []
  let index = firstIndex
  let start = 0
  for (let end = text.indexOf(newline); end >= 0; end = text.indexOf(newline, start)) {
    if (marks.length > maxLinesAtOnce)
      throw new RejoinError('E_LINE', `more than ${maxLinesAtOnce} lines from index ${firstIndex} on`)
    marks.push({ index, atByte: start })
    const line = text.subarray(start, end)
    index += isWithheld(line) ? entryCount(parseWithheld(line, index)) : 1
    start = end + 1
  }
  marks.push({ index, atByte: start })
  return marks
}

/** Returns the place in `marks` of the line that holds an entry, or of the end. */
export function placeOf(marks: readonly Mark[], index: number): number {
  let low = 0
  let high = marks.length - 1
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if ((marks[middle] as Mark).index <= index) low = middle
    else high = middle - 1
  }
  return low
}

/** The runs of a gap's line with their places, or nothing for any other line. */
function runsAt({ text, marks }: Marked, place: number): readonly (Withheld & { readonly index: number })[] {
  const [mark, next] = [marks[place], marks[place + 1]]
  if (mark === undefined || next === undefined || next.index - mark.index < 2) return []
  let { index } = mark
  return parseWithheld(text.subarray(mark.atByte, next.atByte - 1), index).map((run) => {
    index += run.size
    return { ...run, index: index - run.size }
  })
}

/** Returns the index of the line at a place, or of the end. */
export function indexAt(marks: readonly Mark[], place: number): number {
  return (marks[place] as Mark).index
}

/** Returns where the line at a place begins, or the end. */
export function byteAt(marks: readonly Mark[], place: number): number {
  return (marks[place] as Mark).atByte
}

/** Returns the lines from one place up to another, which may be none. */
export function piece({ text, marks }: Marked, start: number, end: number): EntryBlock {
  const from = indexAt(marks, start)
  if (end <= start) return { from, count: 0, text: text.subarray(0, 0) }
  return { from, count: indexAt(marks, end) - from, text: text.subarray(byteAt(marks, start), byteAt(marks, end)) }
}

/** Returns pieces that follow each other as one block; none of them is copied where there is only one. */
export function joined(pieces: readonly EntryBlock[]): EntryBlock {
  const some = pieces.filter(({ count }) => count > 0)
  const [first] = some
  if (first === undefined) throw new Error('bug: no entries to join')
  if (some.length === 1) return first
  const count = some.reduce((sum, one) => sum + one.count, 0)
  return { from: first.from, count, text: concat(some.map(({ text }) => text)) }
}

/**
 * Returns the runs of the gap at a place that hold [from, to): those from the one that holds `from` on, and that end at `to` or before,
 * but at least one. Undefined where the line is no gap, or all of it is meant.
 */
export function pieceOfGap(marked: Marked, place: number, from: number, to: number): EntryBlock | undefined {
  const runs = runsAt(marked, place)
  const within = runs.filter(({ index, size }) => index + size > from && (index + size <= to || index <= from))
  const [first] = within
  if (first === undefined || within.length === runs.length) return undefined
  return { from: first.index, count: entryCount(within), text: utf8(`${encodeWithheld(...within)}\n`) }
}

/**
 * Returns entries of a file from the line that holds `from` up to at most `to` and about `maxBytes`, but at least one line. A run that
 * begins before `from` is returned whole; of a gap only the runs between. `from` must be in the text.
 */
export function readMarked(marked: Marked, from: number, to: number, maxBytes: number): EntryBlock {
  const { marks } = marked
  const last = marks.length - 1
  const start = placeOf(marks, from)
  const reach = to >= indexAt(marks, last) ? last : placeOf(marks, to)
  let end = Math.max(reach, start + 1)
  while (byteAt(marks, end) - byteAt(marks, start) > maxBytes) {
    const half = placeOf(marks, indexAt(marks, start) + Math.floor((indexAt(marks, end) - indexAt(marks, start)) / 2))
    if (half <= start) break
    end = half
  }
  const head = indexAt(marks, start) < from || end > reach ? pieceOfGap(marked, start, from, to) : undefined
  const pieces = head === undefined ? [piece(marked, start, end)] : [head, piece(marked, start + 1, end)]
  if (end === reach && indexAt(marks, reach) < to) {
    const tail = pieceOfGap(marked, reach, indexAt(marks, reach), to)
    if (tail !== undefined && tail.from + tail.count <= to) pieces.push(tail)
  }
  return joined(pieces)
}

/** Returns lines with others in the place of some entries. @param changes by index; of a withheld run all entries or none */
export function rewritten(marked: Marked, changes: ReadonlyMap<number, Uint8Array>): Uint8Array {
  const { text, marks } = marked
  const parts: Uint8Array[] = []
  marks.slice(0, -1).forEach(({ index, atByte }, place) => {
    const next = marks[place + 1] as Mark
    const runs = runsAt(marked, place)
    if (changes.has(index) && runs.length < 2) for (const line of linesFor(changes, index, next.index)) parts.push(line, lineEnd)
    else if (runs.some((run) => changes.has(run.index))) parts.push(...gapRewritten(runs, changes))
    else parts.push(text.subarray(atByte, next.atByte))
  })
  return concat(parts)
}

function* gapRewritten(
  runs: readonly (Withheld & { readonly index: number })[],
  changes: ReadonlyMap<number, Uint8Array>
): Generator<Uint8Array, void, void> {
  let stay: Withheld[] = []
  for (const run of runs) {
    if (!changes.has(run.index)) {
      stay.push(run)
      continue
    }
    if (stay.length > 0) yield utf8(`${encodeWithheld(...stay)}\n`)
    stay = []
    for (const line of linesFor(changes, run.index, run.index + run.size)) yield concat([line, lineEnd])
  }
  if (stay.length > 0) yield utf8(`${encodeWithheld(...stay)}\n`)
}

/** Yields the lines that come in the place of one that stands for the entries from `from` up to `to`. */
export function* linesFor(changes: ReadonlyMap<number, Uint8Array>, from: number, to: number): Generator<Uint8Array, void, void> {
  for (let at = from; at < to; ) {
    const line = changes.get(at)
    if (line === undefined) throw new Error(`bug: only some entries of the withheld run at ${from} are given`)
    yield line
    at += isWithheld(line) ? entryCount(parseWithheld(line, at)) : 1
  }
}
