import { array, integer, property, uint8Array } from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  appendLines,
  concat,
  encodeWithheld,
  type EntryBlock,
  hex,
  leafHash,
  linesOf,
  rootWith,
  subtreeRoot,
  Tree,
  utf8
} from '../../../src/core/index.ts'
import { holds } from '../../property.ts'
import { thrownBy } from '../../thrown.ts'
import { sampleLog } from '../sample.ts'

const { lines, tree } = sampleLog(64)
const newline = Uint8Array.of(10)

/** Returns the whole log as a block in which runs of the given heights, where they fit, are withheld. */
function blockOf(heights: readonly number[]): EntryBlock {
  const parts: Uint8Array[] = []
  let index = 0
  for (let i = 0; index < lines.length; i++) {
    let height = heights[i % heights.length] as number
    while (height >= 0 && (index % 2 ** height !== 0 || index + 2 ** height > lines.length)) height--
    if (height < 0) parts.push(lines[index++] as Uint8Array, newline)
    else {
      const hashes = lines.slice(index, index + 2 ** height).map(leafHash)
      parts.push(utf8(encodeWithheld({ hash: subtreeRoot(concat(hashes)), size: 2 ** height })), newline)
      index += 2 ** height
    }
  }
  return { from: 0, count: lines.length, text: concat(parts) }
}

describe('a block of lines', () => {
  it('LOG-13: leads to the same root whatever is withheld', () => {
    holds(
      property(array(integer({ min: -1, max: 6 }), { minLength: 1, maxLength: 20 }), (heights) => {
        const block = blockOf(heights)
        const before = Uint8Array.from(block.text)
        const again = new Tree()
        appendLines(again, linesOf(block))
        expect(hex(again.root())).toBe(hex(tree.root()))
        expect(block.text).toEqual(before)
      })
    )
  })

  it('LOG-13: leads to the same root from any line on, without a change to the tree', () => {
    holds(
      property(
        array(integer({ min: -1, max: 6 }), { minLength: 1, maxLength: 20 }),
        integer({ min: 0, max: 64 }),
        (heights, split) => {
          const all = linesOf(blockOf(heights))
          const begun = new Tree()
          appendLines(begun, all.slice(0, split))
          const before = hex(begun.root())
          expect(hex(rootWith(begun, all.slice(split)))).toBe(hex(tree.root()))
          expect(hex(begun.root())).toBe(before)
        }
      )
    )
    expect(() => rootWith(sampleLog(1).tree, linesOf(blockOf([6])))).toThrow('bug: misaligned subtree')
  })

  it('LOG-13: leads to another root with one changed byte, or is refused', () => {
    const block = blockOf([-1])
    holds(
      property(integer({ min: 0, max: block.text.length - 1 }), integer({ min: 1, max: 255 }), (at, change) => {
        const text = Uint8Array.from(block.text)
        text[at] = (text[at] as number) ^ change
        const again = new Tree()
        const code = thrownBy(() => appendLines(again, linesOf({ ...block, text })))
        if (code === undefined) expect(hex(again.root())).not.toBe(hex(tree.root()))
        else expect(code).toBe('E_LINE')
      })
    )
  })

  it('gives each line with its place and leaf hash', () => {
    const listed = linesOf(blockOf([-1]))
    expect(listed.map(({ index, size, withheld }) => [index, size, withheld])).toEqual(lines.map((_, i) => [i, 1, false]))
    expect(listed.map(({ hash }) => hex(hash))).toEqual(lines.map((line) => hex(leafHash(line))))
    const text = blockOf([-1]).text
    expect(listed.map(({ start, end }) => hex(text.subarray(start, end)))).toEqual(lines.map(hex))
  })

  it('LOG-10: ends with a newline and has as many entries as announced: E_LINE', () => {
    const block = blockOf([2])
    expect(thrownBy(() => linesOf({ ...block, text: block.text.subarray(0, -1) }))).toBe('E_LINE')
    for (const count of [0, 63, 65]) expect(thrownBy(() => linesOf({ ...block, count }))).toBe('E_LINE')
    expect(linesOf({ from: 7, count: 0, text: new Uint8Array(0) })).toEqual([])
  })

  it('LOG-12: has no misaligned run: E_WITHHELD', () => {
    expect(thrownBy(() => linesOf({ ...blockOf([2]), from: 2 }))).toBe('E_WITHHELD')
  })

  it('of arbitrary bytes throws nothing but its codes', () => {
    holds(
      property(uint8Array({ maxLength: 100 }), integer({ min: 0, max: 5 }), (text, count) => {
        expect([undefined, 'E_LINE', 'E_WITHHELD']).toContain(thrownBy(() => linesOf({ from: 0, count, text })))
      })
    )
  })
})
