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
  equal,
  foldEdge,
  type HeadLine,
  type LogId,
  maxNoteBytes,
  RejoinError,
  subtreeRoot,
  tilePath,
  tileWidth,
  Tree,
  verifyCheckpoint,
  verifyCoseCheckpoint
} from '../core/index.ts'
import type { Proof } from './replica.ts'
import type { WebClient } from './web-client.ts'
import { type LoadedEntries, loadEntries, markAt, markBefore, treeOfEntries, type WebPlace } from './web-entries.ts'
import { pieceOfGap, placeOf } from '../store/index.ts'
import type { WebFaults } from './web-faults.ts'

const tileBytes = tileWidth * 32
/** files of entries that are held at a time, up to 64 MiB each where a server makes them so */
const maxFiles = 3

interface Hashes {
  /** root of each full tile of the log, 32 bytes each */
  readonly roots: Uint8Array
  /** subtrees of the last, unfinished tile */
  readonly edges: readonly Uint8Array[]
}

type Proven = Proof & Hashes

/**
 * One log in a folder on the web: its checkpoint, the hashes that lead to it, and its lines, each verified before it is handed on. What is
 * wrong or not there is noted with its path, and the log then ends there, so that the other logs go on.
 */
export class WebLog {
  private readonly client: WebClient
  private readonly head: HeadLine
  private readonly faults: WebFaults
  /** up to where its lines were read before, and then, how far they are read now */
  place: WebPlace | undefined
  private proven: Proven | undefined
  private readonly files = new Map<number, Promise<LoadedEntries>>()
  private readonly checked = new Map<LoadedEntries, number>()
  /** leaf hashes of the tile in which reading goes on */
  private leaves: Uint8Array = new Uint8Array(0)

  constructor(client: WebClient, head: HeadLine, faults: WebFaults, place: WebPlace | undefined) {
    this.client = client
    this.head = head
    this.faults = faults
    this.place = place
  }

  private get log(): LogId {
    return this.head.log
  }

  /** Returns the checkpoint that is there and the hashes that lead to it, verified. @throws E_NOT_FOUND where they can't be had · E_GONE E_TIMEOUT */
  async proof(from: number): Promise<Proof> {
    try {
      const proven = await this.prove(from)
      this.proven = proven
      return { ...proven, tiles: proven.roots.subarray(Math.floor(from / tileWidth) * 32) }
    } catch (error) {
      throw this.faults.note(error, checkpointPath(this.log))
    }
  }

  /** Returns verified entries. @throws E_NOT_FOUND where they can't be had · E_GONE E_TIMEOUT */
  async read(from: number, to: number, maxBytes: number): Promise<EntryBlock> {
    try {
      return await this.readVerified(from, to, maxBytes)
    } catch (error) {
      throw this.faults.note(error, entriesPath(this.log, from))
    }
  }

  private async prove(from: number): Promise<Proven> {
    const { log, client } = this
    const [note, coseBytes] = await Promise.all([
      client.read(checkpointPath(log), maxNoteBytes),
      client.read(checkpointCosePath(log), maxNoteBytes).catch((error: unknown) => {
        if (codeOf(error) === 'E_TOO_LARGE') return undefined
        throw error
      })
    ])
    if (note === undefined) throw new RejoinError('E_NOT_FOUND', `${client.base}${checkpointPath(log)} is not there`)
    const checkpoint = verifyCheckpoint(note, log, this.head.author)
    const { size, root } = checkpoint
    if (from > size)
      throw new RejoinError('E_NOT_FOUND', `${client.base}: log ${log} ends at ${size} there, before entry ${from}`)
    await this.takePlace(from, size)
    for await (const { roots, edges } of this.hashes(from, size)) {
      if (!equal(rootOver(roots, edges), root)) continue
      const cose = coseOf(coseBytes, checkpoint, this.head)
      return { note, cose, size, tiles: roots, roots, edge: concat(edges), edges }
    }
    throw new RejoinError('E_ROOT', `log ${log} does not give the root of its checkpoint`)
  }

  /** Yields the hashes that may lead to the root: those that cost least first. Tiles may be damaged, and so may lines. */
  private async *hashes(from: number, size: number): AsyncGenerator<Hashes, void, void> {
    // of a log in one file the lines have to be read anyway
    const isShort = size <= entriesPerFile && this.place === undefined
    if (isShort) {
      const ofLines = await this.hashesOfLines(size).catch(passOver)
      if (ofLines !== undefined) yield ofLines
    }
    const roots = await this.rootsOfTiles(size)
    const edges = await this.edgesOfTile(from, size)
    if (roots !== undefined && edges !== undefined) yield { roots, edges }
    this.place = undefined
    if (roots !== undefined && !isShort) {
      const ofLines = await this.edgesOfLines(size).catch(passOver)
      if (ofLines !== undefined) yield { roots, edges: ofLines }
    }
    yield await this.hashesOfLines(size)
  }

  /** Looks whether reading can go on at a byte within a file: the hashes that come before it in its tile must be there. */
  private async takePlace(from: number, size: number): Promise<void> {
    this.leaves = new Uint8Array(0)
    const { place } = this
    if (place === undefined) return
    const rest = from % tileWidth
    if (place.index !== from || place.atByte === 0 || from === size) this.place = undefined
    else if (rest > 0) {
      const tile = Math.floor(from / tileWidth)
      const width = Math.min(tileWidth, size - tile * tileWidth)
      const leaves = await this.readTile(0, tile, width)
      if (leaves === undefined) this.place = undefined
      else this.leaves = leaves
    }
  }

  private async readTile(level: number, index: number, width: number): Promise<Uint8Array | undefined> {
    const path = tilePath(this.log, level, index)
    for (const name of width < tileWidth ? [`${path}.p/${width}`, path] : [path]) {
      const bytes = await this.client.read(name, tileBytes + 1)
      if (bytes !== undefined && bytes.length >= width * 32 && bytes.length <= tileBytes) return bytes.subarray(0, width * 32)
    }
    return undefined
  }

  private async edgesOfTile(from: number, size: number): Promise<readonly Uint8Array[] | undefined> {
    const width = size % tileWidth
    if (width === 0) return []
    if (this.place !== undefined && from > size - width) return edgeOf(this.leaves)
    const leaves = await this.readTile(0, Math.floor(size / tileWidth), width)
    return leaves && edgeOf(leaves)
  }

  private async edgesOfLines(size: number): Promise<readonly Uint8Array[]> {
    const start = size - (size % tileWidth)
    return start === size ? [] : treeOfEntries(await this.file(start, size), start, size).edge()
  }

  private async rootsOfTiles(size: number): Promise<Uint8Array | undefined> {
    const count = Math.floor(size / tileWidth)
    const parts = await Promise.all(
      Array.from({ length: Math.ceil(count / tileWidth) }, async (_, index) => {
        const width = Math.min(tileWidth, count - index * tileWidth)
        return (await this.readTile(1, index, width)) ?? (await this.rootsBelow(index * tileWidth, width))
      })
    )
    const all = parts.filter((part) => part !== undefined)
    return all.length === parts.length ? concat(all) : undefined
  }

  private async rootsBelow(tile: number, width: number): Promise<Uint8Array | undefined> {
    const roots: Uint8Array[] = []
    for (let i = 0; i < width; i++) {
      const hashes = await this.readTile(0, tile + i, tileWidth)
      if (hashes === undefined) return undefined
      roots.push(subtreeRoot(hashes))
    }
    return concat(roots)
  }

  private async hashesOfLines(size: number): Promise<Hashes> {
    const roots: Uint8Array[] = []
    for (let tile = 0; (tile + 1) * tileWidth <= size; tile++) {
      const start = tile * tileWidth
      roots.push(treeOfEntries(await this.file(start, size), start, start + tileWidth).root())
    }
    return { roots: concat(roots), edges: await this.edgesOfLines(size) }
  }

  /** Returns the file that holds an entry, unverified. */
  private async file(index: number, size: number): Promise<LoadedEntries> {
    const number = Math.floor(index / entriesPerFile)
    let loading = this.files.get(number)
    if (loading === undefined) {
      const { place } = this
      const inside = place !== undefined && Math.floor(place.index / entriesPerFile) === number ? place : undefined
      loading = loadEntries(this.client, this.log, inside?.index ?? number * entriesPerFile, size, inside)
      loading.catch(() => this.files.delete(number))
      this.files.set(number, loading)
      for (const old of this.files.keys()) if (this.files.size > maxFiles && old !== number) this.files.delete(old)
    }
    return await loading
  }

  private async readVerified(from: number, to: number, maxBytes: number): Promise<EntryBlock> {
    const { proven } = this
    if (proven === undefined) {
      await this.proof(to)
      return await this.readVerified(from, to, maxBytes)
    }
    const { size } = proven
    const loaded = await this.file(from, size)
    const start = markAt(loaded, from)
    const good = this.goodUpTo(loaded, proven)
    if ((start === undefined || good <= from) && loaded.base > 0) {
      // other bytes stand there than the last time: the whole file tells
      this.place = undefined
      this.files.clear()
      return await this.readVerified(from, to, maxBytes)
    }
    const inGap = start === undefined ? pieceOfGap(loaded, placeOf(loaded.marks, from), from, to) : undefined
    if (inGap?.from === from && from + inGap.count <= good) return inGap
    if (start === undefined)
      throw new RejoinError('E_NOT_FOUND', `${this.client.base}: entry ${from} of log ${this.log} is within a withheld run there`)
    if (good <= from) throw this.wrongLine(loaded, from)
    const next = from - (from % entriesPerFile) + entriesPerFile
    if (next < Math.min(to, size)) void this.file(next, size).catch(() => {})
    const end = markBefore(loaded, start, Math.min(to, good), maxBytes)
    const cut = end.index > to ? pieceOfGap(loaded, placeOf(loaded.marks, from), from, to) : undefined
    if (cut !== undefined) return cut
    if (good === size) this.place = { index: size, atByte: placeAtByte(loaded, size) }
    return { from, count: end.index - from, text: loaded.text.slice(start.atByte, end.atByte) }
  }

  private wrongLine({ marks, base }: LoadedEntries, from: number): RejoinError {
    const path = entriesPath(this.log, from)
    const at = base + (marks.find(({ index }) => index >= from)?.atByte ?? 0)
    return new RejoinError('E_LINE', `${path} has other lines from byte ${at} on than its checkpoint covers`, { at: path })
  }

  /** Returns the entry up to which the lines of a file are the log's. */
  private goodUpTo(loaded: LoadedEntries, { size, roots, edges }: Proven): number {
    const known = this.checked.get(loaded)
    if (known !== undefined) return known
    const first = loaded.marks[0]?.index ?? 0
    const within = (tile: number): boolean => {
      const start = tile * tileWidth
      const end = Math.min(size, start + tileWidth)
      const before = first > start ? leavesOf(this.leaves, first - start) : []
      const root = treeOfEntries(loaded, Math.max(first, start), end, before).root()
      return equal(root, end - start === tileWidth ? roots.subarray(tile * 32, tile * 32 + 32) : foldEdge(edges))
    }
    const end = Math.min(size, loaded.marks.at(-1)?.index ?? 0)
    let good = first
    for (let tile = Math.floor(first / tileWidth); tile * tileWidth < end; tile++) {
      if (!within(tile)) break
      good = Math.min(end, (tile + 1) * tileWidth)
    }
    this.checked.set(loaded, good)
    return good
  }
}

function leavesOf(hashes: Uint8Array, count: number): readonly Uint8Array[] {
  return Array.from({ length: count }, (_, i) => hashes.subarray(i * 32, i * 32 + 32))
}

function rootOver(roots: Uint8Array, edges: readonly Uint8Array[]): Uint8Array {
  const tree = new Tree()
  for (let at = 0; at < roots.length; at += 32) tree.appendSubtree(roots.subarray(at, at + 32), 8)
  return foldEdge([...tree.edge(), ...edges])
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

function placeAtByte({ marks, base }: LoadedEntries, size: number): number {
  return size % entriesPerFile === 0 ? 0 : base + (marks.at(-1)?.atByte ?? 0)
}

/** Lines that are missing or are none leave it to the tiles; whatever ends all is thrown. */
function passOver(error: unknown): undefined {
  const code = codeOf(error)
  if (code !== 'E_NOT_FOUND' && code !== 'E_INCOMPLETE' && code !== 'E_WITHHELD' && code !== 'E_TOO_LARGE') throw error
}
