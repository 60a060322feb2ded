import { existsSync } from 'node:fs'
import { dirname } from 'node:path'
import { RejoinError } from '../core/index.ts'

/**
 * Writes a file that may be lost not more often than once in some time: at once where it was not written for that long, else later, or with
 * flush(). A write in between that fails is made good by the next one.
 */
export class Spaced {
  private readonly path: string
  private readonly write: () => void
  private readonly spaceMs: number
  private lastMs = Number.NEGATIVE_INFINITY
  private timer: NodeJS.Timeout | undefined

  /** @param path the file, below a folder that must be there for a write that comes late */
  constructor(path: string, write: () => void, spaceMs = 1000) {
    this.path = path
    this.write = write
    this.spaceMs = spaceMs
  }

  /** Takes note that there is something to write. @throws what writing throws */
  changed(): void {
    if (this.timer !== undefined) return
    const waitMs = this.lastMs + this.spaceMs - performance.now()
    if (waitMs <= 0) this.now()
    else this.timer = setTimeout(() => this.late(), waitMs).unref()
  }

  private late(): void {
    this.timer = undefined
    try {
      if (existsSync(dirname(this.path))) this.now()
    } catch (error) {
      if (!(error instanceof RejoinError)) throw error
    }
  }

  /** Writes at once. @throws what writing throws */
  now(): void {
    clearTimeout(this.timer)
    this.timer = undefined
    this.lastMs = performance.now()
    this.write()
  }

  /** Writes what waits. @throws what writing throws */
  flush(): void {
    if (this.timer !== undefined) this.now()
  }
}
