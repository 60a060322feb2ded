import {
  basisOf,
  appendLines,
  didOf,
  encodeWithheld,
  type EntryBlock,
  type EntryLine,
  equal,
  hex,
  linesOf,
  logIdOfHash,
  type LogId,
  eventIn,
  RejoinError,
  type TextPull,
  tileWidth,
  Tree,
  utf8,
  type WireHead
} from '../core/index.ts'
import type { LogFolder } from '../store/index.ts'
import { type Judged, verdictLines } from '../trust/index.ts'
import { type Brought, overHeld, withinHeld } from './brought.ts'
import { isStill, moveTo, noMoves, type RejudgeTarget } from './rejudge.ts'
import type { Taken } from './replica.ts'
import { TileSet } from './tile-set.ts'
import type { Unseen } from './unseen.ts'
import { finerLines } from './finer-lines.ts'

interface Asked {
  /** which change of the other side's texts it was asked at */
  readonly texts: number
  readonly tiles: TileSet
  /** entries that both sides had then: of the tile in which that ends only the first part was asked for */
  size: number
}

/** logs of nodes that are remembered: a side may call itself another node, or its store another store, as often as it likes */
const maxAskedOf = 65_536

/** Which tiles of texts were asked of whom, in this run of the node. */
export class TextSeeker {
  private readonly unseen: Unseen
  private readonly asked = new Map<string, Asked>()

  constructor(unseen: Unseen) {
    this.unseen = unseen
  }

  /** Returns what is worth asking of another replica, by the heads that it has. What it was asked before is asked again only once it got other texts. */
  seek(
    node: Uint8Array,
    store: Uint8Array,
    heads: readonly WireHead[],
    folderOf: (log: LogId) => LogFolder | undefined
  ): readonly TextPull[] {
    const listed = heads.map(({ log, size, texts }) => ({ log: logIdOfHash(log), size, texts }))
    const logs = new Set(listed.map(({ log }) => log))
    // where only differing heads are listed, a log that both sides have is not: it is asked about once
    const others = this.unseen.logs().flatMap((log) => (logs.has(log) ? [] : [{ log, size: Number.MAX_SAFE_INTEGER, texts: -1 }]))
    return [...listed, ...others].flatMap(({ log, size, texts }) => {
      const folder = folderOf(log)
      if (folder === undefined) return []
      const both = Math.min(size, folder.checkpoint?.size ?? 0)
      const key = `${hex(node)}/${hex(store)}/${log}`
      const before = this.asked.get(key)
      const asked =
        before !== undefined && (before.texts === texts || texts < 0) ? before : { texts, tiles: new TileSet(), size: both }
      this.asked.delete(key)
      this.asked.set(key, asked)
      this.forgetOldest()
      if (both > asked.size) asked.tiles.remove(Math.floor(asked.size / tileWidth))
      asked.size = Math.max(asked.size, both)
      const ranges = this.unseen
        .of(log)
        .without(asked.tiles, Math.ceil(both / tileWidth))
        .map(([from, to]) => ({ from: from * tileWidth, to: Math.min(to * tileWidth, both) }))
      for (const { from, to } of ranges) asked.tiles.add(Math.floor(from / tileWidth), Math.ceil(to / tileWidth))
      return ranges.length > 0 ? [{ log, ranges }] : []
    })
  }

  private forgetOldest(): void {
    for (const oldest of this.asked.keys()) {
      if (this.asked.size <= maxAskedOf) break
      this.asked.delete(oldest)
    }
  }

  /** Forgets whom it asked for what: the rules changed. */
  forget(): void {
    this.asked.clear()
  }
}

/**
 * Takes texts in whose hashes stand in a log: proves them by those hashes, judges them and moves each to where its verdict lets it lie.
 * @throws E_LINE E_WITHHELD · E_ROOT where a line is not the log's
 */
export async function takeTexts(
  target: RejudgeTarget,
  unseen: Unseen,
  folder: LogFolder,
  block: EntryBlock,
  { by, reputation, bringers }: Brought
): Promise<Taken & { readonly judged: readonly Judged[] }> {
  const { store, gate, verdicts, nowMs, isLost = false } = target
  const { log } = folder
  const theirs = new Map(linesOf(block).map((line) => [line.index, line]))
  const arrival = { log, author: didOf(folder.opened.publicKey), nowMs, isLost, ...(reputation !== undefined && { reputation }) }
  const moves = noMoves()
  const judgedHere: Judged[] = []
  const taken = { events: 0, refused: 0, held: 0 }
  const open = new Set<number>()
  const end = block.from + block.count
  for (let at = block.from; at < end; ) {
    const own = folder.entries.read(at, end)
    for (const line of linesOf(own)) {
      if (!line.withheld || line.index < block.from || line.index + line.size > end) continue
      const parts = finerLines(theirs, line)
      if (parts === undefined) continue
      if (!equal(rootOf(parts), line.hash))
        throw new RejoinError('E_ROOT', `the texts that came for entry ${line.index} of log ${log} are not its texts`)
      if (block.narrowed !== true && parts.some(({ withheld, index }) => withheld && !isHere(target, log, index)))
        open.add(Math.floor(line.index / tileWidth))
      if (parts.every(({ withheld }) => withheld)) continue
      if (line.size === 1 && isHere(target, log, line.index)) continue
      for (const part of parts) {
        const text = block.text.subarray(part.start, part.end)
        if (line.size > 1) moves.lines.set(part.index, hashLine(part))
        if (part.withheld) continue
        const [judged] = withinHeld([gate.judgeOne(part, eventIn(text), arrival)], gate, arrival, by, bringers) as [Judged]
        if (judged.decision.rule === overHeld) open.add(Math.floor(part.index / tileWidth))
        judgedHere.push(judged)
        moveTo(moves, { index: part.index, line: text }, judged.decision.verdict)
        if (judged.decision.verdict === 'refuse') taken.refused++
        else if (judged.decision.verdict === 'hold') taken.held++
        else taken.events++
      }
    }
    at = own.from + own.count
  }
  if (!isStill(moves)) await store.rewrite(folder, moves)
  verdicts.note(log, verdictLines(judgedHere, basisOf(gate.rules.file), new Date(nowMs).toISOString(), reputation))
  verdicts.flush()
  for (let tile = Math.ceil(block.from / tileWidth); tile * tileWidth < end; tile++) if (!open.has(tile)) unseen.remove(log, tile)
  return { ...taken, judged: judgedHere }
}

function rootOf(parts: readonly EntryLine[]): Uint8Array {
  const tree = new Tree()
  appendLines(tree, parts)
  return tree.root()
}

const hashLine = (part: EntryLine): Uint8Array => utf8(encodeWithheld(part))

function isHere({ store }: RejudgeTarget, log: LogId, index: number): boolean {
  return (store.places.kept.read(log, index) ?? store.places.held.read(log, index)) !== undefined
}
