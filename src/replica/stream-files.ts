import {
  type Digest,
  digestOf,
  entriesPath,
  entriesPerFile,
  headsPath,
  type LogId,
  maxCoseBytes,
  maxNoteBytes,
  maxOmittedBytes,
  maxUrgentBytes,
  type Member,
  RejoinError,
  sealPath,
  tileWidth
} from '../core/index.ts'
import { parseReplicaFile } from '../store/index.ts'
import type { ArchiveEnd, RefusedFile, StreamedFile } from './archive-read.ts'
import type { FileFault } from './file-replica.ts'
import { SealedSums } from './sealed-sums.ts'

/** Files that come one after the other, as an archive or an encrypted medium has them. */
export interface FileStream {
  readonly files: () => AsyncIterable<StreamedFile>
  /** how it ended, once it did */
  readonly end: ArchiveEnd | undefined
}

/** A blob of a stream; it must be read before the next one is asked for, and may turn out shorter than it says where the stream ends. */
export interface StreamedBlob {
  readonly path: string
  readonly digest: Digest
  readonly sizeBytes: number
  readonly body: AsyncIterable<Uint8Array>
}

/** How a stream of files is read as a replica. */
export interface StreamSource {
  readonly name: string
  /** Begins at the first file; a second time only where `isSeekable`. */
  readonly open: (onRefused: (refused: RefusedFile) => void) => FileStream
  readonly isSeekable: boolean
}

/** lines that wait for what proves them, or for whoever asks */
const maxHeldBytes = 48 * 1024 * 1024
/** heads, hashes and other small files together */
const maxSmallBytes = 64 * 1024 * 1024
const maxEntriesBytes: number = entriesPerFile * 65_536
const maxFaults = 1000
const limitOf: Readonly<Partial<Record<Member['kind'], number>>> = {
  replica: maxSmallBytes / 1024,
  heads: maxSmallBytes / 4,
  seal: maxNoteBytes,
  omitted: maxOmittedBytes,
  checkpoint: maxNoteBytes,
  cose: maxCoseBytes,
  closed: maxUrgentBytes,
  fork: maxUrgentBytes,
  tile: tileWidth * 32,
  entries: maxEntriesBytes,
  frontier: 4 * 1024 * 1024,
  receipt: 4 * 1024 * 1024
}

/**
 * A stream of files read as a replica, from its beginning to its end once: what is asked for is waited for, and what comes before it is asked for
 * is held, up to a bound. Logs come first and blobs after them, as `export` writes them; where they don't, a second pass is made if the source can be
 * read again.
 */
export class StreamFiles implements AsyncDisposable {
  readonly name: string
  network = ''
  storeId: string | undefined
  private readonly source: StreamSource
  private readonly wantsSums: boolean
  private readonly onFault: (fault: FileFault) => void
  private stream: FileStream
  private files: AsyncIterator<StreamedFile>
  readonly small: Map<string, Uint8Array> = new Map<string, Uint8Array>()
  private smallBytes = 0
  readonly held: Map<string, Uint8Array> = new Map<string, Uint8Array>()
  heldBytes = 0
  private readonly dropped = new Set<string>()
  /** a blob that came, and waits for the logs to be taken */
  private blobAhead: StreamedFile | undefined
  private sawLogs = false
  /** blobs that came before any log */
  skippedBlobs = 0
  done = false
  private faultCount = 0
  /** what SHA256SUMS lists, where it was to be read */
  sums: SealedSums | undefined
  private mustFit = false

  private constructor(source: StreamSource, wantsSums: boolean, onFault: (fault: FileFault) => void) {
    this.source = source
    this.wantsSums = wantsSums
    this.name = source.name
    this.onFault = onFault
    this.stream = this.begin()
    this.files = this.stream.files()[Symbol.asyncIterator]()
  }

  private begin(): FileStream {
    return this.source.open(({ path, reason }) => this.fault({ path, reason, code: 'E_REFUSED' }))
  }

  /**
   * Begins to read.
   * @param onFault is told each file that is not taken, and why
   * @param wantsSums whether seal() will be asked
   * @throws E_NO_DATA where it holds no replica · E_VERSION E_DAMAGED · E_ARCHIVE where it is none
   */
  static async open(
    source: StreamSource,
    onFault: (fault: FileFault) => void,
    { wantsSums = false }: { readonly wantsSums?: boolean } = {}
  ): Promise<StreamFiles> {
    const replica = new StreamFiles(source, wantsSums, onFault)
    try {
      while (!replica.small.has('replica.json') && (await replica.pump()));
      const bytes = replica.small.get('replica.json')
      if (bytes === undefined) {
        const end = replica.stream.end
        if (end?.kind === 'damaged') throw new RejoinError('E_ARCHIVE', `${source.name}: ${end.reason}`)
        throw new RejoinError('E_NO_DATA', `there is no replica in ${source.name}`, { hint: 'rejoin export FILE.tar writes one' })
      }
      const { network, store } = parseReplicaFile(bytes, `${source.name}: replica.json`)
      replica.network = network
      replica.storeId = store
      return replica
    } catch (error) {
      await replica[Symbol.asyncDispose]()
      throw error
    }
  }

  /** How the stream ended, once it did. */
  get end(): ArchiveEnd | undefined {
    return this.stream.end
  }

  /** Tells that something is not taken. */
  fault(fault: FileFault): void {
    if (++this.faultCount <= maxFaults) this.onFault(fault)
  }

  /** Files that could not be taken. */
  get faults(): number {
    return this.faultCount
  }

  /** Reads one more file. @returns false where nothing more comes before the blobs are taken */
  async pump(): Promise<boolean> {
    if (this.done || this.blobAhead !== undefined) return false
    const { done, value } = await this.files.next()
    if (done === true) {
      this.done = true
      return false
    }
    await this.keep(value)
    return true
  }

  private async keep(file: StreamedFile): Promise<void> {
    const { path, member, sizeBytes } = file
    if (member.kind === 'blob') {
      if (this.sawLogs && this.small.has('replica.json')) this.blobAhead = file
      else this.skippedBlobs++
      return
    }
    if (member.kind === 'sums') {
      if (this.wantsSums && this.held.size === 0 && !this.mustFit) await (this.sums ??= new SealedSums()).read(file.body)
      return
    }
    const limit = limitOf[member.kind]
    if (limit === undefined) return
    if (sizeBytes > limit)
      return this.fault({ path, reason: `${sizeBytes} bytes, over the limit of ${limit}`, code: 'E_TOO_LARGE' })
    if (member.kind === 'tile' && member.level === 0 && member.width === tileWidth) return
    if (member.kind !== 'entries' && this.smallBytes + sizeBytes > maxSmallBytes)
      return this.fault({ path, reason: `heads and hashes of more than ${maxSmallBytes} bytes`, code: 'E_TOO_LARGE' })
    const bytes = await gathered(file)
    if (bytes.length < sizeBytes) return
    if (this.mustFit && !this.isUnderSeal(path, bytes))
      return this.fault({ path, reason: 'it is not what the seal says', code: 'E_SEAL' })
    this.sawLogs ||= member.kind === 'entries' || member.kind === 'checkpoint'
    if (member.kind === 'entries') this.hold(path, bytes)
    else if (!this.small.has(path)) {
      this.small.set(path, bytes)
      // what a Map costs for each
      this.smallBytes += sizeBytes + 200
    }
  }

  private isUnderSeal(path: string, bytes: Uint8Array): boolean {
    return path === sealPath || this.sums?.fits(path, bytes) === true
  }

  /** Reads up to the heads; to be called before logs are. */
  async toHeads(): Promise<void> {
    while (!this.small.has(headsPath) && this.held.size === 0 && (await this.pump()));
  }

  /**
   * From here on only what the sealed list has is taken.
   * @returns the seal's bytes, undefined where there is none, or it comes after what it is to vouch for
   * @throws E_SEAL where what came already is not what the list says
   */
  async seal(): Promise<Uint8Array | undefined> {
    await this.toHeads()
    const seal = this.small.get(sealPath)
    if (seal === undefined || this.sums === undefined) return undefined
    for (const [path, bytes] of [...this.small, ...this.held])
      if (!this.isUnderSeal(path, bytes)) throw new RejoinError('E_SEAL', `${path} is not what the seal of ${this.name} says`)
    this.mustFit = true
    return seal
  }

  private hold(path: string, bytes: Uint8Array): void {
    this.held.set(path, bytes)
    this.heldBytes += bytes.length
    for (const [oldest, { length }] of this.held) {
      if (this.heldBytes <= maxHeldBytes || oldest === path) break
      this.held.delete(oldest)
      this.heldBytes -= length
      this.dropped.add(oldest)
    }
  }

  /** Returns a file of entries, waited for; undefined where it does not come. @throws E_INCOMPLETE where it came and was dropped */
  async entriesFile(log: LogId, file: number): Promise<Uint8Array | undefined> {
    const path = entriesPath(log, file * entriesPerFile)
    while (!this.held.has(path) && !this.dropped.has(path) && (await this.pump()));
    const bytes = this.held.get(path)
    if (bytes !== undefined || !this.dropped.has(path)) return bytes
    if (!this.source.isSeekable)
      throw new RejoinError('E_INCOMPLETE', `${path} came long before it was needed, and ${this.name} can't be read again`, {
        at: path
      })
    await this.again(log, file)
    return this.held.get(path)
  }

  /** Reads the stream once more up to a file of entries, and those of its log that follow it. */
  private async again(log: LogId, file: number): Promise<void> {
    for await (const one of this.source.open(() => {}).files()) {
      const { path, member, sizeBytes } = one
      if (member.kind === 'blob' && this.blobAhead !== undefined) break
      if (member.kind !== 'entries' || member.log !== log || member.file < file || sizeBytes > maxEntriesBytes) continue
      if (this.heldBytes + sizeBytes > maxHeldBytes && member.file > file + 1) break
      this.dropped.delete(path)
      this.hold(path, await gathered(one))
    }
  }

  /**
   * Yields the blobs in the order in which they come; to be asked once, after the logs were taken. A blob must be read before the next one is asked
   * for, and may turn out shorter than it says where the stream ends.
   */
  async *blobs(): AsyncGenerator<StreamedBlob, void, void> {
    const skipped = this.skippedBlobs
    while (!this.done) {
      const file = this.blobAhead
      if (file?.member.kind === 'blob' && this.mayTake(file.member.digest))
        yield { path: file.path, digest: file.member.digest, sizeBytes: file.sizeBytes, body: file.body }
      this.blobAhead = undefined
      await this.pump()
    }
    if (skipped > 0 && !this.source.isSeekable)
      this.fault({
        path: this.name,
        reason: `${skipped} blobs came before the logs that name them; import it as a file`,
        code: 'E_INCOMPLETE'
      })
  }

  /** Whether the stream can be read again. */
  get isSeekable(): boolean {
    return this.source.isSeekable
  }

  /** Yields the blobs once more, from the beginning. */
  async *blobsAgain(): AsyncGenerator<StreamedBlob, void, void> {
    for await (const { path, member, sizeBytes, body } of this.source.open(() => {}).files())
      if (member.kind === 'blob' && this.mayTake(member.digest)) yield { path, digest: member.digest, sizeBytes, body }
  }

  private mayTake(digest: Digest): boolean {
    return !this.mustFit || this.sums?.hasBlob(digest) === true
  }

  /** The digest of the file `heads`, where it came. */
  get headsDigest(): Digest | undefined {
    const bytes = this.small.get(headsPath)
    return bytes && digestOf(bytes)
  }

  /** Returns a small file that came before the blobs: `seal`, `omitted`, `heads`. */
  smallFile(path: string): Uint8Array | undefined {
    return this.small.get(path)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.done = true
    await this.files.return?.()
  }
}

async function gathered({ body, sizeBytes }: StreamedFile): Promise<Uint8Array> {
  const bytes = new Uint8Array(sizeBytes)
  let length = 0
  for await (const piece of body) {
    bytes.set(piece, length)
    length += piece.length
  }
  return length === sizeBytes ? bytes : bytes.subarray(0, length)
}
