import { join } from 'node:path'
import {
  didOf,
  type EntryLine,
  entriesPath,
  entriesPerFile,
  isWithheld,
  leafHash,
  type LogId,
  parseEvent,
  parseWithheld,
  type PublicKey,
  RejoinError
} from '../core/index.ts'
import { readFileRangeSync } from './file.ts'
import { type Fault, faultOf } from './fsck-run.ts'

/** A line as it stands in a file, malformed or not; one that is no marker counts as one entry. */
export interface RawLine extends EntryLine {
  readonly bytes: Uint8Array
  /** what was wrong with it as a marker */
  readonly error: unknown
}

/** One file of entries, split. */
export interface EntriesText {
  readonly path: string
  /** index of its first entry */
  readonly from: number
  readonly lines: readonly RawLine[]
  readonly sizeBytes: number
  /** bytes after the last newline */
  readonly torn: Uint8Array
}

/** A fault of lines, and whether it leaves open which entry later lines are. */
export interface LineFault extends Fault {
  readonly breaks: boolean
}

const wholeFile = Number.MAX_SAFE_INTEGER

/** Returns a file of a log's entries, split into lines, or undefined where there is none. */
export function readEntriesText(root: string, log: LogId, fileNumber: number): EntriesText | undefined {
  const from = fileNumber * entriesPerFile
  const path = entriesPath(log, from)
  const text = readFileRangeSync(join(root, path), 0, wholeFile)
  if (text === undefined) return undefined
  const lines: RawLine[] = []
  let index = from
  let start = 0
  for (let end = text.indexOf(10); end >= 0; end = text.indexOf(10, start)) {
    for (const line of rawLines(text.subarray(start, end), index, start, end)) {
      lines.push(line)
      index += line.size
    }
    start = end + 1
  }
  return { path, from, lines, sizeBytes: text.length, torn: text.subarray(start) }
}

function rawLines(bytes: Uint8Array, from: number, start: number, end: number): readonly RawLine[] {
  const one = { index: from, size: 1, start, end, bytes, error: undefined }
  if (!isWithheld(bytes)) return [{ ...one, hash: leafHash(bytes), withheld: false }]
  try {
    let index = from
    return parseWithheld(bytes, from).map(({ hash, size }) => {
      index += size
      return { ...one, index: index - size, size, hash, withheld: true }
    })
  } catch (error) {
    return [{ ...one, hash: leafHash(bytes), withheld: true, error }]
  }
}

/**
 * Yields what is wrong with the lines of a file by themselves: not canonical, not an event of the writer, too many or too few.
 * @param committed entries that the log's checkpoint covers
 * @param hasNext whether another file follows
 */
export function* textFaults(
  file: EntriesText,
  writer: PublicKey,
  committed: number,
  hasNext: boolean
): Generator<LineFault, void, void> {
  const { path, from, lines, torn } = file
  const did = didOf(writer)
  for (const line of lines) {
    const fault = lineFault(file, line, did)
    if (fault !== undefined) yield fault
  }
  const last = lines.at(-1)
  const size = last === undefined ? 0 : last.index + last.size - from
  const end = last === undefined ? 0 : last.end + 1
  const wanted = hasNext ? entriesPerFile : Math.min(entriesPerFile, Math.max(0, committed - from))
  if (size > entriesPerFile)
    yield { path, offset: 0, reason: `the file has ${size} entries, not ${entriesPerFile}`, code: 'E_LINE', breaks: true }
  else if (size < wanted) {
    yield { path, offset: end, reason: `the file has ${size} entries where ${wanted} are needed`, code: 'E_LINE', breaks: true }
  } else if (torn.length > 0 && hasNext)
    yield { path, offset: end, reason: 'the last line has no end', code: 'E_LINE', breaks: false }
}

function lineFault({ path }: EntriesText, line: RawLine, did: string): LineFault | undefined {
  try {
    if (line.error !== undefined) throw line.error
    if (!line.withheld && parseEvent(line.bytes).source !== did)
      throw new RejoinError('E_EVENT', "the source is not the log's writer")
    return undefined
  } catch (error) {
    return { ...faultOf(error, path, line.start), breaks: false }
  }
}
