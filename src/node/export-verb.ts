import { mkdirSync } from 'node:fs'
import { everything, type Selection } from '../core/index.ts'
import { foreignIn } from '../replica/index.ts'
import { ioError } from '../store/index.ts'
import type { VerbRecord } from './control.ts'
import { heldBy } from './export-order.ts'
import { refuseWhereFull } from './export-room.ts'
import { type ExportResult, exportTo } from './exporting.ts'
import { type FolderPlan, planFolders } from './folder-plan.ts'
import { OneWay } from './one-way.ts'
import { Pace } from './pace.ts'
import { planRecords, volumeRecord } from './plan-records.ts'
import { type ReceiverWords, receiversOf } from './receivers.ts'
import { needFolderWord } from './replica-word.ts'
import { reporting } from './reporting.ts'
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
  /** as many folders of `maxBytes` as it takes, `1`, `2` … in the one that is named */
  readonly volumes?: boolean
  /** only say what would go */
  readonly dryRun?: boolean
}

/** Writes what this node passes on to a folder, or to several; yields the plan where it is only to be shown, else progress, artifacts, faults and one result. */
export async function* exportVerb({ node, args, signal }: VerbContext<ExportArgs>): AsyncGenerator<VerbRecord> {
  const dir = needFolderWord(args.replica)
  const { maxBytes, volumes = false, dryRun = false } = args
  // what is planned by the files is what was signed
  if (!node.writer.lacksTail) node.writer.sign()
  const oneWay = args.oneWay === undefined ? undefined : OneWay.open(node.root, args.oneWay)
  const receivers = oneWay === undefined ? await receiversOf(node, dir, args, signal) : [{ heads: oneWay.base(args.overlap) }]
  const isPlanned = args.selection !== undefined || maxBytes !== undefined || volumes || dryRun
  const held = new Map([...heldBy(node, receivers)].map(([log, { from }]) => [log, from]))
  const options = { selection: args.selection ?? everything, maxBytes, volumes, held }
  const planned = isPlanned ? await planFolders(node, dir, options, signal) : undefined
  if (planned !== undefined && dryRun) {
    yield* planRecords(planned.plan, planned.filled, planned.shares)
    return
  }
  if (planned !== undefined && volumes) yield* announce(dir, planned)
  const { bad, ...result } = yield* reporting(async (say) => {
    const pace = new Pace(say)
    const base = { signal, say, receivers, pace }
    const done: ExportResult[] = []
    if (planned === undefined) done.push(await exportTo(node, dir, base))
    else for (const share of planned.shares) done.push(await exportTo(node, share.dir, { ...base, choice: share.choice }))
    const left = planned?.filled.left.length ?? 0
    const all = together(done, dir)
    if (all.bad.length === 0 && left === 0) oneWay?.sent(node.store.listHeads(), Date.now())
    const omitted = new Set(planned?.plan.artifacts.flatMap((one) => one.omitted.map(({ digest }) => digest))).size
    return { ...all, left, omitted: volumes ? omitted : (planned?.shares[0]?.content.omitted.length ?? 0) }
  })
  yield {
    kind: 'result',
    verb: 'export',
    complete: bad.length === 0 && result.left === 0,
    refused: 0,
    held: 0,
    ...result,
    ...(planned !== undefined && volumes && { paths: planned.shares.map((share) => share.dir) }),
    bad: bad.length,
    foreign: foreignIn(dir)
  } as VerbRecord
}

/** Names the volumes, and refuses where they can't fit, before anything is written. @throws E_NO_SPACE */
function* announce(dir: string, { shares }: FolderPlan): Generator<VerbRecord, void, void> {
  refuseWhereFull(shares.map(({ room }) => room))
  for (const [i, { dir: path, content }] of shares.entries())
    yield volumeRecord(i + 1, path, content.plan.artifacts.length, content.blobs)
  for (const path of [dir, ...shares.map((share) => share.dir)])
    try {
      mkdirSync(path)
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw ioError(cause, 'make', path)
    }
}

/** What the exports to several folders came to: blobs and bytes of all of them, of the events, which each has, those of one. */
function together(done: readonly ExportResult[], root: string): Omit<ExportResult, 'medium'> & { readonly medium?: string } {
  const [first] = done
  if (first !== undefined && done.length === 1) return first
  const sum = (member: 'blobs' | 'bytes' | 'written'): number => done.reduce((total, one) => total + one[member], 0)
  const most = (member: 'events' | 'missing' | 'conflicts'): number => Math.max(0, ...done.map((one) => one[member]))
  return {
    events: most('events'),
    blobs: sum('blobs'),
    bytes: sum('bytes'),
    written: sum('written'),
    missing: most('missing'),
    bad: done.flatMap(({ bad }) => bad),
    conflicts: most('conflicts'),
    unchanged: done.every(({ unchanged }) => unchanged),
    root
  }
}

/** Yields what those who are to get an export hold of each log, in one record, for whoever writes it without the node. */
export async function* baseVerb({ node, args, signal }: VerbContext<ReceiverWords>): AsyncGenerator<VerbRecord> {
  if (!node.writer.lacksTail) node.writer.sign()
  const held = heldBy(node, await receiversOf(node, '', args, signal))
  yield { kind: 'base', logs: [...held].map(([log, { from }]) => ({ log, size: from })) } as VerbRecord
}
