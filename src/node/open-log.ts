import { randomBytes } from 'node:crypto'
import { encodeEvent, firstHlc, hex, type LogId, logIdOf, openedEvent, type Succeeds, tick } from '../core/index.ts'
import { type Keys, type Store, writeOwnLog } from '../store/index.ts'

/** Begins a log of this node: its first line is durable and signed before the log is noted as the one to write. */
export async function openOwnLog(store: Store, keys: Keys, name: string, succeeds?: Succeeds): Promise<LogId> {
  const nowMs = Date.now()
  const stamp = { id: hex(randomBytes(16)), time: new Date(nowMs).toISOString(), hlc: tick(firstHlc, nowMs) }
  const opened = { publicKey: keys.signer.publicKey, nextKey: keys.nextKey, name, ...(succeeds && { succeeds }) }
  const event = openedEvent(opened, stamp)
  const line = encodeEvent(event)
  const log = logIdOf(line)
  const folder = store.createLog(log, line)
  const text = Buffer.concat([line, Uint8Array.of(10)])
  folder.append({ from: 0, count: 1, text })
  await folder.sync()
  writeOwnLog(store.root, log)
  store.indexRange(folder, 0, 1)
  return log
}
