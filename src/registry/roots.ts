import type { OciIndex, RootChange } from '../store/index.ts'

const delayMs = 1000

/** Changes of index.json, written together a little later: it is a list for people and other tools, which the logs don't need. */
export class Roots implements Disposable {
  private readonly index: OciIndex
  private changes: RootChange[] = []
  private timer: NodeJS.Timeout | undefined
  private readonly onError: (error: unknown) => void

  constructor(index: OciIndex, onError: (error: unknown) => void) {
    this.index = index
    this.onError = onError
  }

  /** Takes changes in. */
  change(changes: readonly RootChange[]): void {
    this.changes.push(...changes)
    this.timer ??= setTimeout(() => this.write(), delayMs)
  }

  private write(): void {
    this.timer = undefined
    const changes = this.changes.splice(0)
    try {
      this.index.change(changes)
    } catch (error) {
      this.onError(error)
    }
  }

  /** Writes what waits. */
  [Symbol.dispose](): void {
    clearTimeout(this.timer)
    if (this.changes.length > 0) this.write()
  }
}
