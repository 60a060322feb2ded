import { randomBytes } from 'node:crypto'
import { unlinkSync } from 'node:fs'
import { join } from 'node:path'
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
import { type Keys, type LogFolder, type Repair, type Store, writeOwnLog } from '../store/index.ts'

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

/** Returns the log that this node writes: the one it wrote before, or a new one where it has none or the folder is a copy of another. */
export async function writableLog(
  store: Store,
  keys: Keys,
  name: string,
  ownLog: LogId | undefined,
  copied: string | undefined,
  onNotice: (notice: string) => void
): Promise<LogId> {
  const old = ownLog === undefined ? undefined : store.folder(ownLog)
  if (old !== undefined && copied === undefined) return old.log
  const head = old?.checkpoint
  const succeeds: Succeeds | undefined = head && { log: head.log, size: head.size, root: head.root }
  const log = await openOwnLog(store, keys, old?.opened.name ?? name, succeeds)
  if (copied !== undefined && old !== undefined) {
    onNotice(
      `this data folder is a copy (${copied}): it goes on in the new log ${log}, which names the old one, so that the two folders can't contradict each other`
    )
  }
  return log
}

/** Lets the numbers of changes begin anew, with another store ID. */
export function forgetJournal(root: string): void {
  try {
    unlinkSync(join(root, 'private/journal.ndjson'))
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw cause
  }
}

/** Returns what a repair did, as a sentence. */
export function sentenceOf({ log, what, count }: Repair): string {
  if (what === 'torn-line') return `log ${log}: a last line that was not written to its end was cut off (${count} bytes)`
  if (what === 'unproven-lines')
    return `log ${log}: ${count} entries that nothing proves were cut off; the next sync brings them again`
  return `log ${log}: its ${count} hash tiles were damaged and made again from its lines`
}
