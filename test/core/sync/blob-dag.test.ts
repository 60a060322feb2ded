import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { importer, type WritableStorage } from 'ipfs-unixfs-importer'
import { fixedSize } from 'ipfs-unixfs-importer/chunker'
import { balanced } from 'ipfs-unixfs-importer/layout'
import { integer, property } from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { leavesOf, shapes, vectorBytes } from '../../../scripts/vectors-blobs.ts'
import { cidOfDigest, dagOfLeaves, digestOf, parseCid, rangeBytes, sha256 } from '../../../src/core/index.ts'
import { holds } from '../../property.ts'
import { sharedPath } from '../../shared.ts'
import { thrownBy } from '../../thrown.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'rejoin-dag-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

/** Takes blocks and forgets them: only the root is asked for. */
const forgetful: WritableStorage = { put: async (cid) => await Promise.resolve(cid) }

async function cidByImporter(bytes: Uint8Array, chunk: number): Promise<string> {
  const options = {
    cidVersion: 1 as const,
    rawLeaves: true,
    reduceSingleLeafToSelf: true,
    chunker: fixedSize({ chunkSize: chunk }),
    layout: balanced({ maxChildrenPerNode: 1024 })
  }
  let cid = ''
  for await (const entry of importer([{ path: 'blob', content: bytes }], forgetful, options)) cid = entry.cid.toString()
  return cid
}

describe('the UnixFS DAG of a blob', () => {
  test.each(shapes)(
    'of %i bytes in chunks of %i has the CID of ipfs-unixfs-importer and of the oracle (BLOB-7, BLOB-8)',
    async (sizeBytes, chunk) => {
      const bytes = vectorBytes(sizeBytes)
      const { root, nodes } = dagOfLeaves(leavesOf(bytes, chunk), sizeBytes, { chunk })
      expect(root).toBe(await cidByImporter(bytes, chunk))
      const file = join(folder, `${sizeBytes}-${chunk}`)
      writeFileSync(file, bytes)
      expect(root).toBe(
        execFileSync('python3', [sharedPath('oracles/unixfs-cid.py'), file, String(chunk)], { encoding: 'utf8' }).trim()
      )
      expect(nodes.at(-1)?.cid ?? root).toBe(root)
      expect(parseCid(root)).toBe(root)
    }
  )

  test('a blob of one chunk is its own leaf: the CID is its digest in another spelling (BLOB-7)', () => {
    const bytes = vectorBytes(1000)
    expect(dagOfLeaves(sha256(bytes), 1000).root).toBe(cidOfDigest(digestOf(bytes)))
  })

  test('leaf hashes that do not fit the size are refused', () => {
    for (const [length, size] of [
      [0, 0],
      [64, 1],
      [32, 1_048_577],
      [33, 1]
    ] as const) {
      expect(thrownBy(() => dagOfLeaves(new Uint8Array(length), size))).toBe('E_BAD_OBJECT')
    }
  })

  test('another size or another leaf gives another root', () => {
    const leaves = leavesOf(vectorBytes(90), 30)
    const { root } = dagOfLeaves(leaves, 90, { chunk: 30 })
    expect(dagOfLeaves(leaves, 89, { chunk: 30 }).root).not.toBe(root)
    holds(
      property(integer({ min: 0, max: 95 }), integer({ min: 1, max: 255 }), (at, change) => {
        const damaged = leaves.slice()
        damaged[at] = (damaged[at] as number) ^ change
        expect(dagOfLeaves(damaged, 90, { chunk: 30 }).root).not.toBe(root)
      })
    )
  })

  test('what is no CID of ours is refused', () => {
    const good = dagOfLeaves(sha256(vectorBytes(3)), 3).root
    const bad = [
      '',
      'b',
      good.toUpperCase(),
      good.slice(1),
      `${good}a`,
      `z${good.slice(1)}`,
      `baeaa${good.slice(5)}`,
      'QmdfTbBqBPQ7VNxZEYEj14VmRuZBkqFbiwReogJgS1zR1n'
    ]
    for (const text of bad) expect(thrownBy(() => parseCid(text))).toBe('E_DIGEST')
  })

  test('a range of chunks ends with the blob', () => {
    expect([
      rangeBytes(5, 0, 1),
      rangeBytes(1_048_577, 1, 1),
      rangeBytes(3_000_000, 1, 1),
      rangeBytes(3_000_000, 0, 64),
      rangeBytes(5, 1, 1)
    ]).toEqual([5, 1, 1_048_576, 3_000_000, 0])
  })
})
