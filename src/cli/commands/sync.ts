import { type AnyRecord, ask, printAll } from '../ask.ts'
import type { Context } from '../context.ts'
import { print, printable } from '../output.ts'

/** Syncs with peers and folders on the web. @returns 0 when complete, 15 where a fork was found, 11 where bad objects were skipped, else 10 */
export async function sync(context: Context, peers: readonly string[]): Promise<number> {
  const [first] = peers
  if (first?.startsWith('docker://') === true && peers.length === 1)
    return await (await import('./forge.ts')).forge(context, { action: 'once', url: first })
  const { replicaWord } = await import('../../node/index.ts')
  const kinds = peers.map((word) => replicaWord(word).kind)
  if (kinds.some((kind) => kind !== 'peer' && kind !== 'web'))
    return await (await import('./sync-files.ts')).syncFiles(context, peers)
  const results: AnyRecord[] = []
  const kept = async function* (records: AsyncIterable<AnyRecord>): AsyncGenerator<AnyRecord> {
    for await (const record of records) {
      if (record.kind === 'result') results.push(record)
      yield record
    }
  }
  const network = kinds.length === 0 || kinds.includes('peer')
  await printAll(context, kept(ask(context, 'sync', { peers }, { network })), (record) => {
    const say = (member: string): string => String(record[member])
    if (record.kind !== 'result') {
      print(printable(`${record.kind}: ${say('path')}: ${say('reason')} (${say('code')})`))
      return
    }
    const bad = Number(record['bad'] ?? 0) === 0 ? '' : `; ${say('bad')} objects are not what they should be`
    const missing =
      record['missing'] === 0
        ? ''
        : `; ${say('missing')} ${record['replica'] === undefined ? 'blobs' : 'objects'} are still missing`
    print(
      `${record['complete'] === true ? 'complete' : 'not complete'}: ${say('events')} events in, ${say('sent')} out, ${say('refused')} refused, ${say('held')} held, ${say('blobs')} blobs, ${say('bytes')} bytes${missing}${bad}`
    )
  })
  const any = (passes: (record: AnyRecord) => boolean): boolean => results.some(passes)
  if (any(({ conflicts }) => Number(conflicts ?? 0) > 0)) return 15
  if (any(({ bad }) => Number(bad ?? 0) > 0)) return 11
  return results.length > 0 && !any(({ complete }) => complete !== true) ? 0 : 10
}
