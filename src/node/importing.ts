import { blobPath, type Digest, didOf, type ImportReceipt, type LogId, maxReceiptItems } from '../core/index.ts'
import {
  type FileFault,
  type FileHead,
  type FileReplica,
  Folder,
  FolderReplica,
  omittedIn,
  placeIn,
  relist,
  unlist
} from '../replica/index.ts'
import { asGone, lockMedium } from '../store/index.ts'
import { takeBlobs, Taker } from '../sync/index.ts'
import { ArrivedLines } from './arrived-lines.ts'
import { BlobPass, type BringBlobs } from './blob-pass.ts'
import type { VerbRecord } from './control.ts'
import type { Node } from './node.ts'
import { Pace } from './pace.ts'
import { Settler } from './settle.ts'
import { Sites } from './sites.ts'

/** How an import is made. */
export interface ImportOptions {
  readonly signal: AbortSignal
  readonly say: (record: VerbRecord) => void
  /** an absolute path, where the frontier and the receipt go back to; nothing goes back where it is left out */
  readonly backTo?: string | undefined
}

/** What an import came to. */
export interface ImportResult {
  readonly events: number
  readonly refused: number
  readonly held: number
  readonly blobs: number
  readonly bytes: number
  readonly missing: number
  /** left out by choice, as the medium says */
  readonly omitted: number
  readonly bad: readonly FileFault[]
  readonly conflicts: number
  /** logs by writers whom the rules don't know: nothing of them is stored */
  readonly unknown: number
  /** whether the frontier and the receipt lie on the medium */
  readonly receipt: 'written' | 'local' | 'none'
}

/**
 * Takes in what a replica of files holds and the rules want: events first, then texts and blobs, and signs what came of it. Keys and rules that lie there
 * are left alone.
 * @throws E_NETWORK · E_GONE where the medium went away · E_NO_SPACE of this node's disk
 */
export async function importFrom(node: Node, source: FileReplica, options: ImportOptions): Promise<ImportResult> {
  try {
    return await new Importing(node, source, options).run()
  } catch (error) {
    throw options.backTo === undefined ? error : asGone(error, options.backTo)
  }
}

class Importing {
  private readonly node: Node
  private readonly source: FileReplica
  private readonly options: ImportOptions
  private readonly pace: Pace
  private readonly sites: Sites
  private readonly bad: FileFault[] = []
  private readonly told = new Set<string>()
  private readonly lacking = new Set<Digest>()
  private readonly refused: { readonly log: LogId; readonly index: number; readonly rule: string }[] = []

  constructor(node: Node, source: FileReplica, options: ImportOptions) {
    this.node = node
    this.source = source
    this.options = options
    this.pace = new Pace(options.say)
    this.sites = new Sites(node)
  }

  private readonly fault = (fault: FileFault): void => {
    // what is asked for again is told once
    const key = `${fault.path} ${fault.offset ?? ''} ${fault.reason}`
    if (this.told.has(key)) return
    this.told.add(key)
    this.bad.push(fault)
    this.options.say({ kind: 'fault', ...fault } as VerbRecord)
  }

  async run(): Promise<ImportResult> {
    const { node, source, options } = this
    const { signal } = options
    const before = new Set(node.replica.conflicts())
    const seqBefore = node.store.journal.seq
    const heads: FileHead[] = []
    const stopListening = node.onJudged((log, judged) => {
      for (const { line, decision } of judged) {
        pass.revisit(log, line.index)
        if (decision.verdict === 'refuse' && this.refused.length < maxReceiptItems)
          this.refused.push({ log, index: line.index, rule: decision.rule })
      }
    })
    const badBlobs = new Set<string>()
    const arrived = new ArrivedLines(node, options.say)
    const bring: BringBlobs = async (needs, isPrivate) => {
      const open = needs.filter(({ digest }) => !badBlobs.has(blobPath(digest)))
      const taken = await takeBlobs(source, node.blobs, open, {
        signal,
        private: isPrivate,
        onBytes: (bytes) => this.pace.add({ bytes }),
        onBlob: (digest) => {
          this.pace.add({ blobs: 1 })
          arrived.blob(digest)
        },
        onFault: this.fault
      })
      for (const { path } of taken.bad) badBlobs.add(path)
      for (const { digest } of needs) this.lacking.add(digest)
      for (const digest of taken.done) this.lacking.delete(digest)
      return { fetched: taken.done.length, bytes: taken.bytes }
    }
    const pass = new BlobPass(node, bring, arrived)
    const settler = new Settler(node, async (log, index, event) => await pass.bringHeld(log, index, event))
    try {
      const taker = new Taker(node.replica, {
        signal,
        onEntries: (_, events, bytes) => this.pace.add({ bytes, events }),
        onFault: this.fault
      })
      await taker.takeAll(source, (head) => heads.push(head) > 0)
      // a token in a log may have said only now whose it is
      const unknown = heads.filter(({ author, log }) => !node.gate.admits(didOf(author), log)).length
      await this.sites.takeFrom(source, signal, this.fault)
      await settler.idle()
      const blobs = await pass.run(signal)
      await settler.idle()
      const { events, refused, held, bytes } = taker.result
      const conflicts = node.replica.conflicts().filter((log) => !before.has(log)).length
      const isNews = node.store.journal.seq !== seqBefore || blobs.fetched > 0 || this.bad.length > 0 || refused > 0
      const byChoice = source instanceof Folder ? omittedIn(source.files) : new Map()
      const left = [...this.lacking].filter((digest) => byChoice.has(digest)).length
      const total = {
        events,
        refused,
        held,
        blobs: blobs.fetched,
        bytes: bytes + blobs.bytes,
        missing: blobs.missing - left,
        omitted: left
      }
      const receipt = await this.sendBack(total, isNews)
      return { ...total, bad: this.bad, conflicts, unknown, receipt }
    } finally {
      stopListening()
      await settler.stop()
    }
  }

  /** Signs what came of it and puts it, with the frontier, on the medium; where that can't be written, it stays here. */
  private async sendBack(
    total: Pick<ImportResult, 'events' | 'refused' | 'held' | 'blobs' | 'bytes' | 'missing'>,
    isNews: boolean
  ): Promise<ImportResult['receipt']> {
    const { node, source, sites, options } = this
    const { storeId, seq } = node.store.journal
    if (isNews) {
      const receipt: ImportReceipt = {
        node: node.did,
        network: node.store.network,
        store: storeId,
        seq,
        time: new Date().toISOString(),
        ...(source.storeId !== undefined && { from: source.storeId }),
        events: total.events,
        blobs: total.blobs,
        bytes: total.bytes,
        heldCount: total.held,
        refusedCount: total.refused,
        missingCount: total.missing,
        badCount: this.bad.length,
        refused: this.refused,
        missing: [...this.lacking].slice(0, maxReceiptItems),
        bad: this.bad
          .slice(0, maxReceiptItems)
          .map(({ path, reason }) => ({ path: path.slice(0, 200), reason: reason.slice(0, 200) }))
      }
      sites.noteImport(receipt)
    }
    if (options.backTo === undefined || source.storeId === undefined) return 'none'
    try {
      if (!sites.hasNewsFor(FolderReplica.open(options.backTo, node.store.network))) return 'written'
      await using _lock = await lockMedium(placeIn(options.backTo), { signal: options.signal })
      const target = FolderReplica.open(options.backTo, node.store.network)
      unlist(target, [])
      sites.putOn(target)
      relist(target, [])
      return 'written'
    } catch (error) {
      if (isReadOnly(error)) return 'local'
      throw error
    }
  }
}

/** A DVD, a locked card, a full stick, one that somebody else is writing to: the import is whole all the same. */
function isReadOnly(error: unknown): boolean {
  const code = (error as { readonly code?: unknown }).code
  return code === 'E_PERMISSION' || code === 'E_NO_SPACE' || code === 'E_LOCKED' || code === 'EROFS' || code === 'EACCES'
}
