import type { Arrival, Gate, Judged } from '../trust/index.ts'

/** What is known of the peers that bring entries, by their peer IDs. */
export interface Bringers {
  /** points of a peer now */
  readonly reputationOf: (peerId: string) => number
  /** takes a held text of so many bytes into the account of a peer; false where it has brought too much that is held */
  readonly mayHold: (peerId: string, sizeBytes: number) => boolean
}

/** Nothing is known of any peer. */
export const anyBringer: Bringers = { reputationOf: () => 0, mayHold: () => true }

/** Who brought texts. */
export interface Brought {
  readonly by: string | undefined
  /** its points then, where rules ask for them */
  readonly reputation: number | undefined
  readonly bringers: Bringers
}

/** The rule by which what a peer brings is refused, since it brought too much that is held. Its text may come from another one. */
export const overHeld = 'quota:peer'

/** Returns what was judged, with that refused which is held and over what its bringer may have held here. */
export function withinHeld(
  judged: readonly Judged[],
  gate: Gate,
  arrival: Arrival,
  by: string | undefined,
  { mayHold }: Bringers
): readonly Judged[] {
  if (by === undefined) return judged
  return judged.map((one) => {
    const { line, event, decision } = one
    if (decision.verdict !== 'hold' || mayHold(by, line.end - line.start)) return one
    if (event !== undefined) gate.noteUsage(line, event, arrival, 'refuse')
    return { ...one, decision: { verdict: 'refuse', rule: overHeld, conjuncts: [], warnings: [] } }
  })
}
