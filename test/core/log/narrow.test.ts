import { array, boolean, constantFrom, property } from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  appendLines,
  concat,
  encodeWithheld,
  type EntryBlock,
  hex,
  leafHash,
  linesOf,
  narrow,
  subtreeRoot,
  textOf,
  Tree,
  utf8
} from '../../../src/core/index.ts'
import { holds } from '../../property.ts'
import { thrownBy } from '../../thrown.ts'
import { sampleLog } from '../sample.ts'

const { lines } = sampleLog(1100)
const newline = Uint8Array.of(10)
const textAt = (block: EntryBlock): readonly string[] => textOf(block.text).split('\n').slice(0, -1)

/** Returns entries [from, to) as text, with some withheld one by one, as a gate does it. */
function blockOf(from: number, to: number, isWithheld: (index: number) => boolean = () => false): EntryBlock {
  const parts = lines
    .slice(from, to)
    .flatMap((line, i) => [isWithheld(from + i) ? utf8(encodeWithheld({ hash: leafHash(line), size: 1 })) : line, newline])
  return { from, count: to - from, text: concat(parts) }
}

function rootOf(block: EntryBlock): string {
  const tree = new Tree()
  for (const line of lines.slice(0, block.from)) tree.append(leafHash(line))
  appendLines(tree, linesOf(block))
  return hex(tree.root())
}

/** Counts the fewest lines for a stretch: one for each text, and one for each tile in which hidden ones follow each other. */
function fewest({ from, count }: EntryBlock, isHidden: (index: number) => boolean): number {
  return Array.from({ length: count }, (_, i) => from + i).filter(
    (index) => !isHidden(index) || index === from || !isHidden(index - 1) || index % 256 === 0
  ).length
}

/** Counts the fewest hashes for it: by trying, from each place on, every aligned run up to a tile. */
function fewestHashes(block: EntryBlock, isHidden: (index: number) => boolean): number {
  const best = new Map<number, number>([[block.from + block.count, 0]])
  for (let at = block.from + block.count - 1; at >= block.from; at--) {
    let least = (best.get(at + 1) as number) + 1
    for (let size = 2; size <= 256 && at % size === 0; size *= 2) {
      const rest = best.get(at + size)
      const all = Array.from({ length: size }, (_, i) => isHidden(at + i)).every(Boolean)
      if (rest !== undefined && all) least = Math.min(least, rest + 1)
    }
    best.set(at, least)
  }
  return best.get(block.from) as number
}

const ends = constantFrom([0, 64], [0, 300], [37, 41], [250, 520], [256, 512], [300, 301], [768, 1024], [1, 1100])
const pattern = array(boolean(), { minLength: 1, maxLength: 40 })
const runs = array(boolean(), { minLength: 1, maxLength: 5 })

describe('a narrowed block', () => {
  it('LOG-12 LOG-13 LOG-16: leads to the same root, in the fewest lines, and has every line that is not hidden', () => {
    holds(
      property(ends, pattern, runs, ([from, to], some, long) => {
        const isWithheld = (index: number): boolean => long[Math.floor(index / 50) % long.length] as boolean
        const isHidden = (index: number): boolean => some[index % some.length] as boolean
        const block = blockOf(from as number, to as number, isWithheld)
        const before = hex(block.text)
        const narrowed = narrow(block, (_, index) => isHidden(index))
        expect(hex(block.text)).toBe(before)
        expect([narrowed.from, narrowed.count, rootOf(narrowed)]).toEqual([from, block.count, rootOf(block)])
        const gone = (index: number): boolean => isWithheld(index) || isHidden(index)
        const stays = lines.slice(from, to).filter((_, i) => !gone((from as number) + i))
        expect(textAt(narrowed).filter((line) => !line.startsWith('{"withheld"'))).toEqual(stays.map(textOf))
        expect(textAt(narrowed).length).toBe(fewest(block, gone))
        expect(linesOf(narrowed).length).toBe(fewestHashes(block, gone))
        expect(narrow(narrowed, (_, index) => isHidden(index))).toBe(narrowed)
      })
    )
  })

  it('is asked for the text of lines only, with their indexes', () => {
    const asked: (readonly [string, number])[] = []
    const block = blockOf(100, 110, (index) => index % 2 === 0)
    narrow(block, (line, index) => {
      asked.push([textOf(line), index])
      return false
    })
    expect(asked).toEqual([101, 103, 105, 107, 109].map((index) => [textOf(lines[index] as Uint8Array), index]))
  })

  it('is the block itself where nothing is hidden and no hashes can be joined', () => {
    const block = blockOf(0, 20, (index) => index === 3 || index === 5)
    expect(narrow(block, () => false)).toBe(block)
    const joined = narrow(
      blockOf(0, 20, (index) => index === 4 || index === 5),
      () => false
    )
    expect(textAt(joined)[4]).toBe(encodeWithheld({ hash: subtreeRoot(concat(lines.slice(4, 6).map(leafHash))), size: 2 }))
  })

  it('LOG-12: has one line for each tile where everything is hidden, and no run over two tiles', () => {
    const sizes = linesOf(narrow(blockOf(0, 1100), () => true)).map(({ index, size }) => [index, size])
    expect(sizes).toEqual(
      [0, 256, 512, 768]
        .map((index) => [index, 256])
        .concat([
          [1024, 64],
          [1088, 8],
          [1096, 4]
        ])
    )
  })

  it('of malformed lines is refused: E_LINE E_WITHHELD', () => {
    expect(thrownBy(() => narrow({ from: 0, count: 2, text: utf8('{}\n') }, () => true))).toBe('E_LINE')
    expect(thrownBy(() => narrow({ from: 0, count: 1, text: utf8('{"withheld":"zz"}\n') }, () => true))).toBe('E_WITHHELD')
  })
})
