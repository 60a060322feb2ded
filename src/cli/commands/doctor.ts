import { ask, printAll } from '../ask.ts'
import type { Context } from '../context.ts'
import { print } from '../output.ts'

/** Looks the data folder over; with --reindex makes the index again from the logs. */
export async function doctor(context: Context, flags: { readonly reindex?: boolean }): Promise<number> {
  await printAll(context, ask(context, 'doctor', { ...(flags.reindex === true && { reindex: true }) }), (record) => {
    print(
      record['indexed'] === undefined
        ? `${String(record['logs'])} logs, all open`
        : `indexed ${String(record['indexed'])} events anew`
    )
  })
  return 0
}
