import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { importer, type WritableStorage } from 'ipfs-unixfs-importer'
import { fixedSize } from 'ipfs-unixfs-importer/chunker'
import { balanced } from 'ipfs-unixfs-importer/layout'
import { integer, property, string, uint8Array } from 'fast-check'
import protobufjs from 'protobufjs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { leavesOf, shapes, vectorBytes } from '../../../scripts/vectors-blobs.ts'
import {
  base32Of,
  chunkCount,
  cidOfDigest,
  type Dag,
  dagOfLeaves,
  digestOf,
  hex,
  parseCid,
  rangeBytes,
  sha256
} from '../../../src/core/index.ts'
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

const theirNode = protobufjs
  .parse(`syntax = "proto2";
  message PBLink { optional bytes Hash = 1; optional string Name = 2; optional uint64 Tsize = 3; }
  message PBNode { repeated PBLink Links = 2; optional bytes Data = 1; }`)
  .root.lookupType('PBNode')

/** Returns the leaf hashes that a walk from the root meets, in order; a node counts only where its bytes have the hash that links to it. */
function walk({ root, nodes }: Dag): string {
  const byHash = new Map(nodes.map(({ bytes }) => [hex(sha256(bytes)), bytes]))
  const below = (cid: Uint8Array): string => {
    const hash = hex(cid.subarray(4))
    if (cid[1] === 0x55) return hash
    const bytes = byHash.get(hash)
    if (bytes === undefined) throw new Error(`no node has the hash ${hash}`)
    const { Links } = theirNode.decode(bytes) as unknown as { readonly Links: readonly { readonly Hash: Uint8Array }[] }
    return Links.map(({ Hash }) => below(Hash)).join('')
  }
  const all = nodes.map(({ bytes }) => Uint8Array.of(1, 0x70, 0x12, 0x20, ...sha256(bytes)))
  const top = all.find((cid) => `b${base32Of(cid)}` === root)
  if (top === undefined && nodes.length > 0) throw new Error('no node is the root')
  return top === undefined ? '' : below(top)
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

  test('a walk from the root meets every leaf once, in order, and stops at a node with any byte changed (BLOB-7)', () => {
    holds(
      property(
        integer({ min: 2, max: 60 }),
        integer({ min: 2, max: 7 }),
        integer({ min: 0 }),
        integer({ min: 1, max: 255 }),
        (count, width, at, change) => {
          const leaves = leavesOf(vectorBytes(count * 3), 3)
          const dag = dagOfLeaves(leaves, count * 3, { chunk: 3, width })
          expect(walk(dag)).toBe(hex(leaves))
          const nodes = dag.nodes.map(({ cid, bytes }) => ({ cid, bytes: bytes.slice() }))
          const { bytes } = nodes[at % nodes.length] as { bytes: Uint8Array }
          bytes[at % bytes.length] = (bytes[at % bytes.length] as number) ^ change
          expect(() => walk({ root: dag.root, nodes })).toThrow('no node')
        }
      )
    )
  })

  test('arbitrary sizes and lists give a DAG or E_BAD_OBJECT, arbitrary texts a CID or E_DIGEST', () => {
    holds(
      property(
        uint8Array({ maxLength: 400 }),
        integer({ min: 0, max: 100 }),
        integer({ min: 1, max: 30 }),
        (list, size, chunk) => {
          const fits = list.length === chunkCount(size, chunk) * 32
          expect(thrownBy(() => dagOfLeaves(list, size, { chunk }))).toBe(fits ? undefined : 'E_BAD_OBJECT')
        }
      )
    )
    holds(
      property(string({ minLength: 50, maxLength: 70 }), (text) => {
        expect(thrownBy(() => parseCid(text))).toBe('E_DIGEST')
      })
    )
    holds(
      property(uint8Array({ minLength: 36, maxLength: 36 }), (bytes) => {
        const known = bytes[0] === 1 && (bytes[1] === 0x55 || bytes[1] === 0x70) && bytes[2] === 0x12 && bytes[3] === 0x20
        expect(thrownBy(() => parseCid(`b${base32Of(bytes)}`))).toBe(known ? undefined : 'E_DIGEST')
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
