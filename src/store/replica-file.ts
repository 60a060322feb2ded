import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { isLogId, type LogId, RejoinError, textOf } from '../core/index.ts'
import { ioError, readFileRangeSync } from './file.ts'
import { folderVersion } from './folder-version.ts'

export function readReplica(root: string): string {
  const bytes = readFileRangeSync(join(root, 'replica.json'), 0, 64 * 1024)
  if (bytes === undefined)
    throw new RejoinError('E_NO_DATA', `there is no node in ${root}`, {
      hint: `rejoin init --data ${root} --name NAME makes one`
    })
  let value: { readonly version?: unknown; readonly network?: unknown }
  try {
    value = JSON.parse(textOf(bytes)) as typeof value
  } catch (cause) {
    throw new RejoinError('E_DAMAGED', `${join(root, 'replica.json')} is not JSON`, { cause })
  }
  if (value.version !== folderVersion)
    throw new RejoinError('E_VERSION', `${root} has format version ${String(value.version)}; this program knows ${folderVersion}`)
  if (typeof value.network !== 'string') throw new RejoinError('E_DAMAGED', `${join(root, 'replica.json')} names no network`)
  return value.network
}

/** Returns the logs that have a folder. */
export function listLogs(root: string): readonly LogId[] {
  try {
    return readdirSync(join(root, 'logs')).filter(isLogId)
  } catch (cause) {
    throw ioError(cause, 'read', join(root, 'logs'))
  }
}
