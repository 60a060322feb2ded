import { appendLines, entriesPath, entriesPerFile, linesOf, type LogId, RejoinError, Tree } from '../core/index.ts'
import { indexAt, type Marked, marksOf, readMarked } from '../store/index.ts'
import type { WebClient } from './web-client.ts'

/** Where in the newest file of entries of a log a reader stopped: the next time it asks for what comes behind. */
export interface WebPlace {
  readonly index: number
  readonly atByte: number
}

/** A file of entries, or the end of one. */
export interface LoadedEntries extends Marked {
  /** byte of the file at which the text begins */
  readonly base: number
}

/** The longest that a file of entries may be. */
export const maxEntriesBytes: number = entriesPerFile * 65_536
const newline = 10

/**
 * Fetches the file that holds an entry. Where it is known at which byte the entry begins, only what is from there on; a server that has other bytes
 * there, or knows no ranges, gives the whole file.
 * @throws E_NOT_FOUND E_LINE E_WITHHELD E_TOO_LARGE, and as the client
 */
export async function loadEntries(client: WebClient, log: LogId, from: number, place?: WebPlace): Promise<LoadedEntries> {
  const path = entriesPath(log, from)
  const first = from - (from % entriesPerFile)
  if (place !== undefined && place.index === from && place.atByte > 0) {
    const answer = await client.ask(path, { from: place.atByte - 1 })
    const text = answer.status === 404 ? new Uint8Array(0) : await client.gather(path, answer, maxEntriesBytes)
    if (answer.status === 200) return { text, marks: marksOf(text, first), base: 0 }
    const behind = text.subarray(1)
    if (text[0] === newline) return { text: behind, marks: marksOf(behind, from), base: place.atByte }
  }
  const text = await client.read(path, maxEntriesBytes)
  if (text === undefined) throw new RejoinError('E_NOT_FOUND', `${client.base}${path} is not there`, { at: path })
  return { text, marks: marksOf(text, first), base: 0 }
}

/** Returns the tree over the entries [from, to) of a file, of whole tiles or up to the end. @throws E_INCOMPLETE where they are not all there */
export function treeOfEntries(loaded: LoadedEntries, from: number, to: number): Tree {
  const tree = new Tree()
  if (indexAt(loaded.marks, loaded.marks.length - 1) >= to) {
    const block = readMarked(loaded, from, to, maxEntriesBytes)
    if (block.from === from) appendLines(tree, linesOf(block))
  }
  if (tree.size !== to - from) throw new RejoinError('E_INCOMPLETE', `entries ${from} to ${to - 1} are not all there`)
  return tree
}
