import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { closedPath, equal, forkPath, isLogId, type LogId, RejoinError } from '../core/index.ts'
import { readFileRangeSync } from './file.ts'
import type { CheckedLog } from './fsck-log.ts'
import { type Fault, faultOf, isTemporary, namesIn } from './fsck-run.ts'
import { readUrgentFile } from './urgent.ts'
import { parseCosigned } from './witness-file.ts'

const maxBytes = 64 * 1024

/** Checks closings and fork proofs: each proves what it says with its own bytes, and is written as this program writes it. */
export function* checkUrgent(root: string, logs: ReadonlyMap<LogId, CheckedLog>): Generator<Fault, void, void> {
  for (const log of namesIn(root, 'logs').filter(isLogId))
    for (const path of [closedPath(log), forkPath(log)]) {
      if (!existsSync(join(root, path))) continue
      try {
        const record = readUrgentFile(root, path, log)
        const bytes = readFileRangeSync(join(root, path), 0, maxBytes) ?? new Uint8Array(0)
        if (!equal(record.bytes, bytes)) throw new RejoinError('E_DAMAGED', 'it is not written as this program writes it')
        const author = logs.get(log)?.opened.publicKey
        const named = record.kind === 'closed' ? record.opened.publicKey : record.fork.author
        if (author !== undefined && !equal(author, named)) throw new RejoinError('E_ORIGIN', 'it names another writer')
      } catch (error) {
        yield faultOf(error, path, 0)
      }
    }
}

/** Checks what this node noted as cosigned: a head of a log, which may be ahead of what is here only where the log was lost. */
export function* checkCosigned(root: string, logs: ReadonlyMap<LogId, CheckedLog>): Generator<Fault, void, void> {
  for (const name of namesIn(root, 'private/cosigned')) {
    const path = `private/cosigned/${name}`
    if (isTemporary(name)) continue
    try {
      if (!isLogId(name)) throw new RejoinError('E_DAMAGED', 'the name is not a log ID')
      const head = parseCosigned(readFileRangeSync(join(root, path), 0, maxBytes) ?? new Uint8Array(0), name)
      const checked = logs.get(name)
      if (checked !== undefined && head.size > checked.committed)
        throw new RejoinError('E_INCOMPLETE', `${head.size} entries were cosigned and only ${checked.committed} are here`)
    } catch (error) {
      yield faultOf(error, path, 0)
    }
  }
}
