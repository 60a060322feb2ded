import { RejoinError } from '../../core/error.ts'
import { ask, type AnyRecord, printAll } from '../ask.ts'
import type { Context } from '../context.ts'
import { print, printable } from '../output.ts'
import { wordClaim } from './word-claim.ts'

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

/** The options of `rejoin log`. */
export interface LogFlags {
  readonly follow?: boolean
  readonly last?: string
  readonly installation?: string
  readonly installations?: boolean
}

/** Prints the events of one log or of all, with --follow as they arrive; or what CNAB claims say of installations. */
export async function log(
  context: Context,
  name: string | undefined,
  { follow = false, last, installation, installations = false }: LogFlags
): Promise<number> {
  if (last !== undefined && !/^[0-9]{1,15}$/.test(last))
    throw new RejoinError('E_USAGE', `--last is not a count: ${JSON.stringify(last)}`)
  const isOfClaims = installation !== undefined || installations
  if (isOfClaims && (follow || last !== undefined))
    throw new RejoinError('E_USAGE', 'a list of claims knows neither --follow nor --last')
  if (installation !== undefined && installations)
    throw new RejoinError('E_USAGE', 'either --installations or --installation NAME')
  const args = {
    ...(name !== undefined && { log: name }),
    ...(follow && { follow }),
    ...(last !== undefined && { last: Number(last) }),
    ...(installation !== undefined && { installation }),
    ...(installations && { installations })
  }
  await printAll(context, ask(context, 'log', args, { network: false }), (record) =>
    print(isOfClaims ? wordClaim(record) : wordEntry(record))
  )
  return 0
}
