import { ask, printAll } from '../ask.ts'
import type { Context } from '../context.ts'
import { print, printable } from '../output.ts'

/** Adds, removes or shows identities. */
export async function trust(context: Context, action: 'add' | 'remove' | 'show', name?: string, key?: string): Promise<number> {
  const args = { action, ...(name !== undefined && { name }), ...(key !== undefined && { key }) }
  await printAll(context, ask(context, 'trust', args), (record) => {
    if (action !== 'show' && context.quiet) return
    const identities = record['identities'] as readonly { readonly name: string; readonly keys: readonly string[] }[]
    for (const identity of identities) for (const one of identity.keys) print(`${printable(identity.name).padEnd(16)} ${one}`)
    if (identities.length === 0) print('nobody is trusted yet: rejoin trust add NAME KEY')
  })
  return 0
}
