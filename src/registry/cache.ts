import type { Node } from '../node/index.ts'
import { nameOf } from '../node/index.ts'

/** An answer that is ready to be sent. */
export interface Answer {
  readonly headers: Readonly<Record<string, string | number>>
  readonly body: Buffer
}

interface Kept extends Answer {
  readonly name: string
  readonly untilMs: number
}

const maxBytes = 64 * 1024 * 1024
const maxEntryBytes = 256 * 1024
/** delegations and keys come to their end without anybody saying so: what was found is looked up again after this, in milliseconds */
const keepMs = 30_000

/** Answers of small manifests and blobs, bounded, the one that was made first goes first; forgotten when anything is said of their repository. */
export class AnswerCache implements Disposable {
  private readonly node: Node
  private readonly kept = new Map<string, Kept>()
  private readonly byName = new Map<string, Set<string>>()
  private bytes = 0
  private rules: unknown
  private readonly stop: () => void
  private changes = 0

  constructor(node: Node) {
    this.node = node
    this.rules = node.gate.rules
    this.stop = node.onAccepted((accepted) => {
      for (const { log, index, event } of accepted) {
        if (event === undefined) {
          this.clear()
          return
        }
        const named = nameOf(node, { log, index }, event)
        if (named !== undefined) this.forget(named.name)
      }
    })
  }

  /** A number that goes up with each change: what was looked up before a change must not be kept after it. */
  get version(): number {
    return this.changes
  }

  /** Returns an answer. @param key distinct among those of a repository */
  get(name: string, key: string): Answer | undefined {
    if (this.rules !== this.node.gate.rules) {
      this.rules = this.node.gate.rules
      this.clear()
    }
    const found = this.kept.get(`${name} ${key}`)
    if (found === undefined || found.untilMs > performance.now()) return found
    this.drop(`${name} ${key}`)
    return undefined
  }

  /** Keeps an answer, where it is small and nothing changed since `version`. */
  put(name: string, key: string, answer: Answer, version: number): void {
    if (answer.body.length > maxEntryBytes || version !== this.changes) return
    const full = `${name} ${key}`
    this.drop(full)
    this.kept.set(full, { ...answer, name, untilMs: performance.now() + keepMs })
    this.bytes += answer.body.length + 1024
    const keys = this.byName.get(name)
    if (keys === undefined) this.byName.set(name, new Set([full]))
    else keys.add(full)
    for (const oldest of this.kept.keys()) {
      if (this.bytes <= maxBytes) break
      this.drop(oldest)
    }
  }

  private drop(full: string): void {
    const found = this.kept.get(full)
    if (found === undefined) return
    this.kept.delete(full)
    this.bytes -= found.body.length + 1024
    const keys = this.byName.get(found.name)
    keys?.delete(full)
    if (keys?.size === 0) this.byName.delete(found.name)
  }

  /** Forgets the answers of a repository. */
  forget(name: string): void {
    this.changes++
    for (const full of [...(this.byName.get(name) ?? [])]) this.drop(full)
  }

  /** Forgets everything. */
  clear(): void {
    this.changes++
    this.kept.clear()
    this.byName.clear()
    this.bytes = 0
  }

  [Symbol.dispose](): void {
    this.stop()
    this.clear()
  }
}
