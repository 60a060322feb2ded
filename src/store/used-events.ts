import { linesOf, parseEvent } from '../core/index.ts'
import type { PlacedEvent } from './event-index.ts'
import type { LogFolder } from './log-folder.ts'
import type { PrivateEntries } from './private-entries.ts'

/**
 * Returns the events of the entries [from, to) of a log that are used here: those that stand in the log as text, and those whose text is
 * kept for this node only. These are what the index is made from.
 */
export function usedEvents(folder: LogFolder, kept: PrivateEntries, from: number, to: number): readonly PlacedEvent[] {
  const found: PlacedEvent[] = []
  for (let at = from; at < to; ) {
    const block = folder.entries.read(at, to)
    for (const { index, size, withheld, start, end } of linesOf(block)) {
      if (index < from || index >= to) continue
      const line = !withheld ? block.text.subarray(start, end) : size === 1 ? kept.read(folder.log, index) : undefined
      if (line !== undefined) found.push({ index, event: parseEvent(line) })
    }
    at = block.from + block.count
  }
  return found
}
