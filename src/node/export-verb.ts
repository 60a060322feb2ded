import { everything, type Selection } from '../core/index.ts'
import { foreignIn } from '../replica/index.ts'
import type { VerbRecord } from './control.ts'
import { choiceFor } from './export-medium.ts'
import { exportTo } from './exporting.ts'
import { OneWay } from './one-way.ts'
import { heldBy } from './export-order.ts'
import { type ReceiverWords, receiversOf } from './receivers.ts'
import { reporting } from './reporting.ts'
import { needFolderWord } from './replica-word.ts'
import type { VerbContext } from './verbs.ts'

/** What `rejoin export` asks for. */
export interface ExportArgs {
  /** an absolute path */
  readonly replica: string
  /** names or keys of the nodes that are to get it: what all of them are known to hold is left out */
  readonly to?: readonly string[]
  /** a file with a frontier, as that of one who is to get it */
  readonly since?: string
  /** a node that is assumed to hold what was written for it before */
  readonly assume?: string
  /** a target that no answer comes back from */
  readonly oneWay?: string
  /** exports of which what they carried is repeated, confirmed or not */
  readonly overlap?: number
  /** what is chosen; everything where it is left out */
  readonly selection?: Selection
  readonly maxBytes?: number
}

/** Writes what this node passes on to a folder; yields progress, artifacts, faults and one result. */
export async function* exportVerb({ node, args, signal }: VerbContext<ExportArgs>): AsyncGenerator<VerbRecord> {
  const dir = needFolderWord(args.replica)
  // what is planned by the files is what was signed
  if (!node.writer.lacksTail) node.writer.sign()
  const { bad, ...result } = yield* reporting(async (say) => {
    const oneWay = args.oneWay === undefined ? undefined : OneWay.open(node.root, args.oneWay)
    const receivers = oneWay === undefined ? await receiversOf(node, dir, args, signal) : [{ heads: oneWay.base(args.overlap) }]
    const held = new Map([...heldBy(node, receivers)].map(([log, { from }]) => [log, from]))
    const selection = args.selection ?? (args.maxBytes === undefined ? undefined : everything)
    const choice = selection && (await choiceFor(node.root, { selection, maxBytes: args.maxBytes, held }, signal))
    const done = await exportTo(node, dir, { signal, say, receivers, ...(choice !== undefined && { choice }) })
    if (done.bad.length === 0 && (choice?.left ?? 0) === 0) oneWay?.sent(node.store.listHeads(), Date.now())
    return { ...done, left: choice?.left ?? 0, omitted: choice?.omitted.length ?? 0 }
  })
  yield {
    kind: 'result',
    verb: 'export',
    complete: bad.length === 0 && result.left === 0,
    refused: 0,
    held: 0,
    ...result,
    bad: bad.length,
    foreign: foreignIn(dir)
  } as VerbRecord
}

/** Yields what those who are to get an export hold of each log, in one record, for whoever writes it without the node. */
export async function* baseVerb({ node, args, signal }: VerbContext<ReceiverWords>): AsyncGenerator<VerbRecord> {
  if (!node.writer.lacksTail) node.writer.sign()
  const held = heldBy(node, await receiversOf(node, '', args, signal))
  yield { kind: 'base', logs: [...held].map(([log, { from }]) => ({ log, size: from })) } as VerbRecord
}
