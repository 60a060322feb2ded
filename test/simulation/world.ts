/** Random numbers that are the same for the same seed (mulberry32). */
export class Random {
  private state: number

  constructor(seed: number) {
    this.state = seed >>> 0
  }

  /** Returns a number in [0, 1). */
  next(): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0
    let t = this.state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }

  /** Returns an integer in [0, below). */
  below(below: number): number {
    return Math.floor(this.next() * below)
  }

  /** Returns whether something of this probability happens. */
  chance(probability: number): boolean {
    return this.next() < probability
  }

  /** Returns one of several. */
  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)] as T
  }

  /** Returns random bytes. */
  bytes(count: number): Uint8Array {
    return Uint8Array.from({ length: count }, () => this.below(256))
  }
}

interface Due {
  readonly atMs: number
  readonly order: number
  readonly run: () => void
}

/** Virtual time: everything that happens in a simulated world waits here for its turn. */
export class World {
  readonly random: Random
  nowMs: number = Date.UTC(2026, 10, 20)
  stepCount = 0
  private readonly heap: Due[] = []
  private order = 0

  constructor(seed: number) {
    this.random = new Random(seed)
  }

  /** Has something happen after a delay; what is due at one moment happens in the order in which it was asked for. */
  after(delayMs: number, run: () => void): void {
    const { heap } = this
    const due: Due = { atMs: this.nowMs + delayMs, order: this.order++, run }
    let at = heap.push(due) - 1
    while (at > 0) {
      const up = (at - 1) >> 1
      if (isBefore(heap[up] as Due, due)) break
      heap[at] = heap[up] as Due
      at = up
    }
    heap[at] = due
  }

  /** Runs until a moment, and calls back after each step. */
  runUntil(endMs: number, afterEach: () => void): void {
    for (let due = this.heap[0]; due !== undefined && due.atMs <= endMs; due = this.heap[0]) {
      this.shift()
      this.nowMs = due.atMs
      this.stepCount++
      due.run()
      afterEach()
    }
    this.nowMs = endMs
  }

  private shift(): void {
    const { heap } = this
    const last = heap.pop() as Due
    if (heap.length === 0) return
    let at = 0
    for (;;) {
      let down = at * 2 + 1
      if (down >= heap.length) break
      if (down + 1 < heap.length && isBefore(heap[down + 1] as Due, heap[down] as Due)) down++
      if (isBefore(last, heap[down] as Due)) break
      heap[at] = heap[down] as Due
      at = down
    }
    heap[at] = last
  }
}

function isBefore(a: Due, b: Due): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)
}
