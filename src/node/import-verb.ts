import type { VerbRecord } from './control.ts'
import { importFrom } from './importing.ts'
import { openFileReplica, replicaWord } from './replica-word.ts'
import { reporting } from './reporting.ts'
import { codeWords } from './frontier-code.ts'
import type { VerbContext } from './verbs.ts'
import { importFromWeb } from './web-import.ts'

/** What `rejoin import` asks for. */
export interface ImportArgs {
  /** an absolute path, or another word that openFileReplica knows */
  readonly replica: string
}

/** Takes in what a replica of files has and the rules want; yields progress, faults and one result. */
export async function* importVerb({ node, args, signal }: VerbContext<ImportArgs>): AsyncGenerator<VerbRecord> {
  const named = replicaWord(args.replica)
  const { bad, ...result } = yield* reporting(async (say) => {
    if (named.kind === 'web') return await importFromWeb(node, named.url, { signal, say })
    await using source = await openFileReplica(args.replica)
    return await importFrom(node, source, { signal, say, backTo: named.kind === 'folder' ? named.path : undefined })
  })
  yield {
    kind: 'result',
    verb: 'import',
    complete: bad.length === 0 && result.missing === 0,
    ...(named.kind === 'web' && { replica: named.url }),
    ...result,
    bad: bad.length,
    ...(result.receipt === 'local' && { code: codeWords(node.store.listHeads()) })
  } as VerbRecord
}
