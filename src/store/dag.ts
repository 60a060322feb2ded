import { join } from 'node:path'
import {
  type Cid,
  chunkBytes,
  chunkCount,
  concat,
  type Dag,
  type Digest,
  dagOfLeaves,
  equal,
  leavesPath,
  rawCid,
  rangeBytes,
  RejoinError,
  sha256
} from '../core/index.ts'
import { readFileRangeSync, replaceFileSync } from './file.ts'

/** Keeps the leaf hashes of a large blob, so that they need not be calculated again; not durable, since they can be. */
export function saveLeaves(root: string, digest: Digest, leaves: Uint8Array): void {
  // The last 32 bytes are a checksum over the others: a damaged list must not be taken for a damaged blob.
  replaceFileSync(join(root, leavesPath(digest)), concat([leaves, sha256(leaves)]), { durable: false })
}

/** Returns the leaf hashes that were kept, or undefined where there are none that fit the size. */
export function readLeaves(root: string, digest: Digest, sizeBytes: number): Uint8Array | undefined {
  const length = chunkCount(sizeBytes) * 32
  const bytes = readFileRangeSync(join(root, leavesPath(digest)), 0, length + 33)
  if (bytes?.length !== length + 32) return undefined
  const leaves = bytes.subarray(0, length)
  return equal(sha256(leaves), bytes.subarray(length)) ? leaves : undefined
}

/** What a DAG's blocks are made of: a blob's size, its leaf hashes and its bytes. */
export interface DagSource {
  readonly sizeBytes: number
  readonly leaves: Uint8Array
  readonly read: (from: number, to: number) => AsyncIterable<Uint8Array>
}

/**
 * A blob as blocks by CID, as IPFS tools read them: nodes are calculated, leaves are read out of the blob's file itself.
 * `get` has the form that `ipfs-unixfs-exporter` and Helia ask for.
 */
export interface DagBlocks {
  readonly root: Cid
  readonly get: (cid: { readonly toString: () => string }) => AsyncGenerator<Uint8Array, void, void>
}

/** Returns the blocks of a blob. */
export function dagBlocks({ sizeBytes, leaves, read }: DagSource): DagBlocks {
  const { root, nodes }: Dag = dagOfLeaves(leaves, sizeBytes)
  const nodeOf = new Map<string, Uint8Array>(nodes.map(({ cid, bytes }) => [cid, bytes]))
  const chunkOf = new Map<string, number>()
  for (let chunk = 0; chunk * 32 < leaves.length; chunk++)
    chunkOf.set(rawCid(leaves.subarray(chunk * 32, chunk * 32 + 32)), chunk)
  return {
    root,
    async *get(cid) {
      const node = nodeOf.get(cid.toString())
      const chunk = chunkOf.get(cid.toString())
      if (node !== undefined) yield node
      else if (chunk !== undefined) yield* read(chunk * chunkBytes, chunk * chunkBytes + rangeBytes(sizeBytes, chunk, 1))
      else throw new RejoinError('E_NOT_FOUND', `${cid.toString().slice(0, 80)} is no block of the blob ${root}`)
    }
  }
}
