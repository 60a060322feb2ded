import type { VerbRecord } from './control.ts'
import { exportTo } from './exporting.ts'
import { receiversOf } from './receivers.ts'
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
}

/** Writes what this node passes on to a folder; yields progress, artifacts, faults and one result. */
export async function* exportVerb({ node, args, signal }: VerbContext<ExportArgs>): AsyncGenerator<VerbRecord> {
  const dir = needFolderWord(args.replica)
  const { bad, ...result } = yield* reporting(async (say) => {
    const receivers = await receiversOf(node, dir, args, signal)
    return await exportTo(node, dir, { signal, say, receivers })
  })
  yield {
    kind: 'result',
    verb: 'export',
    complete: bad.length === 0,
    refused: 0,
    held: 0,
    ...result,
    bad: bad.length
  } as VerbRecord
}
