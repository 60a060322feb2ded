import { resolve } from 'node:path'
import { isEncrypted, replicaWord } from '../../node/index.ts'
import { type AnyRecord, ask, printAll } from '../ask.ts'
import type { Context } from '../context.ts'
import { print, printable } from '../output.ts'
import { absoluteWord, exitOf, files, plural, showRecord, sizeOf } from './files.ts'
import { tellFault } from './faults.ts'

/** The options of `rejoin import`. */
export interface ImportFlags {
  readonly identity?: string
  readonly dryRun?: boolean
}

/** Takes in what a replica of files has. @returns the exit code */
export async function importFrom(context: Context, word: string, { identity, dryRun }: ImportFlags): Promise<number> {
  if (dryRun === true) return await files(context, 'import', { replica: word, dryRun })
  const { kind } = replicaWord(word)
  const isStream = kind === 'archive' || kind === 'stream' || (kind === 'folder' && isEncrypted(word))
  if (!isStream) return await files(context, 'import', { replica: word })
  await using input = kind === 'stream' ? await (await import('../stdin-socket.ts')).offerInput(context.root) : undefined
  let last: AnyRecord | undefined
  const args = {
    replica: kind === 'folder' ? resolve(word) : await absoluteWord(word),
    ...(input !== undefined && { socket: input.path }),
    ...(identity !== undefined && { identity: resolve(identity) })
  }
  const kept = async function* (records: AsyncIterable<AnyRecord>): AsyncGenerator<AnyRecord> {
    for await (const record of records) {
      if (record.kind === 'result') last = record
      yield record
    }
  }
  await printAll(context, kept(ask(context, 'import-stream', args)), (record) => {
    if (record.kind === 'artifact') showRecord(record, word, context.quiet)
    else if (record.kind === 'fault') tellFault(record)
    else if (record.kind === 'result') for (const line of wordImport(record, word)) print(line)
  })
  return exitOf(last)
}

function wordImport(record: AnyRecord, word: string): readonly string[] {
  const count = (member: string): number => Number(record[member])
  const lines = [
    `${record['complete'] === true ? 'complete' : 'not complete'}: ${plural(count('events'), 'event')} in, ${count('refused')} refused, ${count('held')} held, ${plural(count('blobs'), 'blob')}, ${sizeOf(count('bytes'))}`
  ]
  if (record['cut'] === true)
    lines.push(`${word}: ${String(record['end'])}; all that came before is kept, and a whole copy brings the rest`)
  if (count('missing') > 0)
    lines.push(`missing: ${plural(count('missing'), 'blob')}; another medium, or rejoin sync PEER, may bring them`)
  if (count('omitted') > 0) lines.push(`left out by choice: ${plural(count('omitted'), 'blob')}, as ${word} says`)
  if (count('bad') > 0) lines.push(`damaged: ${plural(count('bad'), 'object')}, named above; all others were taken`)
  if (count('gaps') > 0)
    lines.push('entries are missing before what is there: import the media that come before it, in any order')
  if (count('conflicts') > 0)
    lines.push(`FORK: ${plural(count('conflicts'), 'log')} with two histories, frozen; rejoin status names them`)
  lines.push(`code: ${String(record['code'])} (who sent it may be told: rejoin export --one-way --match)`)
  return lines.map(printable)
}
