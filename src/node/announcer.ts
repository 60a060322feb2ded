import {
  type Announcement,
  type Checkpoint,
  decideAnnouncement,
  didOf,
  encodeAnnouncement,
  hashOfLogId,
  type KnownLog,
  type LogId,
  maxAnnouncedTextBytes,
  Tree
} from '../core/index.ts'
import { type Host, topicId } from '../net/index.ts'
import type { StoredHead } from '../store/index.ts'
import type { Node } from './node.ts'
import type { UrgentTopic } from './urgent.ts'
import type { Witnessing } from './witness.ts'

const announceDelayMs = 5
/** how long texts are gathered before peers are synced with for them, in milliseconds */
const textsDelayMs = 300

/** What an announcer asks of the rest of a node that is up. */
export interface AnnouncerOptions {
  readonly urgent: UrgentTopic
  readonly witnessing: Witnessing
  readonly signal: AbortSignal
  /** syncs with every peer soon */
  readonly pullFromAny: () => void
  /** syncs with one peer soon */
  readonly pullFrom: (peerId: string) => void
  /** syncs with one peer a little later */
  readonly pullLater: (peerId: string) => void
  /** announced events were stored */
  readonly onStored: () => void
}

/** Announces heads that are new here, with their newest lines where these are small, and takes the announcements of others in. */
export class Announcer implements Disposable {
  private readonly node: Node
  private readonly host: Host
  private readonly options: AnnouncerOptions
  /** by log, the size up to which it was announced */
  private readonly announced = new Map<LogId, number>()
  private readonly toAnnounce = new Set<LogId>()
  /** by log, the change of its texts that peers were told of */
  private readonly toldTexts = new Map<LogId, number>()
  private readonly stopGrown: () => void
  private announceTimer: NodeJS.Timeout | undefined
  private textsTimer: NodeJS.Timeout | undefined

  constructor(node: Node, host: Host, options: AnnouncerOptions) {
    this.node = node
    this.host = host
    this.options = options
    this.stopGrown = node.store.onGrown((head) => this.grown(head))
  }

  /** A log has a new head: announced soon, together with what follows at once. */
  private grown({ log }: StoredHead): void {
    this.textsChanged(log)
    this.toAnnounce.add(log)
    this.announceTimer ??= setTimeout(() => {
      this.announceTimer = undefined
      for (const one of this.toAnnounce) void this.announce(one)
      this.toAnnounce.clear()
    }, announceDelayMs)
  }

  /** Text that came in the place of its hash shows in no head that is announced: peers hear of it in a sync. */
  private textsChanged(log: LogId): void {
    const texts = this.node.store.textsOf(log)
    if (texts === (this.toldTexts.get(log) ?? 0)) return
    this.toldTexts.set(log, texts)
    this.textsTimer ??= setTimeout(() => {
      this.textsTimer = undefined
      this.options.pullFromAny()
    }, textsDelayMs)
  }

  private async announce(log: LogId): Promise<void> {
    const folder = this.node.store.needFolder(log)
    const { checkpoint, coseCheckpoint } = folder
    if (checkpoint === undefined || this.options.signal.aborted) return
    const before = this.announced.get(log) ?? Math.max(0, checkpoint.size - 1)
    if (before >= checkpoint.size) return
    this.announced.set(log, checkpoint.size)
    const block = folder.entries.read(before, checkpoint.size)
    const whole =
      block.from === before && block.from + block.count === checkpoint.size && block.text.length <= maxAnnouncedTextBytes
    const announcement: Announcement = {
      log: hashOfLogId(log),
      from: whole ? before : checkpoint.size,
      note: checkpoint.note,
      cose: coseCheckpoint,
      text: whole ? block.text : new Uint8Array(0)
    }
    await this.host.gossip.publish(topicId(this.node.store.network, 'heads'), encodeAnnouncement(announcement))
  }

  private known(log: LogId): KnownLog {
    const folder = this.node.store.folder(log)
    if (folder === undefined) return { key: undefined, admitted: false, frozen: false, tree: new Tree() }
    const admitted = this.node.gate.admits(didOf(folder.opened.publicKey), log)
    return {
      key: folder.opened.publicKey,
      admitted,
      frozen: this.node.replica.isFrozen(log) || this.node.share.catchups.has(log),
      tree: folder.tree
    }
  }

  /** Decides on an announcement at once; what is let in is stored in the background. */
  heard(bytes: Uint8Array, from: string): 'accept' | 'ignore' | 'reject' {
    const admitted = this.node.scores.admit(from, bytes)
    if (admitted === 'later') this.options.pullLater(from)
    if (admitted !== 'take') return 'ignore'
    const decision = decideAnnouncement(bytes, (log) => this.known(log))
    this.node.scores.announced(from, decision)
    switch (decision.verdict) {
      case 'reject':
        return 'reject'
      case 'accept':
        return this.options.witnessing.heard(decision.log, bytes)
      case 'ignore':
        if (decision.action === 'conflict') this.options.urgent.contradiction(decision.log, bytes)
        // who passes an announcement on has what it announces
        else if (decision.action !== 'none') this.options.pullFrom(from)
        return 'ignore'
      case 'judge': {
        const { log, checkpoint, cose, block } = decision
        if (this.node.log === log) {
          this.options.pullFrom(from)
          return 'ignore'
        }
        const relayed = this.node.replica.takeAnnounced(log, block, from)
        if (relayed) this.announced.set(log, checkpoint.size)
        void this.commit(log, checkpoint, cose)
        return relayed ? 'accept' : 'ignore'
      }
    }
  }

  private async commit(log: LogId, checkpoint: Checkpoint, cose: Uint8Array | undefined): Promise<void> {
    try {
      await this.node.replica.commit(log, checkpoint, cose)
      this.options.onStored()
    } catch (error) {
      this.node.say(`an announced event could not be stored: ${(error as Error).message}`)
    }
  }

  /** Announces nothing more. */
  [Symbol.dispose](): void {
    this.stopGrown()
    clearTimeout(this.announceTimer)
    clearTimeout(this.textsTimer)
  }
}
