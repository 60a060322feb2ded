import { readFile } from 'node:fs/promises'
import { buffer } from 'node:stream/consumers'
import { RejoinError, textOf } from '../../core/index.ts'
import { ask, printAll } from '../ask.ts'
import type { Context } from '../context.ts'
import { notice, print, printable } from '../output.ts'

async function tokenIn(path: string): Promise<string> {
  try {
    return textOf(path === '-' ? await buffer(process.stdin) : await readFile(path))
  } catch (cause) {
    if (cause instanceof RejoinError) throw cause
    throw new RejoinError('E_NOT_FOUND', `can't read ${path}`, { cause })
  }
}

/** Shows a token in the node's own log. It stands in a file or comes by a pipe: what is in a command's arguments, every user of the machine can read. */
export async function trustToken(context: Context, file: string): Promise<number> {
  const token = await tokenIn(file)
  await printAll(context, ask(context, 'token', { action: 'bind', token }), (record) => {
    const say = (name: string, value: unknown): void => {
      if (value !== null) print(`${name.padEnd(10)} ${printable(String(value))}`)
    }
    say('entry', `${String(record['log'])}/${String(record['index'])}`)
    say('issuer', record['iss'])
    say('subject', record['sub'])
    say('audience', record['audience'])
    say('valid', `${String(record['from'])} to ${String(record['until'])}`)
    say('identity', record['identity'])
    if (record['late'] === true)
      notice(
        "it is not among the first 16 events: nodes that know only the issuer don't see it. rejoin doctor --new-log, then bind again"
      )
  })
  return 0
}
