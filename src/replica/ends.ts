import { type LogId, standingOf } from '../core/index.ts'
import type { LogFolder, Store } from '../store/index.ts'
import { type BeyondEnd, type LogEnds, Succession } from '../trust/index.ts'

/** Where the logs of a store end, and whose key goes on from whose: what its closings and fork proofs come to. */
export class StoreEnds implements LogEnds {
  private readonly store: Store
  private succession: Succession | undefined
  /** successors that are being taken in, and have no checkpoint yet */
  private readonly begun = new Set<LogId>()
  /** root at the size of a log's closing, once the log has so many entries */
  private readonly rootsAtEnd = new Map<LogId, { readonly size: number; readonly root: Uint8Array }>()

  constructor(store: Store) {
    this.store = store
  }

  /** Takes note that a closing or fork proof was added. */
  changed(): void {
    this.succession = undefined
    this.rootsAtEnd.clear()
  }

  beyond(log: LogId, index: number): BeyondEnd | undefined {
    const { urgent } = this.store
    const closed = urgent.closed(log)
    if (closed !== undefined) {
      const standing = standingOf(closed, index, index === 0 ? undefined : this.rootAt(log, closed.size))
      if (standing === 'void') return 'closed'
      if (standing === 'disputed') return 'disputed'
    }
    const fork = urgent.fork(log)
    return fork !== undefined && index >= fork.atIndex ? 'forked' : undefined
  }

  lineOf(did: string, log?: LogId): readonly string[] {
    const line = this.known().lineOf(did)
    if (log === undefined || this.begun.has(log) || this.known().awaitedLineOf(did).length === line.length) return line
    this.begun.add(log)
    this.succession = undefined
    return this.known().lineOf(did)
  }

  awaitedLineOf(did: string): readonly string[] {
    return this.known().awaitedLineOf(did)
  }

  heirs(): Iterable<string> {
    return this.known().heirs()
  }

  private known(): Succession {
    if (this.succession === undefined) {
      const closed = this.store.urgent.closedLogs()
      const named = closed.flatMap(({ closed: { successor } }) => successor ?? [])
      // only a closing that names no successor makes it necessary to look at the first line of every log
      const logs = named.length === closed.length ? named : [...named, ...this.store.listHeads().map(({ log }) => log)]
      this.succession = new Succession(closed, new Set([...logs, ...this.begun]), (log) => this.store.folder(log)?.opened)
    }
    return this.succession
  }

  private rootAt(log: LogId, size: number): Uint8Array | undefined {
    const folder = this.store.folder(log)
    if (folder === undefined || (folder.checkpoint?.size ?? 0) < size) return undefined
    const known = this.rootsAtEnd.get(log)
    if (known?.size === size) return known.root
    const root = rootOf(folder, size)
    this.rootsAtEnd.set(log, { size, root })
    return root
  }
}

function rootOf({ checkpoint, tiles }: LogFolder, size: number): Uint8Array {
  return checkpoint?.size === size ? checkpoint.root : tiles.treeAt(size).root()
}
