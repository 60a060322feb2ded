import {
  type Checkpoint,
  concat,
  edgeLength,
  edgeOf,
  endOfAnswer,
  endReason,
  type SyncMessage,
  subtreeRoot,
  tileWidth,
  type Tree
} from '../../src/core/index.ts'
import type { DiskLine } from './disk.ts'

/**
 * Returns the frames that answer a WANT from the lines of a virtual disk.
 * @param tree of all lines, of which more may be there than the checkpoint covers
 */
export function answerOf(
  { id, from, to, proof }: Omit<Extract<SyncMessage, { kind: 'want' }>, 'kind' | 'log'>,
  { note, size }: Checkpoint,
  lines: readonly DiskLine[],
  tree: Tree,
  bytesOf: (line: DiskLine) => Uint8Array
): readonly SyncMessage[] {
  const frames: SyncMessage[] = []
  if (proof) {
    const tiles: Uint8Array[] = []
    for (let tile = Math.floor(from / tileWidth); tile < Math.floor(size / tileWidth); tile++) tiles.push(tileRoot(lines, tile))
    const edge = tree.size === size ? tree.edge().slice(tree.edge().length - edgeLength(size % tileWidth)) : edgeAt(lines, size)
    if (edge.length !== edgeLength(size % tileWidth)) throw new Error('bug: an edge of the wrong length')
    frames.push({ kind: 'checkpoint', id, note, cose: undefined })
    frames.push({ kind: 'hashes', id, tiles: concat(tiles), edge: concat(edge), last: true })
  }
  const end = endOfAnswer({ to, proof }, size)
  for (let at = from; at < end; ) {
    const next = Math.min(end, (Math.floor(at / tileWidth) + 1) * tileWidth)
    frames.push({
      kind: 'lines',
      id,
      from: at,
      count: next - at,
      text: concat(lines.slice(at, next).map(bytesOf)),
      size: 0,
      narrowed: false
    })
    at = next
  }
  frames.push({ kind: 'end', id, count: end - from, reason: endReason.done })
  return frames
}

const edges = new WeakMap<DiskLine, readonly Uint8Array[]>()

function edgeAt(lines: readonly DiskLine[], size: number): readonly Uint8Array[] {
  const key = lines[size - 1] as DiskLine
  const edge = edges.get(key) ?? edgeOf(concat(lines.slice(size - (size % tileWidth), size).map(({ hash }) => hash)))
  edges.set(key, edge)
  return edge
}

const tileRoots = new WeakMap<DiskLine, Uint8Array>()

function tileRoot(lines: readonly DiskLine[], tile: number): Uint8Array {
  const key = lines[(tile + 1) * tileWidth - 1] as DiskLine
  const root =
    tileRoots.get(key) ?? subtreeRoot(concat(lines.slice(tile * tileWidth, (tile + 1) * tileWidth).map(({ hash }) => hash)))
  tileRoots.set(key, root)
  return root
}
