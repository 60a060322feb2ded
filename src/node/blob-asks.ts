import type { Digest } from '../core/index.ts'
import { type Host, protocolId } from '../net/index.ts'
import { tellHave } from '../sync/index.ts'
import type { Node } from './node.ts'

/** blobs that one peer asked for in vain and is told of later; of more, the oldest are forgotten */
const maxPerPeer = 4096
const maxAll = 65_536
/** how long blobs are gathered before peers are told of them, in milliseconds */
const gatherMs = 50
const tellTimeoutMs = 10_000

/**
 * Remembers which blobs connected peers asked for in vain, and tells them once these are here and passed on: else a chain of nodes would
 * hand a blob on only as fast as each of them asks again. It is a hint: who is not told asks again by itself.
 * @see protocols/blobs.md#BLOB-19
 */
export class BlobAsks {
  private readonly node: Node
  private readonly host: Host
  private readonly signal: AbortSignal
  private readonly asked = new Map<string, Set<Digest>>()
  private count = 0
  private readonly due = new Map<string, Set<Digest>>()
  private readonly telling = new Map<string, Promise<void>>()
  private readonly stopShared: () => void
  private timer: NodeJS.Timeout | undefined

  constructor(node: Node, host: Host, signal: AbortSignal) {
    this.node = node
    this.host = host
    this.signal = signal
    this.stopShared = node.blobs.onShared((digests) => this.shared(digests))
  }

  /** Notes that a peer asked for a blob that is not passed on here now. */
  note(peerId: string, digest: Digest): void {
    const asked = this.asked.get(peerId) ?? new Set()
    this.asked.set(peerId, asked)
    if (asked.delete(digest)) this.count--
    const [oldest] = asked
    if (oldest !== undefined && (asked.size >= maxPerPeer || this.count >= maxAll)) {
      asked.delete(oldest)
      this.count--
    }
    if (this.count >= maxAll) return
    asked.add(digest)
    this.count++
  }

  /** Forgets what a peer asked for: it is gone. */
  forget(peerId: string): void {
    this.count -= this.asked.get(peerId)?.size ?? 0
    this.asked.delete(peerId)
    this.due.delete(peerId)
  }

  private shared(digests: readonly Digest[]): void {
    if (this.count === 0) return
    for (const [peerId, asked] of this.asked) {
      for (const digest of digests) {
        if (!asked.delete(digest)) continue
        this.count--
        const due = this.due.get(peerId) ?? new Set()
        this.due.set(peerId, due.add(digest))
      }
    }
    this.soon()
  }

  private soon(): void {
    if (this.due.size === 0 || this.signal.aborted) return
    this.timer ??= setTimeout(() => {
      this.timer = undefined
      for (const peerId of [...this.due.keys()]) this.tell(peerId)
    }, gatherMs)
  }

  /** One stream to a peer at a time: what comes meanwhile goes with the next one. */
  private tell(peerId: string): void {
    if (this.telling.has(peerId)) return
    const digests = [...(this.due.get(peerId) ?? [])].filter((digest) => this.node.blobs.placeOf(digest) === 'shared')
    this.due.delete(peerId)
    if (digests.length === 0) return
    const work = this.tellOf(peerId, digests)
      .catch(() => {})
      .finally(() => {
        this.telling.delete(peerId)
        this.soon()
      })
    this.telling.set(peerId, work)
  }

  private async tellOf(peerId: string, digests: readonly Digest[]): Promise<void> {
    const signal = AbortSignal.any([this.signal, AbortSignal.timeout(tellTimeoutMs)])
    const stream = await this.host.open(peerId, protocolId(this.node.store.network, 'blob'), { signal })
    await tellHave(stream, digests, { signal })
  }

  /** Tells nobody any more; the signal must have ended what is under way. */
  async stop(): Promise<void> {
    this.stopShared()
    clearTimeout(this.timer)
    await Promise.all(this.telling.values())
  }
}
