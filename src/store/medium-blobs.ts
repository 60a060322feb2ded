import { createHash } from 'node:crypto'
import { mkdirSync, unlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import {
  blobPath,
  chunkBytes,
  cidOfDigest,
  dagOfLeaves,
  type Digest,
  digestParts,
  partPath,
  rawCid,
  RejoinError,
  sha256
} from '../core/index.ts'
import { deleteFile, moveFile, openRegular, readFully, sharedMemory } from './blob-file.ts'
import { PartialBlob, type PartShape } from './blob-part.ts'
import type { PutOptions, StoredBlob, UnstoredBlob } from './blob-put.ts'
import { writeSmall, writeStream } from './blob-write.ts'
import { ioError, syncFolder } from './file.ts'
import type { Outside } from './outside.ts'
import type { Sums } from './sums.ts'

/**
 * The blobs of a medium that is written. A blob gets its name only after its file was synced, read back and found right; so a name there is never short
 * or wrong, whatever the medium does.
 */
export class MediumBlobs {
  readonly root: string
  private readonly files: Outside
  private readonly sums: Sums
  /** called after blobs got their names */
  onKept: () => void = () => {}

  constructor(files: Outside, sums: Sums) {
    this.root = files.root
    this.files = files
    this.sums = sums
  }

  /** Makes the folders that blobs are written to, and deletes temporary files that no run can go on with. @throws E_NO_SPACE E_PERMISSION E_IO */
  prepare(): void {
    try {
      for (const folder of ['blobs/sha256', 'tmp']) mkdirSync(join(this.root, folder), { recursive: true })
      for (const name of this.files.names('tmp'))
        if (/^put-[0-9a-f]{24}\.part$/.test(name)) unlinkSync(join(this.root, 'tmp', name))
    } catch (cause) {
      throw ioError(cause, 'write', this.root)
    }
  }

  /** Returns whether a blob is there whole: of the right size, and listed as read back; one that is not listed is read now. @throws E_IO E_GONE */
  async isWhole(digest: Digest, sizeBytes: number): Promise<boolean> {
    const path = blobPath(digest)
    const { algorithm, hex } = digestParts(digest)
    if (this.files.size(path) !== sizeBytes) return false
    if (algorithm === 'sha256' && this.sums.has(path, hex)) return true
    return await this.isRight(join(this.root, path), digest, sizeBytes)
  }

  /** Returns how much of a large blob an interrupted run left. */
  partBytes(digest: Digest): number {
    return this.files.size(partPath(digest)) ?? 0
  }

  /** Returns the bytes of a blob, counted, or undefined where it is not there. */
  size(digest: Digest): number | undefined {
    return this.files.size(blobPath(digest))
  }

  /** Keeps a blob whose chunks are not known; one that was cut off begins anew. @throws as BlobStore.put */
  async put(source: AsyncIterable<Uint8Array>, { digest, sizeBytes }: PutOptions): Promise<StoredBlob> {
    if (digest === undefined) throw new Error('bug: a blob of a medium has a digest before it is there')
    const { algorithm } = digestParts(digest)
    const written = await writeStream(this.root, source, { algorithm, durable: true, sizeBytes })
    if (written.digest !== digest) {
      await deleteFile(written.path)
      throw new RejoinError('E_BAD_OBJECT', `the bytes given for ${digest} have the digest ${written.digest}`)
    }
    await this.readBack(written.path, digest, written.sizeBytes)
    await this.adopt([{ path: written.path, digest }])
    return { digest, sizeBytes: written.sizeBytes, cid: dagOfLeaves(written.leaves, written.sizeBytes).root }
  }

  /** Keeps many blobs of at most 1 MiB, durable together. The caller has compared them with their digests. */
  async putMany(blobs: readonly UnstoredBlob[]): Promise<readonly StoredBlob[]> {
    const small = blobs.map(({ bytes, digest }) => {
      if (digest === undefined) throw new Error('bug: a blob of a medium has a digest before it is there')
      return { bytes, digest }
    })
    const paths = await writeSmall(this.root, small, true)
    try {
      for (const [i, { bytes, digest }] of small.entries()) {
        const found = this.files.read(pathBelow(this.root, paths[i] as string), chunkBytes)
        if (found === undefined || Buffer.compare(found, bytes) !== 0) throw misread(digest)
      }
      await this.adopt(small.map(({ digest }, i) => ({ path: paths[i] as string, digest })))
    } catch (cause) {
      for (const path of paths) await deleteFile(path)
      throw cause
    }
    return small.map(({ digest, bytes }) => ({
      digest,
      sizeBytes: bytes.length,
      cid: cidOfDigest(digest) ?? rawCid(sha256(bytes))
    }))
  }

  /** Opens what is there of a large blob. @throws as BlobStore.partial */
  async partial(digest: Digest, shape: PartShape): Promise<PartialBlob> {
    return await PartialBlob.open(this.root, digest, shape, () => {}, { hashesWhole: false, syncEveryChunks: 4 })
  }

  /** Gives a blob that is all there its name, once it was read back. @throws as BlobStore.finish */
  async finish(part: PartialBlob): Promise<StoredBlob> {
    await part.complete()
    await part[Symbol.asyncDispose]()
    const { digest, shape, path } = part
    await this.readBack(path, digest, shape.sizeBytes)
    await this.adopt([{ path, digest }])
    return { digest, sizeBytes: shape.sizeBytes, cid: dagOfLeaves(shape.leaves, shape.sizeBytes).root }
  }

  private async adopt(files: readonly { readonly path: string; readonly digest: Digest }[]): Promise<void> {
    const folders = new Set<string>()
    for (const { path, digest } of files) {
      const target = join(this.root, blobPath(digest))
      await moveFile(path, target)
      folders.add(dirname(target))
    }
    for (const folder of folders) await syncFolder(folder)
    for (const { digest } of files) {
      const { algorithm, hex } = digestParts(digest)
      if (algorithm === 'sha256') this.sums.add(blobPath(digest), hex)
    }
    this.onKept()
  }

  /** Reads a file that was written and compares it with its digest. @throws E_IO; then the file is gone */
  private async readBack(path: string, digest: Digest, sizeBytes: number): Promise<void> {
    if (await this.isRight(path, digest, sizeBytes)) return
    await deleteFile(path)
    throw misread(digest)
  }

  private async isRight(path: string, digest: Digest, sizeBytes: number): Promise<boolean> {
    const file = await openRegular(path)
    if (file === undefined) return false
    const { algorithm, hex } = digestParts(digest)
    const hash = createHash(algorithm)
    const plain = algorithm === 'sha256' ? undefined : createHash('sha256')
    try {
      const memory = [0, 1].map(() => sharedMemory(chunkBytes))
      const load = async (at: number): Promise<Uint8Array> => {
        const bytes = (memory[(at / chunkBytes) % 2] as Uint8Array).subarray(0, Math.max(0, Math.min(chunkBytes, sizeBytes - at)))
        await readFully(file, bytes, at, path)
        return bytes
      }
      let next = load(0)
      for (let at = 0; at < sizeBytes; at += chunkBytes) {
        const bytes = await next
        next = load(at + chunkBytes)
        next.catch(() => {})
        hash.update(bytes)
        plain?.update(bytes)
      }
    } finally {
      await file.close()
    }
    if (hash.digest('hex') !== hex) return false
    this.sums.add(blobPath(digest), plain?.digest('hex') ?? hex)
    return true
  }
}

function misread(digest: Digest): RejoinError {
  return new RejoinError('E_IO', `the medium gives other bytes for ${digest} than were written to it`, {
    hint: 'the medium may be worn out: use another one'
  })
}

function pathBelow(root: string, path: string): string {
  return path.slice(root.length + 1)
}
