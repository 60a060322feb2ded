import { concat, equal, hex } from '../bytes.ts'
import { RejoinError } from '../error.ts'
import { appendLines, type EntryBlock, type EntryLine, linesOf } from '../log/block.ts'
import type { Checkpoint } from '../log/checkpoint.ts'
import { foldEdge, tileWidth, Tree } from '../log/merkle.ts'

/** What another replica showed of a log: a signed head, and the hashes that lead from what is here to it. */
export interface Offer {
  readonly checkpoint: Checkpoint
  /** the root as COSE_Sign1, where the writer made one */
  readonly cose: Uint8Array | undefined
  /** first 256-entry tile that the hashes are of: floor(from / 256) */
  readonly fromTile: number
  /** one 32-byte hash for each full tile from `fromTile` on */
  readonly tileHashes: Uint8Array
  /** complete subtrees of the last, unfinished tile, the largest first, 32 bytes each */
  readonly edge: readonly Uint8Array[]
}

/** Entries that were proven to belong to a log, with their hashes. */
export interface ProvenBlock extends EntryBlock {
  readonly lines: readonly EntryLine[]
  /** the root of the tile, where the block is exactly one */
  readonly tileHash: Uint8Array | undefined
}

/** Returns how many bits of a number below 256 are set: the hashes in the edge of a tile that wide. */
export function edgeLength(width: number): number {
  let count = 0
  for (let rest = width; rest > 0; rest >>= 1) count += rest & 1
  return count
}

/**
 * The plan for catching up with one log: a signed head whose tile hashes were checked against its root, so that each tile of
 * lines can be proven on its own, in any order and from any source.
 * @see protocols/sync.md
 */
export class Plan {
  readonly offer: Offer
  /** entries that were here when the plan was made */
  readonly from: number
  /** edge of the tile in which `from` lies: subtrees of the entries that are here already */
  private readonly startEdge: readonly Uint8Array[]

  private constructor(offer: Offer, from: number, startEdge: readonly Uint8Array[]) {
    this.offer = offer
    this.from = from
    this.startEdge = startEdge
  }

  /**
   * Returns the plan for going on from a tree to an offered head.
   * @param have the tree of the entries that are here
   * @throws E_TILE where the offer has the wrong number of hashes · E_ROOT where they don't lead to the signed root: then the
   * offer lies, or what is here is another history of the log
   */
  static make(have: Tree, offer: Offer): Plan {
    const { checkpoint, fromTile, tileHashes, edge } = offer
    const fullTiles = Math.floor(checkpoint.size / tileWidth)
    const width = checkpoint.size % tileWidth
    if (checkpoint.size < have.size)
      throw new RejoinError(
        'E_ROOT',
        `log ${checkpoint.log} is offered with ${checkpoint.size} entries, and ${have.size} are here`
      )
    if (
      fromTile !== Math.floor(have.size / tileWidth) ||
      tileHashes.length !== (fullTiles - fromTile) * 32 ||
      edge.length !== edgeLength(width)
    ) {
      throw new RejoinError('E_TILE', `the hashes offered for log ${checkpoint.log} have the wrong number`)
    }
    const keptLength = edgeLength(Math.floor(have.size / tileWidth) % tileWidth) + edgeLengthAbove(have.size)
    const kept = have.edge().slice(0, keptLength)
    const tree = new EdgeTree(kept, fromTile)
    for (let at = 0; at < tileHashes.length; at += 32) tree.push(tileHashes.subarray(at, at + 32))
    if (!equal(foldEdge([...tree.edge, ...edge]), checkpoint.root)) {
      throw new RejoinError(
        'E_ROOT',
        `the hashes offered for log ${checkpoint.log} do not give the signed root ${hex(checkpoint.root).slice(0, 16)}…`
      )
    }
    return new Plan(offer, have.size, have.edge().slice(keptLength))
  }

  /** The size that the plan leads to. */
  get to(): number {
    return this.offer.checkpoint.size
  }

  /**
   * Proves a block: it must end at a tile's end or at the end of the log, and begin at a tile's begin or at `from`.
   * @returns one proven block for each tile
   * @throws E_LINE E_WITHHELD where the lines are malformed · E_ROOT where they are not the log's
   */
  prove(block: EntryBlock): readonly ProvenBlock[] {
    const lines = linesOf(block)
    const proven: ProvenBlock[] = []
    let first = 0
    for (let at = block.from; at < block.from + block.count; ) {
      const end = Math.min((Math.floor(at / tileWidth) + 1) * tileWidth, this.to)
      let last = first
      while (last < lines.length && (lines[last] as EntryLine).index < end) last++
      proven.push(this.proveTile(block, lines.slice(first, last), at, end))
      first = last
      at = end
    }
    return proven
  }

  private proveTile(block: EntryBlock, lines: readonly EntryLine[], from: number, to: number): ProvenBlock {
    const head = lines[0]
    const tail = lines.at(-1)
    const tile = Math.floor(from / tileWidth)
    if (head === undefined || tail === undefined || head.index !== from || tail.index + tail.size !== to) {
      throw new RejoinError('E_LINE', `the entries from index ${from} do not fill the tile up to ${to}`)
    }
    if (from !== this.from && from % tileWidth !== 0)
      throw new RejoinError('E_LINE', `entries from index ${from} begin inside a tile`)
    const tree = from === this.from ? seeded(this.startEdge, from % tileWidth) : new Tree()
    appendLines(tree, lines)
    const full = to % tileWidth === 0
    const expected = full ? this.tileHash(tile) : foldEdge(this.offer.edge)
    if (!equal(tree.root(), expected))
      throw new RejoinError('E_ROOT', `the entries ${from} to ${to - 1} are not those of log ${this.offer.checkpoint.log}`)
    const text = block.text.subarray(head.start, tail.end + 1)
    const shifted =
      head.start === 0 ? lines : lines.map((line) => ({ ...line, start: line.start - head.start, end: line.end - head.start }))
    return { from, count: to - from, text, lines: shifted, tileHash: full && from % tileWidth === 0 ? expected : undefined }
  }

  /** Returns the proven hash of a full tile, undefined for the unfinished one and those before the plan begins. */
  wholeTile(tile: number): Uint8Array | undefined {
    return tile >= this.offer.fromTile && (tile + 1) * tileWidth <= this.to ? this.tileHash(tile) : undefined
  }

  private tileHash(tile: number): Uint8Array {
    const at = (tile - this.offer.fromTile) * 32
    return this.offer.tileHashes.subarray(at, at + 32)
  }
}

/** Returns how many hashes of an edge stand for subtrees of 65,536 entries and more. */
function edgeLengthAbove(size: number): number {
  let count = 0
  for (let rest = Math.floor(size / tileWidth / tileWidth); rest > 0; rest = Math.floor(rest / 2)) count += rest % 2
  return count
}

/** A compact range in units of tiles. */
class EdgeTree {
  readonly edge: Uint8Array[]
  private size: number

  constructor(edge: readonly Uint8Array[], size: number) {
    this.edge = [...edge]
    this.size = size
  }

  push(hash: Uint8Array): void {
    let node = hash
    for (let rest = this.size; rest % 2 === 1; rest = (rest - 1) / 2) node = foldEdge([this.edge.pop() as Uint8Array, node])
    this.edge.push(node)
    this.size++
  }
}

/** Returns the tree of the first `width` entries of a tile, of which only the edge is known. */
function seeded(edge: readonly Uint8Array[], width: number): Tree {
  const tree = new Tree()
  let at = 0
  for (let bit = 128; bit >= 1; bit /= 2) if ((width & bit) !== 0) tree.appendSubtree(edge[at++] as Uint8Array, Math.log2(bit))
  return tree
}

/** Returns an offer's hashes as one byte array, for keeping: tile hashes, then the edge. */
export function offerHashes(offer: Offer): Uint8Array {
  return concat([offer.tileHashes, ...offer.edge])
}
