import { concat, utf8 } from '../bytes.ts'
import { type EntryBlock, linesOf } from './block.ts'
import { nodeHash, tileWidth } from './merkle.ts'
import { encodeWithheld, type Withheld } from './withheld.ts'

interface Run extends Withheld {
  readonly index: number
}

/** Adds a withheld entry or run behind others, and joins neighbours that make up a larger subtree of at most one tile. */
function pushRun(runs: Run[], run: Run): void {
  let last = run
  for (let before = runs.at(-1); before !== undefined; before = runs.at(-1)) {
    const size = before.size * 2
    if (before.size !== last.size || before.index % size !== 0 || size > tileWidth) break
    runs.pop()
    last = { index: before.index, size, hash: nodeHash(before.hash, last.hash) }
  }
  runs.push(last)
}

const tileOf = ({ index }: Run): number => Math.floor(index / tileWidth)

/** Returns the lines for neighbouring runs: one for those of each tile. */
function linesFor(runs: readonly Run[]): Uint8Array {
  let text = ''
  for (let from = 0, to = 0; from < runs.length; from = to) {
    const tile = tileOf(runs[from] as Run)
    while (to < runs.length && tileOf(runs[to] as Run) === tile) to++
    text += `${encodeWithheld(...runs.slice(from, to))}\n`
  }
  return utf8(text)
}

/**
 * Returns a block in which the lines that `hides` names are present only as hashes, and neighbouring hashes, also those that stood
 * there before, as one line for each tile with the largest runs there can be: the fewest lines that lead to the same root. The block
 * itself where it is that already.
 * @param hides is asked for each line that is there as text, without its newline
 * @throws E_LINE E_WITHHELD where the lines are malformed
 * @see protocols/log.md#LOG-12
 */
export function narrow(block: EntryBlock, hides: (line: Uint8Array, index: number) => boolean): EntryBlock {
  const { from, count, text } = block
  const parts: Uint8Array[] = []
  let runs: Run[] = []
  let changed = false
  /** where the line of the run before begins, where there is no text in between */
  let before: number | undefined
  /** [stays, staysTo): the newest lines of text that stay, not in `parts` yet */
  let stays = 0
  let staysTo = 0
  const endRuns = (): void => {
    if (runs.length > 0) parts.push(linesFor(runs))
    runs = []
  }
  for (const { index, size, hash, withheld, start, end } of linesOf(block)) {
    const hidden = !withheld && hides(text.subarray(start, end), index)
    if (withheld || hidden) {
      if (staysTo > stays) parts.push(text.subarray(stays, staysTo))
      stays = staysTo = end + 1
      // one line before another of the same tile can be joined with it
      changed ||= hidden || (before !== undefined && before !== start && index % tileWidth !== 0)
      pushRun(runs, { index, size, hash })
      before = start
    } else {
      endRuns()
      before = undefined
      staysTo = end + 1
    }
  }
  if (!changed) return block
  endRuns()
  if (staysTo > stays) parts.push(text.subarray(stays, staysTo))
  return { from, count, text: concat(parts) }
}
