import { ask, printAll } from '../ask.ts'
import type { Context } from '../context.ts'
import { print, printable } from '../output.ts'

/** Prints who this node is. */
export async function id(context: Context, { audience }: { readonly audience?: string } = {}): Promise<number> {
  await printAll(context, ask(context, 'id', audience === undefined ? {} : { audience }), (record) => {
    if (audience !== undefined) {
      print(printable(String(record['audience'])))
      return
    }
    for (const member of ['nodeId', 'did', 'logId', 'vkey', 'publicKey', 'network', 'audience'])
      print(`${member.padEnd(10)} ${String(record[member])}`)
    for (const address of record['addresses'] as readonly string[]) print(`${'address'.padEnd(10)} ${address}`)
    if (typeof record['http'] === 'string') print(`${'http'.padEnd(10)} ${record['http']}`)
  })
  return 0
}
