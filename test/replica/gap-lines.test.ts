import { array, boolean, integer, property } from 'fast-check'
import { expect, it } from 'vitest'
import {
  type EntryBlock,
  type EntryLine,
  hex,
  leafHash,
  linesOf,
  narrow,
  type ProvenBlock,
  textOf,
  textOfLines
} from '../../src/core/index.ts'
import { afterEntry } from '../../src/replica/block-part.ts'
import { withheldText } from '../../src/replica/withhold.ts'
import { sampleSigner } from '../core/sample.ts'
import { holds } from '../property.ts'
import { blockOf, foreignLines } from '../store/sample-folder.ts'
import { thrownBy } from '../thrown.ts'

const { lines } = foreignLines(sampleSigner('alice'), 300)
const plain = (some: readonly EntryLine[]): unknown => some.map((line) => ({ ...line, hash: hex(line.hash) }))
const pattern = array(boolean(), { minLength: 10, maxLength: 60 })

/** Returns the entries [0, 256) with some of them hidden in as few lines as there can be. */
function provenOf(some: readonly boolean[]): ProvenBlock {
  const whole: EntryBlock = blockOf(lines.slice(0, 256), 0, new Set())
  const block = narrow(whole, (_, index) => index > 0 && (some[index % some.length] as boolean))
  return { ...block, lines: linesOf(block), tileHash: undefined }
}

it('LOG-16: what is left of a block from a run of a gap on has the lines and places that its text has', () => {
  holds(
    property(pattern, integer({ min: 1, max: 255 }), (some, size) => {
      const block = provenOf(some)
      const isBegin = block.lines.some(({ index }) => index === size)
      expect(thrownBy(() => afterEntry(block, size))).toBe(isBegin ? undefined : 'E_INCOMPLETE')
      if (!isBegin) return
      const rest = afterEntry(block, size) as ProvenBlock
      expect(plain(linesOf(rest))).toEqual(plain(rest.lines))
      const bare = (from: readonly EntryLine[]): unknown => from.map(({ index, hash }) => [index, hash])
      expect(bare(rest.lines)).toEqual(bare(block.lines.filter(({ index }) => index >= size)))
    })
  )
})

it('LOG-16 VERDICT-1: a refused event beside a gap becomes a line of its own, and the lines keep their places', () => {
  holds(
    property(pattern, pattern, (some, others) => {
      const block = provenOf(some)
      const shut = block.lines.filter(({ withheld, index }) => !withheld && others[index % others.length] === true)
      const stored = withheldText(block, new Set(shut.map(({ index }) => index)))
      expect(plain(linesOf(stored))).toEqual(plain(stored.lines))
      for (const { index } of shut) {
        const line = stored.lines.find((one) => one.index === index)
        expect([line?.size, line?.withheld]).toEqual([1, true])
        expect(hex(line?.hash ?? new Uint8Array(0))).toBe(hex(leafHash(lines[index] as Uint8Array)))
        expect(textOf(stored.text)).not.toContain(textOf(lines[index] as Uint8Array))
      }
    })
  )
})

it('LOG-16: some lines of a block have the text that they have by themselves', () => {
  holds(
    property(pattern, integer({ min: 0, max: 255 }), integer({ min: 0, max: 255 }), (some, one, other) => {
      const block = provenOf(some)
      const part = block.lines.filter(({ index }) => index >= Math.min(one, other) && index <= Math.max(one, other))
      const text = textOfLines(block, part)
      const [first] = part
      const count = part.reduce((sum, { size }) => sum + size, 0)
      if (first === undefined) expect(text.length).toBe(0)
      else expect(linesOf({ from: first.index, count, text }).map(({ hash }) => hash)).toEqual(part.map(({ hash }) => hash))
    })
  )
})
