import { type EntryLine, hex, linesOf, type LogId, parseEvent, type RejoinEvent } from '../core/index.ts'
import type { Accepted } from './accepted.ts'
import type { Node } from './node.ts'

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

/** Returns the name that this node has for the writer of a log, at an entry where tokens may bind it to one identity after another, or now. */
export function authorOf(node: Node, log: LogId, index?: number): string {
  const { publicKey, name } = node.store.opened(log)
  return log === node.log ? name : node.gate.authorName(log, publicKey, index)
}

function logsOf(node: Node, log: LogId | undefined): readonly LogId[] {
  if (log !== undefined) return [log]
  return node.store
    .listHeads()
    .map((head) => head.log)
    .toSorted()
}

/** Yields entries of one log, or of all, log by log. @param last only so many at the end of each log */
export function* listEntries(node: Node, log: LogId | undefined, last?: number): Generator<LogRecord> {
  for (const one of logsOf(node, log)) yield* entriesFrom(node, one, startOf(node, one, last))
}

function startOf(node: Node, log: LogId, last: number | undefined): number {
  return last === undefined ? 0 : Math.max(0, node.store.needFolder(log).size - last)
}

function* entriesFrom(node: Node, log: LogId, from: number): Generator<LogRecord> {
  const folder = node.store.needFolder(log)
  for (let at = from; at < folder.size; ) {
    const block = folder.entries.read(at, folder.size)
    for (const line of linesOf(block)) {
      if (line.index < at) continue
      const author = authorOf(node, log, line.index)
      const place = { kind: 'event', log, index: line.index, author } as const
      const event = line.withheld ? keptEvent(node, log, line) : parseEvent(block.text.subarray(line.start, line.end))
      if (event !== undefined) yield { ...place, event, verdict: line.withheld ? 'keep' : 'relay' }
      else yield { ...place, ...withheldEntry(node, log, line) }
    }
    at = block.from + block.count
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

/**
 * Yields entries as listEntries() does, and goes on with every new one until the signal is aborted; an entry whose verdict changes comes again.
 * It goes by what stands in the logs, so that nothing falls between the listing and what comes later.
 */
export async function* followEntries(
  node: Node,
  log: LogId | undefined,
  last: number | undefined,
  signal: AbortSignal
): AsyncGenerator<LogRecord> {
  const next = new Map<LogId, number>()
  const again: Accepted[] = []
  let isNew = true
  let wake = (): void => {}
  const wakeUp = (): void => {
    isNew = true
    wake()
  }
  const stopAccepted = node.onAccepted((accepted) => {
    again.push(...accepted.filter((one) => one.index < (next.get(one.log) ?? 0) && (log === undefined || one.log === log)))
    wakeUp()
  })
  const stopGrown = node.store.onGrown(wakeUp)
  signal.addEventListener('abort', wakeUp)
  for (const one of logsOf(node, log)) next.set(one, startOf(node, one, last))
  try {
    while (!signal.aborted) {
      isNew = false
      for (const one of logsOf(node, log)) {
        for (const record of entriesFrom(node, one, next.get(one) ?? 0)) {
          next.set(one, record.index + (record.size ?? 1))
          yield record
        }
      }
      for (const accepted of again.splice(0)) yield recordOf(node, accepted)
      if (isNew || signal.aborted) continue
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
  } finally {
    signal.removeEventListener('abort', wakeUp)
    stopAccepted()
    stopGrown()
  }
}

function recordOf(node: Node, { log, index, event, withheld, verdict }: Accepted): LogRecord {
  const author = authorOf(node, log, index)
  return { kind: 'event', log, index, author, ...(event && { event }), ...(withheld !== undefined && { withheld }), verdict }
}
