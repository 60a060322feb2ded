import { integer, property, tuple } from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  consistencyPath,
  type HashReader,
  hex,
  inclusionPath,
  leafHash,
  rootOfInclusion,
  utf8,
  verifyConsistency,
  verifyInclusion
} from '../../../src/core/index.ts'
import { holds } from '../../property.ts'
import { thrownBy } from '../../thrown.ts'
import { naiveConsistency, naivePath, naiveRoot } from './naive-merkle.ts'

const leaves: readonly Uint8Array[] = Array.from({ length: 130 }, (_, index) => utf8(`leaf ${index}`))
const known = new Map<string, Uint8Array>()
const read: HashReader = (height, position) => {
  const key = `${height}/${position}`
  const end = (position + 1) * 2 ** height
  if (end > leaves.length) throw new Error(`the proof read ${key}, beyond the tree`)
  const hash = known.get(key) ?? naiveRoot(leaves.slice(position * 2 ** height, end))
  known.set(key, hash)
  return hash
}
const rootAt = (size: number): Uint8Array => naiveRoot(leaves.slice(0, size))
const hexes = (path: readonly Uint8Array[]): readonly string[] => path.map(hex)
const size = integer({ min: 1, max: leaves.length })
const sizeAndIndex = size.chain((n) => tuple(integer({ min: 0, max: n - 1 }), integer({ min: n, max: n })))
const flip = (bytes: Uint8Array, bit: number): Uint8Array => {
  const copy = Uint8Array.from(bytes)
  const at = bit % (8 * copy.length)
  copy[at >> 3] = (copy[at >> 3] as number) ^ (1 << (at & 7))
  return copy
}

describe('an inclusion proof', () => {
  it('PROOF-1: is the path of RFC 6962, section 2.1.1, and verifies, for each index of each size up to 40', () => {
    for (let n = 1; n <= 40; n++) {
      const root = rootAt(n)
      for (let index = 0; index < n; index++) {
        const path = inclusionPath(index, n, read)
        expect(hexes(path)).toEqual(hexes(naivePath(index, leaves.slice(0, n))))
        verifyInclusion({ index, size: n, leaf: leafHash(leaves[index] as Uint8Array), path, root })
      }
    }
  })

  it('PROOF-1: with a flipped bit in leaf, path or root fails: E_PROOF', () => {
    holds(
      property(sizeAndIndex, integer({ min: 0 }), ([index, n], bit) => {
        const path = inclusionPath(index, n, read)
        const claim = { index, size: n, leaf: leafHash(leaves[index] as Uint8Array), path, root: rootAt(n) }
        verifyInclusion(claim)
        const at = path.length === 0 ? 0 : bit % path.length
        const damaged = path.map((hash, i) => (i === at ? flip(hash, bit) : hash))
        expect(thrownBy(() => verifyInclusion({ ...claim, leaf: flip(claim.leaf, bit) }))).toBe('E_PROOF')
        expect(thrownBy(() => verifyInclusion({ ...claim, root: flip(claim.root, bit) }))).toBe('E_PROOF')
        if (path.length > 0) expect(thrownBy(() => verifyInclusion({ ...claim, path: damaged }))).toBe('E_PROOF')
      })
    )
  })

  it('PROOF-1: is of no other index: E_PROOF', () => {
    holds(
      property(sizeAndIndex, integer({ min: 0, max: 140 }), ([index, n], other) => {
        if (other === index) return
        const path = inclusionPath(index, n, read)
        const claim = { index: other, size: n, leaf: leafHash(leaves[index] as Uint8Array), path, root: rootAt(n) }
        expect(thrownBy(() => verifyInclusion(claim))).toBe('E_PROOF')
      })
    )
  })

  it('PROOF-2: has an index below the size: E_PROOF', () => {
    const wrong: readonly (readonly [number, number])[] = [
      [0, 0],
      [5, 5],
      [6, 5],
      [-1, 5],
      [0.5, 5],
      [Number.NaN, 5],
      [0, 2 ** 53]
    ]
    for (const [index, n] of wrong) {
      expect(thrownBy(() => inclusionPath(index, n, read))).toBe('E_PROOF')
      const claim = { index, size: n, leaf: leafHash(utf8('x')), path: [], root: leafHash(utf8('x')) }
      expect(thrownBy(() => verifyInclusion(claim))).toBe('E_PROOF')
    }
  })

  it('PROOF-3: has exactly as many hashes as the size asks for, of 32 bytes each: E_PROOF', () => {
    holds(
      property(sizeAndIndex, ([index, n]) => {
        const path = inclusionPath(index, n, read)
        const claim = { index, size: n, leaf: leafHash(leaves[index] as Uint8Array), path, root: rootAt(n) }
        const extra = claim.root
        expect(thrownBy(() => verifyInclusion({ ...claim, path: [...path, extra] }))).toBe('E_PROOF')
        expect(thrownBy(() => verifyInclusion({ ...claim, path: [extra, ...path] }))).toBe('E_PROOF')
        expect(thrownBy(() => verifyInclusion({ ...claim, path: [...path, new Uint8Array(0)] }))).toBe('E_PROOF')
        expect(thrownBy(() => verifyInclusion({ ...claim, leaf: claim.leaf.subarray(1) }))).toBe('E_PROOF')
        if (path.length > 0) expect(thrownBy(() => verifyInclusion({ ...claim, path: path.slice(1) }))).toBe('E_PROOF')
        if (path.length > 0) expect(thrownBy(() => rootOfInclusion({ ...claim, path: path.slice(0, -1) }))).toBe('E_PROOF')
      })
    )
  })

  it('PROOF-2: counts in trees beyond 2^32 leaves', () => {
    const heights: number[] = []
    const made: HashReader = (height, position) => {
      heights.push(height)
      return leafHash(utf8(`${height}/${position}`))
    }
    const n = 2 ** 40 - 1
    const path = inclusionPath(n - 1, n, made)
    expect(heights).toEqual(Array.from({ length: 39 }, (_, i) => 39 - i))
    rootOfInclusion({ index: n - 1, size: n, leaf: leafHash(utf8('x')), path })
    expect(inclusionPath(2 ** 39, 2 ** 40, made).length).toBe(40)
    expect(consistencyPath(2 ** 39 + 1, 2 ** 40, made).length).toBe(41)
  })
})

describe('a consistency proof', () => {
  const sizes = tuple(size, size).map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const)
  const claimOf = (oldSize: number, newSize: number) => ({
    oldSize,
    newSize,
    oldRoot: rootAt(oldSize),
    newRoot: rootAt(newSize),
    path: consistencyPath(oldSize, newSize, read)
  })

  it('PROOF-4: is the path of RFC 6962, section 2.1.2, and verifies, for each two sizes up to 40', () => {
    for (let newSize = 1; newSize <= 40; newSize++) {
      for (let oldSize = 1; oldSize <= newSize; oldSize++) {
        const claim = claimOf(oldSize, newSize)
        expect(hexes(claim.path)).toEqual(hexes(naiveConsistency(oldSize, leaves.slice(0, newSize))))
        verifyConsistency(claim)
      }
    }
  })

  it('PROOF-4: with a flipped bit in a root or the path fails: E_PROOF', () => {
    holds(
      property(sizes, integer({ min: 0 }), ([oldSize, newSize], bit) => {
        const claim = claimOf(oldSize, newSize)
        verifyConsistency(claim)
        expect(thrownBy(() => verifyConsistency({ ...claim, oldRoot: flip(claim.oldRoot, bit) }))).toBe('E_PROOF')
        expect(thrownBy(() => verifyConsistency({ ...claim, newRoot: flip(claim.newRoot, bit) }))).toBe('E_PROOF')
        const path = claim.path.map((hash, i) => (i === bit % claim.path.length ? flip(hash, bit) : hash))
        if (path.length > 0) expect(thrownBy(() => verifyConsistency({ ...claim, path }))).toBe('E_PROOF')
      })
    )
  })

  it('PROOF-3: has exactly as many hashes as the sizes ask for: E_PROOF', () => {
    holds(
      property(sizes, ([oldSize, newSize]) => {
        const claim = claimOf(oldSize, newSize)
        const refused = (path: readonly Uint8Array[]) => thrownBy(() => verifyConsistency({ ...claim, path })) === 'E_PROOF'
        expect(refused([...claim.path, claim.newRoot])).toBe(true)
        expect(refused([claim.newRoot, ...claim.path])).toBe(true)
        expect(refused([...claim.path, new Uint8Array(31)])).toBe(true)
        if (claim.path.length > 0) expect(refused(claim.path.slice(1))).toBe(true)
        if (claim.path.length > 0) expect(refused(claim.path.slice(0, -1))).toBe(true)
      })
    )
  })

  it('PROOF-5: is of two sizes in order, and never from the empty tree: E_PROOF', () => {
    const claim = { ...claimOf(3, 7), path: [] }
    for (const [oldSize, newSize] of [
      [0, 0],
      [0, 7],
      [8, 7],
      [-1, 7],
      [1.5, 7],
      [1, Number.POSITIVE_INFINITY]
    ] as const) {
      expect(thrownBy(() => consistencyPath(oldSize, newSize, read))).toBe('E_PROOF')
      expect(thrownBy(() => verifyConsistency({ ...claim, oldSize, newSize }))).toBe('E_PROOF')
    }
  })
})
