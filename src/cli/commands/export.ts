import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { isNarrow, RejoinError } from '../../core/index.ts'
import { checkRecipients } from '../../replica/index.ts'
import {
  ageWriter,
  archiveWriter,
  type ChoiceFlags,
  exportMedium,
  type MediumExport,
  maxBytesOf,
  OneWay,
  replicaWord,
  selectionOf
} from '../../node/index.ts'
import { type AnyRecord, ask, printAll } from '../ask.ts'
import type { Context } from '../context.ts'
import { notice, print, printable, printJson } from '../output.ts'
import { exitOf, files, plural, sizeOf, wordArtifact, wordVolume } from './files.ts'
import { tellFault } from './faults.ts'

/** The options of `rejoin export`. */
export interface ExportFlags extends ChoiceFlags {
  readonly dryRun?: boolean
  readonly encryptTo?: readonly string[]
  readonly to?: readonly string[]
  readonly assume?: string
  readonly oneWay?: string | true
  readonly overlap?: string
  readonly match?: string
}

/** Writes what this node passes on to a replica of files. @returns the exit code */
export async function exportTo(context: Context, word: string | undefined, flags: ExportFlags): Promise<number> {
  const oneWay = flags.oneWay === true || (flags.oneWay === undefined && flags.match !== undefined) ? 'default' : flags.oneWay
  if (flags.match !== undefined) confirm(context, oneWay ?? 'default', flags.match)
  if (word === undefined) {
    if (flags.match !== undefined) return 0
    throw new RejoinError('E_USAGE', 'export needs a folder, FILE.tar, FILE.tar.zst or -')
  }
  const overlap = overlapOf(flags)
  const { kind } = replicaWord(word)
  const recipients = flags.encryptTo ?? []
  if (recipients.length > 0 && kind !== 'folder')
    throw new RejoinError('E_USAGE', 'an encrypted medium is a folder', {
      hint: 'rejoin export - | age -r age1… > FILE encrypts an archive as a whole'
    })
  if (recipients.length === 0 && kind !== 'archive' && kind !== 'stream')
    return await toFolder(context, word, flags, { oneWay, overlap })
  if (kind === 'stream' && flags.volumes === true)
    throw new RejoinError('E_USAGE', 'standard output is one volume', { hint: 'name a file: x.tar becomes x.1.tar, x.2.tar …' })
  const known = oneWay === undefined ? undefined : OneWay.open(context.root, oneWay)
  const since = flags.since !== undefined && existsSync(flags.since) ? { since: resolve(flags.since) } : undefined
  // what the node has not signed yet is signed first
  const held = await baseOf(context, {
    ...since,
    ...(flags.to !== undefined && { to: flags.to }),
    ...(flags.assume !== undefined && { assume: flags.assume })
  })
  const { since: _, ...chosen } = flags
  const options: MediumExport = {
    selection: selectionOf(since === undefined ? flags : chosen, Date.now()),
    base: known?.base(overlap) ?? held,
    maxBytes: maxBytesOf(flags),
    volumes: flags.volumes === true,
    dryRun: flags.dryRun === true
  }
  await checkRecipients(recipients)
  const writer =
    recipients.length > 0
      ? ageWriter(context.root, resolve(word), recipients)
      : archiveWriter(kind === 'stream' ? '-' : resolve(word))
  // standard output is the archive's: what is to be said goes to standard error
  const say = kind === 'stream' && flags.dryRun !== true ? notice : print
  const records = exportMedium(context.root, options, writer, context.signal, ({ plan, complete }) => {
    if (complete)
      known?.sent(
        plan.logs.map(({ head }) => head),
        Date.now()
      )
  })
  return await show({ ...context, json: context.json && say === print }, records as AsyncIterable<AnyRecord>, say)
}

async function toFolder(
  context: Context,
  word: string,
  flags: ExportFlags,
  { oneWay, overlap }: { readonly oneWay: string | undefined; readonly overlap: number | undefined }
): Promise<number> {
  const isFile = flags.since !== undefined && existsSync(flags.since)
  const { to, assume, volumes, dryRun, since, ...others } = flags
  const selection = selectionOf({ ...others, ...(!isFile && since !== undefined && { since }) }, Date.now())
  const maxBytes = maxBytesOf(flags)
  const args = {
    replica: word,
    ...(to !== undefined && { to }),
    ...(isFile && since !== undefined && { since }),
    ...(assume !== undefined && { assume }),
    ...(oneWay !== undefined && { oneWay }),
    ...(overlap !== undefined && { overlap }),
    ...((isNarrow(selection) || selection.platforms.length > 0) && { selection }),
    ...(maxBytes !== undefined && { maxBytes }),
    ...(volumes === true && { volumes })
  }
  if (dryRun !== true) return await files(context, 'export', args)
  const absolute = { ...args, replica: resolve(word), ...(isFile && since !== undefined && { since: resolve(since) }), dryRun }
  return await show(context, ask(context, 'export', absolute), print)
}

function confirm(context: Context, target: string, words: string): void {
  const events = OneWay.open(context.root, target).match(words, Date.now())
  if (context.json) printJson({ kind: 'confirmed', target, events })
  else print(`confirmed: ${target} holds ${events} events; the next export begins there`)
}

function overlapOf({ overlap, oneWay }: ExportFlags): number | undefined {
  if (overlap === undefined) return undefined
  if (oneWay === undefined) throw new RejoinError('E_USAGE', '--overlap needs --one-way')
  if (!/^(?:0|[1-9]\d{0,3})$/.test(overlap)) throw new RejoinError('E_USAGE', `not a count: ${JSON.stringify(overlap)}`)
  return Number(overlap)
}

async function baseOf(context: Context, words: object): Promise<NonNullable<MediumExport['base']>> {
  let logs: NonNullable<MediumExport['base']> = []
  for await (const record of ask(context, 'base', words)) logs = record['logs'] as typeof logs
  return logs
}

async function show(context: Context, records: AsyncIterable<AnyRecord>, say: (line: string) => void): Promise<number> {
  let last: AnyRecord | undefined
  const kept = async function* (): AsyncGenerator<AnyRecord> {
    for await (const record of records) {
      last = record
      yield record
    }
  }
  await printAll(context, kept(), (record) => {
    if (record.kind === 'fault') tellFault(record)
    else if (!context.quiet || record.kind === 'result') for (const line of wordRecord(record)) say(line)
  })
  return last?.kind === 'plan' ? (last['fits'] === true ? 0 : 13) : exitOf(last)
}

function wordRecord(record: AnyRecord): readonly string[] {
  const text = (member: string): string => printable(String(record[member]))
  switch (record.kind) {
    case 'log':
      return [
        `log       ${text('log')}  entries ${text('from')} to ${text('to')}: ${text('chosen')} as text, ${text('withheld')} as hashes`
      ]
    case 'artifact': {
      if (record['why'] === undefined) return [wordArtifact(record)]
      const blobs = record['blobs'] as readonly {
        readonly digest: string
        readonly bytes: number
        readonly role: string
        readonly there?: string | null
        readonly parts?: boolean
      }[]
      const omitted = record['omitted'] as readonly { readonly digest: string; readonly because: string }[]
      const missing = record['missing'] as readonly string[]
      return [
        `artifact  ${text('name')}  ${text('bytes')} bytes${Number(record['shared']) > 0 ? `, ${text('shared')} of them shared` : ''}${record['toWrite'] === undefined ? '' : `, ${text('toWrite')} to write`}  because ${text('why')} chosen${record['fits'] === true ? (record['volume'] === null ? '' : `  volume ${text('volume')}`) : '  DOES NOT FIT'}`,
        ...blobs.map(
          ({ digest, bytes, role, there, parts }) =>
            `  ${role.padEnd(9)}${digest}  ${bytes}${wordThere[there ?? 'none'] ?? ''}${parts === true ? '  goes to parts/' : ''}`
        ),
        ...omitted.map(({ digest, because }) => `  left out ${digest}  ${because}`),
        ...missing.map((digest) => `  missing ${digest}`)
      ]
    }
    case 'volume':
      return [wordVolume(record)]
    case 'plan':
      return wordPlan(record)
    case 'result':
      return wordResult(record)
    default:
      return []
  }
}

/** How it is known that a blob need not be written. */
const wordThere: Readonly<Record<string, string>> = {
  listed: '  there, listed as read back',
  hashed: '  there, hashed now',
  remembered: '  there, as this node put it there'
}

function wordPlan(record: AnyRecord): readonly string[] {
  const volumes = record['volumes'] as readonly {
    readonly volume: number
    readonly artifacts: number
    readonly blobs: number
    readonly bytes: number
    readonly path?: string
    readonly there?: number
    readonly parts?: number
    readonly needed?: number
    readonly room?: number
  }[]
  const left = Number(record['left'])
  const fits = record['fits'] === true ? 'all of it fits' : left > 0 ? `${left} do not fit` : 'there is no room for it'
  return [
    ...volumes.flatMap(({ volume, artifacts, blobs, bytes, path, there = 0, parts = 0, needed, room }) => [
      `volume ${volume}: ${artifacts} artifacts, ${blobs} blobs, ${bytes} bytes at most`,
      ...(path === undefined
        ? []
        : [
            `  ${printable(path)}: ${there} of its blobs are there${parts > 0 ? `, ${parts} go to parts/` : ''}; ${needed} bytes to write, room for ${room}`
          ])
    ]),
    `plan: ${String(record['artifacts'])} artifacts, ${String(record['there'])} left out as held there, ${fits}; nothing was written`
  ]
}

function wordResult(record: AnyRecord): readonly string[] {
  const count = (member: string): number => Number(record[member])
  const paths = record['paths'] as readonly string[]
  const withheld = count('withheld') > 0 ? ` and ${count('withheld')} as hashes` : ''
  const there = count('there') > 0 ? `, ${plural(count('there'), 'file')} there already` : ''
  const lines = [
    `${record['complete'] === true ? 'complete' : 'not complete'}: ${plural(count('events'), 'event')}${withheld}, ${plural(count('artifacts'), 'artifact')}, ${plural(count('blobs'), 'blob')}, ${sizeOf(count('bytes'))} written to ${paths.map((path) => (path === '-' ? 'standard output' : path)).join(', ')}${there}`
  ]
  if (count('missing') > 0)
    lines.push(
      `missing: ${plural(count('missing'), 'blob')} that the events name ${count('missing') === 1 ? 'is' : 'are'} not here either; rejoin sync PEER may bring them`
    )
  if (count('bad') > 0)
    lines.push(`damaged: ${plural(count('bad'), 'object')}, named above; rejoin verify says what else is wrong here`)
  if (count('left') > 0)
    lines.push(`${plural(count('left'), 'artifact')} did not fit: --volumes writes as many media as it takes`)
  if (!paths.includes('-'))
    lines.push(
      `next: on the other side, rejoin import ${paths.length > 1 ? `each of ${paths.join(', ')}, in any order` : paths.join('')}`
    )
  return lines.map(printable)
}
