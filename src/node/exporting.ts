import {
  chunkBytes,
  dagOfLeaves,
  type Digest,
  digestOf,
  type Frontier,
  type LogId,
  type Omitted,
  type RejoinEvent
} from '../core/index.ts'
import {
  type FileFault,
  Folder,
  FolderReplica,
  listRoots,
  noteOmitted,
  placeIn,
  relist,
  sealFolder,
  Selected,
  settleRoots,
  unlist,
  writeHeads,
  writeReadme
} from '../replica/index.ts'
import { asGone, lockMedium } from '../store/index.ts'
import { type BlobNeed, type Held, takeBlobs, Taker, withoutHeld } from '../sync/index.ts'
import type { VerbRecord } from './control.ts'
import { type ArtifactNeeds, artifactsIn, type EntrySpan } from './export-artifacts.ts'
import { heldBy, inOrder, rootsOf } from './export-order.ts'
import { lineBytesOf, refuseWhereFull, roomFor } from './export-room.ts'
import { ArtifactLines } from './artifact-lines.ts'
import { type MediumMark, readMark, writeMark } from './medium-mark.ts'
import type { Node } from './node.ts'
import { Pace } from './pace.ts'
import { Sites } from './sites.ts'

/** How an export is made. */
export interface ExportOptions {
  readonly signal: AbortSignal
  readonly say: (record: VerbRecord) => void
  /** what those who are to get it are known to hold: the rest is written. Everything where it is empty */
  readonly receivers?: readonly Pick<Frontier, 'heads'>[]
  /** what goes; all where it is left out */
  readonly choice?: ExportChoice
  /** what counts the bytes of several exports together */
  readonly pace?: Pace
}

/** What was chosen for an export. */
export interface ExportChoice {
  /** events whose text goes; the others go as their hashes */
  readonly isChosen: (event: RejoinEvent) => boolean
  /** the blobs that go, by artifact */
  readonly artifacts: ReadonlyMap<Digest, ReadonlyMap<string, unknown>>
  readonly omitted: readonly Omitted[]
}

/** What an export came to. */
export interface ExportResult {
  readonly events: number
  readonly blobs: number
  readonly bytes: number
  /** bytes of blobs that had to be written; less than theirs where an interrupted run had written some */
  readonly written: number
  /** blobs that the events name and that neither the node nor the medium has */
  readonly missing: number
  readonly bad: readonly FileFault[]
  readonly conflicts: number
  /** nothing had to be written */
  readonly unchanged: boolean
  readonly root: string
  readonly medium: string
}

/** how often index.json and the list of sums are brought up to date while blobs are written, in milliseconds */
const listEveryMs = 5000

/**
 * Writes what this node passes on to a folder: lines first, then small blobs, then large ones in the order in which artifacts become whole. What is there
 * already stays; an interrupted export goes on where it was.
 * @throws E_NO_SPACE before the first write where it can't fit · E_LOCKED where somebody else writes there · E_GONE where the medium went away · E_NETWORK E_PERMISSION
 */
export async function exportTo(node: Node, dir: string, options: ExportOptions): Promise<ExportResult> {
  if (!node.writer.lacksTail) node.writer.sign()
  const root = placeIn(dir)
  try {
    // a medium that can't be written may have everything
    const nothing = await unchanged(node, dir, options)
    if (nothing !== undefined) return nothing
    const onWatch = (ms: number): void =>
      node.say(`${root} has a lock of another machine: watching for ${ms / 1000} s whether it lives`)
    await using lock = await lockMedium(root, { signal: options.signal, onWatch })
    await using target = FolderReplica.open(dir, node.store.network)
    const signal = AbortSignal.any([options.signal, lock.lost])
    return await new Exporting(node, target, { ...options, signal }).run()
  } catch (error) {
    throw asGone(error, root)
  }
}

async function unchanged(node: Node, dir: string, options: ExportOptions): Promise<ExportResult | undefined> {
  await using target = FolderReplica.open(dir, node.store.network)
  return new Exporting(node, target, options).unchanged()
}

class Exporting {
  private readonly node: Node
  private readonly target: FolderReplica
  private readonly options: ExportOptions
  private readonly pace: Pace
  private readonly held: ReadonlyMap<LogId, Held>
  private readonly bad: FileFault[] = []

  constructor(node: Node, target: FolderReplica, options: ExportOptions) {
    this.node = node
    this.target = target
    this.options = options
    this.pace = options.pace ?? new Pace(options.say)
    this.held = heldBy(node, options.receivers ?? [])
  }

  /** Returns what it comes to where nothing is to be written, by what is remembered of the medium; else undefined. */
  unchanged(): ExportResult | undefined {
    const { node, target } = this
    const usable = this.usableMark()
    const isSame = usable?.seq === node.store.journal.seq && this.spans((log) => target.sizeOf(log)).length === 0
    return isSame && !new Sites(node).hasNewsFor(target) ? { ...this.nothing(), missing: usable.missing } : undefined
  }

  /** What is remembered of the medium, where that is of this store and nobody took blobs away since. */
  private usableMark(): MediumMark | undefined {
    const { node, target } = this
    const mark = readMark(node.root, target.storeId)
    const isUsable = mark?.store === node.store.journal.storeId && mark.blobCount <= target.files.names('blobs/sha256').length
    return isUsable ? mark : undefined
  }

  async run(): Promise<ExportResult> {
    const { node, target, options } = this
    const usable = this.usableMark()
    const grown = this.spans((log) => target.sizeOf(log))
    const artifacts = (
      await Array.fromAsync(
        artifactsIn(
          node.store,
          node.blobs,
          this.spans((log) => this.from(log, usable))
        )
      )
    ).flatMap((artifact) => chosenOf(artifact, options.choice))
    const needs = await this.lacking(inOrder(artifacts))
    const lineBytes = lineBytesOf(node.store, grown)
    refuseWhereFull([roomFor(target, needs, lineBytes)])
    this.pace.expect(lineBytes + needs.reduce((sum, { sizeBytes = 0 }) => sum + sizeBytes, 0))
    const isNew = grown.length > 0 || needs.length > 0
    const logs = new Set([...grown.map(({ log }) => log), ...this.withNewTexts(usable)])
    target.begin()
    unlist(target, logs)
    await using own = Folder.open(node.root)
    const taker = new Taker(target, {
      signal: options.signal,
      onEntries: (_, events, bytes) => this.pace.add({ bytes, events }),
      onFault: (fault) => this.fault(fault)
    })
    const chosen = options.choice === undefined ? own : new Selected(own, options.choice.isChosen)
    await taker.takeAll(withoutHeld(chosen, this.held), ({ log }) => logs.has(log) || options.choice !== undefined)
    const lines = new ArtifactLines(node, artifacts, options.say)
    const done = await this.write(own, needs, artifacts, lines)
    new Sites(node).putOn(target)
    await this.finish(new Set([...logs, ...target.grown]), artifacts, done.bad === 0)
    const taken = taker.result
    const missing = new Set(artifacts.flatMap((one) => one.missing)).size
    if (this.bad.length === 0 && options.choice === undefined) this.remember(usable, missing)
    return {
      ...this.nothing(),
      events: taken.events,
      blobs: done.blobs,
      bytes: taken.bytes + done.bytes,
      written: done.written,
      missing,
      bad: this.bad,
      conflicts: taken.conflicts.length,
      unchanged: !isNew
    }
  }

  private nothing(): ExportResult {
    const { root, storeId } = this.target
    return {
      events: 0,
      blobs: 0,
      bytes: 0,
      written: 0,
      missing: 0,
      bad: [],
      conflicts: 0,
      unchanged: true,
      root,
      medium: storeId
    }
  }

  private fault(fault: FileFault): void {
    this.bad.push(fault)
    this.options.say({ kind: 'fault', ...fault } as VerbRecord)
  }

  /** Returns what this node has of each log beyond an entry. */
  private spans(fromOf: (log: LogId) => number): readonly EntrySpan[] {
    return this.node.store.listHeads().flatMap(({ log, size }) => {
      if ((this.held.get(log)?.from ?? 0) >= size) return []
      const from = fromOf(log)
      return from < size ? [{ log, from, to: size }] : []
    })
  }

  /** Up to here all blobs are there: they were put there before, or whoever gets it holds them. */
  private from(log: LogId, mark: MediumMark | undefined): number {
    const put = mark?.logs.get(log) ?? 0
    // an older copy of the medium was put back
    const isOlder = this.target.sizeOf(log) < put
    return Math.max(isOlder ? 0 : put, this.held.get(log)?.from ?? 0)
  }

  /** Returns the logs of which texts may be here that lie there as hashes: they came since, or a delta left them out. */
  private withNewTexts(mark: MediumMark | undefined): readonly LogId[] {
    const { store } = this.node
    return store.listHeads().flatMap(({ log }) => {
      if (this.target.sizeOf(log) === 0 || this.held.has(log)) return []
      const isKnown = mark?.logs.has(log) === true && store.textsOf(log) <= mark.texts
      return isKnown ? [] : [log]
    })
  }

  private async lacking(needs: readonly BlobNeed[]): Promise<readonly BlobNeed[]> {
    const lacking: BlobNeed[] = []
    for (const need of needs) {
      this.options.signal.throwIfAborted()
      if (!(await this.target.blobs.isWhole(need.digest, need.sizeBytes ?? 0))) lacking.push(need)
    }
    return lacking
  }

  private async write(
    own: Folder,
    needs: readonly BlobNeed[],
    artifacts: readonly ArtifactNeeds[],
    lines: ArtifactLines
  ): Promise<{ readonly blobs: number; readonly bytes: number; readonly written: number; readonly bad: number }> {
    const { target, node, options } = this
    let listedMs = performance.now()
    const lacking = new Set(needs.map(({ digest }) => digest))
    lines.keepOnly(lacking)
    target.blobs.onKept = () => {
      if (performance.now() - listedMs < listEveryMs) return
      listRoots(target, rootsOf(artifacts, lacking))
      target.sums.write()
      listedMs = performance.now()
    }
    const taken = await takeBlobs(own, target.blobs, needs, {
      signal: options.signal,
      leavesOf: async ({ digest }) => await node.blobs.leaves(digest),
      onBytes: (bytes) => this.pace.add({ bytes }),
      onBlob: (digest) => {
        lacking.delete(digest)
        this.pace.add({ blobs: 1 })
        lines.have(digest)
      },
      onFault: (fault) => this.fault(fault)
    })
    for (const digest of taken.missing)
      this.fault({ path: digest, reason: 'it went away from this node meanwhile', code: 'E_NOT_FOUND' })
    await this.writeNodes(needs)
    return { blobs: taken.done.length, bytes: taken.bytes, written: taken.written, bad: taken.bad.length }
  }

  /** The nodes of the DAG of a large blob go along, so that a reader can name a damaged chunk, and go on with an interrupted blob. */
  private async writeNodes(needs: readonly BlobNeed[]): Promise<void> {
    const { node, target } = this
    for (const { digest, sizeBytes = 0, cid } of needs) {
      if (cid === undefined || sizeBytes <= chunkBytes) continue
      const { nodes } = dagOfLeaves(await node.blobs.leaves(digest), sizeBytes)
      const blobs = nodes.map((one) => ({ bytes: one.bytes, digest: digestOf(one.bytes) }))
      const lacking: typeof blobs = []
      for (const one of blobs) if (!(await target.blobs.isWhole(one.digest, one.bytes.length))) lacking.push(one)
      if (lacking.length > 0) await target.blobs.putMany(lacking)
    }
  }

  private async finish(logs: ReadonlySet<LogId>, artifacts: readonly ArtifactNeeds[], isWhole: boolean): Promise<void> {
    const { target } = this
    if (isWhole) await settleRoots(target, rootsOf(artifacts, new Set()))
    target.noteLimits()
    writeReadme(target)
    writeHeads(target)
    noteOmitted(target, this.options.choice?.omitted ?? [])
    relist(target, logs)
    await sealFolder(target.root, target.network, this.node.keys.signer, Date.now())
  }

  private remember(before: MediumMark | undefined, missing: number): void {
    const { node, target } = this
    const { seq, storeId } = node.store.journal
    const logs = new Map(node.store.listHeads().flatMap(({ log, size }) => (this.held.has(log) ? [] : [[log, size] as const])))
    writeMark(node.root, target.storeId, {
      seq: this.held.size === 0 ? seq : -1,
      texts: seq,
      store: storeId,
      logs: new Map([...(before?.logs ?? []), ...logs]),
      blobCount: target.files.names('blobs/sha256').length,
      missing,
      at: new Date().toISOString()
    })
  }
}

/** An artifact with those of its blobs that were chosen, none where it was not. */
function chosenOf(artifact: ArtifactNeeds, choice: ExportChoice | undefined): readonly ArtifactNeeds[] {
  const blobs = choice?.artifacts.get(artifact.digest)
  if (choice === undefined) return [artifact]
  return blobs === undefined ? [] : [{ ...artifact, blobs: artifact.blobs.filter(({ digest }) => blobs.has(digest)) }]
}
