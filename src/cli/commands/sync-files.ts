import { Readable } from 'node:stream'
import { RejoinError } from '../../core/error.ts'
import { mergeFolders, replicaWord } from '../../node/index.ts'
import { type AnyRecord, printAll } from '../ask.ts'
import type { Context } from '../context.ts'
import { absoluteWord, exitOf, files, showRecord } from './files.ts'

/** Syncs with a replica of files, or two of them with each other, which needs no node. @returns the exit code */
export async function syncFiles(context: Context, words: readonly string[]): Promise<number> {
  const [first, second, ...more] = words
  if (first === undefined || more.length > 0) throw new RejoinError('E_USAGE', 'sync takes one or two replicas that are files')
  // nothing can be written there
  if (second === undefined && replicaWord(first).kind === 'web') return await files(context, 'import', { replica: first })
  if (second === undefined) return await files(context, 'sync-files', { replica: first })
  const records: AnyRecord[] = []
  const work = mergeFolders(await absoluteWord(first), await absoluteWord(second), {
    signal: context.signal,
    say: (record) => {
      if (record.kind !== 'progress') records.push(record as AnyRecord)
    }
  })
  const result = { ...(await work) }
  await printAll(context, Readable.from([...records, result]), (record) => showRecord(record, `${first} and ${second}`))
  return exitOf(result)
}
