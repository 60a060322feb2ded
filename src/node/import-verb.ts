import type { VerbRecord } from './control.ts'
import { RejoinError } from '../core/index.ts'
import { Folder, readFolderSeal, foreignIn } from '../replica/index.ts'
import { mustKnowSeal } from './import-stream.ts'
import { planImport } from './import-plan.ts'
import { importFrom } from './importing.ts'
import type { Node } from './node.ts'
import { openFileReplica, replicaWord } from './replica-word.ts'
import { reporting } from './reporting.ts'
import { codeWords } from './frontier-code.ts'
import type { VerbContext } from './verbs.ts'
import { importFromWeb } from './web-import.ts'

/** What `rejoin import` asks for. */
export interface ImportArgs {
  /** an absolute path, or another word that openFileReplica knows */
  readonly replica: string
  /** only say what the rules would make of it */
  readonly dryRun?: boolean
}

/** Takes in what a replica of files has and the rules want; yields progress, faults and one result. */
export async function* importVerb({ node, args, signal }: VerbContext<ImportArgs>): AsyncGenerator<VerbRecord> {
  const named = replicaWord(args.replica)
  const rules = node.gate.rules.file.import
  if (args.dryRun === true) {
    await using source = await openFileReplica(args.replica)
    yield* planImport(node, source, signal)
    return
  }
  const { bad, ...result } = yield* reporting(async (say) => {
    if (rules?.requireSeal === true && named.kind === 'web')
      throw new RejoinError('E_SEAL', `${named.url} is a web folder, and trust.yaml asks for a seal`, {
        hint: 'import a copy of it: a folder or an archive'
      })
    if (named.kind === 'web') return await importFromWeb(node, named.url, { signal, say })
    await using source = await openFileReplica(args.replica)
    if (rules?.requireSeal === true && source instanceof Folder) await mustBeSealed(node, source)
    const backTo = named.kind === 'folder' && rules?.oneWay !== true ? named.path : undefined
    return await importFrom(node, source, { signal, say, backTo })
  })
  yield {
    kind: 'result',
    verb: 'import',
    complete: bad.length === 0 && result.missing === 0,
    ...(named.kind === 'web' && { replica: named.url }),
    ...result,
    bad: bad.length,
    ...(named.kind === 'folder' && { foreign: foreignIn(named.path) }),
    ...((result.receipt === 'local' || rules?.oneWay === true) && { code: codeWords(node) }),
    ...(rules?.oneWay === true && { oneWay: true })
  } as VerbRecord
}

/** @throws E_SEAL where a folder has no good seal of a known identity */
async function mustBeSealed(node: Node, { files, network, name }: Folder): Promise<void> {
  const { seal, sums, heads } = await readFolderSeal(files)
  mustKnowSeal(node, seal, sums, heads, network, name)
}
