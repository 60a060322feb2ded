import { holdsReplica } from '../replica/index.ts'
import type { VerbRecord } from './control.ts'
import { exportVerb } from './export-verb.ts'
import { importVerb } from './import-verb.ts'
import { needFolderWord } from './replica-word.ts'
import type { VerbContext } from './verbs.ts'

/** Syncs with a replica of files both ways: takes what it has, then writes what it lacks; yields one result for both. */
export async function* syncFilesVerb(context: VerbContext<{ readonly replica: string }>): AsyncGenerator<VerbRecord> {
  const results: Readonly<Record<string, unknown>>[] = []
  // a medium that is empty so far is written only
  if (holdsReplica(needFolderWord(context.args.replica)))
    for await (const record of importVerb(context))
      if (record.kind === 'result') results.push({ ...record })
      else yield record
  for await (const record of exportVerb(context))
    if (record.kind === 'result') results.push({ ...record })
    else yield record
  const sum = (member: string): number => results.reduce((total, one) => total + Number(one[member] ?? 0), 0)
  const incoming = results.length > 1 ? results[0] : undefined
  const outgoing = results.at(-1)
  yield {
    kind: 'result',
    verb: 'sync',
    complete: results.every((one) => one['complete'] === true),
    events: Number(incoming?.['events'] ?? 0),
    sent: Number(outgoing?.['events'] ?? 0),
    refused: sum('refused'),
    held: sum('held'),
    blobs: sum('blobs'),
    blobsSent: Number(outgoing?.['blobs'] ?? 0),
    bytes: sum('bytes'),
    missing: Number((incoming ?? outgoing)?.['missing'] ?? 0),
    bad: sum('bad'),
    conflicts: sum('conflicts'),
    unknown: sum('unknown'),
    unchanged: outgoing?.['unchanged'] === true,
    root: outgoing?.['root'],
    foreign: outgoing?.['foreign']
  } as VerbRecord
}
