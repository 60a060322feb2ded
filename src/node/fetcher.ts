import { readManifest } from '../artifact/index.ts'
import { type Digest, isDigest, isObject, type Json, parseCid, type RejoinEvent } from '../core/index.ts'
import { type Host, protocolId } from '../net/index.ts'
import { fetchBlobs } from '../sync/index.ts'
import type { Descriptor, RootChange } from '../store/index.ts'
import { listEntries } from './log-view.ts'
import type { Node } from './node.ts'

/** A blob that is wanted, with what its event says of it. */
interface Want {
  readonly digest: Digest
  readonly size?: number
  readonly rootCid?: string
  readonly isManifest: boolean
}

/** What a round of fetching came to. */
export interface Fetched {
  readonly fetched: number
  readonly missing: number
  readonly bytes: number
}

const maxManifestBytes = 16 * 1024 * 1024
const manifestTypes = /\+json$/
const retryMs = 2000
const scanStep = 256

/** Fetches the blobs that accepted events name, from any connected peer; what nobody has is tried again later. */
export class Fetcher {
  private readonly node: Node
  private readonly host: Host
  private readonly signal: AbortSignal
  private readonly wants = new Map<Digest, Want>()
  /** roots that arrived and are not in index.json yet */
  private readonly roots: RootChange[] = []
  private running: Promise<Fetched> | undefined
  private timer: NodeJS.Timeout | undefined
  private stopListening: (() => void) | undefined

  constructor(node: Node, host: Host, signal: AbortSignal) {
    this.node = node
    this.host = host
    this.signal = signal
  }

  /** Looks through all events for blobs that are not here, and goes on with every event that is accepted. */
  start(): void {
    void this.scan()
    this.stopListening = this.node.onAccepted((accepted) => {
      for (const { event } of accepted) if (event !== undefined) this.wantEvent(event)
    })
  }

  /** Looks through the events in the background, a few hundred at a time. */
  private async scan(): Promise<void> {
    let count = 0
    for (const { event } of listEntries(this.node, undefined)) {
      if (event !== undefined) this.wantEvent(event)
      if (++count % scanStep !== 0) continue
      await new Promise((resolve) => setImmediate(resolve))
      if (this.signal.aborted) return
    }
    if (this.wants.size > 0) this.poke()
  }

  private wantEvent({ subject, data }: RejoinEvent): void {
    const { digest, size, mediaType, blobs } = data
    if (typeof digest !== 'string' || !isDigest(digest) || digest !== subject) return
    for (const blob of Array.isArray(blobs) ? (blobs as readonly Json[]) : []) this.wantLarge(blob)
    if (!this.node.blobs.has(digest))
      this.wants.set(digest, {
        digest,
        ...(typeof size === 'number' && { size }),
        isManifest: typeof mediaType === 'string' && manifestTypes.test(mediaType)
      })
  }

  private wantLarge(blob: Json): void {
    if (!isObject(blob)) return
    const { digest, size, cid } = blob
    if (
      typeof digest !== 'string' ||
      !isDigest(digest) ||
      typeof size !== 'number' ||
      typeof cid !== 'string' ||
      this.node.blobs.has(digest)
    )
      return
    if (size > this.node.config.fetchMaxBytes) return
    this.wants.set(digest, { digest, size, rootCid: cid, isManifest: false })
  }

  /** Fetches soon what is wanted. */
  poke(): void {
    clearTimeout(this.timer)
    this.timer = setTimeout(() => {
      this.timer = undefined
      void this.run(this.signal).catch((error: unknown) =>
        this.signal.aborted ? undefined : this.node.say(`fetching blobs failed: ${(error as Error).message}`)
      )
    }, 2)
  }

  /** Fetches what is wanted from the peers that are connected; one round at a time. */
  async run(signal: AbortSignal): Promise<Fetched> {
    while (this.running !== undefined) await this.running
    this.running = this.round(signal)
    try {
      return await this.running
    } finally {
      this.running = undefined
      if (this.wants.size > 0 && !this.signal.aborted)
        this.timer ??= setTimeout(() => this.poke(), retryMs * (0.5 + Math.random()))
    }
  }

  private async round(signal: AbortSignal): Promise<Fetched> {
    let fetched = 0
    let bytes = 0
    for (;;) {
      for (const digest of this.wants.keys()) if (this.node.blobs.has(digest)) await this.arrived(digest)
      if (this.roots.length > 0) this.node.blobs.index.change(this.roots.splice(0))
      const wants = [...this.wants.values()]
      const sources = this.host.peers().map(({ peerId }) => ({
        name: peerId,
        open: async () => await this.host.open(peerId, protocolId(this.node.store.network, 'blob'), { signal })
      }))
      if (wants.length === 0 || sources.length === 0 || signal.aborted) break
      const asked = wants.map(({ digest, size, rootCid }) => ({
        digest,
        ...(size !== undefined && { sizeBytes: size }),
        ...(rootCid !== undefined && { cid: parseCid(rootCid) })
      }))
      const { done } = await fetchBlobs(asked, sources, this.node.blobs, { signal })
      for (const digest of done) {
        fetched++
        bytes += this.node.blobs.size(digest) ?? 0
        await this.arrived(digest)
      }
      this.node.blobs.index.change(this.roots.splice(0))
      if (done.length === 0) break
    }
    return { fetched, missing: this.wants.size, bytes }
  }

  /** A wanted blob is here: what a manifest names is wanted next. */
  private async arrived(digest: Digest): Promise<void> {
    const want = this.wants.get(digest)
    this.wants.delete(digest)
    if (want?.isManifest !== true) return
    const bytes = await this.node.blobs.readBytes(digest, maxManifestBytes)
    let manifest: ReturnType<typeof readManifest>
    try {
      manifest = readManifest(bytes)
    } catch {
      return
    }
    const root: Descriptor = { mediaType: manifest.mediaType, digest, size: bytes.length }
    this.roots.push({ kind: 'add', descriptor: root })
    for (const child of manifest.manifests) this.wantChild(child, true)
    for (const child of [manifest.config, ...manifest.layers]) if (child !== undefined) this.wantChild(child, false)
  }

  private wantChild({ digest, size }: { readonly digest: Digest; readonly size: number }, isManifest: boolean): void {
    if (this.node.blobs.has(digest) || this.wants.has(digest) || size > this.node.config.fetchMaxBytes) return
    this.wants.set(digest, { digest, size, isManifest })
  }

  /** Stops fetching. */
  async stop(): Promise<void> {
    clearTimeout(this.timer)
    this.stopListening?.()
    await this.running?.catch(() => {})
  }
}
