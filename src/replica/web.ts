import {
  blobPath,
  chunkBytes,
  closedPath,
  type Digest,
  digestOf,
  type EntryBlock,
  forkPath,
  type HeadLine,
  headsPath,
  type LogId,
  maxFrontierBytes,
  maxHeadsBytes,
  maxReceiptBytes,
  maxUrgentBytes,
  type Offer,
  parseHeads,
  partsPath,
  RejoinError,
  textOf
} from '../core/index.ts'
import { folderVersion } from '../store/index.ts'
import { faultIn } from './folder.ts'
import type { FileHead, FileReplica, Waiting } from './file-replica.ts'
import type { Validator, WebClient } from './web-client.ts'
import type { WebPlace } from './web-entries.ts'
import { WebLog } from './web-log.ts'
import { type SignedPaths, signedPathsOf } from './web-signed.ts'

/** What a reader remembers of a folder on the web. */
export interface WebMemory {
  /** of its file `heads`, where everything of it was taken, with the digest of that */
  readonly validator: Validator & { readonly digest?: string | undefined }
  readonly places: ReadonlyMap<LogId, WebPlace>
}

const maxReplicaBytes = 64 * 1024
const maxUrgent = 200
const maxParts = 65_536
/** small blobs that are fetched ahead of who asks for them one by one */
const aheadCount = 12

/** A blob of which the answer came: its bytes too, where it is small. */
type Came = { readonly size: number; readonly bytes: Uint8Array | undefined; readonly partBytes?: number } | undefined

/**
 * A folder that a web server serves, as a replica of files that can only be read. Logs are found by the file `heads`; frontiers and receipts by SHA256SUMS, where
 * there is one.
 * @see protocols/web.md
 */
export class WebFolder implements FileReplica {
  readonly name: string
  readonly network: string
  readonly storeId: string
  /** what `heads` was when it was read */
  readonly validator: WebMemory['validator']
  private readonly client: WebClient
  private readonly byLog: ReadonlyMap<LogId, HeadLine>
  private readonly logs = new Map<LogId, WebLog>()
  private readonly memory: WebMemory
  private expected: readonly Digest[] = []
  private readonly expectedAt = new Map<Digest, number>()
  private readonly coming = new Map<Digest, Promise<Came>>()
  private signedPaths: SignedPaths | undefined

  private constructor(
    client: WebClient,
    network: string,
    file: { readonly store: string; readonly heads: readonly HeadLine[]; readonly validator: WebMemory['validator'] },
    memory: WebMemory
  ) {
    this.client = client
    this.name = client.base
    this.network = network
    this.storeId = file.store
    this.byLog = new Map(file.heads.map((head) => [head.log, head]))
    this.validator = file.validator
    this.memory = memory
  }

  /**
   * Opens a folder on the web.
   * @returns undefined where its heads are those that are remembered: then there is nothing new
   * @throws E_NO_DATA where there is no list of logs · E_VERSION E_DAMAGED E_TOO_LARGE · E_UNREACHABLE E_GONE E_TIMEOUT E_PERMISSION E_REFUSED
   */
  static async open(client: WebClient, memory: WebMemory): Promise<WebFolder | undefined> {
    const answer = await client.ask(headsPath, { unless: memory.validator })
    if (answer.status === 304) return undefined
    if (answer.status === 404)
      throw new RejoinError('E_NO_DATA', `there is no ${client.base}${headsPath}, which lists the logs there`, {
        hint: 'is this the folder that has replica.json? rejoin export writes the list, and so does a node that is up'
      })
    const bytes = await client.gather(headsPath, answer, maxHeadsBytes)
    // a server without validators sends it again and again
    const digest = digestOf(bytes)
    if (digest === memory.validator.digest) return undefined
    const validator = { ...answer.validator, digest }
    return new WebFolder(client, await networkOf(client), { ...parseHeads(bytes), validator }, memory)
  }

  /** Returns up to where the lines of each log were read, to be remembered. */
  places(): ReadonlyMap<LogId, WebPlace> {
    const places = new Map(this.memory.places)
    for (const [log, { place }] of this.logs) if (place !== undefined) places.set(log, place)
    return places
  }

  async heads({ signal }: Waiting): Promise<readonly FileHead[]> {
    signal.throwIfAborted()
    return await Promise.resolve([...this.byLog.values()].filter(({ size }) => size > 0))
  }

  private logOf(log: LogId): WebLog {
    const known = this.logs.get(log)
    if (known !== undefined) return known
    const head = this.byLog.get(log)
    if (head === undefined) throw new RejoinError('E_NOT_FOUND', `log ${log} is not in ${this.name}${headsPath}`)
    const made = new WebLog(this.client, head, this.memory.places.get(log))
    this.logs.set(log, made)
    return made
  }

  async offer(
    { log }: FileHead,
    from: number,
    { signal, derive = false }: Waiting & { readonly derive?: boolean }
  ): Promise<Offer> {
    signal.throwIfAborted()
    return await this.logOf(log).offer(from, derive)
  }

  async *blocks(log: LogId, from: number, to: number, { signal }: Waiting): AsyncGenerator<EntryBlock, void, void> {
    signal.throwIfAborted()
    const one = this.logOf(log)
    try {
      for await (const block of one.blocks(from, to)) {
        yield block
        signal.throwIfAborted()
      }
    } finally {
      one.release()
    }
  }

  async leaves(log: LogId, tile: number, width: number, { signal }: Waiting): Promise<Uint8Array | undefined> {
    signal.throwIfAborted()
    return await this.logOf(log).tile(0, tile, width)
  }

  /** Takes note of which blobs will be asked for, in this order, so that small ones can come ahead. */
  expect(digests: readonly Digest[]): void {
    this.expected = digests
    this.expectedAt.clear()
    for (const [at, digest] of digests.entries()) this.expectedAt.set(digest, at)
  }

  async size(digest: Digest, { signal }: Waiting): Promise<number | undefined> {
    signal.throwIfAborted()
    return (await this.askFor(digest))?.size
  }

  private async askFor(digest: Digest): Promise<Came> {
    const at = this.expectedAt.get(digest)
    const ahead = at === undefined ? [] : this.expected.slice(at + 1, at + aheadCount)
    // what was not read, since its size was wrong, is not kept
    for (const old of this.coming.keys())
      if (old !== digest && (this.expectedAt.get(old) ?? -1) < (at ?? 0)) this.coming.delete(old)
    const coming = this.coming.get(digest) ?? this.fetchBlob(digest)
    this.coming.set(digest, coming)
    for (const next of ahead) {
      if (this.coming.size > aheadCount || this.coming.has(next)) continue
      const early = this.fetchBlob(next)
      early.catch(() => {})
      this.coming.set(next, early)
    }
    return await coming
  }

  /** One request gives size and bytes; a large blob is asked for again when it is read. What is not in `blobs/` may be in `parts/`. */
  private async fetchBlob(digest: Digest): Promise<Came> {
    const whole = await this.fetchFile(blobPath(digest))
    if (whole !== undefined) return whole
    const first = await this.fetchFile(partsPath(digest, 0))
    let size = first?.size ?? 0
    // all but the last one have the same size, a multiple of 1 MiB
    for (let part = 1, last = size; size > 0 && last === first?.size && last % chunkBytes === 0 && part < maxParts; part++) {
      const next = await this.fetchFile(partsPath(digest, part))
      if (next === undefined) break
      last = next.size
      size += last
    }
    if (first === undefined || size === first.size) return first && { ...first, partBytes: size }
    return { size, bytes: undefined, partBytes: first.size }
  }

  private async fetchFile(path: string): Promise<Came> {
    const answer = await this.client.ask(path)
    if (answer.status === 404) return undefined
    const { sizeBytes } = answer
    if (sizeBytes !== undefined && sizeBytes > chunkBytes) {
      answer.drop()
      return { size: sizeBytes, bytes: undefined }
    }
    const bytes = await this.client.gather(path, answer, sizeBytes ?? chunkBytes)
    return { size: bytes.length, bytes }
  }

  async *blob(digest: Digest, fromByte: number, { signal }: Waiting): AsyncGenerator<Uint8Array, void, void> {
    signal.throwIfAborted()
    const came = await (this.coming.get(digest) ?? this.fetchBlob(digest))
    this.coming.delete(digest)
    if (came === undefined) throw this.absent(blobPath(digest))
    if (came.bytes !== undefined) {
      yield came.bytes.subarray(fromByte)
      return
    }
    const { size, partBytes } = came
    for (let start = 0, part = 0; start < size; start += partBytes ?? size, part++) {
      const bytes = Math.min(partBytes ?? size, size - start)
      if (fromByte >= start + bytes) continue
      const path = partBytes === undefined ? blobPath(digest) : partsPath(digest, part)
      for await (const piece of this.pieces(path, Math.max(0, fromByte - start), bytes)) {
        yield piece
        signal.throwIfAborted()
      }
    }
  }

  private absent(path: string): RejoinError {
    return new RejoinError('E_NOT_FOUND', `${this.name}${path} is not there`)
  }

  /** Yields a large file in pieces of 1 MiB. */
  private async *pieces(path: string, fromByte: number, size: number): AsyncGenerator<Uint8Array, void, void> {
    const answer = await this.client.ask(path, { from: fromByte })
    try {
      if (answer.status === 404) throw this.absent(path)
      let skip = fromByte - answer.from
      let at = fromByte
      let piece = Buffer.allocUnsafe(Math.min(chunkBytes, size - at))
      let filled = 0
      for await (const bytes of answer.body) {
        // a server that knows no ranges sends everything again
        let rest = bytes.subarray(Math.min(skip, bytes.length))
        skip -= bytes.length - rest.length
        while (rest.length > 0) {
          if (at >= size)
            throw new RejoinError('E_BAD_OBJECT', `${this.name}${path} has more than the ${size} bytes that it said`)
          const part = rest.subarray(0, piece.length - filled)
          piece.set(part, filled)
          filled += part.length
          rest = rest.subarray(part.length)
          if (filled < piece.length) continue
          at += filled
          yield piece
          piece = Buffer.allocUnsafe(Math.max(0, Math.min(chunkBytes, size - at)))
          filled = 0
        }
      }
      if (at < size) throw new RejoinError('E_BAD_OBJECT', `${this.name}${path} ends at byte ${at + filled}, before its ${size}`)
    } finally {
      answer.drop()
    }
  }

  async *urgent({ signal }: Waiting): AsyncGenerator<Uint8Array, void, void> {
    const paths = [...this.byLog.values()].flatMap(({ log, closed, fork }) => [
      ...(fork ? [forkPath(log)] : []),
      ...(closed ? [closedPath(log)] : [])
    ])
    // no record either where it can't be read, as who takes it finds and tells
    for (const path of paths.slice(0, maxUrgent)) yield* this.fileOf(path, maxUrgentBytes, signal, new Uint8Array(0))
  }

  async *frontiers({ signal }: Waiting): AsyncGenerator<Uint8Array, void, void> {
    for (const path of (await this.signed()).frontiers) yield* this.fileOf(path, maxFrontierBytes, signal)
  }

  async *receipts({ signal }: Waiting): AsyncGenerator<Uint8Array, void, void> {
    for (const path of (await this.signed()).receipts) yield* this.fileOf(path, maxReceiptBytes, signal)
  }

  /** Yields a small file where it is there; what can't be read is passed over. */
  private async *fileOf(
    path: string,
    maxBytes: number,
    signal: AbortSignal,
    instead?: Uint8Array
  ): AsyncGenerator<Uint8Array, void, void> {
    signal.throwIfAborted()
    const bytes = await this.client.read(path, maxBytes).catch((error: unknown) => {
      faultIn(error, path)
      return instead
    })
    if (bytes !== undefined) yield bytes
  }

  private async signed(): Promise<SignedPaths> {
    this.signedPaths ??= await signedPathsOf(this.client)
    return this.signedPaths
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const came of this.coming.values()) await came.catch(() => {})
    this.coming.clear()
    this.logs.clear()
  }
}

async function networkOf(client: WebClient): Promise<string> {
  const bytes = await client.read('replica.json', maxReplicaBytes)
  if (bytes === undefined) throw new RejoinError('E_NO_DATA', `there is no ${client.base}replica.json`)
  let value: { readonly version?: unknown; readonly network?: unknown }
  try {
    value = JSON.parse(textOf(bytes)) as typeof value
  } catch (cause) {
    throw new RejoinError('E_DAMAGED', `${client.base}replica.json is not JSON`, { cause })
  }
  const { version, network } = value ?? {}
  if (version !== folderVersion)
    throw new RejoinError(
      'E_VERSION',
      `${client.base} has format version ${String(version).slice(0, 20)}; this program knows ${folderVersion}`
    )
  if (typeof network !== 'string') throw new RejoinError('E_DAMAGED', `${client.base}replica.json names no network`)
  return network
}
