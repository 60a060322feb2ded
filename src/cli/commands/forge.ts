import type { ForgeArgs } from '../../forge/index.ts'
import { type AnyRecord, ask, printAll } from '../ask.ts'
import type { Context } from '../context.ts'
import { print, printable } from '../output.ts'

/** Follows forges, syncs with them and looks after what waits for them. @returns 0, or 10 where something is left */
export async function forge(context: Context, args: ForgeArgs): Promise<number> {
  let isWhole = true
  const watched = async function* (records: AsyncIterable<AnyRecord>): AsyncGenerator<AnyRecord> {
    for await (const record of records) {
      if (record.kind === 'result' && record['complete'] === false) isWhole = false
      yield record
    }
  }
  await printAll(context, watched(ask(context, 'forge', args)), (record) => {
    if (!context.quiet || record.kind === 'result') show(record, args.action)
  })
  return isWhole ? 0 : 10
}

function show(record: AnyRecord, action: ForgeArgs['action']): void {
  const word = (member: string): string => printable(String(record[member] ?? ''))
  switch (record.kind as string) {
    case 'forge':
      showForge(record)
      return
    case 'artifact':
      print(`${word('verdict').padEnd(6)}  ${nameOf(record)}  ${word('digest').slice(0, 19)}…  (${word('rule')})`)
      return
    case 'sent':
      print(`sent    ${nameOf(record)}`)
      return
    case 'request':
      showRequest(record, action === 'outbox-show')
      return
    default:
      showResult(record)
  }
}

function nameOf(record: AnyRecord): string {
  const { repository, tag } = record
  return printable(`${String(repository)}${typeof tag === 'string' ? `:${tag}` : ''}`)
}

function showForge(record: AnyRecord): void {
  const { url, pull, push, connected, awaySince, why, waiting, held, conflicts, nextTry } = record as AnyRecord &
    Partial<Record<string, unknown>>
  const state = connected === true ? 'there' : awaySince === undefined ? 'not asked yet' : `away since ${String(awaySince)}`
  print(`${String(url)}  ${state}`)
  print(
    `  pull ${(pull as readonly string[]).join(' ') || '-'}   push ${(push as readonly string[]).join(' ') || '-'}   waiting ${String(waiting)}   held ${String(held)}`
  )
  if (why !== undefined) print(`  ${printable(String(why))}; next try ${String(nextTry ?? 'with rejoin forge sync')}`)
  for (const one of (conflicts ?? []) as readonly Readonly<Record<string, string>>[])
    print(
      `  CONFLICT ${one['repository'] ?? ''}:${one['tag'] ?? ''} is ${one['here']?.slice(0, 19) ?? ''}… here and ${one['there']?.slice(0, 19) ?? ''}… there`
    )
}

function showRequest(record: AnyRecord, whole: boolean): void {
  const { id, digest, since, attempts, lastError, event, forge: url } = record as AnyRecord & Partial<Record<string, unknown>>
  print(
    `${String(id)}  ${nameOf(record)}  ${digest === undefined ? 'take the tag away' : `${String(digest).slice(0, 19)}…`}  since ${String(since)}`
  )
  if (lastError !== undefined) print(`  ${String(attempts)} tries; last: ${printable(String(lastError))}`)
  if (!whole) return
  print(`  to ${String(url)}, as ${String(event)} asks for; ${String(digest ?? '')}`)
}

function showResult(record: AnyRecord): void {
  if (record['removed'] !== undefined) {
    print(`${String(record['removed'])} is followed no more; ${String(record['waiting'])} requests for it stay in outbox/`)
    return
  }
  if (record['dropped'] !== undefined) {
    print(`${String(record['dropped'])} is not sent`)
    return
  }
  const count = (member: string): string => String(record[member])
  const faults = record['faults'] as readonly string[]
  print(
    `${record['complete'] === true ? 'complete' : 'not complete'}: ${count('taken')} artifacts in, ${count('refused')} not taken, ${count('sent')} out, ${count('waiting')} waiting, ${count('conflicts')} conflicts`
  )
  for (const fault of faults) print(`  ${printable(fault)}`)
}
