// Writes protocols/vectors/blobs.json: node scripts/vectors-blobs.ts. The same each time; test/core/sync/blobs.test.ts holds it to that.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { argv } from 'node:process'
import {
  type BlobAnswer,
  type BlobRequest,
  blobAnswer,
  blobRequest,
  concat,
  dagOfLeaves,
  digestOf,
  hex,
  parseDigest,
  sha256,
  utf8
} from '../src/core/index.ts'

/** Returns the bytes of a vector: the byte at position i is the top 8 bits of i × 2654435761 modulo 2^32. */
export function vectorBytes(sizeBytes: number): Uint8Array {
  const bytes = new Uint8Array(sizeBytes)
  for (let i = 0; i < sizeBytes; i++) bytes[i] = Math.imul(i, 2_654_435_761) >>> 24
  return bytes
}

/** Returns the leaf list of bytes that are cut into chunks. */
export function leavesOf(bytes: Uint8Array, chunk: number): Uint8Array {
  const leaves: Uint8Array[] = []
  for (let at = 0; at === 0 || at < bytes.length; at += chunk) leaves.push(sha256(bytes.subarray(at, at + chunk)))
  return concat(leaves)
}

const mib = 1_048_576
/** Sizes and chunks: the edges of one chunk, and trees of two and three levels. */
export const shapes: readonly (readonly [sizeBytes: number, chunk: number])[] = [
  [0, mib],
  [1, mib],
  [mib - 1, mib],
  [mib, mib],
  [mib + 1, mib],
  [5 * mib + 3, mib],
  [1024 * 3, 3],
  [1025 * 3, 3],
  [3500 * 3 + 1, 3]
]

const foo = digestOf(utf8('foo\n'))
const long = parseDigest(`sha512:${'0123456789abcdef'.repeat(8)}`)
const requests: readonly BlobRequest[] = [
  { kind: 'blobs', digests: [foo] },
  { kind: 'blobs', digests: [foo, long] },
  { kind: 'leaves', digest: foo },
  { kind: 'chunks', digest: long, first: 0, count: 1 },
  { kind: 'chunks', digest: foo, first: 1_048_575, count: 64 },
  { kind: 'have', digests: [foo, long] },
  { kind: 'end', count: 5 }
]
const answers: readonly BlobAnswer[] = [
  { kind: 'header', status: 'here', sizeBytes: 4 },
  { kind: 'header', status: 'absent', sizeBytes: 0 },
  { kind: 'header', status: 'refused', sizeBytes: 0 },
  { kind: 'header', status: 'large', sizeBytes: 2 ** 40 },
  { kind: 'piece', bytes: utf8('foo\n') },
  { kind: 'end', count: 5, sizeBytes: 4 }
]

const shown = (_: string, value: unknown): unknown => (value instanceof Uint8Array ? hex(value) : value)

/** Returns the text of protocols/vectors/blobs.json. */
export function blobVectors(): string {
  const value = {
    bytes: 'the byte at position i is the top 8 bits of i * 2654435761 modulo 2^32',
    dags: shapes.map(([sizeBytes, chunk]) => {
      const bytes = vectorBytes(sizeBytes)
      const { root, nodes } = dagOfLeaves(leavesOf(bytes, chunk), sizeBytes, { chunk })
      return { sizeBytes, chunk, digest: digestOf(bytes), cid: root, nodes: nodes.length }
    }),
    requests: requests.map((request) => ({ frame: hex(blobRequest.encodeFrame(request)), request })),
    answers: answers.map((answer) => ({ frame: hex(blobAnswer.encodeFrame(answer)), answer }))
  }
  return `${JSON.stringify(value, shown, 2)}\n`
}

if (argv[1] === import.meta.filename) writeFileSync(join(import.meta.dirname, '../protocols/vectors/blobs.json'), blobVectors())
