import { describe, expect, it } from 'vitest'
import { concat, edgeLength, type Offer, Plan, Tree, tileWidth } from '../../../src/core/index.ts'
import { thrownBy } from '../../thrown.ts'
import { logOf, textOfLines, treeAt } from './side.ts'
import type { SampleLog } from '../sample.ts'

function offerOf(log: SampleLog, from: number): Offer {
  const { checkpoint, tree, read } = log
  const full = Math.floor(checkpoint.size / tileWidth)
  const first = Math.floor(from / tileWidth)
  const tiles = Array.from({ length: full - first }, (_, i) => read(8, first + i))
  return {
    checkpoint,
    cose: undefined,
    fromTile: first,
    tileHashes: concat(tiles),
    edge: tree.edge().slice(tree.edge().length - edgeLength(checkpoint.size % tileWidth))
  }
}

describe('Plan', () => {
  const log = logOf(1100)

  it.each([0, 1, 100, 255, 256, 257, 600, 1023, 1024, 1099, 1100])(
    'SYNC-11: leads from %i entries to the signed head',
    (from) => {
      const plan = Plan.make(treeAt(log, from), offerOf(log, from))
      const blocks = plan.prove({ from, count: 1100 - from, text: textOfLines(log, from, 1100) })
      expect(blocks.reduce((sum, { count }) => sum + count, 0)).toBe(1100 - from)
      expect(plan.to).toBe(1100)
    }
  )

  it('SYNC-12: proves each tile alone, in any order', () => {
    const plan = Plan.make(new Tree(), offerOf(log, 0))
    for (const tile of [3, 0, 4, 1, 2]) {
      const end = Math.min(1100, (tile + 1) * 256)
      const [block] = plan.prove({ from: tile * 256, count: end - tile * 256, text: textOfLines(log, tile * 256, end) })
      expect(block?.tileHash !== undefined).toBe(tile < 4)
    }
  })

  it('SYNC-12: refuses lines that are not the log’s', () => {
    const plan = Plan.make(new Tree(), offerOf(log, 0))
    const text = textOfLines(log, 256, 512)
    text[1000] = (text[1000] as number) ^ 1
    expect(thrownBy(() => plan.prove({ from: 256, count: 256, text }))).toBe('E_ROOT')
    expect(thrownBy(() => plan.prove({ from: 256, count: 255, text: textOfLines(log, 256, 511) }))).toBe('E_LINE')
  })

  it('SYNC-11: refuses hashes of the wrong number, or that do not lead to the signed root', () => {
    const offer = offerOf(log, 0)
    expect(thrownBy(() => Plan.make(new Tree(), { ...offer, tileHashes: offer.tileHashes.slice(32) }))).toBe('E_TILE')
    expect(thrownBy(() => Plan.make(new Tree(), { ...offer, edge: offer.edge.slice(1) }))).toBe('E_TILE')
    expect(
      thrownBy(() =>
        Plan.make(new Tree(), { ...offer, tileHashes: offer.tileHashes.with(5, (offer.tileHashes[5] as number) ^ 1) })
      )
    ).toBe('E_ROOT')
    expect(thrownBy(() => Plan.make(treeAt(logOf(300, 'other'), 256), offerOf(log, 256)))).toBe('E_ROOT')
  })
})
