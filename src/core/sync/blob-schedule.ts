/** Consecutive items that one source is to bring. */
export interface ItemRange {
  readonly first: number
  readonly count: number
}

/** What is taken over from a slower source at a time is this share of what was asked for: it may come twice. */
const takeOverShare = 8

/**
 * Who brings which of a list of items (the chunks of one blob, or many small blobs): several sources at once, each its own
 * items; what a source gave back, could not bring or is slow to bring goes to another one. It knows nothing of time or bytes.
 */
export class Schedule {
  readonly itemCount: number
  private readonly done: Uint8Array
  /** the sources that are bringing an item */
  private readonly holders = new Map<number, Set<string>>()
  /** the sources that can't bring an item */
  private readonly without = new Map<number, Set<string>>()
  private firstOpen = 0
  private left: number

  constructor(itemCount: number) {
    this.itemCount = itemCount
    this.left = itemCount
    this.done = new Uint8Array(itemCount)
  }

  /** How many items are not there yet. */
  get leftCount(): number {
    return this.left
  }

  /** Returns whether an item is there. */
  isDone(item: number): boolean {
    return this.done[item] === 1
  }

  /** Notes that an item is there, wherever it came from; returns false where it was there before. */
  finish(item: number): boolean {
    if (this.isDone(item)) return false
    this.done[item] = 1
    this.left--
    this.holders.delete(item)
    this.without.delete(item)
    return true
  }

  /** Notes that a source no longer brings an item; where it can't bring it at all, it is never given it again. */
  giveBack(source: string, item: number, { cannot }: { readonly cannot: boolean }): void {
    if (this.isDone(item)) return
    this.holders.get(item)?.delete(source)
    if (cannot) setOf(this.without, item).add(source)
    this.firstOpen = Math.min(this.firstOpen, item)
  }

  /** Notes that a source went away: what it was bringing goes to others, or to itself should it come back. */
  release(source: string): void {
    for (const [item, sources] of this.holders) if (sources.has(source)) this.giveBack(source, item, { cannot: false })
  }

  /**
   * Returns up to `max` items for a source, in order: those that nobody is bringing, and where there are none of them a few of
   * the ones that one other source will bring last, so that a slow source holds nothing up.
   */
  take(source: string, max: number): readonly number[] {
    const fresh = this.fresh(source, max)
    const items = fresh.length > 0 ? fresh : this.slow(source, Math.ceil(max / takeOverShare))
    for (const item of items) setOf(this.holders, item).add(source)
    return items
  }

  /** Returns whether a source could be given something later, should what others are bringing fail. */
  mayTakeLater(source: string): boolean {
    for (let item = this.firstOpen; item < this.itemCount; item++) {
      if (!this.isDone(item) && !this.lacks(source, item)) return true
    }
    return false
  }

  /** Returns the items that are not there yet, in order. */
  missing(): readonly number[] {
    const items: number[] = []
    for (let item = this.firstOpen; item < this.itemCount; item++) if (!this.isDone(item)) items.push(item)
    return items
  }

  private fresh(source: string, max: number): number[] {
    const items: number[] = []
    while (this.firstOpen < this.itemCount && this.isDone(this.firstOpen)) this.firstOpen++
    for (let item = this.firstOpen; item < this.itemCount && items.length < max; item++) {
      if (!this.isDone(item) && (this.holders.get(item)?.size ?? 0) === 0 && !this.lacks(source, item)) items.push(item)
    }
    return items
  }

  private slow(source: string, max: number): number[] {
    const items: number[] = []
    for (const [item, sources] of this.holders) {
      if (sources.size === 1 && !sources.has(source) && !this.lacks(source, item)) items.push(item)
    }
    return items.sort((a, b) => a - b).slice(-max)
  }

  private lacks(source: string, item: number): boolean {
    return this.without.get(item)?.has(source) === true
  }
}

function setOf(map: Map<number, Set<string>>, item: number): Set<string> {
  const found = map.get(item)
  if (found !== undefined) return found
  const made = new Set<string>()
  map.set(item, made)
  return made
}

/** Returns items in order as ranges of at most `maxCount`. */
export function rangesOf(items: readonly number[], maxCount: number): readonly ItemRange[] {
  const ranges: { first: number; count: number }[] = []
  for (const item of items) {
    const last = ranges.at(-1)
    if (last !== undefined && last.first + last.count === item && last.count < maxCount) last.count++
    else ranges.push({ first: item, count: 1 })
  }
  return ranges
}
