import {
  type AttributedVex,
  type Content,
  type LogId,
  noUsage,
  type Place,
  type RejoinEvent,
  type Usage,
  type Verdict
} from '../core/index.ts'

/** Who confirmed a checkpoint that covers an event. */
export interface Witnessed {
  readonly names: readonly string[]
  readonly newestMs: number
  /** whether they reach the quorum of the trust file's tlog-policy */
  readonly quorum: boolean
}

/** Nobody did. */
export const unwitnessed: Witnessed = { names: [], newestMs: 0, quorum: false }

/** Where a gate finds what is known of an event beside its line. It must answer at once, from what was read before. */
export interface EvidenceSource {
  /** Returns what stands in an event's documents, undefined while it is not known. */
  readonly contentOf: (event: RejoinEvent) => Content | undefined
  /** Returns the components that this site runs too, undefined where there is no inventory. */
  readonly overlapOf: (content: Content) => readonly string[] | undefined
  /** Returns what others state about an event's artifact. */
  readonly vexOn: (event: RejoinEvent) => readonly AttributedVex[]
  readonly witnessesOf: (log: LogId, index: number) => Witnessed
  /** Returns what an identity has here before an event at a place. */
  readonly usageOf: (identity: string, place: Omit<Place, 'author'>, event: RejoinEvent) => Usage
  /** Takes note of a verdict before the next event is judged: what its identity has here depends on it. */
  readonly judged: (
    identity: string,
    place: Omit<Place, 'author'>,
    event: RejoinEvent,
    verdict: Verdict,
    lineBytes: number
  ) => void
  /** Returns where events stand that say the same, as far as their text is here. */
  readonly voicesOn: (event: RejoinEvent) => readonly Place[]
}

/** Knows nothing but the lines. */
export const noEvidence: EvidenceSource = {
  contentOf: () => undefined,
  overlapOf: () => undefined,
  vexOn: () => [],
  witnessesOf: () => unwitnessed,
  usageOf: () => noUsage,
  judged: () => {},
  voicesOn: () => []
}
