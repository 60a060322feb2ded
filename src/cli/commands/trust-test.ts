import { type AnyRecord, ask, printAll } from '../ask.ts'
import type { Context } from '../context.ts'
import { notice, print, printable } from '../output.ts'
import { readTrustFile } from '../trust-bytes.ts'

/** What `rejoin trust test` takes beside the file. */
export interface TrustTestFlags {
  readonly since?: string
  readonly log?: string
  readonly all?: boolean
  readonly allowWeaken?: boolean
}

interface Totals extends AnyRecord {
  readonly tried: number
  readonly withheld: number
  readonly changed: number
  readonly shown: number
  readonly weaker: number
  readonly table: readonly { readonly before: string; readonly after: string; readonly count: number }[]
  readonly warnings: readonly string[]
}

const verdicts = ['relay', 'keep', 'hold', 'refuse'] as const

/** Tries a trust file on the whole history and prints what would change. @returns 1 where it lets anything in further than now, else 0 */
export async function trustTest(context: Context, file: string, flags: TrustTestFlags): Promise<number> {
  const { label, bytes, folder } = readTrustFile(context, file)
  const { since, log, all, allowWeaken = false } = flags
  const args = {
    file: Buffer.from(bytes).toString('base64'),
    label,
    folder,
    ...(since !== undefined && { since }),
    ...(log !== undefined && { log }),
    ...(all === true && { all })
  }
  let weaker = 0
  await printAll(
    context,
    watched(ask(context, 'trust-test', args), (totals) => (weaker = totals.weaker)),
    (record) => {
      if (record.kind === 'change') change(record)
      else summary(record as Totals)
    }
  )
  if (weaker === 0 || allowWeaken) return 0
  notice(`${weaker} ${weaker === 1 ? 'event' : 'events'} would be let in further than now; --allow-weaken accepts that`)
  return 1
}

async function* watched(records: AsyncIterable<AnyRecord>, onTotals: (totals: Totals) => void): AsyncGenerator<AnyRecord> {
  for await (const record of records) {
    if (record.kind === 'result') onTotals(record as Totals)
    yield record
  }
}

/** e.g. `keep → relay  by images (was others)  abcdefgh/7  alice  manifest.published  sha256:…  WEAKER` */
function change(record: AnyRecord): void {
  const { before, after, rule, was, log, index, author, type, subject, waits, weaker } = record
  const parts = [
    `${String(before)} → ${String(after)}`.padEnd(14),
    `by ${String(rule)}${waits === undefined ? '' : `, waits for ${String(waits)}`}${was === undefined ? '' : ` (was ${String(was)})`}`,
    `${String(log).slice(0, 8)}/${String(index)}`,
    printable(String(author)),
    ...(type === undefined ? [] : [String(type)]),
    ...(subject === undefined ? [] : [String(subject).slice(0, 19)]),
    ...(weaker === true ? ['weaker'] : [])
  ]
  print(parts.join('  '))
}

function summary({ tried, withheld, changed, shown, weaker, table, warnings }: Totals): void {
  if (changed > shown) print(`… and ${changed - shown} more: --all shows them`)
  const before = verdicts.filter((one) => table.some((row) => row.before === one))
  if (before.length > 0) {
    print(`${'now'.padEnd(8)}${verdicts.map((one) => `→ ${one}`.padStart(12)).join('')}`)
    for (const one of before) {
      const cells = verdicts.map((after) => table.find((row) => row.before === one && row.after === after)?.count ?? 0)
      print(`${one.padEnd(8)}${cells.map((count) => String(count).padStart(12)).join('')}`)
    }
  }
  const unknown = withheld === 0 ? '' : `; of ${withheld} entries only the hash is here, and nothing can be said`
  print(`${tried} events tried: ${changed} would change, ${weaker} would be let in further${unknown}`)
  for (const warning of warnings) print(`it would not be put in force: ${printable(warning)}`)
}
