import {
  appendLines,
  type Digest,
  edgeLength,
  type EntryBlock,
  entriesPath,
  entriesPerFile,
  linesOf,
  type LogId,
  logFolder,
  logIdOf,
  type Offer,
  omittedPath,
  parseCheckpoint,
  parseHeads,
  parseOmitted,
  parseOpenedLine,
  type PublicKey,
  RejoinError,
  tileIndexPath,
  tileWidth,
  Tree,
  verifyCheckpoint,
  verifyCoseCheckpoint
} from '../core/index.ts'
import type { FileFault, FileHead, FileReplica, Waiting } from './file-replica.ts'
import { faultIn } from './folder.ts'
import type { StreamFiles } from './stream-files.ts'
import { entriesIn } from './stream-lines.ts'

/** lines that are waited for to learn a log's writer from */
const maxWaitBytes = 24 * 1024 * 1024

/**
 * A stream of files read as a replica: what is asked of a log is waited for.
 */
export class StreamReplica implements FileReplica {
  readonly files: StreamFiles
  readonly name: string
  readonly network: string
  readonly storeId: string | undefined
  private left: ReadonlyMap<Digest, string> | undefined

  constructor(files: StreamFiles) {
    this.files = files
    this.name = files.name
    this.network = files.network
    this.storeId = files.storeId
  }

  async heads({
    signal,
    onFault = () => {}
  }: Waiting & { readonly onFault?: (fault: FileFault) => void }): Promise<readonly FileHead[]> {
    while (this.files.held.size === 0 && (await this.files.pump())) signal.throwIfAborted()
    const authors = this.listedAuthors()
    const heads: FileHead[] = []
    // whose writer nothing lists is known by its first line alone
    while (
      (authors.size === 0 || this.checkpointCount() === 0) &&
      this.files.heldBytes < maxWaitBytes &&
      (await this.files.pump())
    )
      signal.throwIfAborted()
    for (const [path, note] of this.files.small) {
      const log = /^logs\/([a-z2-7]+)\/checkpoint$/.exec(path)?.[1] as LogId | undefined
      if (log === undefined) continue
      try {
        const head = parseCheckpoint(note)
        if (head.log !== log) throw new RejoinError('E_ORIGIN', `the checkpoint of log ${log} is of another log`)
        const known = authors.get(log)
        if (head.size > 0)
          heads.push({
            log,
            size: head.size,
            root: head.root,
            author: known?.author ?? this.writerOf(log),
            texts: known?.texts ?? 0
          })
      } catch (error) {
        onFault(faultIn(error, logFolder(log)))
      }
    }
    return heads
  }

  /** Returns what was left out by choice, as far as that was said before the lines. */
  async omitted(): Promise<ReadonlyMap<Digest, string>> {
    await this.files.toHeads()
    const bytes = this.files.small.get(omittedPath)
    try {
      if (bytes !== undefined) this.left ??= parseOmitted(bytes)
    } catch (error) {
      this.left = new Map()
      this.files.fault(faultIn(error, omittedPath))
    }
    return this.left ?? new Map()
  }

  private checkpointCount(): number {
    let count = 0
    for (const path of this.files.small.keys()) if (path.endsWith('/checkpoint')) count++
    return count
  }

  private listedAuthors(): ReadonlyMap<LogId, { readonly author: PublicKey; readonly texts: number }> {
    const bytes = this.files.small.get('heads')
    try {
      return new Map(bytes === undefined ? [] : parseHeads(bytes).heads.map(({ log, author, texts }) => [log, { author, texts }]))
    } catch (error) {
      this.files.fault(faultIn(error, 'heads'))
      return new Map()
    }
  }

  private writerOf(log: LogId): PublicKey {
    const text = this.files.held.get(entriesPath(log, 0))
    const end = text?.indexOf(10) ?? -1
    if (text === undefined || end < 0) throw new RejoinError('E_OPENED', `log ${log} has no first line there`)
    const line = text.subarray(0, end)
    if (logIdOf(line) !== log) throw new RejoinError('E_OPENED', `the first line of log ${log} does not give its ID`)
    return parseOpenedLine(line).publicKey
  }

  async offer(
    { log, author }: FileHead,
    from: number,
    { signal, derive = false }: Waiting & { readonly derive?: boolean }
  ): Promise<Offer> {
    signal.throwIfAborted()
    const note = this.files.small.get(`${logFolder(log)}/checkpoint`)
    if (note === undefined) throw new RejoinError('E_NOT_FOUND', `log ${log} has no checkpoint there`)
    const checkpoint = verifyCheckpoint(note, log, author)
    const { size } = checkpoint
    if (size < from) throw new RejoinError('E_NOT_FOUND', `log ${log} has no entry ${from} there`)
    const fromTile = Math.floor(from / tileWidth)
    const fullTiles = Math.floor(size / tileWidth)
    const tileHashes = new Uint8Array((fullTiles - fromTile) * 32)
    for (let tile = fromTile; tile < fullTiles; tile++)
      tileHashes.set(await this.tileHash(log, tile, fullTiles, derive), (tile - fromTile) * 32)
    const edge = size % tileWidth === 0 ? [] : (await this.treeOf(log, fullTiles * tileWidth, size)).edge()
    if (edge.length !== edgeLength(size % tileWidth))
      throw new RejoinError('E_INCOMPLETE', `log ${log} has not all of its last entries there`)
    return { checkpoint, cose: this.coseOf(checkpoint, author), fromTile, tileHashes, edge }
  }

  private async tileHash(log: LogId, tile: number, fullTiles: number, derive: boolean): Promise<Uint8Array> {
    const index = Math.floor(tile / tileWidth)
    const slot = tile % tileWidth
    const name = `${logFolder(log)}/tile/1/${tileIndexPath(index)}`
    const width = Math.min(tileWidth, fullTiles - index * tileWidth)
    const bytes = derive ? undefined : (this.files.small.get(name) ?? this.files.small.get(`${name}.p/${width}`))
    if (bytes !== undefined && bytes.length >= (slot + 1) * 32) return bytes.subarray(slot * 32, (slot + 1) * 32)
    return (await this.treeOf(log, tile * tileWidth, (tile + 1) * tileWidth)).root()
  }

  /** The tree over entries that begin a tile and lie in one file. */
  private async treeOf(log: LogId, from: number, to: number): Promise<Tree> {
    const leaves = this.files.small.get(`${logFolder(log)}/tile/0/${tileIndexPath(Math.floor(from / tileWidth))}.p/${to - from}`)
    const tree = new Tree()
    if (leaves?.length === (to - from) * 32) {
      for (let at = 0; at < leaves.length; at += 32) tree.append(leaves.subarray(at, at + 32))
      return tree
    }
    const file = Math.floor(from / entriesPerFile)
    const text = await this.files.entriesFile(log, file)
    if (text === undefined) throw this.missing(log, from)
    const block = entriesIn(text, file, from, to, log)
    if (block.from !== from || block.from + block.count !== to)
      throw new RejoinError('E_INCOMPLETE', `log ${log} has not the entries ${from} to ${to - 1} there`)
    appendLines(tree, linesOf(block))
    return tree
  }

  private coseOf(checkpoint: Offer['checkpoint'], author: PublicKey): Uint8Array | undefined {
    const bytes = this.files.small.get(`${logFolder(checkpoint.log)}/checkpoint.cose`)
    try {
      return bytes && verifyCoseCheckpoint(bytes, checkpoint, author).bytes
    } catch (error) {
      if (error instanceof RejoinError) return undefined
      throw error
    }
  }

  /** Where the stream was cut off, everything after it is missing, and nothing is to be made of that. */
  private missing(log: LogId, index: number): RejoinError {
    const at = entriesPath(log, index)
    const isCut = this.files.done && this.files.end?.kind !== 'whole'
    return isCut
      ? new RejoinError('E_GONE', `${this.name} ends before the entries of log ${log} from ${index} on`, { at })
      : new RejoinError('E_INCOMPLETE', `${at} is missing`, { at })
  }

  async *blocks(log: LogId, from: number, to: number, { signal }: Waiting): AsyncGenerator<EntryBlock, void, void> {
    for (let at = from; at < to; ) {
      signal.throwIfAborted()
      const file = Math.floor(at / entriesPerFile)
      const text = await this.files.entriesFile(log, file)
      if (text === undefined) throw this.missing(log, at)
      const block = entriesIn(text, file, at, Math.min(to, (file + 1) * entriesPerFile), log)
      yield block
      at = block.from + block.count
    }
  }

  async leaves(log: LogId, tile: number, width: number): Promise<Uint8Array | undefined> {
    const bytes = this.files.small.get(`${logFolder(log)}/tile/0/${tileIndexPath(tile)}.p/${width}`)
    return await Promise.resolve(bytes?.length === width * 32 ? bytes : undefined)
  }

  /** What a stream holds of blobs comes with blobs(). */
  async size(): Promise<number | undefined> {
    return await Promise.resolve(undefined)
  }

  async *blob(digest: Digest): AsyncGenerator<Uint8Array, void, void> {
    yield* await Promise.reject<[]>(new RejoinError('E_NOT_FOUND', `blob ${digest} can't be asked of a stream`))
  }

  async *urgent({ signal }: Waiting): AsyncGenerator<Uint8Array, void, void> {
    while (this.files.held.size === 0 && (await this.files.pump())) signal.throwIfAborted()
    for (const [path, bytes] of this.files.small) if (/\/(?:fork|closed)$/.test(path)) yield bytes
  }

  async *frontiers(): AsyncGenerator<Uint8Array, void, void> {
    for (const [path, bytes] of this.files.small) if (path.startsWith('frontiers/')) yield await Promise.resolve(bytes)
  }

  async *receipts(): AsyncGenerator<Uint8Array, void, void> {
    for (const [path, bytes] of this.files.small) if (path.startsWith('receipts/')) yield await Promise.resolve(bytes)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.files[Symbol.asyncDispose]()
  }
}
