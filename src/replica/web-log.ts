import {
  type Checkpoint,
  checkpointCosePath,
  checkpointPath,
  codeOf,
  concat,
  edgeOf,
  entriesPath,
  entriesPerFile,
  type EntryBlock,
  type HeadLine,
  type LogId,
  maxNoteBytes,
  type Offer,
  RejoinError,
  subtreeRoot,
  tilePath,
  tileWidth,
  verifyCheckpoint,
  verifyCoseCheckpoint
} from '../core/index.ts'
import { indexAt, type Mark, placeOf, readMarked } from '../store/index.ts'
import type { WebClient } from './web-client.ts'
import { type LoadedEntries, loadEntries, maxEntriesBytes, treeOfEntries, type WebPlace } from './web-entries.ts'

const tileBytes = tileWidth * 32
/** files of entries that are held at a time, up to 64 MiB each where a server makes them so */
const maxFiles = 3

/** One log in a folder on the web: its checkpoint, the hashes that lead to it, and its lines. Only the signature is verified here. */
export class WebLog {
  private readonly client: WebClient
  private readonly head: HeadLine
  /** up to where its lines were read before, and then, how far they are read now */
  place: WebPlace | undefined
  private size: number
  private readonly files = new Map<number, Promise<LoadedEntries>>()

  constructor(client: WebClient, head: HeadLine, place: WebPlace | undefined) {
    this.client = client
    this.head = head
    this.size = head.size
    this.place = place
  }

  private get log(): LogId {
    return this.head.log
  }

  /**
   * Returns the checkpoint that is there and the hashes from an entry on.
   * @param derive make them from the lines
   * @throws E_NOT_FOUND E_INCOMPLETE E_SIGNATURE … and as the client
   */
  async offer(from: number, derive: boolean): Promise<Offer> {
    const { log, client } = this
    const [note, coseBytes] = await Promise.all([
      client.read(checkpointPath(log), maxNoteBytes),
      client.read(checkpointCosePath(log), maxNoteBytes).catch((error: unknown) => {
        if (codeOf(error) === 'E_TOO_LARGE') return undefined
        throw error
      })
    ])
    if (note === undefined) throw this.absent(checkpointPath(log))
    const checkpoint = verifyCheckpoint(note, log, this.head.author)
    const { size } = checkpoint
    if (from > size) throw new RejoinError('E_NOT_FOUND', `log ${log} has no entry ${from} there`)
    this.size = size
    if (derive || this.place?.index !== from) this.place = undefined
    const fromTile = Math.floor(from / tileWidth)
    const [tileHashes, edge] = await Promise.all([this.rootsOf(fromTile, size, derive), this.edgeOf(size, derive)])
    return { checkpoint, cose: coseOf(coseBytes, checkpoint, this.head), fromTile, tileHashes, edge }
  }

  private absent(path: string): RejoinError {
    return new RejoinError('E_NOT_FOUND', `${this.client.base}${path} is not there`, { at: path })
  }

  /** Returns the first hashes of a tile, undefined where no file has them. */
  async tile(level: number, index: number, width: number): Promise<Uint8Array | undefined> {
    const path = tilePath(this.log, level, index)
    for (const name of width < tileWidth ? [`${path}.p/${width}`, path] : [path]) {
      const bytes = await this.client.read(name, tileBytes + 1)
      if (bytes !== undefined && bytes.length >= width * 32 && bytes.length <= tileBytes) return bytes.subarray(0, width * 32)
    }
    return undefined
  }

  private async edgeOf(size: number, derive: boolean): Promise<readonly Uint8Array[]> {
    const width = size % tileWidth
    if (width === 0) return []
    const leaves = derive ? undefined : await this.tile(0, Math.floor(size / tileWidth), width)
    return leaves === undefined ? treeOfEntries(await this.file(size - width), size - width, size).edge() : edgeOf(leaves)
  }

  private async rootsOf(fromTile: number, size: number, derive: boolean): Promise<Uint8Array> {
    const end = Math.floor(size / tileWidth)
    const parts: Uint8Array[] = []
    for (let tile = fromTile; tile < end; ) {
      const slot = tile % tileWidth
      const width = Math.min(tileWidth, end - (tile - slot))
      const hashes = derive ? undefined : await this.tile(1, Math.floor(tile / tileWidth), width)
      if (hashes === undefined) parts.push(await this.rootOf(tile++, derive))
      else {
        parts.push(hashes.subarray(slot * 32))
        tile += width - slot
      }
    }
    return concat(parts)
  }

  private async rootOf(tile: number, derive: boolean): Promise<Uint8Array> {
    const hashes = derive ? undefined : await this.tile(0, tile, tileWidth)
    if (hashes !== undefined) return subtreeRoot(hashes)
    const start = tile * tileWidth
    return treeOfEntries(await this.file(start), start, start + tileWidth).root()
  }

  /** Returns the whole file that holds an entry; the next one is fetched meanwhile. */
  private async file(index: number): Promise<LoadedEntries> {
    const number = Math.floor(index / entriesPerFile)
    const loading = this.load(number)
    if ((number + 1) * entriesPerFile < this.size) this.load(number + 1).catch(() => {})
    return await loading
  }

  private load(number: number): Promise<LoadedEntries> {
    let loading = this.files.get(number)
    if (loading === undefined) {
      loading = loadEntries(this.client, this.log, number * entriesPerFile)
      loading.catch(() => this.files.delete(number))
      this.files.set(number, loading)
      for (const old of this.files.keys()) if (this.files.size > maxFiles && old !== number) this.files.delete(old)
    }
    return loading
  }

  /** Yields entries, a file's at a time. @throws E_NOT_FOUND E_INCOMPLETE E_WITHHELD E_TOO_LARGE, and as the client */
  async *blocks(from: number, to: number): AsyncGenerator<EntryBlock, void, void> {
    for (let at = from; at < to; ) {
      const loaded = await this.fileFrom(at)
      const limit = Math.min(to, at - (at % entriesPerFile) + entriesPerFile)
      if (indexAt(loaded.marks, loaded.marks.length - 1) <= at) throw this.endsAt(at)
      const block = readMarked(loaded, at, limit, maxEntriesBytes)
      const end = block.from + block.count
      if (end > limit) throw new RejoinError('E_WITHHELD', `a withheld run of log ${this.log} reaches over entry ${limit}`)
      // whole tiles only: a file that ends within one lacks entries
      const whole = end === limit ? end : end - (end % tileWidth)
      if (whole <= block.from) throw this.endsAt(end)
      this.notePlace(loaded, whole)
      yield whole === end ? block : readMarked(loaded, block.from, whole, maxEntriesBytes)
      at = whole
    }
  }

  private endsAt(index: number): RejoinError {
    return new RejoinError('E_INCOMPLETE', `log ${this.log} has no entry ${index} there`, { at: entriesPath(this.log, index) })
  }

  private notePlace({ marks, base }: LoadedEntries, end: number): void {
    if (end !== this.size) return
    const { index, atByte } = marks[placeOf(marks, end)] as Mark
    if (index === end) this.place = { index, atByte: end % entriesPerFile === 0 ? 0 : base + atByte }
  }

  /** The file, or only what is behind the byte at which reading stopped the last time: that is tried once. */
  private async fileFrom(index: number): Promise<LoadedEntries> {
    const { place } = this
    this.place = undefined
    if (place === undefined || place.index !== index || place.atByte === 0) return await this.file(index)
    return await loadEntries(this.client, this.log, index, place)
  }

  /** Forgets the files that are held. */
  release(): void {
    this.files.clear()
  }
}

/** A COSE form of another head is left out: it is written before the checkpoint, and may be newer. */
function coseOf(bytes: Uint8Array | undefined, checkpoint: Checkpoint, { author }: HeadLine): Uint8Array | undefined {
  try {
    return bytes === undefined ? undefined : verifyCoseCheckpoint(bytes, checkpoint, author).bytes
  } catch (error) {
    if (codeOf(error) === undefined) throw error
    return undefined
  }
}
