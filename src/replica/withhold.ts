import { encodeWithheld, type EntryLine, type ProvenBlock, utf8 } from '../core/index.ts'

/** Returns a block in which the given entries are present only as their hashes. */
export function withheldText(block: ProvenBlock, shut: ReadonlySet<number>): ProvenBlock {
  const parts: Uint8Array[] = []
  const lines: EntryLine[] = []
  let start = 0
  let before: EntryLine | undefined
  for (const line of block.lines) {
    const last = lines.at(-1)
    if (last !== undefined && before?.start === line.start) {
      // another run of the same gap
      lines.push({ ...line, start: last.start, end: last.end })
      continue
    }
    before = line
    const hidden = shut.has(line.index)
    const text = hidden ? utf8(encodeWithheld(line)) : block.text.subarray(line.start, line.end)
    parts.push(text, Uint8Array.of(10))
    lines.push({ ...line, withheld: line.withheld || hidden, start, end: start + text.length })
    start += text.length + 1
  }
  return { ...block, text: Buffer.concat(parts), lines }
}
