import { join } from 'node:path'
import { hex, textOf, utf8 } from '../core/index.ts'
import { readFileRangeSync, replaceFileSync, Spaced } from '../store/index.ts'

/** Up to which change another store was read. */
export interface Cursor {
  readonly storeId: string
  readonly seq: number
}

const path = 'private/cursors.json'
const maxBytes = 64 * 1024 * 1024
/** a key costs nothing to make: of more nodes the one met longest ago is met as a stranger again */
const maxKnown = 4096

/** How far the stores of other nodes were read, by the nodes' public keys. It may be lost: then heads are compared. */
export class Cursors {
  private readonly root: string
  private readonly known: Map<string, Cursor>
  private readonly file: Spaced

  constructor(root: string) {
    this.root = root
    this.known = read(root)
    this.file = new Spaced(join(root, path), () => this.write())
  }

  /** Returns what is remembered of a node's store. */
  get(node: Uint8Array): Cursor | undefined {
    return this.known.get(hex(node))
  }

  /** Remembers that everything of a store up to a change is here. */
  set(node: Uint8Array, cursor: Cursor): void {
    const before = this.get(node)
    if (before?.storeId === cursor.storeId && before.seq === cursor.seq) return
    this.known.delete(hex(node))
    this.known.set(hex(node), cursor)
    for (const oldest of this.known.keys()) {
      if (this.known.size <= maxKnown) break
      this.known.delete(oldest)
    }
    this.file.changed()
  }

  /** Forgets everything, so that the next sync looks at everything again. */
  clear(): void {
    this.known.clear()
    this.file.now()
  }

  /** Writes what waits. */
  close(): void {
    this.file.flush()
  }

  private write(): void {
    const text = `${JSON.stringify(Object.fromEntries(this.known))}\n`
    replaceFileSync(join(this.root, path), utf8(text), { durable: false })
  }
}

function read(root: string): Map<string, Cursor> {
  const bytes = readFileRangeSync(join(root, path), 0, maxBytes)
  if (bytes === undefined) return new Map()
  try {
    return new Map(Object.entries(JSON.parse(textOf(bytes)) as Readonly<Record<string, Cursor>>))
  } catch {
    return new Map()
  }
}
