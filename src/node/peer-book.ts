import { join } from 'node:path'
import { textOf, utf8 } from '../core/index.ts'
import { readFileRangeSync, replaceFileSync } from '../store/index.ts'

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
  readonly address: string
  readonly lastSeen: string
}

const fileName = 'peers'
const maxFileBytes = 16 * 1024 * 1024
const maxHeard = 10_000
const maxKnown = 1000

/** Whom this node knows: peers with their last address, and one line for each unknown writer that was heard of. */
export class PeerBook {
  private readonly path: string
  private readonly known = new Map<string, KnownPeer>()
  private readonly heardOf = new Map<string, HeardWriter>()
  private changed = false

  constructor(root: string) {
    this.path = join(root, fileName)
    const bytes = readFileRangeSync(this.path, 0, maxFileBytes)
    for (const line of bytes === undefined ? [] : textOf(bytes).split('\n')) this.parse(line)
  }

  private parse(line: string): void {
    try {
      const value = JSON.parse(line) as Partial<KnownPeer & HeardWriter>
      if (typeof value.peerId === 'string') this.known.set(value.peerId, value as KnownPeer)
      else if (typeof value.did === 'string') this.heardOf.set(value.did, value as HeardWriter)
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

  /** Notes that a peer was met at an address. */
  met(peerId: string, address: string): void {
    this.known.delete(peerId)
    this.known.set(peerId, { peerId, address, lastSeen: new Date().toISOString() })
    for (const oldest of this.known.keys()) {
      if (this.known.size <= maxKnown) break
      this.known.delete(oldest)
    }
    this.changed = true
    this.save()
  }

  /** Notes that an unknown writer was heard of. */
  heard(did: string, log: string, size: number): void {
    const before = this.heardOf.get(did)
    if (before?.size === size || (before === undefined && this.heardOf.size >= maxHeard)) return
    this.heardOf.set(did, { did, log, size, firstSeen: before?.firstSeen ?? new Date().toISOString() })
    this.changed = true
  }

  /** Writes the book to its file, where something changed. */
  save(): void {
    if (!this.changed) return
    const lines = [...this.known.values(), ...this.heardOf.values()].map((value) => `${JSON.stringify(value)}\n`)
    replaceFileSync(this.path, utf8(lines.join('')), { durable: false })
    this.changed = false
  }

  /** Saves what changed. */
  close(): void {
    this.save()
  }
}
