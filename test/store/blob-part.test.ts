import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execPath } from 'node:process'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { leavesOf, vectorBytes } from '../../scripts/vectors-blobs.ts'
import { blobPath, chunkBytes, codeOf, digestOf, partPath, utf8 } from '../../src/core/index.ts'
import { type BlobStore, openBlobs, type PartialBlob } from '../../src/store/index.ts'

let root: string
let store: BlobStore
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'rejoin-part-'))
  store = openBlobs(root)
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

const bytes = vectorBytes(5 * chunkBytes + 3)
const digest = digestOf(bytes)
const shape = { sizeBytes: bytes.length, leaves: leavesOf(bytes, chunkBytes) }
const chunkOf = (chunk: number): Uint8Array => bytes.subarray(chunk * chunkBytes, (chunk + 1) * chunkBytes)

/** Returns the code that a promise is rejected with. */
async function codeThrown(promise: Promise<unknown>): Promise<string | undefined> {
  return await promise.then(
    () => undefined,
    (error: unknown) => codeOf(error) ?? String(error)
  )
}

async function writeAll(part: PartialBlob, chunks: readonly number[]): Promise<void> {
  for (const chunk of chunks) expect(await part.write(chunk, chunkOf(chunk))).toBe(true)
}

describe('a blob that is being fetched', () => {
  test.each([[[0, 1, 2, 3, 4, 5]], [[5, 4, 3, 2, 1, 0]], [[3, 0, 5, 1, 4, 2]]])(
    'chunks in the order %j: it gets its name when all are there (BLOB-3)',
    async (order) => {
      const part = await store.partial(digest, shape)
      await writeAll(part, order.slice(0, -1))
      expect(await codeThrown(store.finish(part))).toBe('E_INCOMPLETE')
      expect([store.has(digest), part.haveCount]).toEqual([false, 5])
      await writeAll(part, order.slice(-1))
      expect((await store.finish(part)).digest).toBe(digest)
      expect(readFileSync(join(root, blobPath(digest))).equals(bytes)).toBe(true)
      expect([readdirSync(join(root, 'tmp')), (await store.leaves(digest)).length]).toEqual([[], 6 * 32])
    }
  )

  test('chunks all at once: each is verified, hashed once, in order', async () => {
    const part = await store.partial(digest, shape)
    const results = await Promise.all([4, 0, 1, 5, 0, 3, 2].map(async (chunk) => await part.write(chunk, chunkOf(chunk))))
    expect(results.every(Boolean)).toBe(true)
    await store.finish(part)
    expect(await store.verify(digest)).toBeUndefined()
  })

  test('a wrong chunk does not count, and cannot spoil one that is there (BLOB-15)', async () => {
    const part = await store.partial(digest, shape)
    expect(await part.write(1, chunkOf(2))).toBe(false)
    expect(await part.write(5, chunkOf(0))).toBe(false)
    expect(await Promise.all([part.write(0, chunkOf(0)), part.write(0, chunkOf(1)), part.write(0, chunkOf(2))])).toEqual([
      true,
      true,
      true
    ])
    const both = await Promise.all([part.write(1, chunkOf(3)), part.write(1, chunkOf(1))])
    expect([both, part.haveCount]).toEqual([[false, true], 2])
    await writeAll(part, [2, 3, 4, 5])
    await store.finish(part)
    expect(await store.verify(digest)).toBeUndefined()
  })

  test('goes on where it was: what is right is kept, what is not is fetched again (BLOB-5)', async () => {
    await using first = await store.partial(digest, shape)
    await writeAll(first, [0, 2, 3, 5])
    await first[Symbol.asyncDispose]()
    const file = readFileSync(join(root, partPath(digest)))
    file[2 * chunkBytes + 9] = (file[2 * chunkBytes + 9] as number) ^ 1
    writeFileSync(join(root, partPath(digest)), file)
    const second = await store.partial(digest, shape)
    expect([0, 1, 2, 3, 4, 5].map((chunk) => second.has(chunk))).toEqual([true, false, false, true, false, true])
    await writeAll(second, [1, 2, 4])
    await store.finish(second)
    expect(await store.verify(digest)).toBeUndefined()
  })

  test('a torn file: its whole chunks are kept; a longer one is cut (BLOB-5)', async () => {
    const first = await store.partial(digest, shape)
    await writeAll(first, [0, 1])
    await first[Symbol.asyncDispose]()
    truncateSync(join(root, partPath(digest)), chunkBytes + 77)
    const second = await store.partial(digest, shape)
    expect(second.haveCount).toBe(1)
    await second[Symbol.asyncDispose]()
    writeFileSync(join(root, partPath(digest)), Buffer.concat([bytes, utf8('more')]))
    const third = await store.partial(digest, shape)
    expect(third.haveCount).toBe(6)
    await store.finish(third)
  })

  test('right chunks, but of another digest: refused, and the part stays (BLOB-15)', async () => {
    const other = digestOf(utf8('other'))
    const part = await store.partial(other, shape)
    await writeAll(part, [0, 1, 2, 3, 4, 5])
    expect(await codeThrown(store.finish(part))).toBe('E_BAD_OBJECT')
    expect([store.has(other), existsSync(join(root, partPath(other)))]).toEqual([false, true])
    await part.discard()
    expect(existsSync(join(root, partPath(other)))).toBe(false)
  })

  test('is open once; wrong shapes are refused', async () => {
    const part = await store.partial(digest, shape)
    expect(await codeThrown(store.partial(digest, shape))).toBe('E_LOCKED')
    await part.discard()
    expect(await codeThrown(store.partial(digest, { ...shape, sizeBytes: 1 }))).toBe('E_BAD_OBJECT')
    expect(await codeThrown(store.partial(digest, { ...shape, sizeBytes: 2 ** 41 }))).toBe('E_TOO_LARGE')
    await (await store.partial(digest, shape)).discard()
  })

  test('one that hashes on the thread of its own, out of order', async () => {
    const large = vectorBytes(20 * chunkBytes + 1)
    const name = digestOf(large)
    const part = await store.partial(name, { sizeBytes: large.length, leaves: leavesOf(large, chunkBytes) })
    const order = Array.from({ length: 21 }, (_, i) => (i * 8) % 21)
    await Promise.all(
      order.map(async (chunk) =>
        expect(await part.write(chunk, large.subarray(chunk * chunkBytes, (chunk + 1) * chunkBytes))).toBe(true)
      )
    )
    await store.finish(part)
    expect(await store.verify(name)).toBeUndefined()
  })
})

describe('no space left', () => {
  // A limit on the size of a file shows as a full disk does: first a short write, then an error.
  test.each(['stream', 'small', 'part'])('%s: E_NO_SPACE, and no temporary file is left', (way) => {
    const child = join(import.meta.dirname, 'full-child.ts')
    const { stdout, stderr } = spawnSync('sh', ['-c', `trap '' XFSZ; ulimit -f 3; exec "$0" "$@"`, execPath, child, root, way], {
      encoding: 'utf8'
    })
    expect([stdout, stderr]).toEqual(['E_NO_SPACE []\n', ''])
  })
})
