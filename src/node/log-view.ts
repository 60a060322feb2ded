import { type EntryLine, hex, linesOf, type LogId, parseEvent, type RejoinEvent } from '../core/index.ts'
import type { Accepted, Node } from './node.ts'

/** One entry as `rejoin log` shows it. */
export interface LogRecord {
  readonly kind: 'event'
  readonly log: LogId
  readonly index: number
  /** name of the identity, or did:key */
  readonly author: string
  readonly event?: RejoinEvent
  /** leaf hash, hexadecimal, or the hash of a run of `size` entries */
  readonly withheld?: string
  readonly size?: number
  readonly verdict: string
}

/** Returns the name that this node has for the writer of a log. */
export function authorOf(node: Node, log: LogId): string {
  const { publicKey, name } = node.store.opened(log)
  const did = node.gate.didName(publicKey)
  return log === node.log ? name : did
}

/** Yields entries of one log, or of all, log by log. @param last only so many at the end of each log */
export function* listEntries(node: Node, log: LogId | undefined, last?: number): Generator<LogRecord> {
  const logs =
    log === undefined
      ? node.store
          .listHeads()
          .map((head) => head.log)
          .toSorted()
      : [log]
  for (const one of logs) {
    const folder = node.store.needFolder(one)
    const author = authorOf(node, one)
    for (let at = last === undefined ? 0 : Math.max(0, folder.size - last); at < folder.size; ) {
      const block = folder.entries.read(at, folder.size)
      for (const line of linesOf(block)) {
        if (line.index < at) continue
        const place = { kind: 'event', log: one, index: line.index, author } as const
        const event = line.withheld ? keptEvent(node, one, line) : parseEvent(block.text.subarray(line.start, line.end))
        if (event !== undefined) yield { ...place, event, verdict: line.withheld ? 'keep' : 'relay' }
        else yield { ...place, ...withheldEntry(node, one, line) }
      }
      at = block.from + block.count
    }
  }
}

function keptEvent({ store }: Node, log: LogId, { index, size }: EntryLine): RejoinEvent | undefined {
  const line = size === 1 ? store.places.kept.read(log, index) : undefined
  return line && parseEvent(line)
}

/** An entry whose event is not used here: its text is in quarantine or nowhere. */
function withheldEntry(
  { store }: Node,
  log: LogId,
  { index, size, hash }: EntryLine
): Pick<LogRecord, 'withheld' | 'size' | 'verdict'> {
  if (size > 1) return { withheld: hex(hash), size, verdict: 'refuse' }
  return { withheld: hex(hash), verdict: store.places.held.read(log, index) === undefined ? 'refuse' : 'hold' }
}

/** Yields entries as they are accepted, until the signal is aborted. */
export async function* followEntries(node: Node, log: LogId | undefined, signal: AbortSignal): AsyncGenerator<LogRecord> {
  const waiting: Accepted[] = []
  let wake = (): void => {}
  const stop = node.onAccepted((accepted) => {
    waiting.push(...accepted)
    wake()
  })
  const onAbort = (): void => wake()
  signal.addEventListener('abort', onAbort)
  try {
    while (!signal.aborted) {
      for (const { log: from, index, event, withheld, verdict } of waiting.splice(0)) {
        if (log !== undefined && from !== log) continue
        yield {
          kind: 'event',
          log: from,
          index,
          author: authorOf(node, from),
          ...(event && { event }),
          ...(withheld !== undefined && { withheld }),
          verdict
        }
      }
      if (waiting.length > 0 || signal.aborted) continue
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
  } finally {
    signal.removeEventListener('abort', onAbort)
    stop()
  }
}
