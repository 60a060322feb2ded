import type { EntryLine } from '../core/index.ts'

/**
 * Returns the other side's lines that stand for exactly the entries of one of ours, or undefined where its lines are coarser.
 * @param theirs by the index of the first entry that each stands for
 */
export function finerLines(theirs: ReadonlyMap<number, EntryLine>, { index, size }: EntryLine): readonly EntryLine[] | undefined {
  const parts: EntryLine[] = []
  for (let at = index; at < index + size; ) {
    const part = theirs.get(at)
    if (part === undefined || at + part.size > index + size) return undefined
    parts.push(part)
    at += part.size
  }
  return parts
}
