import { didOf, type LogId, type ProvenBlock } from '../core/index.ts'
import type { FileReplica } from '../replica/index.ts'
import { Taker, type TakeTarget } from '../sync/index.ts'
import type { VerbRecord } from './control.ts'
import type { Node } from './node.ts'

/** What an import would make of the events of one log, by verdict and rule. */
interface Planned {
  readonly log: LogId
  readonly author: string
  readonly verdict: string
  readonly rule: string
  events: number
}

/**
 * Yields what an import would make of what a replica of files has: per log, verdict and rule, how many events. Nothing is stored, and nothing is written to the
 * replica. Verdicts that depend on content are those before it was fetched.
 * @throws E_NETWORK E_GONE
 */
export async function* planImport(node: Node, source: FileReplica, signal: AbortSignal): AsyncGenerator<VerbRecord> {
  const planned = new Map<string, Planned>()
  const faults: VerbRecord[] = []
  const add = (log: LogId, author: string, verdict: string, rule: string, events: number): void => {
    const key = `${log} ${verdict} ${rule}`
    const known = planned.get(key)
    if (known === undefined) planned.set(key, { log, author, verdict, rule, events })
    else known.events += events
  }
  const taker = new Taker(judgingOnly(node, add), {
    signal,
    onFault: (fault) => void faults.push({ kind: 'fault', ...fault } as VerbRecord)
  })
  await taker.takeAll(source, ({ log, author, size }) => {
    const did = didOf(author)
    if (log === node.log) return false
    if (node.gate.admits(did, log)) return true
    add(log, did, 'refuse', 'unknown-author', size)
    return false
  })
  yield* faults
  for (const one of planned.values()) yield { kind: 'plan', ...one } as VerbRecord
  const sum = (verdicts: readonly string[]): number =>
    [...planned.values()].reduce((total, { verdict, events }) => total + (verdicts.includes(verdict) ? events : 0), 0)
  yield {
    kind: 'result',
    verb: 'import',
    dryRun: true,
    complete: faults.length === 0,
    events: sum(['relay', 'keep']),
    held: sum(['hold']),
    refused: sum(['refuse']),
    bad: faults.length
  } as VerbRecord
}

/** A target that judges what it is given by the rules in force, and keeps nothing. */
function judgingOnly(
  node: Node,
  add: (log: LogId, author: string, verdict: string, rule: string, events: number) => void
): TakeTarget {
  const { replica, gate } = node
  const nothing = { events: 0, refused: 0, held: 0 }
  const authors = new Map<LogId, string>()
  return {
    network: replica.network,
    histories: replica.histories,
    survey: (heads) => {
      const pulls = replica.survey(heads)
      for (const { log, author } of pulls) authors.set(log, didOf(author))
      return pulls
    },
    looked: () => [],
    accept: async (log: LogId, blocks: readonly ProvenBlock[]) => {
      const author = authors.get(log)
      if (author === undefined) throw new Error('bug: entries of a log that no survey named')
      for (const block of blocks)
        for (const { decision } of gate.judge(block, { log, author, ...node.writer.now() }))
          add(log, gate.nameOf(author) ?? author, decision.verdict, decision.rule, 1)
      return await Promise.resolve(nothing)
    },
    commit: async () => await Promise.resolve(),
    prepare: () => {},
    conflict: async (log) => {
      add(log, authors.get(log) ?? '', 'refuse', 'forked', 0)
      await Promise.resolve()
    },
    takeUrgent: async () => await Promise.resolve(),
    seek: () => [],
    takeTexts: async () => await Promise.resolve(nothing)
  }
}
