import { type ClosedLog, didOf, equal, type LogId, type Opened } from '../core/index.ts'

/** A log that was closed: who wrote it, and what its closings come to. */
export interface ClosedBy {
  readonly log: LogId
  readonly opened: Opened
  readonly closed: ClosedLog
}

/** Returns whether a log is the successor of a closed one. @see protocols/closing.md#CLOSING-6 */
export function isSuccessor(
  { log: closedLog, closed }: Omit<ClosedBy, 'opened'>,
  log: LogId,
  { publicKey, succeeds }: Opened
): boolean {
  const [closing] = closed.closings
  if (closed.conflict || closing === undefined || log === closedLog) return false
  const goesOn = succeeds?.log === closedLog && succeeds.size === closed.size && equal(succeeds.root, closed.root)
  return goesOn && equal(publicKey, closing.nextKey) && (closed.successor === undefined || closed.successor === log)
}

/**
 * Who goes on from whom after changes of keys: a pure function of the closings and first lines that are known, in whatever order they came.
 * A key has another's identity once a log of it is the successor of the other's log.
 */
export class Succession {
  /** did:key → those of the keys that it follows at once */
  private readonly before = new Map<string, string[]>()
  /** the same, where the closing is here and its successor is not yet */
  private readonly awaited = new Map<string, string[]>()

  /** @param openedOf returns what the first line of a log says, undefined where the log is not here; `logs` are those that are here */
  constructor(closed: readonly ClosedBy[], logs: Iterable<LogId>, openedOf: (log: LogId) => Opened | undefined) {
    if (closed.length === 0) return
    const byKey = new Map<string, ClosedBy[]>()
    for (const one of closed) {
      const [closing] = one.closed.closings
      if (closing === undefined || one.closed.conflict) continue
      const next = didOf(closing.nextKey)
      byKey.set(next, [...(byKey.get(next) ?? []), one])
      add(this.awaited, next, didOf(one.opened.publicKey))
    }
    for (const log of logs) {
      const opened = openedOf(log)
      if (opened?.succeeds === undefined) continue
      const did = didOf(opened.publicKey)
      for (const one of byKey.get(did) ?? [])
        if (isSuccessor(one, log, opened)) add(this.before, did, didOf(one.opened.publicKey))
    }
  }

  /** Returns a key and all whose identity it has, the newest first; of several at one place in the order of their did:keys. */
  lineOf(did: string): readonly string[] {
    return walk(did, this.before)
  }

  /** Returns every key that goes on from another, or may. */
  heirs(): Iterable<string> {
    return this.awaited.keys()
  }

  /** Returns lineOf() as it may become once a successor arrives: whose logs must be asked for. */
  awaitedLineOf(did: string): readonly string[] {
    return walk(did, this.awaited)
  }
}

/** No keys were changed. */
export const noSuccession: Succession = new Succession([], [], () => undefined)

function add(map: Map<string, string[]>, did: string, before: string): void {
  const known = map.get(did) ?? []
  if (!known.includes(before)) map.set(did, [...known, before].toSorted())
}

function walk(did: string, before: ReadonlyMap<string, readonly string[]>): readonly string[] {
  const line = new Set([did])
  for (const one of line) for (const earlier of before.get(one) ?? []) line.add(earlier)
  return [...line]
}
