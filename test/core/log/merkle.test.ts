import { array, integer, property } from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  edgeOf,
  emptyRoot,
  foldEdge,
  type FullTile,
  hex,
  leafHash,
  nodeHash,
  subtreeRoot,
  tileWidth,
  treeOfTails,
  Tree,
  utf8
} from '../../../src/core/index.ts'
import { holds } from '../../property.ts'
import { naiveRoot } from './naive-merkle.ts'

const leaves: readonly Uint8Array[] = Array.from({ length: 1100 }, (_, index) => utf8(`leaf ${index}`))
const hashes: readonly Uint8Array[] = leaves.map(leafHash)
const at = (index: number): Uint8Array => hashes[index % hashes.length] as Uint8Array

function treeOf(size: number, onTile?: (tile: FullTile) => void): Tree {
  const tree = new Tree()
  for (let index = 0; index < size; index++) tree.append(at(index), onTile)
  return tree
}

/** Takes a tree's tails and full tiles, as a store would keep them. */
function tailsOf(size: number): (level: number, width: number) => Uint8Array {
  const tree = treeOf(size)
  return (level, width) => {
    const tail = tree.tail(level) as Uint8Array
    expect(tail.length).toBe(width * 32)
    return tail
  }
}

describe('the Merkle tree', () => {
  it('LOG-8: hashes leaves and nodes with different prefixes', () => {
    // the empty tree and single-leaf values that RFC 6962 implementations share
    expect(hex(emptyRoot)).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')
    expect(hex(leafHash(new Uint8Array(0)))).toBe('6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d')
    expect(hex(nodeHash(utf8('N123'.padEnd(32)), utf8('N456'.padEnd(32))))).not.toBe(
      hex(leafHash(utf8('N123'.padEnd(32) + 'N456'.padEnd(32))))
    )
  })

  it('LOG-8: has at every size up to 300 the root of RFC 6962, section 2.1', () => {
    const tree = new Tree()
    expect(hex(tree.root())).toBe(hex(naiveRoot([])))
    for (let size = 1; size <= 300; size++) {
      tree.append(at(size - 1))
      expect(hex(tree.root()), `size ${size}`).toBe(hex(naiveRoot(leaves.slice(0, size))))
      expect(hex(foldEdge(tree.edge()))).toBe(hex(tree.root()))
    }
  })

  it('LOG-12: has the same root where runs stand in the place of their entries', () => {
    const heights = array(integer({ min: 0, max: 8 }), { minLength: 1, maxLength: 30 })
    holds(
      property(heights, (wanted) => {
        const tree = new Tree()
        const tiles: FullTile[] = []
        for (const most of wanted) {
          let height = most
          while (tree.size % 2 ** height !== 0) height--
          const part = hashes.slice(tree.size, tree.size + 2 ** height)
          if (part.length < 2 ** height) break
          tree.appendSubtree(subtreeRoot(new Uint8Array(Buffer.concat(part))), height, (tile) => tiles.push(tile))
        }
        const plainTiles = new Map<string, string>()
        const plain = treeOf(tree.size, (tile) => plainTiles.set(`${tile.level}/${tile.index}`, hex(tile.hashes)))
        expect(hex(tree.root())).toBe(hex(plain.root()))
        expect(tree.edge().map(hex)).toEqual(plain.edge().map(hex))
        for (const tile of tiles) expect(hex(tile.hashes)).toBe(plainTiles.get(`${tile.level}/${tile.index}`))
        for (const level of [0, 1]) {
          const tail = tree.tail(level)
          if (tail !== undefined) expect(hex(tail)).toBe(hex(plain.tail(level) as Uint8Array))
          else expect(level).toBe(0)
        }
      })
    )
  })

  it('LOG-14: gives each full tile once, with the hashes of 256 subtrees', () => {
    const tiles: FullTile[] = []
    // 65,536 + 256 leaves: the smallest tree with a full tile of level 1
    const tree = treeOf(tileWidth ** 2 + tileWidth, (tile) => tiles.push(tile))
    expect(tiles.filter(({ level }) => level === 0).map(({ index }) => index)).toEqual(Array.from({ length: 257 }, (_, i) => i))
    expect(tiles.filter(({ level }) => level > 0).map(({ level, index }) => [level, index])).toEqual([[1, 0]])
    for (const { level, index, hashes: bytes } of tiles) {
      expect(bytes.length).toBe(8192)
      if (level === 0) expect(hex(bytes.subarray(0, 32))).toBe(hex(at(index * 256)))
    }
    const [top] = tiles.filter(({ level }) => level === 1)
    const lower = tiles.filter(({ level }) => level === 0).slice(0, 256)
    expect(hex(top?.hashes ?? new Uint8Array(0))).toBe(lower.map((tile) => hex(subtreeRoot(tile.hashes))).join(''))
    expect(tree.edge().length).toBe(2)
    expect([tree.tail(0)?.length, tree.tail(1)?.length, tree.tail(2)?.length]).toEqual([0, 32, 32])
  })

  it('goes on from its tails as if it had never stopped', () => {
    const sizes = integer({ min: 0, max: 1000 })
    holds(
      property(sizes, integer({ min: 0, max: 300 }), (size, more) => {
        const again = treeOfTails(size, tailsOf(size))
        expect(again.size).toBe(size)
        const before: string[] = []
        const after: string[] = []
        const plain = treeOf(size)
        for (let index = size; index < size + more; index++) {
          plain.append(at(index), (tile) => before.push(`${tile.level}/${tile.index} ${hex(tile.hashes)}`))
          again.append(at(index), (tile) => after.push(`${tile.level}/${tile.index} ${hex(tile.hashes)}`))
        }
        expect(after).toEqual(before)
        expect(hex(again.root())).toBe(hex(plain.root()))
        for (const level of [0, 1]) expect(hex(again.tail(level) as Uint8Array)).toBe(hex(plain.tail(level) as Uint8Array))
      })
    )
  })

  it('goes on from its tails at sizes with three levels of tiles', () => {
    for (const size of [65_535, 65_536, 65_537, 131_072 + 300]) {
      const again = treeOfTails(size, tailsOf(size))
      expect(hex(again.root())).toBe(hex(treeOf(size).root()))
      for (let index = size; index < size + 300; index++) again.append(at(index))
      expect(hex(again.root())).toBe(hex(treeOf(size + 300).root()))
    }
  })

  it('goes on where a withheld run left a hole in the last tile', () => {
    const tree = treeOf(256)
    const run = new Uint8Array(Buffer.concat(hashes.slice(256, 320)))
    tree.appendSubtree(subtreeRoot(run), 6)
    tree.append(at(320))
    expect(tree.tail(0)).toBeUndefined()
    const edge = [subtreeRoot(run), at(320)]
    const again = treeOfTails(321, (level) => tree.tail(level), edge)
    expect(hex(again.root())).toBe(hex(treeOf(321).root()))
    const tiles: FullTile[] = []
    for (let index = 321; index < 1024; index++) again.append(at(index), (tile) => tiles.push(tile))
    expect(hex(again.root())).toBe(hex(treeOf(1024).root()))
    expect(tiles.map(({ level, index }) => [level, index])).toEqual([
      [0, 2],
      [0, 3]
    ])
  })

  it('has copies that grow apart', () => {
    const tree = treeOf(300)
    const copy = tree.clone()
    copy.append(at(5))
    expect(hex(tree.root())).toBe(hex(treeOf(300).root()))
    tree.append(at(300))
    expect(hex(tree.root())).toBe(hex(treeOf(301).root()))
    expect(hex(copy.root())).not.toBe(hex(tree.root()))
  })

  it('has edges over fewer than 256 hashes', () => {
    for (const count of [0, 1, 2, 3, 7, 8, 100, 255]) {
      const edge = edgeOf(new Uint8Array(Buffer.concat(hashes.slice(0, count))))
      expect(edge.map(hex)).toEqual(treeOf(count).edge().map(hex))
    }
  })

  it('takes no misaligned subtree: a bug', () => {
    expect(() => treeOf(3).appendSubtree(at(0), 1)).toThrow(/^bug:/)
    expect(() => new Tree().appendSubtree(at(0), 9)).toThrow(/^bug:/)
    expect(() => subtreeRoot(new Uint8Array(0))).toThrow(/^bug:/)
  })
})
