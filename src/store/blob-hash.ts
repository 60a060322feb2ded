import { createHash, hash } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import { chunkBytes, chunkCount, type Digest, equal, parseDigest, sha256 } from '../core/index.ts'
import { readFully, sharedMemory } from './blob-file.ts'
import { hashThread, readBackThread } from './hash-thread.ts'

/** The algorithm of a digest. */
export type DigestAlgorithm = 'sha256' | 'sha512'

/** Returns the digest of bytes that are all there. */
export function digestBytes(algorithm: DigestAlgorithm, bytes: Uint8Array): Digest {
  return parseDigest(`${algorithm}:${hash(algorithm, bytes, 'hex')}`)
}

/** Hashes the chunks of a blob, and the blob. */
export interface BlobHasher {
  /**
   * Returns the SHA-256 of a chunk.
   * @param chunk must not change before; best in shared memory, so that it need not be copied to another thread
   * @param isNext whether the digest of the blob goes on with this chunk; where `leaf` is given, only if that is its hash
   */
  readonly chunk: (chunk: Uint8Array, isNext: boolean, leaf?: Uint8Array) => Promise<Uint8Array>
  /** Returns the digest of the chunks that came as next; the last call. */
  readonly finish: () => Promise<Digest>
  /** Must be the last call where finish is not. */
  readonly drop: () => void
}

// Starting the thread takes 30 ms, in which 25 MiB are hashed twice.
const inlineBytes = 16 * 1024 * 1024

/**
 * Returns what hashes a blob: on a thread of its own where it is large. Measured for 1 GiB, chunks and whole: 1.25 s of that thread
 * and none of the main one, where `crypto.subtle` costs 0.35 s of the main thread for copies.
 */
export function blobHasher(algorithm: DigestAlgorithm, sizeBytes: number): BlobHasher {
  return sizeBytes <= inlineBytes ? inlineHasher(algorithm) : threadHasher(algorithm)
}

function inlineHasher(algorithm: DigestAlgorithm): BlobHasher {
  const whole = createHash(algorithm)
  return {
    chunk: async (chunk, isNext, leaf) => {
      const found = sha256(chunk)
      if (isNext && (leaf === undefined || equal(leaf, found))) whole.update(chunk)
      return await Promise.resolve(found)
    },
    finish: async () => await Promise.resolve(parseDigest(`${algorithm}:${whole.digest('hex')}`)),
    drop: () => {}
  }
}

function threadHasher(algorithm: DigestAlgorithm): BlobHasher {
  const id = hashThread.newId()
  const opened = hashThread.order({ kind: 'open', id, algorithm })
  opened.catch(() => {})
  return {
    chunk: async (chunk, isNext, leaf) =>
      (await hashThread.order({ kind: 'chunk', id, chunk, isNext, leaf: leaf?.slice() })) as Uint8Array,
    finish: async () => parseDigest(`${algorithm}:${String(await hashThread.order({ kind: 'finish', id }))}`),
    drop: () => void hashThread.order({ kind: 'drop', id }).catch(() => {})
  }
}

/** Hashes a blob as a whole, and not its chunks. */
export interface WholeHasher extends Pick<BlobHasher, 'finish' | 'drop'> {
  /** Goes on with a chunk. @param chunk as of BlobHasher */
  readonly update: (chunk: Uint8Array) => Promise<void>
}

/** Returns what hashes a blob as a whole: where it is large on another thread than its chunks, since it is read back while more of it comes. */
export function wholeHasher(algorithm: DigestAlgorithm, sizeBytes: number): WholeHasher {
  if (sizeBytes <= inlineBytes) {
    const whole = createHash(algorithm)
    return {
      update: async (chunk) => await Promise.resolve(void whole.update(chunk)),
      finish: async () => await Promise.resolve(parseDigest(`${algorithm}:${whole.digest('hex')}`)),
      drop: () => {}
    }
  }
  const id = readBackThread.newId()
  const opened = readBackThread.order({ kind: 'open', id, algorithm })
  opened.catch(() => {})
  return {
    update: async (chunk) => void (await readBackThread.order({ kind: 'update', id, chunk })),
    finish: async () => parseDigest(`${algorithm}:${String(await readBackThread.order({ kind: 'finish', id }))}`),
    drop: () => void readBackThread.order({ kind: 'drop', id }).catch(() => {})
  }
}

/** Returns what hashes the chunks of a blob alone. */
export function leafHasher(sizeBytes: number): Pick<BlobHasher, 'chunk'> {
  return {
    chunk:
      sizeBytes <= inlineBytes
        ? async (chunk) => await Promise.resolve(sha256(chunk))
        : async (chunk) => (await hashThread.order({ kind: 'chunk', id: 0, chunk, isNext: false, leaf: undefined })) as Uint8Array
  }
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
  const count = chunkCount(sizeBytes)
  const leaves = new Uint8Array(count * 32)
  const hasher = blobHasher(algorithm, sizeBytes)
  const memory = [sharedMemory(Math.min(chunkBytes, sizeBytes)), sharedMemory(Math.min(chunkBytes, sizeBytes))] as const
  const load = async (chunk: number): Promise<Uint8Array> => {
    const bytes = memory[(chunk % 2) as 0 | 1].subarray(0, Math.min(chunkBytes, sizeBytes - chunk * chunkBytes))
    if (chunk < count) await readFully(file, bytes, chunk * chunkBytes, path)
    return bytes
  }
  try {
    let bytes = await load(0)
    for (let chunk = 0; chunk < count; chunk++) {
      const [leaf, next] = await Promise.all([hasher.chunk(bytes, true), load(chunk + 1)])
      leaves.set(leaf, chunk * 32)
      bytes = next
    }
    return { digest: await hasher.finish(), leaves }
  } catch (cause) {
    hasher.drop()
    throw cause
  }
}
