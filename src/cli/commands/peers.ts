import { ask, printAll } from '../ask.ts'
import type { Context } from '../context.ts'
import { print, printable } from '../output.ts'

/** Prints the peers this node knows, and the writers that it heard of and does not trust. */
export async function peers(context: Context): Promise<number> {
  await printAll(context, ask(context, 'peers', {}), (record) => {
    if (record.kind === 'peer')
      print(`${record['connected'] === true ? 'connected' : 'known    '}  ${printable(String(record['address']))}`)
    else
      print(
        `unknown writer  ${String(record['did'])}  log ${String(record['log'])}  ${String(record['size'])} events; to trust it: rejoin trust add NAME ${String(record['did'])}`
      )
  })
  return 0
}
