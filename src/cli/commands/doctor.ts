import { ask, printAll } from '../ask.ts'
import type { Context } from '../context.ts'
import { print } from '../output.ts'

/** The options of `rejoin doctor`. */
export interface DoctorFlags {
  readonly reindex?: boolean
  readonly newLog?: boolean
  readonly adopt?: string
}

/** Looks the data folder over; with --reindex makes the index again from the logs, with --new-log goes on in a new log, and with
 * --adopt says there again what stands in its branch of a log that forked. */
export async function doctor(context: Context, flags: DoctorFlags): Promise<number> {
  const args = {
    ...(flags.reindex === true && { reindex: true }),
    ...(flags.newLog === true && { newLog: true }),
    ...(flags.adopt !== undefined && { adopt: flags.adopt })
  }
  await printAll(context, ask(context, 'doctor', args), (record) => {
    if (record['adopted'] !== undefined) {
      printAdopted(record as unknown as AdoptedRecord)
      return
    }
    if (record['log'] !== undefined) {
      print(`goes on in the new log ${String(record['log'])}`)
      return
    }
    print(
      record['indexed'] === undefined
        ? `${String(record['logs'])} logs, all open`
        : `indexed ${String(record['indexed'])} events anew`
    )
  })
  return 0
}

interface AdoptedRecord {
  readonly from: string
  readonly log: string
  readonly adopted: number
  readonly already: number
  readonly skipped: readonly number[]
}

function printAdopted({ from, log, adopted, already, skipped }: AdoptedRecord): void {
  print(`${adopted} events of log ${from} stand in log ${log} now${already === 0 ? '' : `, ${already} did before`}`)
  if (skipped.length > 0)
    print(`${skipped.length} could not be adopted: entries ${skipped.slice(0, 8).join(', ')}${skipped.length > 8 ? ', …' : ''}`)
}
