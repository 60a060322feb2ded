/** A set of numbers as ranges, for numbers that mostly lie side by side: `[[0,4],[9,12]]` holds 0 to 3 and 9 to 11. */
export class TileSet {
  private spans: (readonly [number, number])[]

  constructor(spans: readonly (readonly [number, number])[] = []) {
    this.spans = [...spans]
  }

  /** The ranges, in order, none touching another. */
  get ranges(): readonly (readonly [number, number])[] {
    return this.spans
  }

  /** Returns whether a number is in the set. */
  has(tile: number): boolean {
    return this.spans.some(([from, to]) => from <= tile && tile < to)
  }

  /** Adds the numbers from `from` up to `to`. */
  add(from: number, to: number = from + 1): void {
    if (from >= to) return
    const last = this.spans.at(-1)
    if (last !== undefined && last[1] === from) {
      this.spans[this.spans.length - 1] = [last[0], to]
      return
    }
    const touching = this.spans.filter(([a, b]) => a <= to && b >= from)
    const low = Math.min(from, ...touching.map(([a]) => a))
    const high = Math.max(to, ...touching.map(([, b]) => b))
    this.spans = [...this.spans.filter((span) => !touching.includes(span)), [low, high] as const].toSorted((a, b) => a[0] - b[0])
  }

  /** Takes the numbers from `from` up to `to` away. */
  remove(from: number, to: number = from + 1): void {
    this.spans = this.spans.flatMap(([a, b]) =>
      b <= from || a >= to
        ? [[a, b] as const]
        : [...(a < from ? [[a, from] as const] : []), ...(b > to ? [[to, b] as const] : [])]
    )
  }

  /** Returns the ranges of this set below `limit` that are not in another one. */
  without(other: TileSet, limit: number): readonly (readonly [number, number])[] {
    const left = new TileSet(this.spans)
    for (const [from, to] of other.spans) left.remove(from, to)
    left.remove(limit, Number.MAX_SAFE_INTEGER)
    return left.spans
  }
}
