import { mkdirSync, readdirSync, statSync, unlinkSync, utimesSync } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { chunkBytes, type Digest, dagOfLeaves, digestParts, equal, hasDigest, RejoinError } from '../core/index.ts'
import { allocate, type ByteRange, openRegular, readFully, readPieces } from './blob-file.ts'
import { hashFile } from './blob-hash.ts'
import { PartialBlob, type PartShape } from './blob-part.ts'
import { recoverFresh, settleFresh, writeFresh } from './blob-fresh.ts'
import { BlobUpload, type UploadOptions } from './blob-upload.ts'
import { type BlobPlace, deleteBlob, findBlob, knownBlob, listBlobs, moveBlob } from './blob-place.ts'
import { adoptBlob, type PutOptions, putSmall, putStream, shareBlobs, type StoredBlob, type UnstoredBlob } from './blob-put.ts'
import { ResumableBlob } from './blob-resume.ts'
import { type DagBlocks, dagBlocks, readLeaves, saveLeaves } from './dag.ts'
import { Dropped } from './dropped.ts'
import { type IndexOptions, OciIndex } from './oci-index.ts'
import { Outside } from './outside.ts'
import { Turn } from './turn.ts'

/** Where the first damage in a blob is. */
export interface BlobFault {
  readonly reason: string
  /** where the first bad chunk begins; undefined where the chunks' hashes aren't known */
  readonly atByte: number | undefined
}

/** A blob that is being fetched, until it is closed and, where all of it came, has its name. */
interface OpenPart {
  part: PartialBlob | undefined
  isFinishing: boolean
  readonly ended: PromiseWithResolvers<void>
}

const pieceSize = 262_144
/** what is no larger is read with one call: the way to another thread and back takes longer */
const atOnceBytes = 65_536

/** The blobs of a folder, as an OCI image layout. A blob has its final name only when all of it is there and has that digest. */
export class BlobStore {
  readonly root: string
  /** the roots that index.json lists; none is of a private blob */
  readonly index: OciIndex
  private readonly files: Outside
  private readonly resuming = new Set<Digest>()
  /** what is published is not collected meanwhile */
  readonly turn: Turn = new Turn()
  /** artifacts that were let go */
  readonly dropped: Dropped
  private readonly parts = new Map<Digest, OpenPart>()
  private readonly listeners = new Set<(digests: readonly Digest[]) => void>()

  constructor(root: string, index: OciIndex) {
    this.root = root
    this.index = index
    this.files = new Outside(root)
    this.dropped = new Dropped(root)
  }

  /** Calls back with blobs that came, or were moved to where they are passed on. Returns how to stop it. */
  onShared(listener: (digests: readonly Digest[]) => void): () => void {
    this.listeners.add(listener)
    return () => void this.listeners.delete(listener)
  }

  private shared<T extends readonly StoredBlob[]>(blobs: T, { private: isPrivate }: PutOptions): T {
    if (isPrivate !== true) for (const listener of this.listeners) listener(blobs.map(({ digest }) => digest))
    return blobs
  }

  /** Returns where a blob lies, or undefined where it is not here. */
  placeOf(digest: Digest): BlobPlace | undefined {
    return findBlob(this.root, digest)?.place
  }

  /** Returns where a blob lies and its bytes, counted, or undefined where it is not here. */
  find(digest: Digest): { readonly place: BlobPlace; readonly sizeBytes: number } | undefined {
    return findBlob(this.root, digest)
  }

  /** Returns whether a blob is here. */
  has(digest: Digest): boolean {
    return findBlob(this.root, digest) !== undefined
  }

  /** Returns a blob's bytes, counted, or undefined where it is not here. */
  size(digest: Digest): number | undefined {
    return findBlob(this.root, digest)?.sizeBytes
  }

  /** Returns the path of a blob's file. @throws E_NOT_FOUND */
  pathOf(digest: Digest): string {
    return knownBlob(this.root, digest).path
  }

  /**
   * Keeps a blob.
   * @throws E_BAD_OBJECT where it has another digest than was asked for · E_NO_SPACE E_IO · what the source throws
   */
  async put(source: AsyncIterable<Uint8Array> | Uint8Array, options: PutOptions = {}): Promise<StoredBlob> {
    if (source instanceof Uint8Array && source.length <= chunkBytes)
      return (await this.putMany([{ bytes: source, digest: options.digest }], options))[0] as StoredBlob
    const blob =
      source instanceof Uint8Array
        ? await putStream(this.root, once(source), { ...options, sizeBytes: source.length })
        : await putStream(this.root, source, options)
    return this.shared([blob], options)[0] as StoredBlob
  }

  /** Keeps the bytes of a file as a blob. @throws E_NOT_FOUND, and as put */
  async putFile(path: string, options: PutOptions = {}): Promise<StoredBlob> {
    const file = await openRegular(path)
    if (file === undefined) throw new RejoinError('E_NOT_FOUND', `there is no file ${path}`)
    try {
      const { size } = await file.stat()
      return await this.put(readPieces(file, 0, size, path, chunkBytes), { ...options, sizeBytes: size })
    } finally {
      await file.close()
    }
  }

  /** Keeps many blobs of at most 1 MiB, durable together; in order. @throws as put; then those before may be kept already */
  async putMany(blobs: readonly UnstoredBlob[], options: Omit<PutOptions, 'digest'> = {}): Promise<readonly StoredBlob[]> {
    return this.shared(await putSmall(this.root, blobs, options), options)
  }

  /**
   * Keeps a blob of at most 1 MiB whose digest was compared, not passed on, and not durable before `share` or `settleFresh` was done with it.
   * @throws E_NO_SPACE E_IO
   */
  putFresh(bytes: Uint8Array, digest: Digest): void {
    writeFresh(this.root, digest, bytes)
  }

  /** Makes the blobs of putFresh durable, together. @throws E_NO_SPACE E_IO: then those that are not durable are gone */
  async settleFresh(): Promise<void> {
    await settleFresh(this.root)
  }

  /**
   * Reads a blob or a range of it, in pieces of up to 256 KiB; not compared with its digest, since it may be a part only.
   * @throws E_NOT_FOUND · E_BAD_OBJECT where the file is shorter than it was · E_IO
   */
  async *read(digest: Digest, range: ByteRange = {}): AsyncGenerator<Uint8Array, void, void> {
    const { file, sizeBytes, path } = await this.openBlob(digest)
    try {
      yield* readPieces(file, Math.max(0, range.from ?? 0), Math.min(sizeBytes, range.to ?? sizeBytes), path, pieceSize)
    } finally {
      await file.close()
    }
  }

  /** Returns all bytes of a blob. @throws E_NOT_FOUND · E_TOO_LARGE over `maxBytes` · E_BAD_OBJECT where they don't have its digest */
  async readBytes(digest: Digest, maxBytes: number): Promise<Uint8Array> {
    const found = knownBlob(this.root, digest)
    if (found.sizeBytes <= Math.min(maxBytes, atOnceBytes)) {
      // as openRegular: no link is followed
      const bytes = this.files.readRange(relative(this.root, found.path), 0, atOnceBytes)
      if (bytes === undefined) throw new RejoinError('E_NOT_FOUND', `blob ${digest} is not here`)
      if (!hasDigest(bytes, digest)) throw damaged(digest, found.path)
      return bytes
    }
    const { file, sizeBytes, path } = await this.openBlob(digest)
    try {
      if (sizeBytes > maxBytes)
        throw new RejoinError('E_TOO_LARGE', `blob ${digest} has ${sizeBytes} bytes, over the limit of ${maxBytes}`)
      const bytes = allocate(sizeBytes)
      await readFully(file, bytes, 0, path)
      if (!hasDigest(bytes, digest)) throw damaged(digest, path)
      return bytes
    } finally {
      await file.close()
    }
  }

  /** Opens a blob's file to read ranges of it; the caller closes it. @throws E_NOT_FOUND E_BAD_OBJECT E_IO */
  async openBlob(digest: Digest): Promise<{ readonly file: FileHandle; readonly sizeBytes: number; readonly path: string }> {
    const { path } = knownBlob(this.root, digest)
    const file = await openRegular(path)
    if (file === undefined) throw new RejoinError('E_NOT_FOUND', `blob ${digest} is not here`)
    return { file, sizeBytes: (await file.stat()).size, path }
  }

  /** Yields all blobs, in no order; names that are no digest are passed over. */
  list(): AsyncGenerator<{ readonly digest: Digest; readonly place: BlobPlace }, void, void> {
    return listBlobs(this.root)
  }

  /** Takes note that a blob is wanted now: one that nothing names yet is collected only when it has not been for a while. */
  touch(digest: Digest): void {
    const found = findBlob(this.root, digest)
    if (found === undefined) return
    const now = new Date()
    utimesSync(found.path, now, now)
  }

  /** Returns when a blob was stored or touched, in Unix milliseconds; undefined where it is not here. */
  touchedMs(digest: Digest): number | undefined {
    const path = findBlob(this.root, digest)?.path
    return path === undefined ? undefined : statSync(path, { throwIfNoEntry: false })?.mtimeMs
  }

  /** Deletes a blob, and takes it out of index.json first; returns whether it was here. */
  async remove(digest: Digest): Promise<boolean> {
    if (!this.has(digest)) return false
    this.index.change([{ kind: 'drop', digest }])
    await deleteBlob(this.root, digest)
    return true
  }

  /** Moves a blob to where it is, or is not, passed on; one that is no longer passed on is taken out of index.json first. @throws E_NOT_FOUND */
  async move(digest: Digest, place: BlobPlace): Promise<void> {
    if (place === 'private' && this.has(digest)) this.index.change([{ kind: 'drop', digest }])
    await moveBlob(this.root, digest, place)
    if (place === 'shared') for (const listener of this.listeners) listener([digest])
  }

  /**
   * Reads a blob and compares all of it with its digest.
   * @returns undefined where it is right, else where it is damaged: the first bad chunk, where the chunks' hashes are known
   * @throws E_NOT_FOUND E_IO
   */
  async verify(digest: Digest): Promise<BlobFault | undefined> {
    const { file, sizeBytes, path } = await this.openBlob(digest)
    try {
      const found = await hashFile(file, sizeBytes, path, digestParts(digest).algorithm)
      if (found.digest === digest) return undefined
      const leaves = readLeaves(this.root, digest, sizeBytes)
      const bad = leaves === undefined ? undefined : firstDifference(leaves, found.leaves)
      return { reason: `its bytes have the digest ${found.digest}`, atByte: bad === undefined ? undefined : bad * chunkBytes }
    } finally {
      await file.close()
    }
  }

  /**
   * Returns the SHA-256 of each 1 MiB chunk of a blob, 32 bytes each; from where they were kept, else from the blob.
   * @throws E_NOT_FOUND · E_BAD_OBJECT where the blob is damaged · E_IO
   */
  async leaves(digest: Digest): Promise<Uint8Array> {
    const { file, sizeBytes, path } = await this.openBlob(digest)
    try {
      const kept = sizeBytes > chunkBytes ? readLeaves(this.root, digest, sizeBytes) : undefined
      if (kept !== undefined) return kept
      const found = await hashFile(file, sizeBytes, path, digestParts(digest).algorithm)
      if (found.digest !== digest) throw damaged(digest, path)
      if (sizeBytes > chunkBytes) saveLeaves(this.root, digest, found.leaves)
      return found.leaves
    } finally {
      await file.close()
    }
  }

  /** Returns a blob as the blocks of its UnixFS DAG. @throws as leaves */
  async blocks(digest: Digest): Promise<DagBlocks> {
    const leaves = await this.leaves(digest)
    return dagBlocks({
      sizeBytes: knownBlob(this.root, digest).sizeBytes,
      leaves,
      read: (from, to) => this.read(digest, { from, to })
    })
  }

  /** Opens an upload, or makes one. @param id lower-case hexadecimal digits and dashes @throws E_NO_SPACE E_IO */
  async upload(id: string, options: UploadOptions): Promise<BlobUpload> {
    return await BlobUpload.open(this.root, id, options)
  }

  /**
   * Moves blobs to where they are passed on, durable together; those that are there already stay. Small ones that are not stored yet are
   * stored with them.
   * @throws E_NOT_FOUND E_NO_SPACE E_IO
   */
  async share(digests: readonly Digest[], small: readonly UnstoredBlob[] = []): Promise<void> {
    await shareBlobs(this.root, digests, small)
  }

  /**
   * Opens what is there of a blob that is being fetched.
   * @throws E_LOCKED where it is open already · E_BAD_OBJECT E_TOO_LARGE E_IO
   */
  async partial(digest: Digest, shape: PartShape): Promise<PartialBlob> {
    if (this.parts.has(digest)) throw new RejoinError('E_LOCKED', `blob ${digest} is being fetched already`)
    const open: OpenPart = { part: undefined, isFinishing: false, ended: Promise.withResolvers<void>() }
    this.parts.set(digest, open)
    try {
      open.part = await PartialBlob.open(this.root, digest, shape, () => this.endPart(digest))
      return open.part
    } catch (cause) {
      this.endPart(digest)
      throw cause
    }
  }

  private endPart(digest: Digest): void {
    const open = this.parts.get(digest)
    if (open === undefined || open.isFinishing) return
    this.parts.delete(digest)
    open.ended.resolve()
  }

  /** Returns what is there of a blob that is being fetched now, undefined where none is. */
  partOf(digest: Digest): PartialBlob | undefined {
    return this.parts.get(digest)?.part
  }

  /** Resolves once a blob is not being fetched; it is here then, or was not had. */
  async partEnded(digest: Digest): Promise<void> {
    await this.parts.get(digest)?.ended.promise
  }

  /** Opens what is there of a blob that comes in order from its first byte on. @throws E_LOCKED where it is open already · E_NO_SPACE E_IO */
  async resumable(digest: Digest): Promise<ResumableBlob> {
    if (this.resuming.has(digest)) throw new RejoinError('E_LOCKED', `blob ${digest} is being fetched already`)
    this.resuming.add(digest)
    try {
      return await ResumableBlob.open(this.root, digest, () => void this.resuming.delete(digest))
    } catch (cause) {
      this.resuming.delete(digest)
      throw cause
    }
  }

  /**
   * Gives a blob that is all there its name, once its digest was compared, and closes it.
   * @throws E_BAD_OBJECT where it has another digest: the file stays, as the chunks may be right · E_INCOMPLETE E_NO_SPACE E_IO
   */
  async finish(part: PartialBlob, options: { readonly private?: boolean | undefined } = {}): Promise<StoredBlob> {
    await part.complete()
    await part[Symbol.asyncDispose]()
    const { digest, shape } = part
    await adoptBlob(this.root, part.path, digest, { ...options, durable: true })
    if (shape.sizeBytes > chunkBytes) saveLeaves(this.root, digest, shape.leaves)
    const blob = { digest, sizeBytes: shape.sizeBytes, cid: dagOfLeaves(shape.leaves, shape.sizeBytes).root }
    return this.shared([blob], options)[0] as StoredBlob
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, void> {
  yield bytes
}

function damaged(digest: Digest, path: string): RejoinError {
  return new RejoinError('E_BAD_OBJECT', `blob ${digest} is damaged`, {
    at: path,
    hint: 'rejoin verify names what is wrong; ask a peer for it with rejoin sync'
  })
}

function firstDifference(expected: Uint8Array, found: Uint8Array): number | undefined {
  for (let at = 0; at < expected.length; at += 32)
    if (!equal(expected.subarray(at, at + 32), found.subarray(at, at + 32))) return at / 32
  return undefined
}

/**
 * Opens the blobs below a folder, and makes what an OCI image layout needs where it is not there yet. Temporary files that no
 * run can go on with are deleted.
 * @throws E_VERSION E_DAMAGED where the layout is none · E_PERMISSION E_NO_SPACE E_IO
 */
export function openBlobs(root: string, options: IndexOptions = {}): BlobStore {
  if (options.readOnly !== true) {
    for (const folder of ['blobs/sha256', 'private', 'tmp']) {
      mkdirSync(join(root, folder), { recursive: true, mode: folder === 'private' ? 0o700 : 0o755 })
    }
    for (const name of readdirSync(join(root, 'tmp')))
      if (/^put-[0-9a-f]{24}\.part$/.test(name)) unlinkSync(join(root, 'tmp', name))
    recoverFresh(root)
  }
  return new BlobStore(root, OciIndex.open(root, options))
}
