import { ask, printAll } from '../ask.ts'
import type { Context } from '../context.ts'
import { print } from '../output.ts'

/** The options of `rejoin doctor`. */
export interface DoctorFlags {
  readonly reindex?: boolean
  readonly newLog?: boolean
}

/** Looks the data folder over; with --reindex makes the index again from the logs, with --new-log goes on in a new log. */
export async function doctor(context: Context, flags: DoctorFlags): Promise<number> {
  const args = { ...(flags.reindex === true && { reindex: true }), ...(flags.newLog === true && { newLog: true }) }
  await printAll(context, ask(context, 'doctor', args), (record) => {
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
