import { encodeWithheld, equal, foldEdge, leafHash, type LogId, Tree, utf8 } from '../../src/core/index.ts'
import type { DiskLog } from './disk.ts'

/** What the world knows of an event, whatever a node believes. */
export interface Truth {
  /** its line, with the newline */
  readonly bytes: Uint8Array
  readonly hash: Uint8Array
  readonly type: string
  /** the event before it: a log of which the end was lost goes on with others */
  readonly before: Truth | undefined
  /** an event that was written at the same index before, and lost */
  readonly instead: Truth | undefined
  /** edge of the tree that ends with it */
  readonly edge: readonly Uint8Array[]
}

/** What the world knows of a log. */
export interface LogTruth {
  /** index of the node that writes it */
  readonly author: number
  readonly events: readonly Truth[]
}

/** Everything that was ever written in a world. */
export class Written {
  private readonly logs = new Map<LogId, LogTruth>()
  private readonly trees = new Map<LogId, Tree>()
  private readonly roots = new WeakMap<Truth, Uint8Array>()

  /** Returns what is known of a log. */
  get(log: LogId): LogTruth | undefined {
    return this.logs.get(log)
  }

  /** Returns every log. */
  [Symbol.iterator](): Iterator<readonly [LogId, LogTruth]> {
    return this.logs[Symbol.iterator]()
  }

  /** Takes note of a line that a writer puts at an index of its log, after a power cut perhaps in the place of a lost one; returns its hash. */
  put(log: LogId, author: number, index: number, bytes: Uint8Array, type: string): Uint8Array {
    let known = this.logs.get(log) as { readonly author: number; readonly events: Truth[] } | undefined
    if (known === undefined) {
      known = { author, events: [] }
      this.logs.set(log, known)
    }
    const { events } = known
    let tree = this.trees.get(log)
    if (tree?.size !== index) {
      tree = new Tree()
      for (const { hash } of events.slice(0, index)) tree.append(hash)
      this.trees.set(log, tree)
    }
    const hash = leafHash(bytes.subarray(0, -1))
    tree.append(hash)
    events[index] = { bytes, hash, type, before: events[index - 1], instead: events[index], edge: tree.edge() }
    return hash
  }

  /** Returns whether lines [from, to) of a file are those that were written, byte by byte: their hashes are known then. */
  isAsWritten(log: LogId, { lines }: DiskLog, from: number, to: number): boolean {
    const events = this.logs.get(log)?.events ?? []
    for (let index = from; index < to; index++) {
      const event = events[index]
      const line = lines[index]
      if (event === undefined || line === undefined || event.before !== events[index - 1]) return false
      if (!equal(line.hash, event.hash)) return false
      if (Buffer.compare(line.bytes, line.withheld ? markerOf(event) : event.bytes) !== 0) return false
    }
    return true
  }

  /** Returns the root of the first entries of a log. */
  rootOf(log: LogId, size: number): Uint8Array {
    const last = this.logs.get(log)?.events[size - 1]
    if (last === undefined) return new Tree().root()
    const root = this.roots.get(last) ?? foldEdge(last.edge)
    this.roots.set(last, root)
    return root
  }
}

const markers = new WeakMap<Truth, Uint8Array>()

/** Returns the line that stands for an event that is withheld. */
function markerOf(event: Truth): Uint8Array {
  const marker = markers.get(event) ?? utf8(`${encodeWithheld({ hash: event.hash, size: 1 })}\n`)
  markers.set(event, marker)
  return marker
}
