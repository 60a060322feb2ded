import {
  chunkBytes,
  chunkCount,
  type Cid,
  codeOf,
  concat,
  dagOfLeaves,
  type Digest,
  digestParts,
  hasDigest,
  hashOfCid,
  hex,
  linksOfNode,
  parseDigest,
  RejoinError,
  sha256
} from '../core/index.ts'
import { type FileFault, faultIn, type FileReplica } from '../replica/index.ts'
import type { OpenBlob, PartShape, PutOptions, ResumableBlob, StoredBlob, UnstoredBlob } from '../store/index.ts'

/** A blob that is wanted. */
export interface BlobNeed {
  readonly digest: Digest
  /** counted bytes, where that is known; a blob of another size is not taken */
  readonly sizeBytes?: number | undefined
  /** root of its UnixFS DAG, where an event names it: then chunks are verified one by one, and an interrupted blob goes on */
  readonly cid?: Cid | undefined
}

/** Where blobs are brought to: a node's BlobStore, or the blobs of a medium. */
export interface BlobTarget {
  readonly size: (digest: Digest) => number | undefined
  readonly put: (source: AsyncIterable<Uint8Array>, options: PutOptions) => Promise<StoredBlob>
  readonly putMany: (blobs: readonly UnstoredBlob[], options?: Omit<PutOptions, 'digest'>) => Promise<readonly StoredBlob[]>
  readonly partial: (digest: Digest, shape: PartShape) => Promise<OpenBlob>
  /** where a blob that comes without the hashes of its chunks goes on behind what an earlier run got */
  readonly resumable?: (digest: Digest) => Promise<ResumableBlob>
  /** true: a blob of this size can only come in chunks whose hashes are known */
  readonly needsParts?: (sizeBytes: number) => boolean
  /** Takes note that no file of so many bytes could be written. @returns whether the blob may be tried again */
  readonly shrink?: (sizeBytes: number) => boolean
  readonly finish: (part: never, options?: { readonly private?: boolean }) => Promise<StoredBlob>
}

/** How blobs are taken. */
export interface TakeBlobsOptions {
  readonly signal: AbortSignal
  /** not passed on by the node that takes them */
  readonly private?: boolean
  /** the SHA-256 of each chunk, where the caller knows them */
  readonly leavesOf?: (need: BlobNeed) => Promise<Uint8Array | undefined>
  /** bytes that became durable, or were found to be so already */
  readonly onBytes?: (count: number) => void
  readonly onBlob?: (digest: Digest, sizeBytes: number) => void
  readonly onFault?: (fault: FileFault) => void
}

/** What came of it. */
export interface BlobsTaken {
  readonly done: readonly Digest[]
  /** bytes of those that are done */
  readonly bytes: number
  /** bytes that were brought, without those that an interrupted run had brought before */
  readonly written: number
  /** not there */
  readonly missing: readonly Digest[]
  /** there and damaged, or unreadable */
  readonly bad: readonly FileFault[]
}

const groupCount = 256
// two groups are in memory at a time
const groupBytes = 8 * 1024 * 1024

/**
 * Brings blobs from a replica of files to where they are wanted, in the order given: small ones in groups that become durable together, large ones chunk
 * by chunk, going on where an earlier run was cut off. One bad blob never stops the others.
 * @throws E_GONE where either side went away · E_NO_SPACE E_PERMISSION of the target
 */
export async function takeBlobs(
  source: FileReplica,
  target: BlobTarget,
  needs: readonly BlobNeed[],
  options: TakeBlobsOptions
): Promise<BlobsTaken> {
  return await new BlobTaking(source, target, options).run(needs)
}

class BlobTaking {
  private readonly source: FileReplica
  private readonly target: BlobTarget
  private readonly options: TakeBlobsOptions
  private readonly done: Digest[] = []
  private readonly missing: Digest[] = []
  private readonly bad: FileFault[] = []
  private bytes = 0
  private written = 0
  private group: { readonly bytes: Uint8Array; readonly digest: Digest }[] = []
  private gathered = 0
  /** the group that becomes durable while the next one is gathered */
  private putting: Promise<void> | undefined

  constructor(source: FileReplica, target: BlobTarget, options: TakeBlobsOptions) {
    this.source = source
    this.target = target
    this.options = options
  }

  async run(needs: readonly BlobNeed[]): Promise<BlobsTaken> {
    this.source.expect?.(needs.map(({ digest }) => digest))
    try {
      for (const need of needs) {
        this.options.signal.throwIfAborted()
        await this.take(need)
      }
    } finally {
      await this.putting?.catch(() => {})
    }
    await this.putAll()
    const { done, missing, bad, bytes, written } = this
    return { done, missing, bad, bytes, written }
  }

  private fault(fault: FileFault): void {
    this.bad.push(fault)
    this.options.onFault?.(fault)
  }

  private async take(need: BlobNeed): Promise<void> {
    const { digest, sizeBytes } = need
    const wait = { signal: this.options.signal }
    const path = pathOf(digest)
    let size: number | undefined
    let small: Uint8Array | undefined
    try {
      size = await this.source.size(digest, wait)
      if (size === undefined) {
        this.missing.push(digest)
        return
      }
      if (sizeBytes !== undefined && sizeBytes !== size)
        throw new RejoinError('E_BAD_OBJECT', `it has ${size} bytes, not ${sizeBytes}`)
      if (size <= chunkBytes) small = await this.readSmall(digest, size)
    } catch (error) {
      this.fault(faultIn(error, path))
      return
    }
    // what the target can't do is no fault of the blob at which that is told
    if (small !== undefined) {
      await this.keepSmall(digest, small)
      return
    }
    await this.putAll()
    const leaves =
      (await this.leavesOf(need, size)) ?? (this.target.needsParts?.(size) === true ? await this.hashed(digest) : undefined)
    if (leaves === undefined) await this.takeWhole(digest, size)
    else await this.takeChunks(digest, { sizeBytes: size, leaves })
  }

  private async readSmall(digest: Digest, size: number): Promise<Uint8Array> {
    const bytes = this.source.small?.(digest, size) ?? (await this.gatherSmall(digest, size))
    if (bytes.length !== size || !hasDigest(bytes, digest)) throw new RejoinError('E_BAD_OBJECT', 'its bytes have another digest')
    return bytes
  }

  private async keepSmall(digest: Digest, bytes: Uint8Array): Promise<void> {
    this.group.push({ bytes, digest })
    this.gathered += bytes.length
    if (this.group.length >= groupCount || this.gathered >= groupBytes) await this.putGroup()
  }

  private async gatherSmall(digest: Digest, size: number): Promise<Uint8Array> {
    let bytes: Uint8Array = new Uint8Array(0)
    let filled = 0
    for await (const piece of this.source.blob(digest, 0, { signal: this.options.signal })) {
      if (filled + piece.length > size) throw new RejoinError('E_BAD_OBJECT', `it has more than the ${size} bytes that were said`)
      if (filled === 0) bytes = piece.length === size ? piece : Buffer.allocUnsafe(size)
      if (bytes !== piece) bytes.set(piece, filled)
      filled += piece.length
    }
    return bytes.subarray(0, filled)
  }

  /** Begins to keep what was gathered, once the group before is durable. */
  private async putGroup(): Promise<void> {
    await this.putting
    const { group } = this
    if (group.length === 0) return
    this.group = []
    this.gathered = 0
    this.putting = this.put(group)
    // whoever waits for it sees the error
    this.putting.catch(() => {})
  }

  private async put(group: readonly { readonly bytes: Uint8Array; readonly digest: Digest }[]): Promise<void> {
    await this.target.putMany(group, { private: this.options.private })
    for (const { digest, bytes } of group) {
      this.finished(digest, bytes.length)
      this.written += bytes.length
      this.options.onBytes?.(bytes.length)
    }
  }

  private async putAll(): Promise<void> {
    await this.putGroup()
    await this.putting
  }

  private finished(digest: Digest, sizeBytes: number): void {
    this.done.push(digest)
    this.bytes += sizeBytes
    this.options.onBlob?.(digest, sizeBytes)
  }

  private async takeWhole(digest: Digest, sizeBytes: number): Promise<void> {
    const { signal, onBytes, private: isPrivate } = this.options
    const counted = async function* (pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
      for await (const piece of pieces) {
        yield piece
        onBytes?.(piece.length)
      }
    }
    try {
      if (await this.resumed(digest, sizeBytes)) return
      await this.target.put(counted(this.source.blob(digest, 0, { signal })), { digest, sizeBytes, private: isPrivate })
      this.written += sizeBytes
      this.finished(digest, sizeBytes)
    } catch (error) {
      this.fault(faultOf(error, pathOf(digest)))
    }
  }

  /** Goes on behind what an earlier run got of a blob. @returns false where the target can't, or what that run got was wrong */
  private async resumed(digest: Digest, sizeBytes: number): Promise<boolean> {
    const part = await this.target.resumable?.(digest)
    if (part === undefined) return false
    await using _closing = part
    const { signal, onBytes, private: isPrivate } = this.options
    if (part.sizeBytes > sizeBytes) await part.restart()
    const isOlder = part.sizeBytes > 0
    try {
      if (part.sizeBytes < sizeBytes)
        for await (const piece of this.source.blob(digest, part.sizeBytes, { signal })) {
          await part.append(piece)
          onBytes?.(piece.length)
        }
      await part.finish({ private: isPrivate })
    } catch (error) {
      const code = codeOf(error)
      if (code === 'E_BAD_OBJECT' || code === 'E_NO_SPACE') await part.drop()
      // what is wrong may be of an earlier run: only bytes of one run say that the source's are
      if (code === 'E_BAD_OBJECT' && isOlder) return await this.resumed(digest, sizeBytes)
      throw error
    }
    this.finished(digest, sizeBytes)
    return true
  }

  private async takeChunks(digest: Digest, shape: PartShape): Promise<void> {
    const { signal, onBytes, private: isPrivate } = this.options
    await using part = await this.target.partial(digest, shape)
    let badChunks = 0
    let chunk = 0
    try {
      while (chunk < part.chunkCount) {
        if (part.has(chunk)) {
          onBytes?.(part.bytesOf(chunk++))
          continue
        }
        for await (const piece of this.source.blob(digest, chunk * chunkBytes, { signal })) {
          if (piece.length !== part.bytesOf(chunk))
            throw new RejoinError('E_BAD_OBJECT', `${digest} came in pieces that are no chunks`)
          if (await part.write(chunk, piece)) {
            this.written += piece.length
            onBytes?.(piece.length)
          } else {
            badChunks++
            this.fault({
              path: pathOf(digest),
              offset: chunk * chunkBytes,
              reason: `the chunk at byte ${chunk * chunkBytes} is damaged`,
              code: 'E_BAD_OBJECT'
            })
          }
          chunk++
          if (chunk < part.chunkCount && part.has(chunk)) break
        }
      }
      if (badChunks > 0) return
      await this.target.finish(part as never, { private: isPrivate === true })
      this.finished(digest, shape.sizeBytes)
    } catch (error) {
      if (codeOf(error) !== 'E_NO_SPACE') {
        this.fault(faultOf(error, pathOf(digest)))
        return
      }
      // a full medium has more use for the room than for a part of a blob
      await part.discard()
      if (!isTooLarge(error) || this.target.shrink?.(chunk * chunkBytes + 1) !== true) throw error
      await this.takeChunks(digest, shape)
    }
  }

  /** Reads a blob once for the hashes of its chunks. */
  private async hashed(digest: Digest): Promise<Uint8Array | undefined> {
    const leaves: Uint8Array[] = []
    try {
      for await (const piece of this.source.blob(digest, 0, { signal: this.options.signal })) leaves.push(sha256(piece))
      return concat(leaves)
    } catch (error) {
      this.fault(faultIn(error, pathOf(digest)))
      return undefined
    }
  }

  /** Returns the hashes of a large blob's chunks: those that the caller knows, else by the nodes of its DAG that lie beside it. */
  private async leavesOf(need: BlobNeed, sizeBytes: number): Promise<Uint8Array | undefined> {
    const known = await this.options.leavesOf?.(need)
    if (known?.length === chunkCount(sizeBytes) * 32) return known
    if (need.cid === undefined) return undefined
    try {
      return await leavesBelow(need.cid, sizeBytes, async (cid) => await this.node(cid))
    } catch (error) {
      faultIn(error, '')
      return undefined
    }
  }

  private async node(cid: Cid): Promise<Uint8Array> {
    const digest = parseDigest(`sha256:${hex(hashOfCid(cid))}`)
    const size = await this.source.size(digest, { signal: this.options.signal })
    if (size === undefined || size > chunkBytes) throw new RejoinError('E_NOT_FOUND', `the node ${cid} is not there`)
    const parts = await Array.fromAsync(this.source.blob(digest, 0, { signal: this.options.signal }), (piece) => piece.slice())
    const bytes = Buffer.concat(parts)
    if (!hasDigest(bytes, digest)) throw new RejoinError('E_BAD_OBJECT', `the node ${cid} is damaged`)
    return bytes
  }
}

/** Whether it was the size of the file that could not be had, and not the room. */
function isTooLarge(error: unknown): boolean {
  return ((error as Error).cause as NodeJS.ErrnoException | undefined)?.code === 'EFBIG'
}

/** What the source did is a fault of one blob; what the target can't do stops everything. */
function faultOf(error: unknown, path: string): FileFault {
  if (error instanceof RejoinError && (error.code === 'E_NO_SPACE' || error.code === 'E_PERMISSION')) throw error
  return faultIn(error, path)
}

function pathOf(digest: Digest): string {
  const { algorithm, hex: name } = digestParts(digest)
  return `blobs/${algorithm}/${name}`
}

/** Returns the hashes of a blob's chunks by the nodes of its DAG; undefined where they are those of another blob. */
async function leavesBelow(
  root: Cid,
  sizeBytes: number,
  read: (cid: Cid) => Promise<Uint8Array>
): Promise<Uint8Array | undefined> {
  const leaves: Uint8Array[] = []
  const nodes: Cid[] = [root]
  const most = chunkCount(sizeBytes)
  for (let next = nodes.shift(); next !== undefined; next = nodes.shift())
    for (const { cid, isLeaf } of linksOfNode(await read(next))) {
      if (isLeaf) leaves.push(hashOfCid(cid))
      else nodes.push(cid)
      if (leaves.length + nodes.length > most) return undefined
    }
  const all = concat(leaves)
  return leaves.length === most && dagOfLeaves(all, sizeBytes).root === root ? all : undefined
}
