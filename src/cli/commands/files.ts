import { resolve } from 'node:path'
import { type AnyRecord, ask, printAll } from '../ask.ts'
import type { Context } from '../context.ts'
import { print, printable } from '../output.ts'

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
  args: {
    readonly replica: string
    readonly since?: string
    readonly oneWay?: string
    readonly overlap?: number
    readonly selection?: object
    readonly maxBytes?: number
    readonly volumes?: boolean
    readonly dryRun?: boolean
  }
): Promise<number> {
  let last: AnyRecord | undefined
  const kept = async function* (records: AsyncIterable<AnyRecord>): AsyncGenerator<AnyRecord> {
    for await (const record of records) {
      last = record
      yield record
    }
  }
  const replica = await absoluteWord(args.replica)
  const since = args.since === undefined ? {} : { since: resolve(args.since) }
  await printAll(context, kept(ask(context, verb, { ...args, ...since, replica })), (record) =>
    showRecord(record, args.replica, context.quiet)
  )
  return exitOf(last)
}

/** Returns the exit code for the result of a verb that moves things. */
export function exitOf(result: AnyRecord | undefined): number {
  if (Number(result?.['conflicts'] ?? 0) > 0) return 15
  if (Number(result?.['bad'] ?? 0) > 0) return 11
  return result?.['complete'] === true ? 0 : 10
}

/** Prints a record of a verb that moves things, in words. */
export function showRecord(record: AnyRecord, word: string, quiet = false): void {
  if (record.kind === 'artifact') {
    if (!quiet) print(wordArtifact(record))
  } else if ((record.kind as string) === 'plan') print(wordPlan(record))
  else if ((record.kind as string) === 'volume') {
    if (!quiet) print(wordVolume(record))
  } else if (record.kind === 'fault')
    print(`damaged   ${printable(String(record['path']))}: ${printable(String(record['reason']))}`)
  else if (record.kind === 'result') for (const line of wordResult(record, word)) print(line)
}

/** e.g. `would refuse  12 events of did:key:z6Mk… (unknown-author)` */
function wordPlan(record: AnyRecord): string {
  const { verdict, rule, author, events } = record as AnyRecord & Partial<Record<string, unknown>>
  return printable(`would ${String(verdict).padEnd(6)}  ${plural(events, 'event')} of ${String(author)}  (${String(rule)})`)
}

/** e.g. `volume 2: /media/usb/2: 3 artifacts, 9 blobs, 12.0 MB` */
export function wordVolume(record: AnyRecord): string {
  return printable(
    `volume ${String(record['volume'])}: ${String(record['path'])}: ${plural(record['artifacts'], 'artifact')}, ${plural(record['blobs'], 'blob')}, ${sizeOf(record['bytes'])}`
  )
}

/** e.g. `artifact  app/x:v1  application/vnd.oci.image.manifest.v1+json  5 blobs, 12.0 MB  with 1 application/vnd.cyclonedx+json` */
export function wordArtifact(record: AnyRecord): string {
  const along = Object.entries((record['with'] ?? {}) as Readonly<Record<string, number>>)
  const name = record['name'] ?? String(record['digest']).slice(0, 19)
  const with_ = along.length === 0 ? '' : `  with ${along.map(([type, count]) => `${count} ${type}`).join(', ')}`
  const lacks = Number(record['missing'] ?? 0) > 0 ? `  ${String(record['missing'])} blobs missing` : ''
  return printable(
    `artifact  ${String(name)}  ${String(record['artifactType'])}  ${plural(record['blobs'], 'blob')}, ${sizeOf(record['bytes'])}${with_}${lacks}`
  )
}

/** e.g. `3 events` */
export function plural(count: unknown, word: string): string {
  return `${String(count ?? 0)} ${word}${count === 1 ? '' : 's'}`
}

/** e.g. `12.0 MB` */
export function sizeOf(bytes: unknown): string {
  const value = Number(bytes ?? 0)
  if (value < 1000) return plural(value, 'byte')
  const power = Math.min(4, Math.floor(Math.log10(value) / 3))
  return `${(value / 1000 ** power).toPrecision(3)} ${['', 'kB', 'MB', 'GB', 'TB'][power] ?? ''}`
}

/** Says what was done, whether the medium may be removed, what is missing and what to run next. */
function* wordResult(record: AnyRecord, word: string): Generator<string> {
  const count = (member: string): number => Number(record[member] ?? 0)
  const { verb } = record
  if (record['dryRun'] === true) {
    yield `nothing was taken: ${plural(count('events'), 'event')} would come in, ${count('held')} be held, ${count('refused')} refused`
    return
  }
  const isWeb = record['requests'] !== undefined
  const done = record['complete'] === true ? 'complete' : 'not complete'
  const moved = `${plural(count('blobs'), 'blob')}, ${sizeOf(count('bytes'))}`
  const inward = `${plural(count('events'), 'event')} in, ${count('refused')} refused, ${count('held')} held`
  if (verb === 'export')
    yield record['unchanged'] === true
      ? `${done}: nothing new for ${word}; it may be removed`
      : `${done}: ${plural(count('events'), 'event')}, ${moved} written to ${word}; it may be removed`
  else if (verb === 'sync') yield `${done}: ${inward}, ${count('sent')} out, ${moved}; ${word} may be removed`
  else if (isWeb) yield `${done}: ${inward}, ${moved}, ${plural(count('requests'), 'request')}`
  else yield `${done}: ${inward}, ${moved}; ${word} may be removed`
  if (count('missing') > 0)
    yield verb === 'export'
      ? `missing: ${plural(count('missing'), 'blob')} that the events name ${count('missing') === 1 ? 'is' : 'are'} not here either; rejoin sync PEER may bring them`
      : `missing: ${plural(count('missing'), 'blob')}; ${isWeb ? 'run the same command later' : 'the next stick'}, or rejoin sync PEER, may bring them`
  if (count('left') > 0)
    yield `no room: ${plural(count('left'), 'artifact')} did not fit into --max-bytes; another medium takes them, or --volumes`
  if (count('omitted') > 0 && verb === 'import') yield `left out by choice: ${plural(count('omitted'), 'blob')}, as ${word} says`
  if (count('bad') > 0)
    yield `damaged: ${plural(count('bad'), 'object')}, named above; all others were taken${isWeb ? '' : `. rejoin check ${word} looks for more`}`
  const foreign = (record['foreign'] ?? []) as readonly string[]
  if (foreign.length > 0)
    yield printable(
      `left alone: ${plural(foreign.length, 'other file')} there: ${foreign.slice(0, 3).join(', ')}${foreign.length > 3 ? ', …' : ''}`
    )
  if (count('conflicts') > 0)
    yield `FORK: ${plural(count('conflicts'), 'log')} with two histories, frozen; rejoin status names them`
  if (count('unknown') > 0)
    yield `passed over: ${plural(count('unknown'), 'log')} by writers that no rule knows; rejoin peers lists them, rejoin trust add NAME KEY lets one in`
  if (record['oneWay'] === true)
    yield `one way: nothing was written to ${word}. Who sent it may be told this code: ${String(record['code'])}`
  else if (record['receipt'] === 'local')
    yield `${word} can't be written: the receipt stays here. Who sent it may be told this code: ${String(record['code'])}`
  else if (record['receipt'] === 'written' && count('events') + count('blobs') > 0)
    yield `next: bring ${word} back; rejoin import there, and rejoin status, show what arrived here`
  const paths = (record['paths'] ?? []) as readonly string[]
  if (paths.length > 0) yield printable(`next: on the other side, rejoin import each of ${paths.join(', ')}, in any order`)
  else if (verb === 'export' && record['unchanged'] !== true) yield `next: on the other side, rejoin import ${word}`
}
