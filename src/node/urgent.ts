import { codeOf, type LogId, parseAnnouncement, RejoinError } from '../core/index.ts'
import { type GossipVerdict, type Host, protocolId, topicId } from '../net/index.ts'
import { inquire } from '../sync/index.ts'
import type { Node } from './node.ts'

/** What Live lends. */
export interface UrgentOptions {
  readonly signal: AbortSignal
  /** something urgent was learned: everybody is to be told in a session, too, and what may follow from it is to be asked for */
  readonly onLearned: () => void
}

/** how soon the same peer is asked for its history of the same log again */
const inquireEveryMs = 60_000
const maxInquiries = 10_000

/**
 * Passes on what goes before anything else, closings and fork proofs: takes them in from gossip, tells everybody what is new here, and asks
 * a peer for its history where its heads contradict ours, which makes the proof.
 * @see protocols/urgent.md
 */
export class UrgentTopic {
  private readonly node: Node
  private readonly host: Host
  private readonly options: UrgentOptions
  private readonly topic: string
  private readonly asked = new Map<string, number>()
  private readonly stopLearned: () => void
  private readonly running = new Set<Promise<void>>()

  constructor(node: Node, host: Host, options: UrgentOptions) {
    this.node = node
    this.host = host
    this.options = options
    this.topic = topicId(node.store.network, 'urgent')
    this.stopLearned = node.learned.on((record) => {
      this.background(host.gossip.publish(this.topic, record))
      // the record is applied once this turn is over
      setImmediate(() => {
        if (!options.signal.aborted) options.onLearned()
      })
    })
  }

  /** Joins the topic. */
  begin(): void {
    this.host.gossip.subscribe(
      this.topic,
      (bytes, from) => this.heard(bytes, from),
      (from) => this.node.scores.fault(from, 'E_TOO_LARGE')
    )
  }

  /** A record that proves something new is passed on at once, whatever the rules say of its log's writer; who sent it is not asked. */
  private heard(bytes: Uint8Array, from: string): GossipVerdict {
    if (this.node.scores.admit(from, bytes) !== 'take') return 'ignore'
    const { endings } = this.node.replica
    try {
      const added = endings.add(bytes)
      if (added === undefined) return 'ignore'
      this.background(endings.apply(added))
      return 'accept'
    } catch (error) {
      const code = codeOf(error)
      if (code === undefined || code === 'E_NO_SPACE' || code === 'E_IO' || code === 'E_PERMISSION') throw error
      this.node.scores.fault(from, code)
      return 'reject'
    }
  }

  /** Takes an announced head that has another root than ours at the same size: two signed heads are a proof. */
  contradiction(log: LogId, announcement: Uint8Array): void {
    this.background(this.node.replica.conflict(log, parseAnnouncement(announcement).note))
  }

  /** Asks a peer for its history of logs of which it seems to have another one. A peer that does not answer is asked again later. */
  async inquire(peerId: string, suspects: readonly LogId[]): Promise<void> {
    for (const log of suspects) if (this.mayAsk(peerId, log)) await this.inquireOne(peerId, log)
  }

  private mayAsk(peerId: string, log: LogId): boolean {
    const key = `${peerId} ${log}`
    const nowMs = performance.now()
    if (nowMs - (this.asked.get(key) ?? Number.NEGATIVE_INFINITY) < inquireEveryMs) return false
    if (this.asked.size >= maxInquiries) this.asked.clear()
    this.asked.set(key, nowMs)
    return true
  }

  private async inquireOne(peerId: string, log: LogId): Promise<void> {
    const { node, host, options } = this
    const { network } = node.store
    const { endings } = node.replica
    try {
      const stream = await host.open(peerId, protocolId(network, 'sync'), { signal: options.signal })
      const theirs = await inquire(stream, {
        network,
        node: node.replica.node,
        log,
        author: node.store.opened(log).publicKey,
        tileAsked: (roots, size) => endings.tileAsked(log, roots, size),
        signal: options.signal
      })
      const wasShut = endings.isShut(log)
      // what was passed over while it was frozen
      if ((await endings.settle(log, theirs)) === 'same' && wasShut) options.onLearned()
    } catch (error) {
      if (!(error instanceof RejoinError)) throw error
      this.asked.delete(`${peerId} ${log}`)
      // hashes that do not give the head that was sent with them: no other history explains that
      if (error.code === 'E_ROOT' || error.code === 'E_TILE') node.scores.fault(peerId, error.code)
    }
  }

  private background(work: Promise<void>): void {
    const done = work
      .catch((error: unknown) => this.node.say(`an urgent record could not be taken in: ${(error as Error).message}`))
      .finally(() => void this.running.delete(done))
    this.running.add(done)
  }

  /** Ends; what is under way is waited for. */
  async stop(): Promise<void> {
    this.stopLearned()
    await Promise.allSettled(this.running)
  }
}
