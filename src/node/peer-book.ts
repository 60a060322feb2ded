import { join } from 'node:path'
import { type PeerRuling, type PeerScore, textOf, utf8 } from '../core/index.ts'
import type { RemotePeer } from '../net/index.ts'
import { readFileRangeSync, replaceFileSync, Spaced } from '../store/index.ts'

/** A writer that this node's rules don't know: one line each. */
export interface HeardWriter {
  readonly did: string
  readonly log: string
  readonly size: number
  readonly firstSeen: string
}

/** A node that this one was connected to. */
export interface KnownPeer {
  readonly peerId: string
  /** where this node dialled it last */
  readonly address?: string
  /** where it says that it can be dialled, as far as it came from there and said so */
  readonly told?: string
  readonly lastSeen: string
}

/** How a peer behaved, and what a person said about it. */
export interface PeerMark extends PeerScore {
  readonly peer: string
  readonly ruling?: PeerRuling
  readonly because?: string
}

const fileName = 'peers'
const maxFileBytes = 16 * 1024 * 1024
const maxHeard = 10_000
const maxKnown = 1000
const maxMarks = 10_000

/** Whom this node knows: peers with the addresses to dial them, and one line for each unknown writer that was heard of. */
export class PeerBook {
  private readonly path: string
  private readonly file: Spaced
  private readonly known = new Map<string, KnownPeer>()
  private readonly heardOf = new Map<string, HeardWriter>()
  private readonly marked = new Map<string, PeerMark>()
  private changed = false

  constructor(root: string) {
    this.path = join(root, fileName)
    this.file = new Spaced(this.path, () => this.save())
    const bytes = readFileRangeSync(this.path, 0, maxFileBytes)
    for (const line of bytes === undefined ? [] : textOf(bytes).split('\n')) this.parse(line)
  }

  private parse(line: string): void {
    try {
      const value = JSON.parse(line) as Partial<KnownPeer & HeardWriter & PeerMark>
      if (typeof value.peerId === 'string') this.known.set(value.peerId, value as KnownPeer)
      else if (typeof value.did === 'string') this.heardOf.set(value.did, value as HeardWriter)
      else if (typeof value.peer === 'string') this.marked.set(value.peer, markOf(value.peer, value))
    } catch {
      // a line that can't be read is left out: the book is only a memory
    }
  }

  /** Returns the peers, the one seen last at the end. */
  peers(): readonly KnownPeer[] {
    return [...this.known.values()]
  }

  /** Returns the unknown writers. */
  heardWriters(): readonly HeardWriter[] {
    return [...this.heardOf.values()]
  }

  /** Notes that a peer is connected. The address of an inbound connection is no address to dial, so what is known of the peer stays. */
  met({ peerId, address, direction, told }: Pick<RemotePeer, 'peerId' | 'address' | 'direction' | 'told'>): void {
    const dialled = direction === 'outbound' ? { address } : {}
    const before = this.known.get(peerId)
    this.known.delete(peerId)
    this.known.set(peerId, {
      ...before,
      peerId,
      ...dialled,
      ...(told !== undefined && { told }),
      lastSeen: new Date().toISOString()
    })
    for (const oldest of this.known.keys()) {
      if (this.known.size <= maxKnown) break
      this.known.delete(oldest)
    }
    this.changed = true
    this.file.changed()
  }

  /** Notes that an unknown writer was heard of. */
  heard(did: string, log: string, size: number): void {
    const before = this.heardOf.get(did)
    if (before?.size === size || (before === undefined && this.heardOf.size >= maxHeard)) return
    this.heardOf.set(did, { did, log, size, firstSeen: before?.firstSeen ?? new Date().toISOString() })
    this.changed = true
  }

  /** Returns the peers of which something is kept beside their addresses. */
  marks(): readonly PeerMark[] {
    return [...this.marked.values()]
  }

  /** Returns how a peer behaved, undefined where nothing is known. */
  markOf(peer: string): PeerMark | undefined {
    return this.marked.get(peer)
  }

  /** Keeps how a peer behaved; of too many, those with the fewest points on either side go, but nobody on whom a person decided. */
  mark(mark: PeerMark): void {
    this.marked.set(mark.peer, mark)
    this.changed = true
    if (this.marked.size <= maxMarks) return
    const least = [...this.marked.values()]
      .filter(({ peer, ruling }) => ruling === undefined && peer !== mark.peer)
      .reduce<PeerMark | undefined>((a, b) => (a !== undefined && Math.abs(a.points) <= Math.abs(b.points) ? a : b), undefined)
    if (least !== undefined) this.marked.delete(least.peer)
  }

  /** Forgets how a peer behaved. */
  unmark(peer: string): void {
    if (this.marked.delete(peer)) this.changed = true
  }

  /** Writes the book to its file, where something changed. */
  save({ durable = false }: { readonly durable?: boolean } = {}): void {
    if (!this.changed) return
    const values = [...this.known.values(), ...this.heardOf.values(), ...this.marked.values()]
    replaceFileSync(this.path, utf8(values.map((value) => `${JSON.stringify(value)}\n`).join('')), { durable })
    this.changed = false
  }

  /** Saves what changed. */
  close(): void {
    this.save()
  }
}

/** A line that a person may have edited: what can't be read of it counts nothing. */
function markOf(peer: string, { points, atMs, ruling, because }: Partial<PeerMark>): PeerMark {
  return {
    peer,
    points: Number.isFinite(points) ? (points as number) : 0,
    atMs: Number.isFinite(atMs) ? (atMs as number) : 0,
    ...((ruling === 'block' || ruling === 'allow') && { ruling }),
    ...(typeof because === 'string' && { because })
  }
}
