import type { VerbRecord } from './control.ts'
import { exportVerb } from './export-verb.ts'
import { importVerb } from './import-verb.ts'
import type { VerbContext } from './verbs.ts'

type Counts = Readonly<Record<string, number>>

/** Syncs with a replica of files both ways: takes what it has, then writes what it lacks; yields one result for both. */
export async function* syncFilesVerb(context: VerbContext<{ readonly replica: string }>): AsyncGenerator<VerbRecord> {
  let incoming: (VerbRecord & Counts) | undefined
  for await (const record of importVerb(context))
    if (record.kind === 'result') incoming = record as VerbRecord & Counts
    else yield record
  for await (const record of exportVerb(context)) {
    if (record.kind !== 'result' || incoming === undefined) {
      yield record
      continue
    }
    const out = record as VerbRecord & Counts
    const sum = (member: string): number => (incoming?.[member] ?? 0) + (out[member] ?? 0)
    yield {
      ...incoming,
      complete: Boolean(incoming['complete']) && Boolean(out['complete']),
      sent: out['events'],
      blobs: sum('blobs'),
      bytes: sum('bytes'),
      missing: incoming['missing'],
      bad: sum('bad'),
      conflicts: sum('conflicts')
    } as VerbRecord
  }
}
