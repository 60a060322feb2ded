import { setImmediate } from 'node:timers/promises'
import { isLogId, type LogId } from '../core/index.ts'
import { checkBlobs } from './fsck-blobs.ts'
import { checkKeys } from './fsck-keys.ts'
import { checkMedium } from './fsck-medium.ts'
import { checkLog, type CheckedLog } from './fsck-log.ts'
import { checkForks, checkIncoming, checkPrivateEntries } from './fsck-private.ts'
import { type Checked, type Fault, type FsckRun, namesIn } from './fsck-run.ts'
import { checkReplica, checkSettings } from './fsck-settings.ts'
import { checkCosigned, checkUrgent } from './fsck-urgent.ts'

/** How a folder is verified. */
export interface VerifyOptions {
  /** called after each file of entries and each blob */
  readonly onProgress?: ((checked: Checked) => void) | undefined
  readonly signal: AbortSignal
}

/**
 * Derives everything in a data folder again from its flat files, and yields what does not fit. It needs no key and no index, writes
 * nothing, and may run while a node has the folder open: lines that no checkpoint covers yet are faults only where they are malformed.
 * @returns what was checked
 * @throws the signal's reason · what the operating system says where a folder can't be listed
 * @see protocols/folder.md
 */
export async function* verifyFolder(root: string, { onProgress, signal }: VerifyOptions): AsyncGenerator<Fault, Checked, void> {
  const counts = { logs: 0, events: 0, withheld: 0, blobs: 0, bytes: 0 }
  const run: FsckRun = {
    root,
    counts,
    step: async () => {
      signal.throwIfAborted()
      onProgress?.({ ...counts })
      await setImmediate()
    }
  }
  yield* checkReplica(root)
  yield* checkSettings(root)
  const logs = new Map<LogId, CheckedLog>()
  for (const name of namesIn(root, 'logs')) {
    if (!isLogId(name)) {
      yield { path: `logs/${name}`, offset: 0, reason: 'the name is not a log ID', code: 'E_DAMAGED' }
      continue
    }
    const checked = yield* checkLog(run, name)
    if (checked !== undefined) logs.set(name, checked)
    counts.logs++
  }
  yield* checkPrivateEntries(run, logs)
  yield* checkIncoming(root, logs)
  yield* checkForks(root, logs)
  yield* checkUrgent(root, logs)
  yield* checkCosigned(root, logs)
  yield* checkKeys(root, logs)
  yield* checkBlobs(run)
  yield* checkMedium(run)
  await run.step()
  return { ...counts }
}
