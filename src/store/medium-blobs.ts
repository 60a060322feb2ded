import { createHash } from 'node:crypto'
import { mkdirSync, unlinkSync } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import {
  blobPath,
  chunkBytes,
  cidOfDigest,
  codeOf,
  dagOfLeaves,
  type Digest,
  digestParts,
  maxBlobBytes,
  partPath,
  partsPath,
  rawCid,
  RejoinError,
  sha256
} from '../core/index.ts'
import { deleteFile, moveFile, readFully } from './blob-file.ts'
import { PartialBlob, type PartShape } from './blob-part.ts'
import type { PutOptions, StoredBlob, UnstoredBlob } from './blob-put.ts'
import { writeSmall, writeStream } from './blob-write.ts'
import { ioError, syncFolder } from './file.ts'
import { roomOn } from './medium.ts'
import type { Outside } from './outside.ts'
import { type OpenBlob, PartedBlob } from './parted-blob.ts'
import { partsOf } from './parts.ts'
import type { MediumLimits } from './replica-file.ts'
import type { Sums } from './sums.ts'
import { mediumPace } from './write-back.ts'

/** the largest part of a blob: a medium that takes more takes it whole */
const maxPartBytes = 1024 * chunkBytes
/** with less room than this a medium is full, and not only a folder of it */
const fullBytes = 1024 * 1024

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

  private readonly limits: { fileBytes: number; names: number }
  /** names in `blobs/sha256` */
  private names = 0

  constructor(files: Outside, sums: Sums, limits: MediumLimits = {}) {
    this.root = files.root
    this.files = files
    this.sums = sums
    this.limits = { fileBytes: limits.fileBytes ?? maxBlobBytes, names: limits.names ?? Number.POSITIVE_INFINITY }
  }

  /** Makes the folders that blobs are written to, and deletes temporary files that no run can go on with. @throws E_NO_SPACE E_PERMISSION E_IO */
  prepare(): void {
    try {
      for (const folder of ['blobs/sha256', 'tmp']) mkdirSync(join(this.root, folder), { recursive: true })
      this.names = this.files.names('blobs/sha256').length
      for (const name of this.files.names('tmp'))
        if (/^put-[0-9a-f]{24}\.part$/.test(name)) unlinkSync(join(this.root, 'tmp', name))
    } catch (cause) {
      throw ioError(cause, 'write', this.root)
    }
  }

  /**
   * Returns how it is known that a blob is there whole: of the right size and `listed` as read back, or, where it is not listed, read and `hashed` now;
   * undefined where it is not. @throws E_IO E_GONE
   */
  async isThere(digest: Digest, sizeBytes: number): Promise<'listed' | 'hashed' | undefined> {
    const path = blobPath(digest)
    const { algorithm, hex } = digestParts(digest)
    const size = this.files.size(path)
    if (size === undefined) return await this.isThereInParts(digest, sizeBytes)
    if (size !== sizeBytes) return undefined
    if (algorithm === 'sha256' && this.sums.has(path, hex)) return 'listed'
    return (await this.isRight([path], digest)) ? 'hashed' : undefined
  }

  /** Returns whether a blob is there whole. @throws E_IO E_GONE */
  async isWhole(digest: Digest, sizeBytes: number): Promise<boolean> {
    return (await this.isThere(digest, sizeBytes)) !== undefined
  }

  private async isThereInParts(digest: Digest, sizeBytes: number): Promise<'listed' | 'hashed' | undefined> {
    try {
      const parts = partsOf(this.files, digest)
      if (parts?.sizeBytes !== sizeBytes) return undefined
      if (parts.paths.every((path) => this.sums.isListed(path))) return 'listed'
      return (await this.isRight(parts.paths, digest)) ? 'hashed' : undefined
    } catch (error) {
      if (codeOf(error) !== 'E_BAD_OBJECT') throw error
      return undefined
    }
  }

  /** Returns how much of a large blob an interrupted run left. */
  partBytes(digest: Digest): number {
    return this.files.size(partPath(digest)) ?? partsOf(this.files, digest)?.sizeBytes ?? 0
  }

  /** Returns the bytes of a blob, counted, or undefined where it is not there. */
  size(digest: Digest): number | undefined {
    return this.files.size(blobPath(digest)) ?? partsOf(this.files, digest)?.sizeBytes
  }

  /** Returns whether a blob goes to several files: then the hashes of its chunks must be known. */
  needsParts(sizeBytes: number): boolean {
    return sizeBytes > this.limits.fileBytes
  }

  /** Returns for blobs that are to come, in this order, which of them go to `parts/`, as far as the limits of the medium are known. Nothing is written. */
  inParts<Need extends { readonly sizeBytes: number }>(needs: readonly Need[]): readonly Need[] {
    let names = this.files.names('blobs/sha256').length
    return needs.filter(({ sizeBytes }) => this.needsParts(sizeBytes) || names++ >= this.limits.names)
  }

  /** Takes note that the medium took no file of so many bytes, and returns whether that can be helped. */
  shrink(sizeBytes: number): boolean {
    const fileBytes = Math.floor((sizeBytes - 1) / chunkBytes) * chunkBytes
    if (fileBytes < chunkBytes || fileBytes >= this.limits.fileBytes) return false
    this.limits.fileBytes = fileBytes
    return true
  }

  /** Where a blob of one file goes: to `blobs/`, unless that folder has as many names as it can have. */
  private placeOf(digest: Digest): string {
    return this.names < this.limits.names ? blobPath(digest) : partsPath(digest, 0)
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
  async partial(digest: Digest, shape: PartShape): Promise<OpenBlob> {
    if (this.needsParts(shape.sizeBytes)) {
      const most = Math.min(maxPartBytes, Math.floor(this.limits.fileBytes / chunkBytes) * chunkBytes)
      return await PartedBlob.open(this.root, digest, shape, most)
    }
    return await PartialBlob.open(this.root, digest, shape, () => {}, { whole: 'read back', pace: mediumPace })
  }

  /** Gives a blob that is all there its name, once it was read back. @throws as BlobStore.finish */
  async finish(part: OpenBlob): Promise<StoredBlob> {
    const { digest, shape } = part
    if (part instanceof PartialBlob) {
      try {
        await part.complete()
      } catch (error) {
        if (codeOf(error) !== 'E_BAD_OBJECT') throw error
        await part.discard()
        throw misread(digest)
      }
      await part[Symbol.asyncDispose]()
      await this.adopt([{ path: part.path, digest }])
    } else if (part instanceof PartedBlob) {
      await part[Symbol.asyncDispose]()
      if (!part.isWhole || !(await this.isRight(part.paths, digest))) throw misread(digest)
      this.onKept()
    }
    return { digest, sizeBytes: shape.sizeBytes, cid: dagOfLeaves(shape.leaves, shape.sizeBytes).root }
  }

  private async adopt(files: readonly { readonly path: string; readonly digest: Digest }[]): Promise<void> {
    const folders = new Set<string>()
    const kept: { readonly path: string; readonly digest: Digest }[] = []
    for (const { path, digest } of files) {
      const place = await this.move(path, digest)
      folders.add(dirname(join(this.root, place)))
      kept.push({ path: place, digest })
    }
    for (const folder of folders) await syncFolder(folder)
    for (const { path, digest } of kept) {
      const { algorithm, hex } = digestParts(digest)
      if (algorithm === 'sha256') this.sums.add(path, hex)
    }
    this.onKept()
  }

  /** Gives a file its name; where the folder of blobs takes no more names, in `parts/`. @returns the path */
  private async move(path: string, digest: Digest): Promise<string> {
    const place = this.placeOf(digest)
    try {
      await moveFile(path, join(this.root, place))
    } catch (error) {
      // FAT says this of a folder with 65,536 entries, and ext4 of one that may not grow
      const isFolderFull = codeOf(error) === 'E_NO_SPACE' && roomOn(this.root).freeBytes > fullBytes
      if (place !== blobPath(digest) || !isFolderFull) throw error
      this.limits.names = this.names
      return await this.move(path, digest)
    }
    if (place === blobPath(digest)) this.names++
    return place
  }

  /** How many names the folder of blobs takes, where that is known or turned out. */
  get mostNames(): number | undefined {
    return Number.isFinite(this.limits.names) ? this.limits.names : undefined
  }

  /** Reads a file that was written and compares it with its digest. @throws E_IO; then the file is gone */
  private async readBack(path: string, digest: Digest, sizeBytes: number): Promise<void> {
    if (
      this.files.size(pathBelow(this.root, path)) === sizeBytes &&
      (await this.isRight([pathBelow(this.root, path)], digest, false))
    )
      return
    await deleteFile(path)
    throw misread(digest)
  }

  /** Reads files and compares them with a digest; where they have it, they are listed, unless they have another name yet. */
  private async isRight(paths: readonly string[], digest: Digest, isListed = true): Promise<boolean> {
    const { algorithm, hex } = digestParts(digest)
    const whole = createHash(algorithm)
    const sums: string[] = []
    for (const path of paths) {
      const file = await this.files.open(path)
      if (file === undefined) return false
      // of a blob in one file the sum is that of the blob
      const own = paths.length > 1 || algorithm !== 'sha256' ? createHash('sha256') : undefined
      try {
        const { size } = await file.stat()
        for await (const bytes of readAhead(file, size, path)) {
          whole.update(bytes)
          own?.update(bytes)
        }
      } finally {
        await file.close()
      }
      sums.push(own?.digest('hex') ?? hex)
    }
    if (whole.digest('hex') !== hex) return false
    if (isListed) for (const [i, path] of paths.entries()) this.sums.add(path, sums[i] as string)
    return true
  }
}

/** Yields a file in pieces of 1 MiB, each valid until the next one is asked for. */
async function* readAhead(file: FileHandle, sizeBytes: number, path: string): AsyncGenerator<Uint8Array, void, void> {
  const memory = [0, 1].map(() => Buffer.allocUnsafeSlow(Math.min(chunkBytes, sizeBytes)))
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
    yield bytes
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
