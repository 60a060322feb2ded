import { type ProvenBlock, RejoinError, textOfLines } from '../core/index.ts'

/** Returns the part of a block from an entry on, or undefined where nothing of it is left. */
export function afterEntry(block: ProvenBlock, size: number): ProvenBlock | undefined {
  if (block.from === size) return block
  if (block.from > size)
    throw new RejoinError('E_INCOMPLETE', `entries from ${block.from} for a log of which only ${size} could be stored`)
  if (block.from + block.count <= size) return undefined
  const lines = block.lines.filter(({ index }) => index >= size)
  const first = lines[0]
  // entries of a withheld run came in another way meanwhile: the next sync asks from there
  if (first?.index !== size)
    throw new RejoinError('E_INCOMPLETE', `a withheld run reaches over entry ${size}, up to which the log came`)
  const text = textOfLines(block, lines)
  // of a gap that is cut the line is shorter than it was, and begins nowhere in the old text
  const firstEnd = text.length - (block.text.length - first.end)
  const shifted = lines.map((line) =>
    line.start === first.start
      ? { ...line, start: 0, end: firstEnd }
      : { ...line, start: line.start - first.end + firstEnd, end: line.end - first.end + firstEnd }
  )
  return {
    from: size,
    count: block.from + block.count - size,
    text,
    lines: shifted,
    tileHash: undefined,
    narrowed: block.narrowed
  }
}
