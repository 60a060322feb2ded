import { resolve } from 'node:path'
import { type AnyRecord, ask, printAll } from '../ask.ts'
import type { Context } from '../context.ts'
import { print } from '../output.ts'

/** Returns a word that names a replica so that a process in another folder understands it. */
export async function absoluteWord(word: string): Promise<string> {
  const { replicaWord } = await import('../../node/index.ts')
  const { kind } = replicaWord(word)
  return kind === 'folder' || kind === 'archive' ? resolve(word) : word
}

/** Runs one of the verbs that work on replicas of files and prints what it yields. @returns the exit code */
export async function files(
  context: Context,
  verb: 'export' | 'import' | 'sync-files',
  args: { readonly replica: string }
): Promise<number> {
  let last: AnyRecord | undefined
  const kept = async function* (records: AsyncIterable<AnyRecord>): AsyncGenerator<AnyRecord> {
    for await (const record of records) {
      last = record
      yield record
    }
  }
  const replica = await absoluteWord(args.replica)
  await printAll(context, kept(ask(context, verb, { ...args, replica })), (record) => print(wordResult(record)))
  return exitOf(last)
}

/** Returns the exit code for the result of a verb that moves things. */
export function exitOf(result: AnyRecord | undefined): number {
  if (Number(result?.['conflicts'] ?? 0) > 0) return 15
  if (Number(result?.['bad'] ?? 0) > 0) return 11
  return result?.['complete'] === true ? 0 : 10
}

function wordResult(record: AnyRecord): string {
  const say = (member: string): string => String(record[member])
  return `${record['complete'] === true ? 'complete' : 'not complete'}: ${say('events')} events, ${say('refused')} refused, ${say('held')} held, ${say('blobs')} blobs, ${say('bytes')} bytes; ${say('missing')} missing, ${say('bad')} bad`
}
