import { randomBytes } from 'node:crypto'
import {
  appendLines,
  codeOf,
  encodeWithheld,
  equal,
  foldEdge,
  type EntryBlock,
  hashOfLogId,
  isOfWriter,
  linesOf,
  type LogId,
  type Offer,
  Plan,
  type ProvenBlock,
  type Pull,
  RejoinError,
  tileWidth,
  Tree,
  utf8,
  type WireHead
} from '../core/index.ts'
import {
  type FileFault,
  type FileHead,
  type FileReplica,
  faultIn,
  type Histories,
  type Replica,
  type Taken
} from '../replica/index.ts'
import { readerOf } from './inquire.ts'
import { blockOf, patchedBlock } from './mend.ts'

/** What a Taker brings things into: a node's own replica, whose gate judges everything, or a folder, which carries what it is given. */
export type TakeTarget = Pick<
  Replica,
  'network' | 'survey' | 'looked' | 'accept' | 'commit' | 'prepare' | 'conflict' | 'takeUrgent' | 'seek' | 'takeTexts'
> & {
  /**
   * Cuts off what no checkpoint covers of a log and returns where to go on: lines that an interrupted run left did not lead to the head that is
   * offered now. Absent where there are never such lines.
   */
  readonly retreat?: (pull: Pull) => Pull | undefined
  readonly histories: Histories
}

/** What a Taker tells while it works. */
export interface TakeHooks {
  /** entries of a log were stored */
  readonly onEntries?: (log: LogId, count: number, bytes: number) => void
  /** a log is whole up to the head that was offered */
  readonly onLog?: (log: LogId, from: number, to: number) => void
  /** something could not be taken; the rest goes on */
  readonly onFault?: (fault: FileFault) => void
  /** a log has two histories, or may have; what is here stays */
  readonly onConflict?: (log: LogId) => void
}

/** What was taken. */
export interface TakeResult extends Taken {
  /** logs that grew */
  readonly logs: number
  /** entries that came only as their hashes */
  readonly withheld: number
  /** bytes of entries */
  readonly bytes: number
  readonly faults: readonly FileFault[]
  readonly conflicts: readonly LogId[]
}

/** What is here parts from what is offered within the tile in which it ends, which only the lines show. */
class OtherHistory extends Error {}

/** a catch-up over more entries than this is noted, so that it can go on after a restart */
const prepareEntries = 4096

/**
 * Brings a replica of files into another replica: the only loop that does. All that it takes is proven by core's Plan and stored by the target's
 * own methods, so that there is one verification and one gate for peers, sticks, archives and the web. One damaged object never stops the others.
 */
export class Taker {
  private readonly target: TakeTarget
  private readonly hooks: TakeHooks
  private readonly signal: AbortSignal
  private readonly counts = { events: 0, refused: 0, held: 0, logs: 0, withheld: 0, bytes: 0 }
  private readonly faults: FileFault[] = []
  private readonly conflicts = new Set<LogId>()

  constructor(target: TakeTarget, { signal, ...hooks }: TakeHooks & { readonly signal: AbortSignal }) {
    this.target = target
    this.hooks = hooks
    this.signal = signal
  }

  /** What was taken so far. */
  get result(): TakeResult {
    return { ...this.counts, faults: [...this.faults], conflicts: [...this.conflicts] }
  }

  private fault(fault: FileFault): void {
    this.faults.push(fault)
    this.hooks.onFault?.(fault)
  }

  /**
   * Takes all that a replica has and the target wants: what is urgent, then log by log, then texts of which only hashes are there.
   * @param isChosen which logs; all where it is left out
   * @throws E_NETWORK · E_GONE where the replica went away · what the target throws where it can't store; the rest is in result.faults
   */
  async takeAll(source: FileReplica, isChosen: (head: FileHead) => boolean = () => true): Promise<TakeResult> {
    if (source.network !== this.target.network)
      throw new RejoinError('E_NETWORK', `${source.name} belongs to the network ${source.network}, not to ${this.target.network}`)
    const wait = { signal: this.signal }
    for await (const record of source.urgent(wait)) await this.takeUrgent(record)
    const heads = (await source.heads({ ...wait, onFault: (fault) => this.fault(fault) })).filter(isChosen)
    for (const head of heads) await this.takeLog(source, head)
    await this.takeTexts(source, heads)
    return this.result
  }

  /** Takes texts that the target has as hashes only and wants. */
  private async takeTexts(source: FileReplica, heads: readonly FileHead[]): Promise<void> {
    // files keep no account of what was asked: each time is the first
    const pulls = this.target.seek(
      new Uint8Array(32),
      randomBytes(16),
      heads.map((head) => ({ ...head, log: hashOfLogId(head.log) }))
    )
    const listed = new Set(heads.map(({ log }) => log))
    for (const { log, ranges } of pulls.filter((pull) => listed.has(pull.log)))
      try {
        for (const { from, to } of ranges)
          for await (const block of source.blocks(log, from, to, { signal: this.signal })) {
            if (block.from !== from && block.from % tileWidth !== 0) continue
            this.count(await this.target.takeTexts(log, block, new Uint8Array(32)))
          }
      } catch (error) {
        const fault = faultIn(error, `logs/${log}`)
        if (!this.faults.some(({ path }) => path === fault.path)) this.fault(fault)
      }
  }

  /** Takes a closing or fork proof. A bad one is a fault. */
  async takeUrgent(record: Uint8Array): Promise<void> {
    this.signal.throwIfAborted()
    try {
      await this.target.takeUrgent(record)
    } catch (error) {
      this.fault(faultIn(error, 'an urgent record'))
    }
  }

  /** Takes what the target wants of one log. What is damaged is a fault, and what is still proven of the log is taken. */
  async takeLog(source: FileReplica, head: FileHead): Promise<void> {
    this.signal.throwIfAborted()
    const { log, size, root, author, texts } = head
    try {
      const wire = { log: hashOfLogId(log), size, root, author, texts }
      const [surveyed] = this.target.survey([wire])
      const pull = surveyed?.look === true ? await this.lookInto(source, head, wire, surveyed) : surveyed
      if (pull !== undefined) await this.pull(source, head, pull)
      else await this.compare(source, head)
    } catch (error) {
      this.fault(faultIn(error, `logs/${log}`))
    }
  }

  /** Shows the target the first tile of a log, of which it knows only then whether it wants it. */
  private async lookInto(source: FileReplica, head: FileHead, wire: WireHead, pull: Pull): Promise<Pull | undefined> {
    const planned = await this.planFor(source, head, pull)
    if (planned === undefined) return undefined
    const { plan } = planned
    for await (const [first] of this.provenBlocks(source, plan)) {
      if (first === undefined || !isOfWriter(first, head.author, plan.offer.checkpoint)) return undefined
      return this.target.looked?.(wire, first)[0]
    }
    return undefined
  }

  /** Looks whether a head that brings nothing new is at least of the history that is here. An older head is none of anybody's business. */
  private async compare(source: FileReplica, head: FileHead): Promise<void> {
    const ours = this.target.histories.rootAt(head.log, head.size)
    if (ours === undefined || equal(ours, head.root)) return
    const plan = await this.planFor(source, head, { log: head.log, author: head.author, have: new Tree(), size: head.size })
    if (plan !== undefined) await this.contradict(source, head, plan.plan.offer)
  }

  private async pull(source: FileReplica, head: FileHead, pull: Pull): Promise<void> {
    try {
      await this.pullProven(source, head, pull)
    } catch (error) {
      if (!(error instanceof OtherHistory)) throw error
      const back = this.target.retreat?.(pull)
      if (back !== undefined) await this.pull(source, head, back)
      else {
        const whole = await this.planFor(source, head, { ...pull, have: new Tree() })
        if (whole !== undefined) await this.contradict(source, head, whole.plan.offer)
      }
    }
  }

  private async pullProven(source: FileReplica, head: FileHead, pull: Pull): Promise<void> {
    const planned = await this.planFor(source, head, pull)
    if (planned === undefined) return
    const { plan, from } = planned
    const { offer } = plan
    if (plan.to - from > prepareEntries) this.target.prepare(offer)
    let at = from
    for await (const block of this.provenBlocks(source, plan)) {
      const [first] = block
      if (first === undefined) continue
      if (first.from === 0 && !isOfWriter(first, head.author, offer.checkpoint))
        throw new RejoinError('E_OPENED', `the head of log ${head.log} is not by the writer of its first line`)
      this.count(await this.target.accept(head.log, block))
      const end = (block.at(-1) as ProvenBlock).from + (block.at(-1) as ProvenBlock).count
      const bytes = block.reduce((sum, { text }) => sum + text.length, 0)
      this.counts.bytes += bytes
      this.counts.withheld += block.reduce(
        (sum, { lines }) => sum + lines.reduce((n, line) => n + (line.withheld ? line.size : 0), 0),
        0
      )
      this.hooks.onEntries?.(head.log, end - at, bytes)
      at = end
    }
    await this.target.commit(head.log, offer.checkpoint, offer.cose)
    this.counts.logs++
    this.hooks.onLog?.(head.log, from, plan.to)
  }

  /** Returns the plan for a log: by the hashes that lie there, or else by those that its lines give. */
  private async planFor(
    source: FileReplica,
    head: FileHead,
    pull: Pull
  ): Promise<{ readonly plan: Plan; readonly from: number } | undefined> {
    const wait = { signal: this.signal }
    const made = async (have: Tree, derive: boolean): Promise<Plan> =>
      Plan.make(have, await source.offer(head, have.size, { ...wait, derive }))
    for (const derive of [false, true])
      try {
        return { plan: await made(pull.have, derive), from: pull.have.size }
      } catch (error) {
        if (!isOtherHashes(error) || (derive && pull.have.size === 0)) throw error
      }
    const back = this.target.retreat?.(pull)
    if (back !== undefined) return await this.planFor(source, head, back)
    // what lies there is a history of its own, or it is damaged
    await this.contradict(source, head, (await made(new Tree(), true)).offer)
    return undefined
  }

  /** Takes note of another history of a log, which its own hashes prove, and makes the proof that there are two. */
  private async contradict(source: FileReplica, head: FileHead, { checkpoint, tileHashes, edge }: Offer): Promise<void> {
    const { log } = head
    this.conflicts.add(log)
    this.hooks.onConflict?.(log)
    await this.target.conflict(log, checkpoint.note)
    const from = this.target.histories.tileAsked(log, tileHashes, checkpoint.size) * tileWidth
    const to = Math.min(from + tileWidth, checkpoint.size)
    const { text } = await blockOf(source.blocks(log, from, to, { signal: this.signal }))
    const read = readerOf(checkpoint.size, tileHashes, edge, linesOf({ from, count: to - from, text }))
    await this.target.histories.settle(log, { checkpoint, read })
  }

  /** Yields the proven entries from where the plan begins; damaged ones are replaced by their hashes, and told. */
  private async *provenBlocks(source: FileReplica, plan: Plan): AsyncGenerator<readonly ProvenBlock[], void, void> {
    const { log } = plan.offer.checkpoint
    for (let at = plan.from; at < plan.to; ) {
      try {
        for await (const block of source.blocks(log, at, plan.to, { signal: this.signal })) {
          if (block.from !== at)
            throw new RejoinError('E_WITHHELD', `entries of log ${log} before ${at} are there as one hash only`)
          const proven = plan.prove(block)
          at += block.count
          yield proven
        }
      } catch (error) {
        if (at === plan.from && at % tileWidth !== 0 && (await this.isRightTile(source, plan, at))) throw new OtherHistory()
        const mended = await this.mend(source, plan, at, faultIn(error, `logs/${log}`))
        const last = mended.at(-1) as ProvenBlock
        at = last.from + last.count
        yield mended
      }
    }
  }

  /**
   * Returns one tile of which lines are damaged or missing: lines that fit their hashes stay, the others become withheld entries, as their hashes
   * are proven. Their texts come from another replica.
   * @throws E_INCOMPLETE where not even the hashes are there
   */
  private async mend(source: FileReplica, plan: Plan, at: number, fault: FileFault): Promise<readonly ProvenBlock[]> {
    const { log } = plan.offer.checkpoint
    const tile = Math.floor(at / tileWidth)
    const end = Math.min((tile + 1) * tileWidth, plan.to)
    // of several tiles in one block only one may be damaged
    const alone = await this.tryProof(plan, async () => {
      const block = await blockOf(source.blocks(log, at, end, { signal: this.signal }))
      if (block.from !== at) throw new RejoinError('E_WITHHELD', `entries of log ${log} before ${at} are there as one hash only`)
      return block
    })
    if (alone !== undefined) return alone
    const leaves = await source.leaves(log, tile, end - tile * tileWidth, { signal: this.signal })
    const whole = plan.wholeTile(tile)
    const patched =
      leaves &&
      (await this.tryProof(plan, async () => await patchedBlock(source, log, { from: at, to: end, leaves, signal: this.signal })))
    const run =
      whole === undefined || at % tileWidth !== 0 || at === 0
        ? undefined
        : { from: at, count: tileWidth, text: utf8(`${encodeWithheld({ hash: whole, size: tileWidth })}\n`) }
    const proven = patched ?? (run && plan.prove(run))
    if (proven === undefined) throw new RejoinError('E_INCOMPLETE', fault.reason, { at: fault.path })
    const lost = proven.flatMap(({ lines }) => lines.filter(({ withheld }) => withheld))
    const first = lost[0]?.index ?? at
    const last = lost.at(-1) ?? { index: end - 1, size: 1 }
    const reason = `${fault.reason}; of log ${log} the texts of entries ${first} to ${last.index + last.size - 1} are missing`
    this.fault({ ...fault, reason })
    return proven
  }

  /** Returns whether the tile in which what is here ends is as the signed head has it: then what is here is another history. */
  private async isRightTile(source: FileReplica, plan: Plan, at: number): Promise<boolean> {
    const tile = Math.floor(at / tileWidth)
    const end = Math.min((tile + 1) * tileWidth, plan.to)
    try {
      const tree = new Tree()
      const block = await blockOf(source.blocks(plan.offer.checkpoint.log, tile * tileWidth, end, { signal: this.signal }))
      const lines = linesOf(block)
      // a run that reaches over what is here does not show whether it is the same history
      if (!lines.some(({ index }) => index === at)) return false
      appendLines(tree, lines)
      return equal(tree.root(), plan.wholeTile(tile) ?? foldEdge(plan.offer.edge))
    } catch (error) {
      faultIn(error, '')
      return false
    }
  }

  private async tryProof(plan: Plan, make: () => Promise<EntryBlock>): Promise<readonly ProvenBlock[] | undefined> {
    try {
      return plan.prove(await make())
    } catch (error) {
      faultIn(error, '')
      return undefined
    }
  }

  private count({ events, refused, held }: Taken): void {
    this.counts.events += events
    this.counts.refused += refused
    this.counts.held += held
  }
}

/** Whether an error says that hashes are wrong or missing, and not that the signature is. */
function isOtherHashes(error: unknown): boolean {
  const code = codeOf(error)
  return code === 'E_ROOT' || code === 'E_TILE' || code === 'E_INCOMPLETE' || code === 'E_LINE' || code === 'E_WITHHELD'
}
