import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { vectorBytes } from '../../scripts/vectors-blobs.ts'
import { codeOf, type Digest, digestOf, parseCid, RejoinError, utf8 } from '../../src/core/index.ts'
import { type BlobStore, openBlobs, type StoredBlob } from '../../src/store/index.ts'
import { type FetchProgress, fetchBlobs } from '../../src/sync/blob-fetch.ts'
import type { BlobSource } from '../../src/sync/blob-source.ts'
import { pipe } from '../../src/sync/pipe.ts'
import { sourceOf } from './blob-source.ts'

const mib = 1_048_576
const folders: string[] = []
let a: BlobStore
let b: BlobStore
let here: BlobStore
const signal = new AbortController().signal

function newStore(): BlobStore {
  const root = mkdtempSync(join(tmpdir(), 'rejoin-fetch-'))
  folders.push(root)
  return openBlobs(root)
}
beforeEach(() => {
  ;[a, b, here] = [newStore(), newStore(), newStore()]
})
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

const big = vectorBytes(24 * mib + 5)
const other = big.map((byte) => byte ^ 0x55)
const inParts = async function* (bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}
const put = async (store: BlobStore, bytes: Uint8Array): Promise<StoredBlob> => await store.put(inParts(bytes))
const parts = (): readonly string[] => readdirSync(join(here.root, 'tmp'))
const flip = (bytes: Uint8Array, at: number): Uint8Array => bytes.map((byte, i) => (i === at ? byte ^ 1 : byte))

/** Spoils the byte that comes as the n-th of the stream. */
const flipAt = (n: number) => (bytes: Uint8Array, at: number) => (n >= at && n < at + bytes.length ? flip(bytes, n - at) : bytes)

describe('small blobs', () => {
  test('two thousand, from two sources of which each has only a part: all come, each once (BLOB-12, BLOB-13)', async () => {
    const blobs = Array.from({ length: 2000 }, (_, i) => ({ bytes: utf8(`blob ${i} ${'y'.repeat((i * 37) % 3000)}`) }))
    await a.putMany(blobs.slice(0, 1500))
    await b.putMany(blobs.slice(500))
    const sources = [sourceOf('a', a), sourceOf('b', b)]
    const progress: FetchProgress[] = []
    const wants = blobs.map(({ bytes }) => ({ digest: digestOf(bytes) }))
    const result = await fetchBlobs([...wants, ...wants], sources, here, { signal, onProgress: (one) => progress.push(one) })
    expect([result.done.length, result.missing, result.bad]).toEqual([2000, [], []])
    expect(progress.at(-1)).toMatchObject({ doneCount: 2000, wantCount: 2000 })
    expect(sources.every(({ counts }) => counts.opened === 1)).toBe(true)
    for (const { bytes } of blobs) expect(here.size(digestOf(bytes))).toBe(bytes.length)
    expect(parts()).toEqual([])
  })

  test('of 0 bytes and of exactly 1 MiB, by sha512, and what is there already', async () => {
    const sizes = [0, 1, mib - 1, mib]
    for (const size of sizes) await a.put(vectorBytes(size))
    await here.put(vectorBytes(1))
    const result = await fetchBlobs(
      sizes.map((size) => ({ digest: digestOf(vectorBytes(size)), sizeBytes: size })),
      [sourceOf('a', a)],
      here,
      { signal }
    )
    expect([result.done.length, result.missing]).toEqual([4, []])
    expect(await here.readBytes(digestOf(vectorBytes(mib)), mib)).toEqual(Buffer.from(vectorBytes(mib)))
  })

  test('nobody has it: missing; refused or private: missing, and not told apart (BLOB-14)', async () => {
    const { digest: refused } = await a.put(utf8('refused'))
    const { digest: kept } = await a.put(utf8('kept back'), { private: true })
    const { digest: large } = await a.put(big, { private: true })
    const absent = digestOf(utf8('absent'))
    const source = sourceOf('a', a, { mayServe: (digest) => digest !== refused })
    const wants = [refused, kept, absent].map((digest) => ({ digest }))
    const result = await fetchBlobs([...wants, { digest: large, sizeBytes: big.length }], [source], here, { signal })
    expect(result).toEqual({ done: [], missing: [refused, kept, absent, large], bad: [] })
    expect((await fetchBlobs([{ digest: absent }], [], here, { signal })).missing).toEqual([absent])
  })

  test('wrong bytes from one source: it is blamed, the other brings the blob (BLOB-15)', async () => {
    const { digest } = await a.put(utf8('some bytes'))
    await b.put(utf8('some bytes'))
    const sources = [
      sourceOf('liar', a, { spoil: (bytes, at) => (at === 0 ? flip(bytes, bytes.length - 1) : bytes) }),
      sourceOf('honest', b)
    ]
    const result = await fetchBlobs([{ digest }], [sources[0] as BlobSource], here, { signal })
    expect(result).toEqual({ done: [], missing: [digest], bad: [{ digest, source: 'liar' }] })
    expect((await fetchBlobs([{ digest }], sources, here, { signal })).done).toEqual([digest])
  })

  test('into private/, where they are not passed on (BLOB-4)', async () => {
    const small = await a.put(utf8('small'))
    const large = await put(a, big)
    await fetchBlobs([small, large], [sourceOf('a', a)], here, { signal, private: true })
    expect([here.placeOf(small.digest), here.placeOf(large.digest)]).toEqual(['private', 'private'])
  })
})

describe('a large blob', () => {
  test.each([true, false])('from two sources, root CID known: %s (BLOB-15, BLOB-16)', async (isKnown) => {
    const { digest, sizeBytes, cid } = await put(a, big)
    await put(b, big)
    const sources = [sourceOf('a', a), sourceOf('b', b)]
    const want = isKnown ? { digest, sizeBytes, cid } : { digest }
    expect(await fetchBlobs([want], sources, here, { signal })).toEqual({ done: [digest], missing: [], bad: [] })
    expect(await here.verify(digest)).toBeUndefined()
    for (const { counts } of sources) expect(counts.sentBytes).toBeGreaterThan(2 * mib)
    expect(parts()).toEqual([])
  })

  test.each([true, false])(
    'one byte flipped by one of two sources, root CID known: %s: it is blamed, and the blob is complete (BLOB-15)',
    async (isKnown) => {
      const { digest, sizeBytes, cid } = await put(a, big)
      await put(b, big)
      const sources = [sourceOf('liar', a, { spoil: flipAt(2 * mib + 4711) }), sourceOf('honest', b)]
      const result = await fetchBlobs([isKnown ? { digest, sizeBytes, cid } : { digest, sizeBytes }], sources, here, { signal })
      expect(result).toEqual({ done: [digest], missing: [], bad: [{ digest, source: 'liar' }] })
      expect(await here.verify(digest)).toBeUndefined()
    }
  )

  test('a source that dies in the middle, again and again: the other brings the rest', async () => {
    const { digest, sizeBytes, cid } = await put(a, big)
    await put(b, big)
    const dies = sourceOf('dies', a, {
      spoil: (bytes, at) => {
        if (at > 3 * mib) throw new RejoinError('E_GONE', 'cut')
        return bytes
      }
    })
    expect(await fetchBlobs([{ digest, sizeBytes, cid }], [dies, sourceOf('lives', b)], here, { signal })).toMatchObject({
      done: [digest],
      bad: []
    })
  })

  test('a source that hangs: what it was to bring is taken over at once', async () => {
    const { digest, sizeBytes, cid } = await put(a, big)
    await put(b, big)
    const hangs = sourceOf('hangs', a, { spoil: async (bytes, at) => (at > mib ? await new Promise<never>(() => {}) : bytes) })
    const startMs = performance.now()
    expect((await fetchBlobs([{ digest, sizeBytes, cid }], [hangs, sourceOf('lives', b)], here, { signal })).done).toEqual([
      digest
    ])
    expect(performance.now() - startMs).toBeLessThan(8000)
  })

  test('a list of leaf hashes of another blob: refused where the root CID is known, found out by the digest where it is not (BLOB-15, BLOB-16)', async () => {
    const { digest, sizeBytes, cid } = await put(a, big)
    // The liar serves other bytes of the same size under the same digest, with the leaf hashes that fit them.
    const lies: BlobStore = Object.create(b) as BlobStore
    const { digest: theirs } = await put(b, other)
    lies.openBlob = async () => await b.openBlob(theirs)
    lies.leaves = async () => await b.leaves(theirs)
    lies.placeOf = () => 'shared'
    lies.size = () => other.length
    for (const want of [
      { digest, sizeBytes, cid },
      { digest, sizeBytes }
    ]) {
      for (const order of [
        [0, 1],
        [1, 0]
      ] as const) {
        const sources = [sourceOf('liar', lies), sourceOf('honest', a)]
        const result = await fetchBlobs(
          [want],
          order.map((i) => sources[i] as BlobSource),
          here,
          { signal }
        )
        expect([result.done, result.bad.filter(({ source }) => source !== 'liar')]).toEqual([[digest], []])
        expect(await here.verify(digest)).toBeUndefined()
        await here.remove(digest)
      }
    }
    const alone = await fetchBlobs([{ digest, sizeBytes }], [sourceOf('liar', lies)], here, { signal })
    expect([alone, parts()]).toEqual([{ done: [], missing: [digest], bad: [{ digest, source: 'liar' }] }, []])
  })

  test('an event whose root CID and digest contradict each other: missing, and nobody is blamed', async () => {
    const { sizeBytes, cid } = await put(a, big)
    const { digest } = await put(b, other)
    const lies: BlobStore = Object.create(a) as BlobStore
    const real = digestOf(big)
    lies.openBlob = async () => await a.openBlob(real)
    lies.leaves = async () => await a.leaves(real)
    lies.placeOf = () => 'shared'
    lies.size = () => sizeBytes
    expect(await fetchBlobs([{ digest, sizeBytes, cid }], [sourceOf('a', lies)], here, { signal })).toEqual({
      done: [],
      missing: [digest],
      bad: []
    })
    expect(parts()).toEqual([])
  })

  test('stopped in the middle: the part stays, and the next fetch brings only the rest (BLOB-5)', async () => {
    const { digest, sizeBytes, cid } = await put(a, big)
    const controller = new AbortController()
    const stopped = fetchBlobs([{ digest, sizeBytes, cid }], [sourceOf('a', a)], here, {
      signal: controller.signal,
      onProgress: ({ receivedBytes }) => {
        if (receivedBytes >= 10 * mib) controller.abort(new RejoinError('E_INTERRUPTED', 'stop'))
      }
    })
    expect(await stopped.catch((error: unknown) => codeOf(error))).toBe('E_INTERRUPTED')
    expect(parts()).toHaveLength(1)
    let receivedBytes = 0
    const result = await fetchBlobs([{ digest, sizeBytes, cid }], [sourceOf('a', a)], here, {
      signal,
      onProgress: (one) => (receivedBytes = one.receivedBytes)
    })
    expect(result.done).toEqual([digest])
    expect(receivedBytes).toBeLessThanOrEqual(15 * mib)
  })

  test('many, large and small, of unknown size, with one request each', async () => {
    const bytes = [big, other, vectorBytes(mib + 1), utf8('a'), vectorBytes(3 * mib)]
    const digests: Digest[] = []
    for (const one of bytes) digests.push((await put(a, one)).digest)
    const result = await fetchBlobs(
      digests.map((digest) => ({ digest })),
      [sourceOf('a', a)],
      here,
      { signal }
    )
    expect([[...result.done].sort(), result.missing]).toEqual([[...digests].sort(), []])
  })
})

describe('a broken source', () => {
  const junk = (answers: Uint8Array): BlobSource => ({
    name: 'junk',
    open: async () => {
      const [ours, theirs] = pipe()
      await theirs.send(answers)
      return ours
    }
  })

  test.each([
    ['junk', Uint8Array.of(3, 255, 255, 255)],
    ['a frame that is too long', Uint8Array.of(255, 255, 255, 15)],
    ['a piece without a header', Uint8Array.from(Buffer.from('0812060a04666f6f0a', 'hex'))],
    ['a small blob of a gigabyte', Uint8Array.from(Buffer.from('080a061080808080 04'.replace(' ', ''), 'hex'))]
  ])('%s: it is given up after three tries, and nothing hangs (BLOB-10, BLOB-13)', async (_, answers) => {
    const { digest } = await a.put(utf8('x'))
    expect(await fetchBlobs([{ digest }], [junk(answers)], here, { signal })).toEqual({ done: [], missing: [digest], bad: [] })
    expect((await fetchBlobs([{ digest }], [junk(answers), sourceOf('a', a)], here, { signal })).done).toEqual([digest])
  })

  test('one that cannot be reached, beside one that can', async () => {
    const { digest } = await a.put(utf8('x'))
    const unreachable: BlobSource = {
      name: 'off',
      open: async () => await Promise.reject(new RejoinError('E_UNREACHABLE', 'off'))
    }
    expect((await fetchBlobs([{ digest }], [unreachable, sourceOf('a', a)], here, { signal })).done).toEqual([digest])
    await here.remove(digest)
    expect((await fetchBlobs([{ digest }], [unreachable], here, { signal })).missing).toEqual([digest])
  })
})

test('parseCid takes what the store gives', async () => {
  const { cid } = await a.put(vectorBytes(mib + 1))
  expect(parseCid(cid)).toBe(cid)
})
