import { readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { array, boolean, integer, property } from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  appendLines,
  encodeWithheld,
  type EntryBlock,
  entriesPath,
  hex,
  leafHash,
  linesOf,
  logFolder,
  narrow,
  signCheckpoint,
  textOf,
  Tree,
  utf8
} from '../../src/core/index.ts'
import { Entries, LogFolder, verifyFolder } from '../../src/store/index.ts'
import { sampleSigner } from '../core/sample.ts'
import { holds } from '../property.ts'
import { blockOf, foreignLines, newNode, takeForeign, temporaryFolder } from './sample-folder.ts'

const signer = sampleSigner('alice')
const { log, lines } = foreignLines(signer, 1300)
const none = new Set<number>()

/** Returns entries [0, to) with those that `isHidden` names withheld, in the fewest lines. */
function narrowed(to: number, isHidden: (index: number) => boolean): EntryBlock {
  return narrow(blockOf(lines.slice(0, to), 0, none), (_, index) => isHidden(index))
}

/** Returns the runs and texts that begin at one place or later and end at another or before, as a list of their places and hashes. */
function within(block: EntryBlock, from: number, to: number): readonly string[] {
  return linesOf(block)
    .filter(({ index, size }) => index + size > from && index + size <= to)
    .map(({ index, size, hash }) => `${index} ${size} ${hex(hash)}`)
}

const rootOf = (block: EntryBlock): string => {
  const tree = new Tree()
  appendLines(tree, linesOf(block))
  return hex(tree.root())
}

describe('a gap', () => {
  it('LOG-16: is read up to any of its runs, as if each had a line of its own', async () => {
    using folder = temporaryFolder()
    const hidden = array(boolean(), { minLength: 30, maxLength: 90 })
    const place = integer({ min: 0, max: 599 })
    let folders = 0
    const opened: Entries[] = []
    holds(
      property(hidden, array(place, { minLength: 2, maxLength: 5 }), (some, places) => {
        const block = narrowed(600, (index) => index > 0 && (some[Math.floor(index / 7) % some.length] as boolean))
        const entries = new Entries(join(folder.path, String(folders++)), log)
        opened.push(entries)
        entries.append(block)
        for (const at of places) {
          for (const to of [...places, 600]) {
            if (to <= at) continue
            const read = entries.read(at, to)
            const [first] = linesOf(read)
            expect(first?.index).toBe(linesOf(block).findLast(({ index }) => index <= at)?.index)
            const expected = within(block, at, to)
            if (expected.length > 0) expect(within(read, 0, 600)).toEqual(expected)
            else expect(linesOf(read).length).toBe(1)
          }
        }
        const size = linesOf(block).find(({ index }) => index >= Math.max(...places))?.index ?? 600
        entries.cut(size)
        expect(entries.size).toBe(size)
        const after = new Entries(join(folder.path, String(folders - 1)), log)
        expect([after.recover(), after.size]).toEqual([0, size])
        expect(within(after.read(0, size), 0, size)).toEqual(within(block, 0, size))
      })
    )
    for (const entries of opened) await entries.close()
  })

  it('LOG-16: is cut where texts come for a run in its middle, and the log keeps its root', async () => {
    using folder = temporaryFolder()
    const entries = new Entries(folder.path, log)
    const block = narrowed(600, (index) => index > 0 && index !== 300)
    entries.append(block)
    const [before] = linesOf(entries.read(301, 302))
    expect([before?.index, before?.size]).toEqual([301, 1])
    expect(textOf(entries.read(301, 302).text)).toBe(`${encodeWithheld({ hash: leafHash(lines[301] as Uint8Array), size: 1 })}\n`)
    const texts = Array.from({ length: 16 }, (_, i) => [304 + i, lines[304 + i] as Uint8Array] as const)
    entries.rewrite(new Map(texts))
    const after = entries.read(0, 600)
    expect(rootOf(after)).toBe(rootOf(block))
    const sizes = textOf(after.text)
      .split('\n')
      .map((line) => (line.startsWith('{"withheld') ? Number(/"size":(\d+)/.exec(line)?.[1] ?? 1) : 0))
    expect(sizes).toEqual([0, 255, 44, 0, 3, ...texts.map(() => 0), 192, 88, 0])
    // and each single entry of it by itself
    entries.rewrite(new Map([[301, lines[301] as Uint8Array]]))
    expect(rootOf(entries.read(0, 600))).toBe(rootOf(block))
    expect(hex(narrow(entries.read(0, 600), (_, index) => index > 0 && index !== 300).text)).toBe(hex(block.text))
    await entries.close()
  })

  it('LOG-16: of which any one byte is changed is found by a check', async () => {
    using folder = temporaryFolder()
    await newNode(folder.path)
    const made = await takeForeign(folder.path, signer, log, lines, none, none)
    await made.close()
    const path = join(folder.path, entriesPath(log, 0))
    const block = narrowed(1024, (index) => index > 0 && index % 100 !== 0)
    writeFileSync(path, block.text)
    for (const tile of ['000', '001', '002', '003']) writeFileSync(join(folder.path, logFolder(log), 'tile/0', tile), '')
    const faults = async (): Promise<readonly { readonly path: string; readonly offset: number; readonly code: string }[]> => {
      const found: { readonly path: string; readonly offset: number; readonly code: string }[] = []
      for await (const fault of verifyFolder(folder.path, { signal: new AbortController().signal }))
        if (fault.path.includes('/entries')) found.push(fault)
      return found
    }
    expect(await faults()).toEqual([])
    const gap = linesOf(block).find(({ index }) => index === 801) ?? { start: -1, end: -1 }
    const tileStart = linesOf(block).find(({ index }) => index === 768)?.start
    for (const fromEnd of [2, 9, 12]) {
      writeFileSync(path, changedAt(block.text, gap.end - fromEnd, 0x7a))
      expect((await faults())[0]).toMatchObject({ path: entriesPath(log, 0), offset: gap.start, code: 'E_WITHHELD' })
    }
    for (const at of [14, 200, 400]) {
      writeFileSync(path, changedAt(block.text, gap.start + at, 0x67))
      expect((await faults())[0]).toMatchObject({ path: entriesPath(log, 0), offset: gap.start, code: 'E_WITHHELD' })
      // another hash: the tile above tells in which tile of 256 the line is
      writeFileSync(path, changedAt(block.text, gap.start + at, block.text[gap.start + at] === 0x31 ? 0x32 : 0x31))
      expect((await faults())[0]).toMatchObject({ path: entriesPath(log, 0), offset: tileStart, code: 'E_LINE' })
    }
  })
})

function changedAt(text: Uint8Array, at: number, byte: number): Uint8Array {
  const changed = Uint8Array.from(text)
  changed[at] = byte
  return changed
}

function bytesBelow(folder: string): number {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0)
}

/** Returns a stretch of short lines: their texts don't matter for how the hashes of the others are stored. */
function shortLines(first: Uint8Array, from: number, to: number): EntryBlock {
  const texts: string[] = []
  for (let index = from; index < to; index++) texts.push(index === 0 ? textOf(first) : `{"n":${index}}`)
  return { from, count: to - from, text: utf8(`${texts.join('\n')}\n`) }
}

describe('1 % of 1,000,000 events', () => {
  const size = 1_000_000
  const blocks = function* (isWanted: (index: number) => boolean): Generator<EntryBlock, number, void> {
    let wantedBytes = 0
    for (let from = 0; from < size; from += 1024)
      yield narrow(shortLines(lines[0] as Uint8Array, from, Math.min(size, from + 1024)), (line, index) => {
        if (!isWanted(index)) return true
        wantedBytes += line.length + 1
        return false
      })
    return wantedBytes
  }

  it('LOG-16: evenly spread: at most 5 MB are stored for the rest', async () => {
    using folder = temporaryFolder()
    const made = LogFolder.create(folder.path, log, lines[0] as Uint8Array)
    const some = blocks((index) => index % 100 === 0)
    let next = some.next()
    for (; next.done !== true; next = some.next()) made.append(next.value)
    made.commit(signCheckpoint({ log, size, root: made.tree.root() }, signer), undefined, false)
    await made.close()
    const restBytes = bytesBelow(join(folder.path, logFolder(log))) - next.value
    expect(restBytes).toBeLessThanOrEqual(5_000_000)
    // and no less than the 65,625 hashes that are needed
    expect(restBytes).toBeGreaterThan(65_625 * 64)
    const again = LogFolder.open(folder.path, log, () => {})
    expect(hex(again?.tree.root() ?? new Uint8Array(0))).toBe(hex(made.tree.root()))
    await again?.close()
  })

  it('LOG-16: randomly spread (seed 4711): at most 5 MB are stored for the rest', () => {
    let seed = 4711
    const some = blocks((index) => {
      seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31
      return index === 0 || seed / 2 ** 31 < 0.01
    })
    let restBytes = 0
    let wanted = 0
    let next = some.next()
    for (; next.done !== true; next = some.next()) {
      restBytes += next.value.text.length
      wanted += linesOf(next.value).filter(({ withheld }) => !withheld).length
    }
    expect(wanted / 10_000).toBeCloseTo(1, 1)
    // tiles: of each level above the lowest the full ones, 8 KiB each
    expect(restBytes - next.value + Math.floor(size / 65_536) * 8192).toBeLessThanOrEqual(5_000_000)
  })
})
