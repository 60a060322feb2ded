import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type Digest, freshBlobPath, hasDigest } from '../core/index.ts'
import { makeFolder, syncOrDelete } from './blob-file.ts'
import { listFresh, pathOfBlob, settleBlob } from './blob-place.ts'
import { ioError, syncFolder, writeFullySync } from './file.ts'

/** files that are made durable together */
const groupCount = 256

/**
 * Keeps a small blob whose digest was compared, not durably: it outlives a kill of the node, and a power cut once `settleFresh` or `shareBlobs` was
 * done. Every sync of its own would cost as much as all of a push's together.
 * @throws E_NO_SPACE E_IO; then nothing is left of it
 */
export function writeFresh(root: string, digest: Digest, bytes: Uint8Array): void {
  const path = join(root, freshBlobPath(digest))
  let fd: number | undefined
  try {
    try {
      fd = openSync(path, 'wx', 0o600)
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException
      if (code === 'EEXIST' && statSync(path).size === bytes.length) return
      if (code === 'EEXIST') rmSync(path)
      else if (code === 'ENOENT') mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
      else throw cause
      fd = openSync(path, 'wx', 0o600)
    }
    writeFullySync(fd, bytes, 0, path)
  } catch (cause) {
    if (fd !== undefined) rmSync(path, { force: true })
    throw ioError(cause, 'write', path)
  } finally {
    if (fd !== undefined) closeSync(fd)
  }
}

/** Makes all such blobs durable, together, and gives them their names. @throws E_NO_SPACE E_IO: then those that are not durable are gone */
export async function settleFresh(root: string): Promise<void> {
  const digests = listFresh(root)
  for (let at = 0; at < digests.length; at += groupCount) {
    const group = digests.slice(at, at + groupCount)
    await syncOrDelete(group.map((digest) => join(root, freshBlobPath(digest))))
    for (const folder of new Set(group.map((digest) => dirname(pathOfBlob(root, digest, 'private'))))) await makeFolder(folder)
    const folders = new Set<string>()
    for (const digest of group) {
      const path = join(root, freshBlobPath(digest))
      // a manifest that names it may have come meanwhile
      if (existsSync(path)) folders.add(dirname(await settleBlob(root, path, digest, true)))
    }
    for (const folder of folders) await syncFolder(folder)
  }
}

/** Deletes what a power cut left of such blobs: those that don't have their digest. */
export function recoverFresh(root: string): void {
  for (const digest of listFresh(root)) {
    const path = join(root, freshBlobPath(digest))
    try {
      if (!hasDigest(readFileSync(path), digest)) rmSync(path)
    } catch (cause) {
      throw ioError(cause, 'read', path)
    }
  }
}
