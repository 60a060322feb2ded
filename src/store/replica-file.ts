import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { isLogId, isObject, type LogId, parseStrict, RejoinError, textOf } from '../core/index.ts'
import { ioError, readFileRangeSync } from './file.ts'
import { folderVersion } from './folder-version.ts'
import type { Outside } from './outside.ts'
import { isSealed } from './seal.ts'

const maxReplicaBytes = 64 * 1024

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

/** What replica.json says. */
export interface ReplicaFile {
  readonly network: string
  /** 32 hexadecimal digits that a medium was given when it was made */
  readonly store: string | undefined
  readonly limits: MediumLimits | undefined
}

/** What a medium can't take. */
export interface MediumLimits {
  /** bytes of its largest file */
  readonly fileBytes?: number
  /** names of the length of a digest in one folder */
  readonly names?: number
}

/**
 * Returns what the replica.json of a folder from elsewhere says.
 * @throws E_NO_DATA where there is none · E_VERSION · E_DAMAGED · E_BAD_OBJECT E_TOO_LARGE
 */
export function readReplicaFile(files: Outside): ReplicaFile {
  const bytes = files.read('replica.json', maxReplicaBytes)
  if (bytes === undefined) throw new RejoinError('E_NO_DATA', `there is no replica in ${files.root}`)
  return parseReplicaFile(bytes, join(files.root, 'replica.json'))
}

/**
 * Returns what the bytes of a replica.json from elsewhere say.
 * @param path names it in errors
 * @throws E_VERSION · E_DAMAGED
 */
export function parseReplicaFile(bytes: Uint8Array, path: string): ReplicaFile {
  let value: unknown
  try {
    value = parseStrict(bytes, { maxBytes: maxReplicaBytes, maxDepth: 8 })
  } catch (cause) {
    throw new RejoinError('E_DAMAGED', `${path} is not JSON`, { cause })
  }
  const { format, version, network, store, limits, check } = isObject(value as never)
    ? (value as Readonly<Record<string, unknown>>)
    : {}
  if (format !== 'rejoin' || typeof network !== 'string')
    throw new RejoinError('E_DAMAGED', `${path} does not say format rejoin and a network`)
  if (version !== folderVersion)
    throw new RejoinError(
      'E_VERSION',
      `${path} has format version ${JSON.stringify(version)}; this program knows ${folderVersion}`
    )
  if (check !== undefined && !isSealed(value as never)) throw new RejoinError('E_DAMAGED', `the check sum in ${path} is another`)
  if (store !== undefined && (typeof store !== 'string' || !/^[0-9a-f]{32}$/.test(store)))
    throw new RejoinError('E_DAMAGED', `store in ${path} is not 32 hexadecimal digits`)
  return { network, store, limits: limitsIn(limits) }
}

function limitsIn(value: unknown): MediumLimits | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { fileBytes, names } = value as Readonly<Record<string, unknown>>
  return {
    ...(Number.isSafeInteger(fileBytes) && { fileBytes: fileBytes as number }),
    ...(Number.isSafeInteger(names) && { names: names as number })
  }
}
