import { integer, property } from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  concat,
  encodeWithheld,
  type FullTile,
  hex,
  inclusionPath,
  leafHash,
  linesOf,
  parseTile,
  readerOfLines,
  readerOfTiles,
  rootOfInclusion,
  subtreeRoot,
  tileWidthAt,
  Tree,
  utf8
} from '../../../src/core/index.ts'
import { holds } from '../../property.ts'
import { thrownBy } from '../../thrown.ts'
import { sampleLog } from '../sample.ts'

const total = 256 * 256 + 700
const lines: readonly Uint8Array[] = Array.from({ length: total }, (_, index) => utf8(`entry ${index}`))
const tiles = new Map<string, FullTile>()
const tree = new Tree()
for (const line of lines) tree.append(leafHash(line), (tile) => tiles.set(`${tile.level}/${tile.index}`, tile))
const readTile = (level: number, index: number): Uint8Array | undefined =>
  tiles.get(`${level}/${index}`)?.hashes ?? tree.tail(level)

describe('a reader of tiles', () => {
  it('LOG-14: gives the paths of entries anywhere in a log with three levels of tiles', () => {
    const read = readerOfTiles(total, readTile)
    holds(
      property(integer({ min: 0, max: total - 1 }), (index) => {
        const path = inclusionPath(index, total, read)
        const leaf = leafHash(lines[index] as Uint8Array)
        expect(hex(rootOfInclusion({ index, size: total, leaf, path }))).toBe(hex(tree.root()))
      })
    )
  })

  it('LOG-14: serves a smaller size from the tiles of a grown log', () => {
    for (const size of [1, 255, 256, 257, 65_535, 65_536, 65_800]) {
      const small = new Tree()
      for (const line of lines.slice(0, size)) small.append(leafHash(line))
      const read = readerOfTiles(size, readTile)
      const path = inclusionPath(size - 1, size, read)
      const leaf = leafHash(lines[size - 1] as Uint8Array)
      expect(hex(rootOfInclusion({ index: size - 1, size, leaf, path }))).toBe(hex(small.root()))
    }
  })

  it('LOG-15: gives no hash beyond the size: E_PROOF', () => {
    const read = readerOfTiles(600, readTile)
    expect(hex(read(3, 74))).toBe(hex(subtreeRoot(concat(lines.slice(592, 600).map(leafHash)))))
    for (const [height, position] of [
      [0, 600],
      [3, 75],
      [8, 2],
      [9, 1],
      [16, 0]
    ] as const)
      expect(
        thrownBy(() => read(height, position)),
        `${height}/${position}`
      ).toBe('E_PROOF')
  })

  it('LOG-15: takes no tile of a wrong length: E_TILE, and none that is not there: E_PROOF', () => {
    const cut = (bytes: number) => readerOfTiles(600, () => new Uint8Array(bytes))
    expect(thrownBy(() => cut(88 * 32)(0, 512))).toBeUndefined()
    for (const bytes of [0, 88 * 32 - 1, 88 * 32 + 1, 87 * 32, 257 * 32])
      expect(
        thrownBy(() => cut(bytes)(0, 512)),
        `${bytes} bytes`
      ).toBe('E_TILE')
    expect(thrownBy(() => readerOfTiles(600, () => undefined)(0, 512))).toBe('E_PROOF')
  })

  it('LOG-15: says how long a tile must be', () => {
    expect([0, 1, 2, 3].map((index) => tileWidthAt(600, 0, index))).toEqual([256, 256, 88, 0])
    expect([tileWidthAt(600, 1, 0), tileWidthAt(600, 2, 0), tileWidthAt(2 ** 40, 4, 0)]).toEqual([2, 0, 256])
    expect(parseTile(new Uint8Array(64), 2).length).toBe(64)
    for (const bytes of [0, 63, 65, 96]) expect(thrownBy(() => parseTile(new Uint8Array(bytes), 2))).toBe('E_TILE')
  })
})

describe('a reader of lines', () => {
  const sample = sampleLog(64)
  const hashes = sample.lines.map(leafHash)
  const run = encodeWithheld({ hash: subtreeRoot(concat(hashes.slice(16, 32))), size: 16 })
  const kept = (from: number, to: number) => sample.lines.slice(from, to).flatMap((line) => [line, Uint8Array.of(10)])
  const text = concat([...kept(0, 16), utf8(`${run}\n`), ...kept(32, 64)])
  const read = readerOfLines(linesOf({ from: 0, count: 64, text }))

  it('LOG-13: proves an entry beside a withheld run', () => {
    for (const index of [0, 15, 32, 63]) {
      const path = inclusionPath(index, 64, read)
      expect(hex(rootOfInclusion({ index, size: 64, leaf: hashes[index] as Uint8Array, path }))).toBe(hex(sample.tree.root()))
    }
  })

  it('fills the holes of a reader of tiles', () => {
    const mixed = readerOfTiles(64, () => undefined, read)
    expect(hex(mixed(4, 1))).toBe(hex(subtreeRoot(concat(hashes.slice(16, 32)))))
    expect(thrownBy(() => readerOfTiles(1024, () => undefined, read)(9, 0))).toBe('E_PROOF')
  })

  it('gives no hash inside a withheld run or beyond the lines: E_PROOF', () => {
    expect(thrownBy(() => read(0, 20))).toBe('E_PROOF')
    expect(thrownBy(() => read(3, 2))).toBe('E_PROOF')
    expect(thrownBy(() => read(0, 64))).toBe('E_PROOF')
    expect(thrownBy(() => read(7, 0))).toBe('E_PROOF')
  })
})
