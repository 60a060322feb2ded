import {
  entriesPerFile,
  entryCount,
  type EntryBlock,
  isWithheld,
  type LogId,
  parseWithheld,
  RejoinError,
  tileWidth
} from '../core/index.ts'

const newline = 10

/**
 * Returns the entries of one file from the line that holds `from` up to `to`, or up to the last whole tile where it ends before.
 * @throws E_INCOMPLETE where it has none of them · E_WITHHELD where a run reaches over `to`
 */
export function entriesIn(text: Uint8Array, file: number, from: number, to: number, log: LogId): EntryBlock {
  let index = file * entriesPerFile
  let first: { readonly index: number; readonly atByte: number } | undefined
  let last = { index, atByte: 0 }
  for (let start = 0, end = text.indexOf(newline); end >= 0 && index < to; start = end + 1, end = text.indexOf(newline, start)) {
    const line = text.subarray(start, end)
    const next = index + (isWithheld(line) ? entryCount(parseWithheld(line, index)) : 1)
    if (next > from) first ??= { index, atByte: start }
    if (next > to) throw new RejoinError('E_WITHHELD', `a withheld run of log ${log} reaches over entry ${to}`)
    if (next === to || next % tileWidth === 0) last = { index: next, atByte: end + 1 }
    index = next
  }
  if (first === undefined || last.index <= from)
    throw new RejoinError('E_INCOMPLETE', `log ${log} has no entry ${Math.max(from, index)} there`)
  return { from: first.index, count: last.index - first.index, text: text.subarray(first.atByte, last.atByte) }
}
