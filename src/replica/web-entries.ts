import {
  entryCount,
  entriesPath,
  entriesPerFile,
  isWithheld,
  leafHash,
  type LogId,
  parseWithheld,
  RejoinError,
  Tree
} from '../core/index.ts'
import type { WebClient } from './web-client.ts'

/** Where in the newest file of entries of a log a reader stopped: the next time it asks for what comes behind. */
export interface WebPlace {
  readonly index: number
  readonly atByte: number
}

/** A line of a file: which entries it stands for, and where in the text it is. */
interface Mark {
  readonly index: number
  readonly atByte: number
}

/** A file of entries, or the end of one. */
export interface LoadedEntries {
  readonly text: Uint8Array
  /** one for each line, and one for the end of the last */
  readonly marks: readonly Mark[]
  /** byte of the file at which the text begins */
  readonly base: number
}

const maxFileBytes = entriesPerFile * 65_536
const newline = 10

/** Returns the lines of a text up to an entry; what is behind it is none of ours yet. @throws E_WITHHELD E_INCOMPLETE where they end before */
export function marksUpTo(text: Uint8Array, from: number, to: number, path: string): readonly Mark[] {
  const marks: Mark[] = [{ index: from, atByte: 0 }]
  let index = from
  for (let start = 0; index < to; ) {
    const end = text.indexOf(newline, start)
    if (end < 0) throw new RejoinError('E_INCOMPLETE', `${path} ends at entry ${index}, before entry ${to}`, { at: path })
    const line = text.subarray(start, end)
    index += isWithheld(line) ? entryCount(parseWithheld(line, index)) : 1
    start = end + 1
    marks.push({ index, atByte: start })
  }
  return marks
}

/**
 * Fetches the file that holds an entry, up to what the log's head covers. Where it is known at which byte the entry begins, only what is from
 * there on; a server that has other bytes there, or knows no ranges, gives the whole file.
 * @throws E_NOT_FOUND E_INCOMPLETE E_WITHHELD E_TOO_LARGE, and as the client
 */
export async function loadEntries(
  client: WebClient,
  log: LogId,
  from: number,
  size: number,
  place?: WebPlace
): Promise<LoadedEntries> {
  const path = entriesPath(log, from)
  const first = from - (from % entriesPerFile)
  const to = Math.min(size, first + entriesPerFile)
  if (place !== undefined && place.index === from && place.atByte > 0) {
    const answer = await client.ask(path, { from: place.atByte - 1 })
    if (answer.status === 206) {
      const bytes = await client.gather(path, answer, maxFileBytes)
      if (bytes[0] === newline) {
        const text = bytes.subarray(1)
        return { text, marks: marksUpTo(text, from, to, path), base: place.atByte }
      }
    } else if (answer.status === 200) {
      const text = await client.gather(path, answer, maxFileBytes)
      return { text, marks: marksUpTo(text, first, to, path), base: 0 }
    }
  }
  const text = await client.read(path, maxFileBytes)
  if (text === undefined) throw new RejoinError('E_NOT_FOUND', `${client.base}${path} is not there`, { at: path })
  return { text, marks: marksUpTo(text, first, to, path), base: 0 }
}

/** Returns the tree over the entries [from, to) of a file, on top of hashes that come before them in their tile. */
export function treeOfEntries(
  { text, marks }: LoadedEntries,
  from: number,
  to: number,
  before: readonly Uint8Array[] = []
): Tree {
  const tree = new Tree()
  for (const leaf of before) tree.append(leaf)
  for (const [i, { index, atByte }] of marks.entries()) {
    const next = marks[i + 1]
    if (next === undefined || index < from || index >= to) continue
    const line = text.subarray(atByte, next.atByte - 1)
    if (isWithheld(line)) {
      for (const { hash, size } of parseWithheld(line, index)) tree.appendSubtree(hash, Math.log2(size))
    } else tree.append(leafHash(line))
  }
  return tree
}

/** Returns the mark of an entry, or undefined where no line begins with it. */
export function markAt({ marks }: LoadedEntries, index: number): Mark | undefined {
  return marks.find((mark) => mark.index === index)
}

/** Returns the last mark that is at most an entry, and leaves at most so many bytes behind another; at least one line behind that. */
export function markBefore(loaded: LoadedEntries, start: Mark, to: number, maxBytes: number): Mark {
  let found = start
  for (const mark of loaded.marks) {
    if (mark.index <= start.index) continue
    if (found !== start && (mark.index > to || mark.atByte - start.atByte > maxBytes)) break
    found = mark
    if (mark.index >= to) break
  }
  return found
}
