import type { Verdict } from '../core/index.ts'

/** What taking entries in comes to, while it goes on. */
export interface Counts {
  events: number
  refused: number
  held: number
}

/** Counts an entry by its verdict. */
export function count(total: Counts, verdict: Verdict): void {
  if (verdict === 'refuse') total.refused++
  else if (verdict === 'hold') total.held++
  else total.events++
}
