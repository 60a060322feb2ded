import type { GcArgs } from '../../node/index.ts'
import { ask, printAll } from '../ask.ts'
import type { Context } from '../context.ts'
import { print, printable } from '../output.ts'

const reasons: Readonly<Record<string, string>> = { tags: 'not among the newest tags', age: 'too old', size: 'over the size' }

/** Deletes what the retention rules let go, and what nothing names. */
export async function gc(context: Context, args: GcArgs): Promise<number> {
  await printAll(context, ask(context, 'gc', args), (record) => {
    if (record['kind'] === 'artifact') {
      const tags = (record['tags'] as readonly string[]).join(' ')
      const why = reasons[String(record['reason'])] ?? ''
      print(
        `${String(record['digest']).slice(0, 19)}  ${printable(String(record['repository']))}${tags === '' ? '' : ` ${printable(tags)}`}  ${why}`
      )
      return
    }
    const verb = record['dryRun'] === true ? 'would delete' : 'deleted'
    const waiting = Number(record['waiting']) === 0 ? '' : `, ${String(record['waiting'])} too new to go yet`
    print(
      `${verb} ${String(record['blobs'])} blobs, ${String(record['bytes'])} bytes, of ${String(record['artifacts'])} artifacts and of what nothing names; ${String(record['kept'])} blobs stay${waiting}`
    )
  })
  return 0
}
