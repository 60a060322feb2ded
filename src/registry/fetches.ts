import { chunkBytes, type Cid, type Digest } from '../core/index.ts'
import type { Live, Node } from '../node/index.ts'
import type { PartialBlob } from '../store/index.ts'
import { fault, type FaultCode, type RegistryFault } from './fault.ts'

/** What is asked of peers. */
export interface Wanted {
  readonly digest: Digest
  readonly size: number
  /** the signed root of its DAG: with it each chunk is verified on its own */
  readonly cid?: Cid | undefined
  readonly isShared: boolean
}

/** how long nothing may come before a client is told that nobody has it, in milliseconds */
const idleMs = 20_000
const pollMs = 50

/** Fetches from peers what clients wait for: each blob once, however many wait for it. */
export class Fetches {
  private readonly node: Node
  private readonly live: Live | undefined
  private readonly signal: AbortSignal
  private readonly running = new Map<Digest, Promise<boolean>>()

  constructor(node: Node, live: Live | undefined, signal: AbortSignal) {
    this.node = node
    this.live = live
    this.signal = signal
  }

  /** Whether anybody could be asked. */
  get hasPeers(): boolean {
    return (this.live?.host.peers().length ?? 0) > 0
  }

  /** Returns the fault for what an event names and nobody who can be reached has: 404 where it was let go here, else it is only not to be had now. */
  unavailable(digest: Digest, code: FaultCode): RegistryFault {
    if (this.node.blobs.dropped.has(digest))
      return fault(404, code, `${digest} was let go here, and nobody who is connected has it`, { detail: { digest } })
    const why = this.hasPeers ? 'no peer that is connected has it' : 'no peer is connected'
    return fault(503, code, `${digest} is known and not here, and ${why}`, {
      detail: { digest },
      headers: { 'retry-after': '10' }
    })
  }

  /** Fetches a blob; resolves once it is here, or is not to be had. */
  async bring(wanted: Wanted): Promise<boolean> {
    const { digest } = wanted
    if (this.node.blobs.has(digest)) return true
    const known = this.running.get(digest)
    if (known !== undefined) return await known
    const run = this.fetch(wanted).finally(() => this.running.delete(digest))
    this.running.set(digest, run)
    return await run
  }

  private async fetch({ digest, size, cid, isShared }: Wanted): Promise<boolean> {
    if (!this.hasPeers) return false
    const idle = new AbortController()
    let timer = setTimeout(() => idle.abort(), idleMs)
    let have = -1
    const watch = setInterval(() => {
      const count = this.node.blobs.partOf(digest)?.haveCount ?? -1
      if (count === have) return
      have = count
      clearTimeout(timer)
      timer = setTimeout(() => idle.abort(), idleMs)
    }, pollMs)
    try {
      // one that comes already is waited for
      await Promise.race([this.node.blobs.partEnded(digest), aborted(idle.signal)])
      if (this.node.blobs.has(digest)) return true
      const want = { digest, sizeBytes: size, ...(cid !== undefined && { cid }) }
      await this.live?.fetch([want], AbortSignal.any([idle.signal, this.signal]), !isShared)
      await Promise.race([this.node.blobs.partEnded(digest), aborted(idle.signal)])
    } catch (error) {
      if (!idle.signal.aborted && !this.signal.aborted) throw error
    } finally {
      clearTimeout(timer)
      clearInterval(watch)
    }
    return this.node.blobs.has(digest)
  }

  /**
   * Returns what has come of a large blob whose chunks are verified one by one, once a chunk of it is there; undefined where it can't be
   * read before all of it is here, or nothing comes.
   */
  async arriving(wanted: Wanted, chunk: number, brought: Promise<boolean>): Promise<PartialBlob | undefined> {
    if (wanted.cid === undefined || wanted.size <= chunkBytes) return undefined
    const over = new AbortController()
    const ended = brought.finally(() => over.abort())
    ended.catch(() => {})
    for (;;) {
      const part = this.node.blobs.partOf(wanted.digest)
      if (part?.has(chunk) === true) return part
      if (over.signal.aborted) return undefined
      if (part === undefined)
        await Promise.race([ended.catch(() => {}), new Promise((resolve) => setTimeout(resolve, pollMs / 5))])
      else await part.arrival(chunk, over)
    }
  }
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}
