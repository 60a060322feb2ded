import { existsSync } from 'node:fs'
import { dirname } from 'node:path'
import {
  type Cid,
  chunkBytes,
  cidOfDigest,
  type Digest,
  dagOfLeaves,
  digestParts,
  RejoinError,
  rawCid,
  sha256
} from '../core/index.ts'
import { deleteFile, makeFolder, moveFile, syncOrDelete } from './blob-file.ts'
import { digestBytes } from './blob-hash.ts'
import { findBlob, knownBlob, moveBlob, pathOfBlob, settleBlob } from './blob-place.ts'
import { type SmallBlob, writeSmall, writeStream } from './blob-write.ts'
import { saveLeaves } from './dag.ts'
import { syncFolder } from './file.ts'

/** A blob that is in the store. */
export interface StoredBlob {
  readonly digest: Digest
  readonly sizeBytes: number
  /** the root of its UnixFS DAG; up to 1 MiB the CID of its SHA-256 itself */
  readonly cid: Cid
}

/** How a blob is kept. */
export interface PutOptions {
  /** what its digest must be; sha256 where it is absent */
  readonly digest?: Digest | undefined
  /** true: not passed on */
  readonly private?: boolean | undefined
  /** false: may be lost or damaged by a power cut; only for what can be made again */
  readonly durable?: boolean | undefined
  /** how many bytes are expected, where that is known; a wrong number does no harm */
  readonly sizeBytes?: number | undefined
}

/** A small blob that is in memory; what its digest must be, where that is known. */
export interface UnstoredBlob {
  readonly bytes: Uint8Array
  readonly digest?: Digest | undefined
}

// Files of one group are durable together: more at once would only hold more memory and open files.
const groupCount = 256
const groupBytes = 16 * 1024 * 1024

function wrongDigest(expected: Digest, found: Digest): RejoinError {
  return new RejoinError('E_BAD_OBJECT', `the bytes given for ${expected} have the digest ${found}`)
}

/** Keeps a blob of any size. @throws E_BAD_OBJECT E_NO_SPACE E_IO, and what the source throws; then nothing is left of it */
export async function putStream(root: string, source: AsyncIterable<Uint8Array>, options: PutOptions): Promise<StoredBlob> {
  const algorithm = options.digest === undefined ? 'sha256' : digestParts(options.digest).algorithm
  const durable = options.durable ?? true
  const { path, digest, sizeBytes, leaves } = await writeStream(root, source, {
    algorithm,
    durable,
    sizeBytes: options.sizeBytes
  })
  if (options.digest !== undefined && digest !== options.digest) {
    await deleteFile(path)
    throw wrongDigest(options.digest, digest)
  }
  await adoptBlob(root, path, digest, options)
  if (sizeBytes > chunkBytes) saveLeaves(root, digest, leaves)
  return { digest, sizeBytes, cid: dagOfLeaves(leaves, sizeBytes).root }
}

/** Keeps many small blobs, durable together; in order. @throws E_BAD_OBJECT E_NO_SPACE E_IO; those before may be kept already */
export async function putSmall(
  root: string,
  blobs: readonly UnstoredBlob[],
  options: PutOptions
): Promise<readonly StoredBlob[]> {
  const stored: StoredBlob[] = []
  const seen = new Set<Digest>()
  let group: SmallBlob[] = []
  let gathered = 0
  for (const { bytes, digest: expected } of blobs) {
    const { digest } = checked({ bytes, digest: expected })
    stored.push({ digest, sizeBytes: bytes.length, cid: cidOfDigest(digest) ?? rawCid(sha256(bytes)) })
    if (seen.has(digest) || (await isKept(root, digest, bytes.length, options))) continue
    seen.add(digest)
    group.push({ digest, bytes })
    gathered += bytes.length
    if (group.length < groupCount && gathered < groupBytes) continue
    await putGroup(root, group, options)
    group = []
    gathered = 0
  }
  if (group.length > 0) await putGroup(root, group, options)
  return stored
}

/** Moves blobs to where they are passed on, and stores small ones there, durable together. @throws E_NOT_FOUND E_BAD_OBJECT E_NO_SPACE E_IO */
export async function shareBlobs(root: string, digests: readonly Digest[], small: readonly UnstoredBlob[]): Promise<void> {
  const moved = digests.map((digest) => ({ digest, ...knownBlob(root, digest) })).filter(({ place }) => place !== 'shared')
  const group = small.map(checked).filter(({ digest }) => findBlob(root, digest)?.place !== 'shared')
  const fresh = moved.flatMap(({ path, isFresh }) => (isFresh ? [path] : []))
  const writing = writeSmall(root, group, true)
  const folders = new Set<string>()
  try {
    await Promise.all([writing, syncOrDelete(fresh)])
    for (const folder of new Set(moved.map(({ digest }) => dirname(pathOfBlob(root, digest, 'shared'))))) {
      if (!existsSync(folder)) await makeFolder(folder)
    }
    for (const { digest } of moved) {
      // where it is now: it may have become durable, or have been shared, meanwhile
      const found = knownBlob(root, digest)
      const target = pathOfBlob(root, digest, 'shared')
      if (found.place !== 'shared') await moveFile(found.path, target)
      folders.add(dirname(target))
    }
  } catch (cause) {
    for (const path of await writing.catch(() => [])) await deleteFile(path)
    throw cause
  }
  await settleGroup(root, group, await writing, {}, folders)
}

function checked({ bytes, digest: expected }: UnstoredBlob): SmallBlob {
  if (bytes.length > chunkBytes) throw new Error('bug: a blob of over 1 MiB is not small')
  const digest = digestBytes(expected === undefined ? 'sha256' : digestParts(expected).algorithm, bytes)
  if (expected !== undefined && digest !== expected) throw wrongDigest(expected, digest)
  return { digest, bytes }
}

async function putGroup(root: string, group: readonly SmallBlob[], options: PutOptions): Promise<void> {
  await settleGroup(root, group, await writeSmall(root, group, options.durable ?? true), options, new Set())
}

/** Gives written files the names of their blobs, durably unless told otherwise. @param folders others that are made durable with those of the blobs */
async function settleGroup(
  root: string,
  group: readonly SmallBlob[],
  paths: readonly string[],
  options: PutOptions,
  folders: Set<string>
): Promise<void> {
  try {
    for (const [i, { digest }] of group.entries()) {
      folders.add(dirname(await settleBlob(root, paths[i] as string, digest, options.private === true)))
    }
  } catch (cause) {
    for (const path of paths) await deleteFile(path)
    throw cause
  }
  if (options.durable ?? true) await Promise.all([...folders].map(syncFolder))
}

/** Returns whether a blob of that size is here already; one that is to be shared from now on is moved. */
async function isKept(root: string, digest: Digest, sizeBytes: number, options: PutOptions): Promise<boolean> {
  const found = findBlob(root, digest)
  if (found?.sizeBytes !== sizeBytes) return false
  if (options.private !== true || found.isFresh) await moveBlob(root, digest, options.private === true ? 'private' : 'shared')
  return true
}

/** Gives a written file the name of its blob, durably unless told otherwise; deletes it where that fails. @throws E_NO_SPACE E_IO */
export async function adoptBlob(root: string, path: string, digest: Digest, options: PutOptions): Promise<void> {
  try {
    const target = await settleBlob(root, path, digest, options.private === true)
    if (options.durable ?? true) await syncFolder(dirname(target))
  } catch (cause) {
    await deleteFile(path)
    throw cause
  }
}
