import { array, boolean, integer, property, record, shuffledSubarray, string, uint8Array } from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type Checkpoint,
  claimedForkLog,
  cosign,
  cosignerOf,
  encodeForkProof,
  equal,
  firstDifference,
  type Fork,
  type HashReader,
  hex,
  inclusionPath,
  leafHash,
  lowestFork,
  makeForkProof,
  makeSizeForkProof,
  maxForkProofBytes,
  maxTreeSize,
  parseForkProof,
  readerOfTiles,
  signCheckpoint,
  textOf,
  Tree,
  utf8,
  verifyForkProof,
  withCosignatures
} from '../../../src/core/index.ts'
import { holds } from '../../property.ts'
import { thrownBy } from '../../thrown.ts'
import { sampleLog, sampleSigner } from '../sample.ts'

const sample = sampleLog(600)
const { log, signer } = sample
const opened = sample.lines[0] as Uint8Array

interface Side {
  readonly checkpoint: Checkpoint
  readonly read: HashReader
}

/** Returns the log with other entries from an index on. */
function branch(size: number, from: number, mark = 'x'): Side {
  const tree = new Tree()
  const tiles = new Map<string, Uint8Array>()
  for (const [index, line] of sample.lines.slice(0, size).entries()) {
    const leaf = leafHash(index < from ? line : utf8(`${mark} ${index}`))
    tree.append(leaf, ({ level, index: at, hashes }) => tiles.set(`${level}/${at}`, hashes))
  }
  const read = readerOfTiles(size, (level, index) => tiles.get(`${level}/${index}`) ?? tree.tail(level))
  return { checkpoint: signCheckpoint({ log, size, root: tree.root() }, signer), read }
}

const proofOf = (a: Side, b: Side): Uint8Array => makeForkProof(opened, a, b) ?? utf8('')
const proof = proofOf(branch(13, 13), branch(21, 6))
const text = textOf(proof)
const fork = verifyForkProof(proof)

describe('a fork proof', () => {
  it('FORK-1 FORK-2: is the lines of the page, and verifies with nothing else', () => {
    const [head, ...parts] = text.split('\n\n')
    expect(head).toBe(`rejoin/fork-proof/v1\n${textOf(opened)}\nindex 6`)
    expect(parts.map((part) => part.split('\n').length)).toEqual([5, 3, 1, 6, 3, 2])
    expect([fork.log, fork.atIndex, fork.exact]).toEqual([log, 6, true])
    expect(equal(fork.author, signer.publicKey)).toBe(true)
    expect(claimedForkLog(proof)).toBe(log)
  })

  it('FORK-3: of any two sizes names the lowest index at which they differ', () => {
    const size = integer({ min: 1, max: 600 })
    holds(
      property(record({ a: size, b: size, from: integer({ min: 1, max: 599 }) }), ({ a, b, from }) => {
        const made = makeForkProof(opened, branch(a, a), branch(b, from))
        if (from >= Math.min(a, b)) {
          expect(made).toBeUndefined()
          return
        }
        const found = verifyForkProof(made ?? utf8(''))
        expect([found.atIndex, found.exact]).toEqual([from, true])
        expect(found.heads.map((head) => head.size)).toEqual([a, b].toSorted((x, y) => x - y))
        expect(makeForkProof(opened, branch(b, from), branch(a, a))).toEqual(made)
        expect(found.bytes.length).toBeLessThan(4096)
      })
    )
  })

  it('FORK-3: finds the lowest of several differences', () => {
    const tree = (different: ReadonlySet<number>, size: number): HashReader => {
      const leaves = Array.from({ length: size }, (_, i) => leafHash(utf8(`${i}${different.has(i) ? '!' : ''}`)))
      return (height, position) => {
        const part = new Tree()
        for (const leaf of leaves.slice(position * 2 ** height, (position + 1) * 2 ** height)) part.append(leaf)
        return part.root()
      }
    }
    const index = integer({ min: 0, max: 99 })
    holds(
      property(array(index, { maxLength: 5 }), integer({ min: 0, max: 100 }), (indexes, size) => {
        const lowest = indexes.filter((one) => one < size).toSorted((a, b) => a - b)[0]
        expect(firstDifference(size, tree(new Set(), 100), tree(new Set(indexes), 100))).toBe(lowest)
      })
    )
  })

  it('FORK-4: of one size needs no leaf, and tells only that they differ', () => {
    const [a, b] = [branch(13, 13), branch(13, 6)]
    const made = makeSizeForkProof(opened, a.checkpoint, b.checkpoint)
    expect(makeSizeForkProof(opened, b.checkpoint, a.checkpoint)).toEqual(made)
    const found = verifyForkProof(made)
    expect([found.atIndex, found.exact]).toEqual([12, false])
    expect(verifyForkProof(proofOf(a, b)).atIndex).toBe(6)
    const prove = (x: Side, y: Side) => thrownBy(() => makeSizeForkProof(opened, x.checkpoint, y.checkpoint))
    expect(prove(a, a)).toBe('E_PROOF')
    expect(prove(a, branch(14, 6))).toBe('E_PROOF')
  })

  it('FORK-5: carries no cosignatures when it is made, and verifies with them', () => {
    const [a, b] = [branch(13, 13), branch(21, 6)]
    const witness = cosignerOf(sampleSigner('witness'))
    const checkpoint = withCosignatures(a.checkpoint, signer.publicKey, [cosign(a.checkpoint, witness, 1_795_000_000_000)])
    expect(proofOf({ ...a, checkpoint }, b)).toEqual(proof)
    const parts = parseForkProof(proof)
    expect(verifyForkProof(encodeForkProof({ ...parts, notes: [checkpoint.note, parts.notes[1]] })).atIndex).toBe(6)
  })

  it('FORK-1: comes back from its bytes', () => {
    const hash = uint8Array({ minLength: 32, maxLength: 32 })
    const leaf = record({ leaf: hash, path: array(hash, { maxLength: 40 }) })
    const { notes } = parseForkProof(proof)
    holds(
      property(integer({ min: 0, max: maxTreeSize - 1 }), leaf, leaf, boolean(), (index, a, b, located) => {
        const made = { opened, notes, ...(located && { entry: { index, leaves: [a, b] as const } }) }
        const bytes = encodeForkProof(made)
        expect(parseForkProof(bytes)).toEqual({ ...made, opened: Uint8Array.from(opened) })
        expect(encodeForkProof(parseForkProof(bytes))).toEqual(bytes)
      })
    )
  })

  it('FORK-2: with a flipped bit anywhere proves nothing', () => {
    // every seventh bit, which comes to all places within a byte: all of them take five seconds
    for (let bit = 0; bit < proof.length * 8; bit += 7) {
      const copy = Uint8Array.from(proof)
      copy[bit >> 3] = (copy[bit >> 3] as number) ^ (1 << (bit & 7))
      expect(
        thrownBy(() => verifyForkProof(copy)),
        `bit ${bit}`
      ).toBeDefined()
    }
  })

  it('FORK-2: can not be made against an honest writer', () => {
    const [a, b] = [branch(13, 13), branch(21, 21)]
    expect(makeForkProof(opened, a, b)).toBeUndefined()
    const notes = [a.checkpoint.note, b.checkpoint.note] as const
    for (let i = 0; i < 13; i++)
      for (let k = 0; k < 13; k++) {
        const leaves = [
          { leaf: a.read(0, i), path: inclusionPath(i, 13, a.read) },
          { leaf: b.read(0, k), path: inclusionPath(k, 21, b.read) }
        ] as const
        for (const index of [i, k])
          expect(thrownBy(() => verifyForkProof(encodeForkProof({ opened, notes, entry: { index, leaves } })))).toBe('E_PROOF')
      }
  })

  it('FORK-6: has at most 64 KiB, and paths of at most 40 hashes', () => {
    expect(thrownBy(() => verifyForkProof(new Uint8Array(maxForkProofBytes + 1)))).toBe('E_TOO_LARGE')
    const { notes, entry } = parseForkProof(proof)
    const [a, b] = entry?.leaves ?? []
    if (a === undefined || b === undefined) throw new Error('no leaves')
    const path = Array.from({ length: 41 }, () => new Uint8Array(32))
    const long = encodeForkProof({ opened, notes, entry: { index: 6, leaves: [a, { ...b, path }] } })
    expect(thrownBy(() => parseForkProof(long))).toBe('E_PROOF')
    expect(thrownBy(() => verifyForkProof(Uint8Array.of(0xff)))).toBe('E_UTF8')
  })

  it('FORK-1: of arbitrary bytes throws nothing but its codes', () => {
    holds(property(uint8Array(), (bytes) => void thrownBy(() => verifyForkProof(bytes))))
    holds(
      property(string({ unit: 'binary' }), integer({ min: 0, max: text.length }), (part, at) => {
        thrownBy(() => verifyForkProof(utf8(`${text.slice(0, at)}${part}${text.slice(at)}`)))
        thrownBy(() => verifyForkProof(utf8(`${text.slice(0, at)}${part}`)))
      })
    )
  })
})

describe('the end of a forked log', () => {
  const sized = (from: number): Uint8Array => makeSizeForkProof(opened, branch(9, 9).checkpoint, branch(9, from).checkpoint)
  const forks: readonly Fork[] = [
    proofOf(branch(13, 13), branch(21, 6)),
    proofOf(branch(13, 13), branch(30, 6, 'y')),
    proofOf(branch(13, 13), branch(21, 8)),
    proofOf(branch(100, 100), branch(90, 70)),
    sized(7),
    sized(3)
  ].map(verifyForkProof)

  it('FORK-7: is the lowest that is proven, whatever came first', () => {
    expect(lowestFork([])).toBeUndefined()
    expect(lowestFork(forks)?.atIndex).toBe(6)
    holds(
      property(shuffledSubarray([...forks], { minLength: 1 }), integer({ min: 0, max: 6 }), (some, cut) => {
        const whole = lowestFork(some) as Fork
        expect(whole.atIndex).toBe(Math.min(...some.map(({ atIndex }) => atIndex)))
        expect(lowestFork(some.toReversed())).toBe(whole)
        const parts = [some.slice(0, cut), some.slice(cut)].flatMap((part) => lowestFork(part) ?? [])
        expect(hex(lowestFork(parts)?.bytes ?? utf8(''))).toBe(hex(whole.bytes))
        expect(lowestFork([whole, ...some])).toBe(whole)
      })
    )
  })

  it('FORK-7: is the one that knows the index, of two that are equally low', () => {
    const exact = verifyForkProof(proofOf(branch(9, 9), branch(9, 8)))
    const bound = verifyForkProof(sized(7))
    expect([exact.atIndex, bound.atIndex]).toEqual([8, 8])
    expect(lowestFork([bound, exact])).toBe(exact)
    expect(lowestFork([exact, bound])).toBe(exact)
  })

  it('FORK-8: is that of its own log only', () => {
    const other = sampleLog(5, 'another writer')
    const side = { checkpoint: other.checkpoint, read: other.read }
    expect(thrownBy(() => makeForkProof(opened, side, branch(9, 1)))).toBe('E_ORIGIN')
    const foreign = { ...fork, log: other.log }
    expect(() => lowestFork([fork, foreign])).toThrow('bug: forks of several logs')
  })
})
