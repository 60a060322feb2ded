import { didOf, linesOf, type Place } from '../core/index.ts'
import type { Store } from '../store/index.ts'

/** Yields every line whose text is here, relayed, kept or held, with its place. Others get a turn now and then. */
export async function* textsHere(store: Store): AsyncGenerator<{ readonly place: Place; readonly line: Uint8Array }> {
  for (const { log, size } of store.listHeads()) {
    const { entries, opened } = store.needFolder(log)
    const author = didOf(opened.publicKey)
    for (let at = 0; at < size; ) {
      const block = entries.read(at, size)
      for (const { index, withheld, start, end } of linesOf(block))
        if (!withheld) yield { place: { log, index, author }, line: block.text.subarray(start, end) }
      at = block.from + block.count
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
  for (const place of [store.places.kept, store.places.held])
    for (const { log, entries } of place.list()) {
      const author = didOf(store.opened(log).publicKey)
      for (const { index, line } of entries) yield { place: { log, index, author }, line }
    }
}
