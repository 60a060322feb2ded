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

/**
 * Returns a block in which the lines that `hides` names are present only as hashes, and neighbouring hashes, also those that stood
 * there before, as the largest runs there can be: the fewest lines that lead to the same root. The block itself where it is that already.
 * @param hides is asked for each line that is there as text, without its newline
 * @throws E_LINE E_WITHHELD where the lines are malformed
 * @see protocols/log.md#LOG-12
 */
export function narrow(block: EntryBlock, hides: (line: Uint8Array, index: number) => boolean): EntryBlock {
  const { from, count, text } = block
  const parts: Uint8Array[] = []
  let runs: Run[] = []
  let changed = false
  /** [stays, staysTo): the newest lines of text that stay, not in `parts` yet */
  let stays = 0
  let staysTo = 0
  const endRuns = (): void => {
    for (const run of runs) parts.push(utf8(`${encodeWithheld(run)}\n`))
    runs = []
  }
  for (const { index, size, hash, withheld, start, end } of linesOf(block)) {
    const hidden = !withheld && hides(text.subarray(start, end), index)
    if (withheld || hidden) {
      if (staysTo > stays) parts.push(text.subarray(stays, staysTo))
      stays = staysTo = end + 1
      const before = runs.length
      pushRun(runs, { index, size, hash })
      changed ||= hidden || runs.length <= before
    } else {
      endRuns()
      staysTo = end + 1
    }
  }
  if (!changed) return block
  endRuns()
  if (staysTo > stays) parts.push(text.subarray(stays, staysTo))
  return { from, count, text: concat(parts) }
}
