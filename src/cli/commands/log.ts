import { RejoinError } from '../../core/index.ts'
import { ask, type AnyRecord, printAll } from '../ask.ts'
import type { Context } from '../context.ts'
import { print, printable } from '../output.ts'

/** Returns one line for an entry of a log. */
export function wordEntry(record: AnyRecord): string {
  const place = `${String(record['log']).slice(0, 8)}/${String(record['index'])}`
  const event = record['event'] as
    | {
        readonly time: string
        readonly type: string
        readonly subject?: string
        readonly data: Readonly<Record<string, unknown>>
      }
    | undefined
  const author = printable(String(record['author'])).padEnd(12)
  if (event === undefined) {
    const many = record['size'] === undefined ? '' : ` (${String(record['size'])} entries)`
    return `${place}  ${author}  ${record['verdict'] === 'hold' ? 'held' : 'withheld'} ${String(record['withheld']).slice(0, 16)}…${many}`
  }
  const { title, repository, tag } = event.data
  const name =
    typeof repository === 'string'
      ? `${repository}${typeof tag === 'string' ? `:${tag}` : ''}`
      : typeof title === 'string'
        ? title
        : ''
  const parts = [place, author, event.time, event.type, (event.subject ?? '').slice(0, 19), printable(name)]
  return `${parts.join('  ').trimEnd()}${record['verdict'] === 'keep' ? '  (kept here)' : ''}`
}

/** Prints the events of one log or of all; with --follow goes on as events arrive. */
export async function log(
  context: Context,
  name: string | undefined,
  flags: { readonly follow?: boolean; readonly last?: string }
): Promise<number> {
  if (flags.last !== undefined && !/^[0-9]{1,15}$/.test(flags.last))
    throw new RejoinError('E_USAGE', `--last is not a count: ${JSON.stringify(flags.last)}`)
  const args = {
    ...(name !== undefined && { log: name }),
    ...(flags.follow === true && { follow: true }),
    ...(flags.last !== undefined && { last: Number(flags.last) })
  }
  await printAll(context, ask(context, 'log', args, { network: false }), (record) => print(wordEntry(record)))
  return 0
}
