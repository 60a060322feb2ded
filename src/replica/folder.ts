import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import {
  type Digest,
  blobPath,
  closedPath,
  codeOf,
  type EntryBlock,
  forkPath,
  isDigest,
  isLogId,
  type LogId,
  logFolder,
  maxUrgentBytes,
  isNodePath,
  type Offer,
  RejoinError,
  tileWidth,
  verifyCheckpoint,
  verifyCoseCheckpoint
} from '../core/index.ts'
import { Outside, partsOf, readFully, readReplicaFile, sharedMemory } from '../store/index.ts'
import type { FileFault, FileHead, FileReplica, Waiting } from './file-replica.ts'
import { FolderLog } from './folder-log.ts'

const pieceBytes = 1024 * 1024
const maxSignedBytes = 4 * 1024 * 1024
/** logs of one folder that are looked at */
const maxLogs = 1_000_000
/** files with signed frontiers or receipts that are looked at */
const maxSigned = 100_000

/** Returns whether a folder is a replica, or holds one in `rejoin`. */
export function holdsReplica(dir: string): boolean {
  return [dir, join(dir, 'rejoin')].some((root) => existsSync(join(root, 'replica.json')))
}

/**
 * Returns the root of the replica that a folder holds: the folder itself, or `rejoin` in it.
 * @throws E_NO_DATA where there is none · E_GONE where there is no such folder
 */
export function rootOfReplica(dir: string): string {
  for (const root of [dir, join(dir, 'rejoin')]) if (existsSync(join(root, 'replica.json'))) return root
  if (!existsSync(dir)) throw new RejoinError('E_NOT_FOUND', `there is no folder ${dir}`, { hint: 'is the medium mounted?' })
  if (statSync(dir).isFile()) throw new RejoinError('E_USAGE', `${dir} is a file and no replica`)
  throw new RejoinError('E_NO_DATA', `there is no replica in ${dir}`, { hint: `rejoin export ${dir} writes one` })
}

/** A folder on a stick, or anywhere else, read as a replica: nothing in it is trusted, and nothing is written. */
export class Folder implements FileReplica {
  readonly name: string
  readonly root: string
  readonly network: string
  readonly storeId: string | undefined
  readonly files: Outside
  private readonly logs = new Map<LogId, FolderLog>()

  private constructor(name: string, root: string, network: string, storeId: string | undefined) {
    this.name = name
    this.root = root
    this.network = network
    this.storeId = storeId
    this.files = new Outside(root)
  }

  /** Opens the replica in a folder. @throws E_NO_DATA E_NOT_FOUND E_VERSION E_DAMAGED E_BAD_OBJECT */
  static open(dir: string): Folder {
    const root = rootOfReplica(dir)
    const { network, store } = readReplicaFile(new Outside(root))
    return new Folder(dir, root, network, store)
  }

  /** Returns a log of it, opened once. */
  logOf(log: LogId): FolderLog {
    let found = this.logs.get(log)
    if (found === undefined) {
      if (this.logs.size >= 64) this.logs.clear()
      found = new FolderLog(this.files, log)
      this.logs.set(log, found)
    }
    return found
  }

  async heads({
    signal,
    onFault = () => {}
  }: Waiting & { readonly onFault?: (fault: FileFault) => void }): Promise<readonly FileHead[]> {
    const heads: FileHead[] = []
    for (const log of this.files.names('logs').filter(isLogId).slice(0, maxLogs)) {
      signal.throwIfAborted()
      try {
        const one = new FolderLog(this.files, log)
        const head = one.head()
        if (head === undefined || head.size === 0) continue
        heads.push({ log, size: head.size, root: head.root, author: one.opened().publicKey, texts: 0 })
      } catch (error) {
        onFault(faultIn(error, logFolder(log)))
      }
    }
    return await Promise.resolve(heads)
  }

  async offer(
    { log, author }: FileHead,
    from: number,
    { signal, derive = false }: Waiting & { readonly derive?: boolean }
  ): Promise<Offer> {
    signal.throwIfAborted()
    const one = this.logOf(log)
    const head = one.head()
    if (head === undefined || head.size < from) throw new RejoinError('E_NOT_FOUND', `log ${log} has no entry ${from} there`)
    const checkpoint = verifyCheckpoint(head.note, log, author)
    const fromTile = Math.floor(from / tileWidth)
    const tileHashes = one.rootsOf(1, fromTile, Math.floor(head.size / tileWidth) - fromTile, derive)
    const edge = one.edgeOf(head.size, derive)
    return await Promise.resolve({ checkpoint, cose: verifiedCose(one, checkpoint, author), fromTile, tileHashes, edge })
  }

  async *blocks(log: LogId, from: number, to: number, { signal }: Waiting): AsyncGenerator<EntryBlock, void, void> {
    const one = this.logOf(log)
    try {
      for (let at = from; at < to; ) {
        signal.throwIfAborted()
        const block = one.read(at, to)
        if (block.from + block.count > to)
          throw new RejoinError('E_WITHHELD', `a withheld run of log ${log} reaches over entry ${to}`)
        // whole tiles only: a file that ends within one lacks entries
        const end = block.from + block.count
        const whole = end === to ? end : end - (end % tileWidth)
        if (whole <= block.from) throw new RejoinError('E_INCOMPLETE', `log ${log} has no entry ${end} there`)
        yield await Promise.resolve(whole === end ? block : one.read(block.from, whole))
        at = whole
      }
    } finally {
      one.release()
    }
  }

  async leaves(log: LogId, tile: number, width: number, { signal }: Waiting): Promise<Uint8Array | undefined> {
    signal.throwIfAborted()
    return await Promise.resolve(this.logOf(log).tile(0, tile, width))
  }

  async size(digest: Digest): Promise<number | undefined> {
    return await Promise.resolve(this.files.size(blobPath(digest)) ?? partsOf(this.files, digest)?.sizeBytes)
  }

  /** Returns the digests of all blobs that lie there. */
  blobDigests(): readonly Digest[] {
    const inParts = (['sha256', 'sha512'] as const).flatMap((algorithm) =>
      this.files
        .names(`parts/${algorithm}`)
        .filter((two) => /^[0-9a-f]{2}$/.test(two))
        .flatMap((two) =>
          this.files
            .names(`parts/${algorithm}/${two}`)
            .map((name) => `${algorithm}:${name}`)
            .filter(isDigest)
        )
    )
    const whole = (['sha256', 'sha512'] as const).flatMap((algorithm) =>
      this.files
        .names(`blobs/${algorithm}`)
        .map((name) => `${algorithm}:${name}`)
        .filter(isDigest)
    )
    return [...whole, ...inParts]
  }

  small(digest: Digest, sizeBytes: number): Uint8Array | undefined {
    const bytes = this.files.readRange(blobPath(digest), 0, pieceBytes)
    return bytes?.length === sizeBytes ? bytes : undefined
  }

  async *blob(digest: Digest, fromByte: number, { signal }: Waiting): AsyncGenerator<Uint8Array, void, void> {
    const path = blobPath(digest)
    if ((this.files.size(path) ?? Number.POSITIVE_INFINITY) <= pieceBytes) {
      const bytes = this.files.read(path, pieceBytes)
      signal.throwIfAborted()
      if (bytes !== undefined && bytes.length > fromByte) yield bytes.subarray(fromByte)
      return
    }
    const parts = this.files.size(path) === undefined ? partsOf(this.files, digest) : undefined
    if (parts === undefined) yield* this.pieces(path, digest, fromByte, signal)
    else
      for (const [part, one] of parts.paths.entries()) {
        const start = part * parts.partBytes
        if (fromByte < start + parts.partBytes) yield* this.pieces(one, digest, Math.max(0, fromByte - start), signal)
      }
  }

  private async *pieces(
    path: string,
    digest: Digest,
    fromByte: number,
    signal: AbortSignal
  ): AsyncGenerator<Uint8Array, void, void> {
    const file = await this.files.open(path)
    if (file === undefined) throw new RejoinError('E_NOT_FOUND', `blob ${digest} is not there`)
    try {
      const { size } = await file.stat()
      // plain views: a Buffer's slice() would not copy
      const memory = [0, 1].map(() => new Uint8Array(sharedMemory(Math.min(pieceBytes, size)).buffer))
      const load = async (at: number, turn: number): Promise<Uint8Array> => {
        const bytes = (memory[turn % 2] as Uint8Array).subarray(0, Math.max(0, Math.min(pieceBytes, size - at)))
        await readFully(file, bytes, at, path)
        return bytes
      }
      let next = load(fromByte, 0)
      for (let at = fromByte, turn = 0; at < size; at += pieceBytes, turn++) {
        signal.throwIfAborted()
        const bytes = await next
        next = load(at + pieceBytes, turn + 1)
        next.catch(() => {})
        yield bytes
      }
    } finally {
      await file.close()
    }
  }

  async *urgent({ signal }: Waiting): AsyncGenerator<Uint8Array, void, void> {
    for (const log of this.files.names('logs').filter(isLogId))
      for (const path of [forkPath(log), closedPath(log)]) {
        signal.throwIfAborted()
        const bytes = this.files.read(path, maxUrgentBytes)
        if (bytes !== undefined) yield await Promise.resolve(bytes)
      }
  }

  async *frontiers({ signal }: Waiting): AsyncGenerator<Uint8Array, void, void> {
    for (const name of this.files.names('frontiers').filter(isNodePath).slice(0, maxSigned)) {
      signal.throwIfAborted()
      const bytes = this.files.read(`frontiers/${name}`, maxSignedBytes)
      if (bytes !== undefined) yield await Promise.resolve(bytes)
    }
  }

  async *receipts({ signal }: Waiting): AsyncGenerator<Uint8Array, void, void> {
    for (const node of this.files.names('receipts').filter(isNodePath).slice(0, maxSigned))
      for (const name of this.files
        .names(`receipts/${node}`)
        .filter((one) => /^[0-9]{1,16}$/.test(one))
        .slice(-maxSigned)) {
        signal.throwIfAborted()
        const bytes = this.files.read(`receipts/${node}/${name}`, maxSignedBytes)
        if (bytes !== undefined) yield await Promise.resolve(bytes)
      }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.logs.clear()
    await Promise.resolve()
  }
}

/** Returns the fault that an error stands for. @throws what is none of ours, and what says that all of it went away */
export function faultIn(error: unknown, path: string): FileFault {
  const code = codeOf(error)
  if (
    code === undefined ||
    code === 'E_GONE' ||
    code === 'E_TIMEOUT' ||
    code === 'E_UNREACHABLE' ||
    code === 'E_IO' ||
    code === 'E_INTERRUPTED' ||
    code === 'E_TERMINATED'
  )
    throw error
  return { path: (error as RejoinError).at ?? path, reason: (error as Error).message, code }
}

/** A merge with `cp` can leave that of another head: then there is none. */
function verifiedCose(one: FolderLog, checkpoint: Offer['checkpoint'], author: FileHead['author']): Uint8Array | undefined {
  try {
    const bytes = one.cose()
    return bytes && verifyCoseCheckpoint(bytes, checkpoint, author).bytes
  } catch (error) {
    if (codeOf(error) === undefined) throw error
    return undefined
  }
}
