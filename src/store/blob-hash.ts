import { createHash, hash } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import { chunkBytes, chunkCount, type Digest, parseDigest, sha256 } from '../core/index.ts'
import { allocate, readFully } from './blob-file.ts'

/** The algorithm of a digest. */
export type DigestAlgorithm = 'sha256' | 'sha512'

/** Returns the digest of bytes that are all there. */
export function digestBytes(algorithm: DigestAlgorithm, bytes: Uint8Array): Digest {
  return parseDigest(`${algorithm}:${hash(algorithm, bytes, 'hex')}`)
}

/**
 * Returns the SHA-256 of a chunk, calculated in the thread pool; a short one at once, since the way there costs more.
 * Measured for 1 MiB: 0.6 ms of the main thread without, 0.05 ms with the pool.
 */
export async function chunkHash(chunk: Uint8Array): Promise<Uint8Array> {
  if (chunk.length < 16_384) return sha256(chunk)
  return new Uint8Array(await crypto.subtle.digest('SHA-256', chunk as Uint8Array<ArrayBuffer>))
}

/** A digest that is calculated while the bytes come, in order. */
export interface RunningDigest {
  readonly update: (bytes: Uint8Array) => void
  /** Returns the digest; only once. */
  readonly finish: () => Digest
}

/** Returns a digest of nothing yet. */
export function runningDigest(algorithm: DigestAlgorithm): RunningDigest {
  const running = createHash(algorithm)
  return { update: (bytes) => void running.update(bytes), finish: () => parseDigest(`${algorithm}:${running.digest('hex')}`) }
}

/** What a file's bytes give: its digest, and the SHA-256 of each 1 MiB chunk, 32 bytes each. */
export interface FileHashes {
  readonly digest: Digest
  readonly leaves: Uint8Array
}

/**
 * Reads a file chunk by chunk and returns its hashes; the next chunk is read while one is hashed.
 * @throws E_BAD_OBJECT where it ends before `sizeBytes` · E_IO
 */
export async function hashFile(
  file: FileHandle,
  sizeBytes: number,
  path: string,
  algorithm: DigestAlgorithm
): Promise<FileHashes> {
  const whole = runningDigest(algorithm)
  const leaves = new Uint8Array(chunkCount(sizeBytes) * 32)
  const buffers = [allocate(Math.min(chunkBytes, sizeBytes)), allocate(Math.min(chunkBytes, sizeBytes))] as const
  const load = async (chunk: number): Promise<Uint8Array> => {
    const bytes = buffers[(chunk % 2) as 0 | 1].subarray(0, Math.min(chunkBytes, sizeBytes - chunk * chunkBytes))
    await readFully(file, bytes, chunk * chunkBytes, path)
    return bytes
  }
  let next = await load(0)
  for (let chunk = 0; chunk * 32 < leaves.length; chunk++) {
    const bytes = next
    const leaf = chunkHash(bytes)
    const loading = (chunk + 1) * 32 < leaves.length ? load(chunk + 1) : Promise.resolve(bytes)
    whole.update(bytes)
    const [hash32, loaded] = await Promise.all([leaf, loading])
    leaves.set(hash32, chunk * 32)
    next = loaded
  }
  return { digest: whole.finish(), leaves }
}
