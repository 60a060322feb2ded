import { type AnyRecord, ask, printAll } from '../ask.ts'
import type { Context } from '../context.ts'
import { print } from '../output.ts'

/** The options of `rejoin sync`, of encrypted folders. */
export interface SyncFlags {
  readonly identity?: string
  readonly encryptTo?: readonly string[]
}

/** Takes from an encrypted folder where there is one, and writes to it where somebody is named who may read it. */
async function syncEncrypted(context: Context, word: string, flags: SyncFlags, isThere: boolean): Promise<number> {
  const { identity, encryptTo } = flags
  const taken = isThere
    ? await (await import('./import.ts')).importFrom(context, word, { ...(identity !== undefined && { identity }) })
    : 0
  if (encryptTo === undefined) return taken
  const written = await (await import('./export.ts')).exportTo(context, word, { encryptTo })
  return taken === 0 ? written : taken
}

/** Syncs with peers, or with a replica of files. @returns 0 when complete, 15 where a fork was found, else 10; 11 for bad objects of files */
export async function sync(context: Context, peers: readonly string[], flags: SyncFlags = {}): Promise<number> {
  const [first] = peers
  if (first !== undefined && peers.every((word) => word.startsWith('docker://'))) {
    const { forge } = await import('./forge.ts')
    let worst = 0
    for (const url of peers) worst = Math.max(worst, await forge(context, { action: 'once', url }))
    return worst
  }
  const { isEncrypted, replicaWord } = await import('../../node/index.ts')
  if (first !== undefined && peers.length === 1 && (isEncrypted(first) || flags.encryptTo !== undefined))
    return await syncEncrypted(context, first, flags, isEncrypted(first))
  const files = peers.filter((word) => replicaWord(word).kind !== 'peer')
  if (files.length > 0) return await (await import('./sync-files.ts')).syncFiles(context, peers)
  let last: AnyRecord | undefined
  const kept = async function* (records: AsyncIterable<AnyRecord>): AsyncGenerator<AnyRecord> {
    for await (const record of records) {
      last = record
      yield record
    }
  }
  await printAll(context, kept(ask(context, 'sync', { peers }, { network: true })), (record) => {
    const say = (member: string): string => String(record[member])
    print(
      `${record['complete'] === true ? 'complete' : 'not complete'}: ${say('events')} events in, ${say('sent')} out, ${say('refused')} refused, ${say('held')} held, ${say('blobs')} blobs, ${say('bytes')} bytes${record['missing'] === 0 ? '' : `; ${say('missing')} blobs are still missing`}`
    )
  })
  if (Number(last?.['conflicts'] ?? 0) > 0) return 15
  return last?.['complete'] === true ? 0 : 10
}
