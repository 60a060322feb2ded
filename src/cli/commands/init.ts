import { isName, RejoinError } from '../../core/index.ts'
import { Node } from '../../node/index.ts'
import { ask } from '../ask.ts'
import type { Context } from '../context.ts'
import { print, printJson } from '../output.ts'

/** Makes a node in the data folder. */
export async function init(
  context: Context,
  { name, network }: { readonly name: string; readonly network: string }
): Promise<number> {
  if (!isName(name))
    throw new RejoinError('E_USAGE', `not a name: ${JSON.stringify(name)}`, {
      hint: 'a name is 1 to 64 letters, digits, blanks and . _ @ -'
    })
  if (!/^[a-z0-9][a-z0-9-]{0,31}$/.test(network))
    throw new RejoinError('E_USAGE', `not a network name: ${JSON.stringify(network)}`, {
      hint: '1 to 32 lower-case letters, digits and -'
    })
  await Node.init(context.root, name, network)
  for await (const record of ask(context, 'id', {})) {
    if (context.json) printJson(record)
    else if (!context.quiet) {
      print(`made a node in ${context.root}`)
      print(`  key    ${String(record['did'])}`)
      print(`  log    ${String(record['logId'])}`)
      print(`keep keys/next off this machine: it alone can replace a stolen key`)
    }
  }
  return 0
}
