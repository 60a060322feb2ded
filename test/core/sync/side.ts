import {
  type Catchup,
  concat,
  edgeLength,
  endOfAnswer,
  endReason,
  hashOfLogId,
  type Interest,
  type LogId,
  logIdOfHash,
  type ProvenBlock,
  type Pull,
  Session,
  type SessionEffect,
  type SessionInput,
  sha256,
  type SyncMessage,
  syncMessage,
  type TextPull,
  tileWidth,
  Tree,
  utf8,
  type WireHead
} from '../../../src/core/index.ts'
import { type SampleLog, sampleLog, sampleSigner } from '../sample.ts'

const made = new Map<string, SampleLog>()

/** Returns a made-up log; made once for each size and name. */
export function logOf(size: number, name = 'writer'): SampleLog {
  const key = `${name} ${size}`
  const log = made.get(key) ?? sampleLog(size, name)
  made.set(key, log)
  return log
}

/** Returns the tree of a log's first entries. */
export function treeAt(log: SampleLog, size: number): Tree {
  const tree = new Tree()
  for (const hash of linesHashes(log).slice(0, size)) tree.append(hash)
  return tree
}

function linesHashes({ lines }: SampleLog): readonly Uint8Array[] {
  return lines.map((line) => sha256(concat([Uint8Array.of(0), line])))
}

/** Returns the text of entries [from, to). */
export function textOfLines({ lines }: SampleLog, from: number, to: number): Uint8Array {
  return concat(lines.slice(from, to).flatMap((line) => [line, Uint8Array.of(10)]))
}

/** Returns the frames that answer a WANT honestly. */
export function answer(log: SampleLog, { id, from, to, proof }: Extract<SyncMessage, { kind: 'want' }>): readonly SyncMessage[] {
  const size = log.checkpoint.size
  const frames: SyncMessage[] = []
  if (proof) {
    frames.push({ kind: 'checkpoint', id, note: log.checkpoint.note, cose: undefined })
    const full = Math.floor(size / tileWidth)
    const tiles: Uint8Array[] = []
    for (let tile = Math.floor(from / tileWidth); tile < full; tile++) tiles.push(log.read(8, tile))
    const edge = log.tree.edge().slice(log.tree.edge().length - edgeLength(size % tileWidth))
    frames.push({ kind: 'hashes', id, tiles: concat(tiles), edge: concat(edge), last: true })
  }
  const end = endOfAnswer({ to, proof }, size)
  for (let at = from; at < end; ) {
    const next = Math.min(end, (Math.floor(at / tileWidth) + 1) * tileWidth)
    frames.push({ kind: 'lines', id, from: at, count: next - at, text: textOfLines(log, at, next), size: 0, narrowed: false })
    at = next
  }
  frames.push({ kind: 'end', id, count: end - from, reason: endReason.done })
  return frames
}

/** One side of a session over logs in memory; carries effects out at once, and keeps what it was asked to store. */
export class Side {
  readonly name: string
  readonly session: Session
  readonly logs: Map<LogId, SampleLog> = new Map()
  readonly plain: WireHead[] = []
  readonly out: SyncMessage[] = []
  readonly stored: Map<LogId, ProvenBlock[]> = new Map()
  readonly committed: Map<LogId, number> = new Map()
  readonly surveyed: WireHead[] = []
  readonly effects: SessionEffect[] = []
  closed: boolean | undefined
  bytes = 0

  constructor(
    name: string,
    logs: readonly SampleLog[] = [],
    options: {
      readonly catchups?: Map<LogId, Catchup>
      readonly logCount?: number
      readonly interest?: readonly Interest[]
      readonly cursor?: { store: Uint8Array; seq: number }
    } = {}
  ) {
    this.name = name
    for (const log of logs) this.logs.set(log.log, log)
    this.session = new Session(
      {
        network: 'test',
        node: sampleSigner(name).publicKey,
        store: this.storeId,
        seq: 7,
        salt: sha256(utf8(`salt ${name}`)).slice(0, 16),
        cursor: options.cursor,
        logCount: options.logCount ?? logs.length,
        interest: options.interest ?? [],
        urgent: []
      },
      options.catchups ?? new Map()
    )
  }

  get storeId(): Uint8Array {
    return sha256(utf8(`store ${this.name}`)).slice(0, 16)
  }

  heads(): readonly WireHead[] {
    return [
      ...this.plain,
      ...[...this.logs.values()].map(({ log, signer, checkpoint: { size, root } }) => ({
        log: hashOfLogId(log),
        size,
        root,
        author: signer.publicKey,
        texts: 0
      }))
    ]
  }

  step(input: SessionInput): void {
    for (const effect of this.session.step(input)) this.carryOut(effect)
  }

  private carryOut(effect: SessionEffect): void {
    this.effects.push(effect)
    switch (effect.kind) {
      case 'send':
        this.out.push(effect.message)
        return
      case 'heads':
        this.step({ kind: 'heads', heads: this.heads() })
        return
      case 'changes':
        this.step({ kind: 'changes', heads: effect.seq <= 7 ? this.heads().slice(0, 7 - effect.seq) : undefined })
        return
      case 'survey':
        this.surveyed.push(...effect.heads)
        this.step({ kind: 'pulls', pulls: effect.heads.flatMap((head) => this.survey(head) ?? []) })
        return
      case 'seek':
        this.step({ kind: 'texts', pulls: this.seek(effect.heads) })
        return
      case 'serve': {
        const log = this.logs.get(logIdOfHash(effect.want.log)) as SampleLog
        const frames = answer(log, effect.want)
        this.out.push(...frames)
        this.step({ kind: 'served', entries: frames.reduce((sum, frame) => sum + (frame.kind === 'lines' ? frame.count : 0), 0) })
        return
      }
      case 'store':
        this.stored.set(effect.log, [...(this.stored.get(effect.log) ?? []), ...effect.blocks])
        return
      case 'commit':
        this.committed.set(effect.log, effect.checkpoint.size)
        return
      case 'close':
        this.closed = effect.complete
        return
      default:
        return
    }
  }

  /** Says what is wanted of the texts that another side may have. */
  seek: (heads: readonly WireHead[]) => readonly TextPull[] = () => []

  survey({ log: id, size, author }: WireHead): Pull | undefined {
    const log = logIdOfHash(id)
    if (this.plain.length > 0) return undefined
    const here = this.logs.get(log)
    const have = here === undefined ? new Tree() : treeAt(here, here.checkpoint.size)
    const committed = this.committed.get(log) ?? have.size
    return size > committed ? { log, author: author as Pull['author'], have, size } : undefined
  }
}

/** Hands frames to and fro, through the codec, until neither side has one; returns how many there were. */
export function exchange(a: Side, b: Side): number {
  a.step({ kind: 'start' })
  b.step({ kind: 'start' })
  let count = 0
  for (;;) {
    const from = a.out.length > 0 ? a : b
    const message = from.out.shift()
    if (message === undefined) return count
    const frame = syncMessage.encode(message)
    from.bytes += frame.length
    count++
    ;(from === a ? b : a).step({ kind: 'message', message: syncMessage.decode(frame) })
  }
}
