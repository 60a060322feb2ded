import { randomBytes } from 'node:crypto'
import {
  type Checkpoint,
  concat,
  edgeLength,
  type EntryLine,
  equal,
  foldEdge,
  type ForkSide,
  FrameSplitter,
  hashOfLogId,
  type HashReader,
  linesOf,
  type LogId,
  maxSyncFrameBytes,
  nodeHash,
  type PublicKey,
  readerOfLines,
  RejoinError,
  type SyncMessage,
  syncVersion,
  tileWidth,
  Tree,
  verifyCheckpoint
} from '../core/index.ts'
import type { ByteStream } from './byte-stream.ts'
import { decodeSyncFrame, encodeSyncFrame } from './wire.ts'

/** Which history is asked for. */
export interface Inquiry {
  readonly network: string
  /** public key of this node */
  readonly node: Uint8Array
  readonly log: LogId
  readonly author: PublicKey
  /**
   * Returns the tile of 256 entries in which the other history first differs from what is here.
   * @param roots of its full tiles, 32 bytes each
   */
  readonly tileAsked: (roots: Uint8Array, size: number) => number
  readonly signal: AbortSignal
}

const timeoutMs = 30_000

/**
 * Asks the other side of a stream for its history of one log: head, hashes of all tiles, and the leaves of one tile. Everything is verified
 * against the head, which is the writer's. The stream is broken off afterwards, so that the other side does not take this for a sync.
 * @throws E_TILE E_ROOT where its hashes do not give its own head: then it lies · E_NOT_FOUND where it does not have the log · E_GONE E_TIMEOUT …
 * @see protocols/fork.md
 */
export async function inquire(stream: ByteStream, inquiry: Inquiry): Promise<ForkSide> {
  const signal = AbortSignal.any([inquiry.signal, AbortSignal.timeout(timeoutMs)])
  const broken = new RejoinError('E_INTERRUPTED', 'the inquiry is over')
  const onAbort = (): void => stream.abort(broken)
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await new Asking(stream, inquiry).run()
  } finally {
    signal.removeEventListener('abort', onAbort)
    stream.abort(broken)
  }
}

class Asking {
  private readonly stream: ByteStream
  private readonly inquiry: Inquiry
  private readonly messages: AsyncGenerator<SyncMessage, void, void>
  private gathered = 0

  constructor(stream: ByteStream, inquiry: Inquiry) {
    this.stream = stream
    this.inquiry = inquiry
    this.messages = messagesOf(stream)
  }

  async run(): Promise<ForkSide> {
    const { network, node } = this.inquiry
    const salt = randomBytes(16)
    await this.send({ kind: 'hello', version: syncVersion, network, node, store: randomBytes(16), seq: 0, salt, interest: [] })
    const hello = await this.next('hello')
    // the newest change of the other side's own store: it then lists nothing
    await this.send({ kind: 'since', store: hello.store, seq: hello.seq, logCount: 0 })
    await this.send({ kind: 'changed', heads: [], last: true })
    await this.want(1, 0, 1, true)
    const { checkpoint, roots, edge } = await this.takeProof()
    await this.next('end')
    const { size } = checkpoint
    if (size === 0) throw new RejoinError('E_NOT_FOUND', 'the peer has nothing of the log')
    const tile = this.inquiry.tileAsked(roots, size)
    const from = tile * tileWidth
    if (!(from < size)) throw new Error('bug: a tile beyond the head was asked for')
    await this.want(2, from, Math.min(from + tileWidth, size), false)
    return { checkpoint, read: readerOf(size, roots, edge, await this.takeLines(from, Math.min(from + tileWidth, size))) }
  }

  private async send(message: SyncMessage): Promise<void> {
    await this.stream.send(encodeSyncFrame(message) as Uint8Array)
  }

  private async want(id: number, from: number, to: number, proof: boolean): Promise<void> {
    await this.send({ kind: 'want', id, log: hashOfLogId(this.inquiry.log), from, to, proof })
  }

  /** Returns the next message of a kind; what belongs to a sync, or to an answer that is not looked at, is passed over. */
  private async next<Kind extends SyncMessage['kind']>(kind: Kind): Promise<Extract<SyncMessage, { kind: Kind }>> {
    for (;;) {
      const { value, done } = await this.messages.next()
      if (done === true) throw new RejoinError('E_GONE', 'the peer closed the stream before it answered')
      if (value.kind === kind) return value as Extract<SyncMessage, { kind: Kind }>
      if (value.kind === 'end') throw new RejoinError('E_NOT_FOUND', 'the peer does not have that part of the log')
    }
  }

  private async takeProof(): Promise<{ checkpoint: Checkpoint; roots: Uint8Array; edge: readonly Uint8Array[] }> {
    const { log, author } = this.inquiry
    const checkpoint = verifyCheckpoint((await this.next('checkpoint')).note, log, author)
    const fullTiles = Math.floor(checkpoint.size / tileWidth)
    const parts: Uint8Array[] = []
    for (;;) {
      const { tiles, edge, last } = await this.next('hashes')
      parts.push(tiles)
      this.gathered += tiles.length
      if (this.gathered > fullTiles * 32) throw new RejoinError('E_TILE', 'more hashes than the log has tiles')
      if (!last) continue
      const roots = concat(parts)
      const split = Array.from({ length: edge.length / 32 }, (_, i) => edge.slice(i * 32, i * 32 + 32))
      if (roots.length !== fullTiles * 32 || split.length !== edgeLength(checkpoint.size % tileWidth))
        throw new RejoinError('E_TILE', `the hashes of log ${log} have the wrong number`)
      if (!equal(foldEdge([...edgeOfTiles(roots), ...split]), checkpoint.root))
        throw new RejoinError('E_ROOT', `the hashes of log ${log} do not give the root that is signed`)
      return { checkpoint, roots, edge: split }
    }
  }

  private async takeLines(from: number, to: number): Promise<readonly EntryLine[]> {
    const lines: EntryLine[] = []
    for (let at = from; at < to; ) {
      const block = await this.next('lines')
      if (block.id !== 2) continue
      if (block.from !== at || block.count === 0 || at + block.count > to)
        throw new RejoinError('E_PROTOCOL', `LINES from ${block.from} where ${at} was to come`)
      lines.push(...linesOf(block))
      at += block.count
    }
    return lines
  }
}

async function* messagesOf(stream: ByteStream): AsyncGenerator<SyncMessage, void, void> {
  const splitter = new FrameSplitter(maxSyncFrameBytes + 64)
  for await (const chunk of stream) for (const frame of splitter.push(chunk)) yield decodeSyncFrame(frame)
}

/** Returns the compact range over full tiles, the largest subtree first. */
function edgeOfTiles(roots: Uint8Array): readonly Uint8Array[] {
  const tree = new Tree()
  for (let at = 0; at < roots.length; at += 32) tree.appendSubtree(roots.subarray(at, at + 32), 8)
  return tree.edge()
}

/**
 * Returns the hashes of a tree that tile roots, the edge of its last tile and the lines of one tile give.
 * @throws E_ROOT where the lines are not those of their tile
 */
export function readerOf(size: number, roots: Uint8Array, edge: readonly Uint8Array[], lines: readonly EntryLine[]): HashReader {
  const inTile = readerOfLines(lines)
  const from = lines[0]?.index ?? 0
  const to = lines.reduce((end, line) => end + line.size, from)
  const fullEnd = Math.floor(size / tileWidth) * tileWidth
  const alone = new Tree()
  for (const { hash, size: count } of lines) alone.appendSubtree(hash, Math.log2(count))
  const expected = from < fullEnd ? roots.subarray((from / tileWidth) * 32, (from / tileWidth) * 32 + 32) : foldEdge(edge)
  if (!equal(alone.root(), expected)) throw new RejoinError('E_ROOT', `the entries from ${from} are not those of the log`)
  const ofEdge = new Map<string, Uint8Array>()
  let at = fullEnd
  for (const hash of edge) {
    const height = Math.floor(Math.log2(size - at))
    ofEdge.set(`${height} ${at / 2 ** height}`, hash)
    at += 2 ** height
  }
  const read: HashReader = (height, position) => {
    if (height === 8 && (position + 1) * tileWidth <= fullEnd) return roots.subarray(position * 32, position * 32 + 32)
    if (height > 8) return nodeHash(read(height - 1, 2 * position), read(height - 1, 2 * position + 1))
    const start = position * 2 ** height
    const known = ofEdge.get(`${height} ${position}`)
    if (known !== undefined) return known
    if (start >= from && start + 2 ** height <= to) return inTile(height, position)
    throw new RejoinError('E_PROOF', `the hash over entries from ${start} is not here`)
  }
  return read
}
