import { ask, printAll } from '../ask.ts'
import type { Context } from '../context.ts'
import { print, printable } from '../output.ts'

/** Adds, removes or shows identities, or reads the file again. */
export async function trust(
  context: Context,
  action: 'add' | 'remove' | 'show' | 'reload',
  name?: string,
  key?: string
): Promise<number> {
  const args = { action, ...(name !== undefined && { name }), ...(key !== undefined && { key }) }
  await printAll(context, ask(context, 'trust', args), (record) => {
    if (action !== 'show' && context.quiet) return
    if (action === 'reload') {
      print(`version ${String(record['version'])} of ${printable(String(record['name']))} is in force, and all was judged by it`)
      return
    }
    const identities = record['identities'] as readonly {
      readonly name: string
      readonly keys: readonly string[]
      readonly issuer?: string
      readonly forge?: string
    }[]
    for (const { name: of, keys, issuer, forge } of identities)
      for (const one of [
        ...keys,
        ...(issuer === undefined ? [] : [`by tokens of ${printable(issuer)}`]),
        ...(forge === undefined ? [] : [`the forge ${printable(forge)}`])
      ])
        print(`${printable(of).padEnd(16)} ${one}`)
    if (identities.length === 0) print('nobody is trusted yet: rejoin trust add NAME KEY')
  })
  return 0
}
