import type { AccessTokenArgs } from '../../node/index.ts'
import { ask, printAll } from '../ask.ts'
import type { Context } from '../context.ts'
import { notice, print, printable } from '../output.ts'

/** Makes, lists or takes back tokens. */
export async function trustAccessToken(context: Context, args: AccessTokenArgs): Promise<number> {
  await printAll(context, ask(context, 'access-token', args), (record) => {
    if (typeof record['token'] === 'string') {
      print(record['token'])
      notice('this is shown once; clients give it as the password, with any user name')
      return
    }
    const scope = (action: string): string => {
      const patterns = record[action] as readonly string[]
      return patterns.length === 0 ? '' : `  ${action} ${patterns.map(printable).join(' ')}`
    }
    const until = record['expires'] === null ? '' : `  until ${String(record['expires'])}`
    const gone = record['revoked'] === true ? '  revoked' : ''
    print(
      `${String(record['id'])}  ${printable(String(record['name'])).padEnd(16)}${scope('pull')}${scope('push')}${until}${gone}`
    )
  })
  return 0
}
