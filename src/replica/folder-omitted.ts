import {
  type Digest,
  encodeOmitted,
  maxOmittedBytes,
  type Omitted,
  omittedPath,
  parseOmitted,
  RejoinError
} from '../core/index.ts'
import { type Outside, replaceFileSync } from '../store/index.ts'
import { join } from 'node:path'
import type { FolderReplica } from './folder-replica.ts'

/** Returns what a folder says was left out by choice; nothing where it says so in no way that is understood. */
export function omittedIn(files: Outside): ReadonlyMap<Digest, string> {
  try {
    const bytes = files.read(omittedPath, maxOmittedBytes)
    return bytes === undefined ? new Map() : parseOmitted(bytes)
  } catch (error) {
    if (error instanceof RejoinError && error.code !== 'E_IO' && error.code !== 'E_GONE') return new Map()
    throw error
  }
}

/** Notes what was left out by choice, beside what was before, but for what is there now. Without anything to say there is no such file. */
export function noteOmitted(target: FolderReplica, omitted: readonly Omitted[]): void {
  const before = omittedIn(target.files)
  const all = new Map([...before, ...omitted.map(({ digest, because }): [Digest, string] => [digest, because])])
  for (const digest of all.keys()) if (target.blobs.size(digest) !== undefined) all.delete(digest)
  if (all.size === before.size && [...all].every(([digest, because]) => before.get(digest) === because)) return
  replaceFileSync(join(target.root, omittedPath), encodeOmitted([...all].map(([digest, because]) => ({ digest, because }))), {
    durable: true
  })
}
