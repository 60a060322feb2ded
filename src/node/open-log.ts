import { randomBytes } from 'node:crypto'
import {
  type Digest,
  encodeEvent,
  firstHlc,
  hex,
  type LogId,
  logIdOf,
  openedEvent,
  type PublicKey,
  type Succeeds,
  tick
} from '../core/index.ts'
import { type Keys, type LogFolder, type Store, writeOwnLog } from '../store/index.ts'

/** Whose log is begun, and which key may succeed it. */
export interface LogKeys {
  readonly publicKey: PublicKey
  readonly nextKey: Digest
}

/** Makes the first line of a log durable. Nothing is signed, and nothing says yet that this node writes it. */
export async function beginLog(
  store: Store,
  { publicKey, nextKey }: LogKeys,
  name: string,
  succeeds?: Succeeds
): Promise<LogFolder> {
  const nowMs = Date.now()
  const stamp = { id: hex(randomBytes(16)), time: new Date(nowMs).toISOString(), hlc: tick(firstHlc, nowMs) }
  const line = encodeEvent(openedEvent({ publicKey, nextKey, name, ...(succeeds && { succeeds }) }, stamp))
  const log = logIdOf(line)
  const folder = store.createLog(log, line)
  const text = Buffer.concat([line, Uint8Array.of(10)])
  folder.append({ from: 0, count: 1, text })
  await folder.sync()
  return folder
}

/** Begins a log of this node: its first line is durable before the log is noted as the one to write. */
export async function openOwnLog(store: Store, keys: Keys, name: string, succeeds?: Succeeds): Promise<LogId> {
  const folder = await beginLog(store, { publicKey: keys.signer.publicKey, nextKey: keys.nextKey }, name, succeeds)
  writeOwnLog(store.root, folder.log)
  store.indexRange(folder, 0, 1)
  return folder.log
}
