import { type Compiled, type Interest, interestOf } from '../core/index.ts'
import type { LogEnds } from '../trust/index.ts'

/** Returns what a node may want the text of, also by keys that go on from those that its rules name, and by its own earlier keys. */
export function interestWithHeirs(rules: Compiled, ends: LogEnds, own: string): readonly Interest[] {
  const interests = interestOf(rules, own)
  const heirs = [...ends.heirs()]
  if (heirs.length === 0) return interests
  return interests.map((interest) => {
    const { authors } = interest
    if (authors === undefined) return interest
    const named = new Set(authors)
    const more = heirs.filter((heir) => ends.awaitedLineOf(heir).some((did) => named.has(did)))
    const earlier = named.has(own) ? ends.lineOf(own) : []
    return { ...interest, authors: [...new Set([...authors, ...more, ...earlier])] }
  })
}
