import { readdirSync, statSync } from 'node:fs'
import { opendir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { blobPath, type Digest, freshBlobPath, isDigest, leavesPath, privateBlobPath, RejoinError } from '../core/index.ts'
import { deleteFile, moveFile, syncOrDelete } from './blob-file.ts'
import { ioError, syncFolder } from './file.ts'

/** Where a blob lies: under blobs/, which is passed on, or under private/, which never leaves the node. */
export type BlobPlace = 'shared' | 'private'

/** A blob's file. */
export interface FoundBlob {
  readonly path: string
  readonly place: BlobPlace
  readonly sizeBytes: number
  /** whether it came just now and is not durable yet */
  readonly isFresh: boolean
}

const places: readonly BlobPlace[] = ['shared', 'private']

/** Returns the path of a blob below a folder. */
export function pathOfBlob(root: string, digest: Digest, place: BlobPlace): string {
  return join(root, place === 'shared' ? blobPath(digest) : privateBlobPath(digest))
}

/** Returns where a blob is, or undefined where it is not here. */
export function findBlob(root: string, digest: Digest): FoundBlob | undefined {
  return (
    foundAt(pathOfBlob(root, digest, 'shared'), 'shared', false) ??
    foundAt(join(root, freshBlobPath(digest)), 'private', true) ??
    foundAt(pathOfBlob(root, digest, 'private'), 'private', false)
  )
}

function foundAt(path: string, place: BlobPlace, isFresh: boolean): FoundBlob | undefined {
  const stat = statSync(path, { throwIfNoEntry: false })
  return stat?.isFile() === true ? { path, place, sizeBytes: stat.size, isFresh } : undefined
}

/** Returns where a blob is. @throws E_NOT_FOUND */
export function knownBlob(root: string, digest: Digest): FoundBlob {
  const found = findBlob(root, digest)
  if (found === undefined) throw new RejoinError('E_NOT_FOUND', `blob ${digest} is not here`)
  return found
}

/** Yields all blobs, in no order; names that are no digest are passed over. */
export async function* listBlobs(
  root: string
): AsyncGenerator<{ readonly digest: Digest; readonly place: BlobPlace }, void, void> {
  for (const place of places) {
    for (const algorithm of ['sha256', 'sha512']) {
      const names = await opendir(join(root, place === 'shared' ? 'blobs' : 'private/blobs', algorithm)).catch(() => undefined)
      if (names === undefined) continue
      for await (const { name } of names) {
        const digest = `${algorithm}:${name}`
        if (isDigest(digest)) yield { digest, place }
      }
    }
  }
  for (const digest of listFresh(root)) yield { digest, place: 'private' }
}

/** Returns the small blobs that came just now and are not durable yet. */
export function listFresh(root: string): readonly Digest[] {
  try {
    return readdirSync(join(root, 'private/fresh')).flatMap((name) => {
      const digest = name.replace('-', ':')
      return isDigest(digest) ? [digest] : []
    })
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw ioError(cause, 'read', join(root, 'private/fresh'))
  }
}

/**
 * Gives a written file the name of its blob and returns the path; the caller makes it durable. What is there under that name is
 * replaced: it has the same bytes, or is damaged. A blob that is shared already stays shared.
 */
export async function settleBlob(root: string, path: string, digest: Digest, isPrivate: boolean): Promise<string> {
  const found = findBlob(root, digest)
  const target = pathOfBlob(root, digest, isPrivate && found?.place !== 'shared' ? 'private' : 'shared')
  await moveFile(path, target)
  if (found !== undefined && found.path !== target && found.path !== path) await deleteFile(found.path)
  return target
}

/** Moves a blob to another place, durably. @throws E_NOT_FOUND E_IO */
export async function moveBlob(root: string, digest: Digest, place: BlobPlace): Promise<void> {
  const found = knownBlob(root, digest)
  if (found.place === place && !found.isFresh) return
  if (found.isFresh) await syncOrDelete([found.path])
  const target = pathOfBlob(root, digest, place)
  await moveFile(found.path, target)
  await syncFolder(dirname(target))
  await syncFolder(dirname(found.path))
}

/** Deletes a blob wherever it is, with what was derived from it. */
export async function deleteBlob(root: string, digest: Digest): Promise<void> {
  for (const place of places) await deleteFile(pathOfBlob(root, digest, place))
  await deleteFile(join(root, freshBlobPath(digest)))
  await deleteFile(join(root, leavesPath(digest)))
}
