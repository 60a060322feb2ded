import { describe, expect, it } from 'vitest'
import {
  compare,
  differing,
  hex,
  openRanges,
  refine,
  sha256,
  sortHeads,
  utf8,
  type WireHead,
  type WireRange
} from '../../../src/core/index.ts'
import { thrownBy } from '../../thrown.ts'

const salt = new Uint8Array(16).fill(3)
const zero = new Uint8Array(32)

function headsOf(count: number, salted = ''): readonly WireHead[] {
  return sortHeads(
    Array.from({ length: count }, (_, i) => ({
      log: sha256(utf8(`log ${salted}${i}`)),
      size: 10 + i,
      root: sha256(utf8(`root ${i}`)),
      author: zero,
      texts: 0
    }))
  )
}

/** Compares two sets as two sessions do; returns what the first one lists, and how often it had to ask. */
function compareSets(
  ours: readonly WireHead[],
  theirs: readonly WireHead[]
): { readonly listed: readonly WireHead[]; readonly rounds: number; readonly rangeCount: number } {
  const listed: WireHead[] = []
  let open: readonly WireRange[] = openRanges(ours, salt)
  let rangeCount = 0
  let rounds = 0
  for (; open.length > 0; rounds++) {
    rangeCount += open.length
    const next = refine(ours, differing(theirs, open, salt), salt)
    listed.push(...next.heads)
    open = next.ranges
  }
  return { listed, rounds, rangeCount }
}

describe('range-based comparison', () => {
  it.each([300, 1000, 3000])(
    'SYNC-7: %i logs of which 5 grew: each of them is listed, few others, in 8 rounds or less',
    (count) => {
      const theirs = headsOf(count)
      const grown = new Set([0, 77, 150, 151, count - 1].map((i) => hex((theirs[i] as WireHead).log)))
      const ours = theirs.map((head) => (grown.has(hex(head.log)) ? { ...head, size: head.size + 1 } : head))
      const { listed, rounds, rangeCount } = compareSets(ours, theirs)
      const changed = listed.filter(
        (head) => !theirs.some((other) => compare(other.log, head.log) === 0 && other.size === head.size)
      )
      expect(new Set(changed.map(({ log }) => hex(log)))).toEqual(grown)
      expect(listed.length).toBeLessThanOrEqual(5 * 4)
      expect(rounds).toBeLessThanOrEqual(8)
      expect(rangeCount).toBeLessThan(256 + 5 * 2 * 16 * 2)
    }
  )

  it('lists nothing where all is equal', () => {
    expect(compareSets(headsOf(1000), headsOf(1000))).toEqual({ listed: [], rounds: 1, rangeCount: 250 })
  })

  it('lists logs that only this side has, and those of an empty other side', () => {
    const ours = headsOf(700)
    const theirs = ours.filter((_, i) => i % 100 !== 0)
    const { listed } = compareSets(ours, theirs)
    for (let i = 0; i < 700; i += 100) expect(listed).toContain(ours[i])
    expect(compareSets(ours, []).listed.length).toBe(700)
    expect(compareSets([], ours).listed).toEqual([])
  })

  it('SYNC-8: ranges that end before they begin, overlap or are out of order are refused', () => {
    const at = (byte: number): Uint8Array => new Uint8Array(32).fill(byte)
    const fingerprint = new Uint8Array(16)
    const heads = headsOf(300)
    expect(thrownBy(() => differing(heads, [{ low: at(5), high: at(5), fingerprint }], salt))).toBe('E_FRAME')
    const overlapping = [
      { low: at(1), high: at(9), fingerprint },
      { low: at(8), high: at(10), fingerprint }
    ]
    expect(thrownBy(() => differing(heads, overlapping, salt))).toBe('E_FRAME')
  })
})
