import type { LogId } from '../core/index.ts'

/**
 * Why an entry is beyond the end of its log: its log was `closed` before it, it is `disputed` since the closing names another tree, or since
 * the log was `forked` at or before it.
 */
export type BeyondEnd = 'closed' | 'disputed' | 'forked'

/** Where logs end, and whose key goes on from whose. It must answer at once. */
export interface LogEnds {
  /** Returns why an entry is beyond the end of its log, undefined where it is not. */
  readonly beyond: (log: LogId, index: number) => BeyondEnd | undefined
  /** Returns a key and those whose identity it has, the newest first. @param log a log that is being taken in, whose first line may show more */
  readonly lineOf: (did: string, log?: LogId) => readonly string[]
  /** The same, as it may become once logs arrive. */
  readonly awaitedLineOf: (did: string) => readonly string[]
  /** Returns the keys that go on from others, or may. */
  readonly heirs: () => Iterable<string>
}

/** No log was closed or forked. */
export const noEnds: LogEnds = {
  beyond: () => undefined,
  lineOf: (did) => [did],
  awaitedLineOf: (did) => [did],
  heirs: () => []
}
