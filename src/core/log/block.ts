import { hash } from 'node:crypto'
import { concat, utf8 } from '../bytes.ts'
import { RejoinError } from '../error.ts'
import { foldEdge, leafHash, nodeHash, tileWidth, type Tree, type FullTile } from './merkle.ts'
import { encodeWithheld, isWithheld, parseWithheld } from './withheld.ts'

/**
 * Consecutive entries of a log as they stand in its files: each an event's line or a withheld marker, with its newline.
 * `text` must not be changed by whoever holds a block.
 */
export interface EntryBlock {
  /** index of the first entry */
  readonly from: number
  /** entries, counting those inside withheld runs */
  readonly count: number
  readonly text: Uint8Array
  /** set where hashes among them are only what the interest of the side that asked for them leaves out */
  readonly narrowed?: boolean | undefined
}

/** One entry or one withheld run of a block. The runs of a gap have one line together: the same byte range. */
export interface EntryLine {
  readonly index: number
  /** entries that it stands for: 1, or the size of a withheld run */
  readonly size: number
  /** leaf hash, or subtree hash of a withheld run */
  readonly hash: Uint8Array
  readonly withheld: boolean
  /** byte range within the block's text, without the newline */
  readonly start: number
  readonly end: number
}

const newline = 10

/** Hashes the line at [start, end) as a leaf; the byte before it lends its place to the 0x00 prefix, so nothing is copied. */
function leafHashInPlace(text: Uint8Array, start: number, end: number): Uint8Array {
  if (start === 0) return leafHash(text.subarray(0, end))
  const before = text[start - 1] as number
  text[start - 1] = 0
  try {
    return hash('sha256', text.subarray(start - 1, end), 'buffer')
  } finally {
    text[start - 1] = before
  }
}

/**
 * Returns the lines of a block with their hashes; of a gap each run by itself.
 * @throws E_LINE where the text does not end with a newline or the lines do not add up to count · E_WITHHELD
 */
export function linesOf(block: EntryBlock): readonly EntryLine[] {
  const { from, count, text } = block
  const lines: EntryLine[] = []
  let index = from
  let start = 0
  while (start < text.length) {
    const end = text.indexOf(newline, start)
    if (end < 0) throw new RejoinError('E_LINE', `the line at index ${index} has no end`)
    const line = text.subarray(start, end)
    if (isWithheld(line)) {
      for (const { hash: subtree, size } of parseWithheld(line, index)) {
        lines.push({ index, size, hash: subtree, withheld: true, start, end })
        index += size
      }
    } else {
      lines.push({ index, size: 1, hash: leafHashInPlace(text, start, end), withheld: false, start, end })
      index++
    }
    start = end + 1
  }
  if (index !== from + count)
    throw new RejoinError('E_LINE', `${index - from} entries where ${count} were announced, from index ${from}`)
  return lines
}

/**
 * Returns lines of a block as text, each with its newline: of a gap the line of those runs that are given.
 * @param lines some that follow each other
 */
export function textOfLines({ text }: Pick<EntryBlock, 'text'>, lines: readonly EntryLine[]): Uint8Array {
  const first = lines[0]
  const last = lines.at(-1)
  if (first === undefined || last === undefined) return new Uint8Array(0)
  const head = lines.findIndex(({ start }) => start !== first.start)
  const tail = lines.findLastIndex(({ start }) => start !== last.start) + 1
  if (head < 0) return first.withheld ? markerOf(lines) : text.subarray(first.start, first.end + 1)
  const from = (lines[head] as EntryLine).start
  return concat([
    first.withheld ? markerOf(lines.slice(0, head)) : text.subarray(first.start, first.end + 1),
    text.subarray(from, last.start),
    last.withheld ? markerOf(lines.slice(tail)) : text.subarray(last.start, last.end + 1)
  ])
}

const markerOf = (runs: readonly EntryLine[]): Uint8Array => utf8(`${encodeWithheld(...runs)}\n`)

/** Returns the root that a tree has with more lines; it stays as it is, and no tile is made. */
export function rootWith(tree: Tree, lines: readonly EntryLine[]): Uint8Array {
  const edge = [...tree.edge()]
  let at = tree.size
  for (const { hash, size } of lines) {
    if (at % size !== 0) throw new Error('bug: misaligned subtree')
    let node = hash
    for (let position = at / size; position % 2 === 1; position = (position - 1) / 2)
      node = nodeHash(edge.pop() as Uint8Array, node)
    edge.push(node)
    at += size
  }
  return foldEdge(edge)
}

/**
 * Appends the lines of a block to a tree.
 * @param tileRoot the proven root of the lines, where they are exactly one tile: then nothing is hashed again
 */
export function appendLines(
  tree: Tree,
  lines: readonly EntryLine[],
  onTile?: (tile: FullTile) => void,
  tileRoot?: Uint8Array
): void {
  if (tileRoot !== undefined && lines.length === tileWidth) {
    const leaves = new Uint8Array(tileWidth * 32)
    for (let i = 0; i < tileWidth; i++) leaves.set((lines[i] as EntryLine).hash, i * 32)
    tree.appendTile(leaves, tileRoot, onTile)
    return
  }
  for (const line of lines) tree.appendSubtree(line.hash, Math.log2(line.size), onTile)
}
