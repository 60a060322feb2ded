import { execFileSync } from 'node:child_process'
import {
  appendFileSync,
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { exporter } from 'ipfs-unixfs-exporter'
import { CID } from 'multiformats/cid'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { vectorBytes } from '../../scripts/vectors-blobs.ts'
import {
  blobPath,
  codeOf,
  concat,
  type Digest,
  digestOf,
  leavesPath,
  parseDigest,
  privateBlobPath,
  utf8
} from '../../src/core/index.ts'
import { type BlobStore, openBlobs } from '../../src/store/index.ts'
import { sharedPath } from '../shared.ts'

const mib = 1_048_576
let root: string
let store: BlobStore

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'rejoin-blobs-'))
  store = openBlobs(root)
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

async function codeThrown(promise: Promise<unknown>): Promise<string | undefined> {
  try {
    await promise
  } catch (error) {
    return codeOf(error) ?? String(error)
  }
  return undefined
}

async function all(source: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  for await (const part of source) parts.push(part)
  return concat(parts)
}

async function* inParts(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

const temporaries = (): readonly string[] => readdirSync(join(root, 'tmp'))
const sizes = [0, 1, 65_536, mib - 1, mib, mib + 1, 5 * mib + 3, 17 * mib + 1]

describe('keeping a blob', () => {
  test.each(sizes)(
    'of %i bytes, in memory, as stream and from a file: the same file, digest and CID (BLOB-2, BLOB-3, BLOB-7)',
    async (sizeBytes) => {
      const bytes = vectorBytes(sizeBytes)
      const digest = digestOf(bytes)
      writeFileSync(join(root, 'file'), bytes)
      const cid = execFileSync('python3', [sharedPath('oracles/unixfs-cid.py'), join(root, 'file')], { encoding: 'utf8' }).trim()
      const ways = [
        async () => await store.put(bytes),
        async () => await store.put(inParts(bytes, 70_001)),
        async () => await store.putFile(join(root, 'file'))
      ]
      for (const put of ways) {
        expect(await put()).toEqual({ digest, sizeBytes, cid })
        expect(readFileSync(join(root, blobPath(digest))).equals(bytes)).toBe(true)
        expect(await store.verify(digest)).toBeUndefined()
        expect(temporaries()).toEqual([])
        await store.remove(digest)
        expect([store.has(digest), existsSync(join(root, leavesPath(digest)))]).toEqual([false, false])
      }
    }
  )

  test('by its sha512, too (BLOB-1)', async () => {
    for (const sizeBytes of [3, mib + 5]) {
      const bytes = vectorBytes(sizeBytes)
      writeFileSync(join(root, 'file'), bytes)
      const digest = parseDigest(`sha512:${execFileSync('sha512sum', [join(root, 'file')], { encoding: 'utf8' }).slice(0, 128)}`)
      expect((await store.put(inParts(bytes, 1000), { digest })).digest).toBe(digest)
      expect(await store.readBytes(digest, 9 * mib)).toEqual(Buffer.from(bytes))
    }
  })

  test('of another digest than was asked for: refused, and nothing is left (BLOB-3)', async () => {
    const digest = digestOf(utf8('another'))
    for (const bytes of [utf8('one'), vectorBytes(mib + 1)]) {
      expect(await codeThrown(store.put(bytes, { digest }))).toBe('E_BAD_OBJECT')
      expect(await codeThrown(store.put(inParts(bytes, 99_999), { digest }))).toBe('E_BAD_OBJECT')
    }
    expect([temporaries(), readdirSync(join(root, 'blobs/sha256'))]).toEqual([[], []])
  })

  test('whose source fails in the middle: nothing is left', async () => {
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield vectorBytes(2 * mib)
      throw new Error('the source broke')
    }
    await expect(store.put(broken())).rejects.toThrow('the source broke')
    expect(temporaries()).toEqual([])
  })

  test('two thousand small ones, in several groups that are durable together; twice the same is one', async () => {
    const blobs = Array.from({ length: 2000 }, (_, i) => ({ bytes: utf8(`blob ${i % 1999} ${'x'.repeat(4000)}`) }))
    const stored = await store.putMany(blobs)
    expect(stored.map(({ digest }) => digest)).toEqual(blobs.map(({ bytes }) => digestOf(bytes)))
    expect([readdirSync(join(root, 'blobs/sha256')).length, temporaries()]).toEqual([1999, []])
  })

  test('what is damaged on disk is replaced by what is put again', async () => {
    const { digest } = await store.put(utf8('whole'))
    writeFileSync(join(root, blobPath(digest)), 'who')
    await store.put(utf8('whole'))
    expect(await store.verify(digest)).toBeUndefined()
  })
})

describe('reading', () => {
  test('a range, pieces of at most 256 KiB', async () => {
    const bytes = vectorBytes(mib + 77)
    const { digest } = await store.put(bytes)
    for (const [from, to] of [
      [0, mib + 77],
      [5, 5],
      [100, 101],
      [mib - 1, mib + 1],
      [mib, 9 * mib]
    ] as const) {
      expect(Buffer.from(bytes.subarray(from, to)).equals(await all(store.read(digest, { from, to })))).toBe(true)
    }
    for await (const piece of store.read(digest)) expect(piece.length).toBeLessThanOrEqual(262_144)
  })

  test('what is not here, too large, damaged, or a link (BLOB-6)', async () => {
    const absent = digestOf(utf8('absent'))
    expect(await codeThrown(store.readBytes(absent, 10))).toBe('E_NOT_FOUND')
    expect(await codeThrown(all(store.read(absent)))).toBe('E_NOT_FOUND')
    const { digest } = await store.put(utf8('present'))
    expect(await codeThrown(store.readBytes(digest, 6))).toBe('E_TOO_LARGE')
    writeFileSync(join(root, blobPath(digest)), 'Present')
    expect(await codeThrown(store.readBytes(digest, 7))).toBe('E_BAD_OBJECT')
    expect((await store.verify(digest))?.reason).toContain('its bytes have the digest')
    symlinkSync('/etc/passwd', join(root, blobPath(absent)))
    expect(await codeThrown(store.readBytes(absent, mib))).toBe('E_BAD_OBJECT')
    // nor is a link followed that leads to the right bytes
    const linked = await store.put(utf8('linked'))
    renameSync(join(root, blobPath(linked.digest)), join(root, 'elsewhere'))
    symlinkSync(join(root, 'elsewhere'), join(root, blobPath(linked.digest)))
    expect(await codeThrown(store.readBytes(linked.digest, mib))).toBe('E_BAD_OBJECT')
    expect(lstatSync(join(root, blobPath(absent))).isSymbolicLink()).toBe(true)
  })

  test('a damaged large blob is named to the chunk (BLOB-6, BLOB-8)', async () => {
    const bytes = vectorBytes(5 * mib + 3)
    const { digest } = await store.put(bytes)
    const path = join(root, blobPath(digest))
    bytes[3 * mib + 17] = (bytes[3 * mib + 17] as number) ^ 1
    writeFileSync(path, bytes)
    expect((await store.verify(digest))?.atByte).toBe(3 * mib)
    writeFileSync(path, bytes.subarray(0, 4 * mib))
    expect((await store.verify(digest))?.reason).toBeDefined()
    // A damaged list of leaf hashes is not held against the blob.
    appendFileSync(join(root, leavesPath(digest)), 'x')
    expect(await codeThrown(store.leaves(digest))).toBe('E_BAD_OBJECT')
  })

  test.each([0, 3, mib, 5 * mib + 3])(
    'of %i bytes as IPFS blocks: ipfs-unixfs-exporter gets the file back (BLOB-7)',
    async (sizeBytes) => {
      const bytes = vectorBytes(sizeBytes)
      const { digest, cid } = await store.put(bytes)
      const blocks = await store.blocks(digest)
      expect(blocks.root).toBe(cid)
      const entry = await exporter(CID.parse(cid), { get: (wanted: CID) => blocks.get(wanted) } as Parameters<typeof exporter>[1])
      expect(entry.size).toBe(BigInt(sizeBytes))
      if (entry.type !== 'file' && entry.type !== 'raw') throw new Error(`the exporter took it for a ${entry.type}`)
      expect(Buffer.from(bytes).equals(await all(entry.content()))).toBe(true)
      expect(await codeThrown(all(blocks.get(CID.parse('bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku'))))).toBe(
        sizeBytes === 0 ? undefined : 'E_NOT_FOUND'
      )
    }
  )
})

describe('private blobs', () => {
  const place = (digest: Digest): readonly boolean[] => [
    existsSync(join(root, blobPath(digest))),
    existsSync(join(root, privateBlobPath(digest)))
  ]

  test('lie elsewhere, and move both ways (BLOB-4)', async () => {
    for (const bytes of [utf8('secret'), vectorBytes(mib + 1)]) {
      const { digest } = await store.put(bytes, { private: true })
      expect([place(digest), store.placeOf(digest)]).toEqual([[false, true], 'private'])
      store.index.change([{ kind: 'tag', tag: 'v1', descriptor: { mediaType: 'text/plain', digest, size: bytes.length } }])
      await store.move(digest, 'shared')
      expect([place(digest), store.placeOf(digest)]).toEqual([[true, false], 'shared'])
      await store.move(digest, 'private')
      expect([place(digest), store.index.roots()]).toEqual([[false, true], []])
      expect(await codeThrown(store.move(digestOf(utf8('absent')), 'private'))).toBe('E_NOT_FOUND')
    }
    expect(statSync(join(root, 'private')).mode & 0o77).toBe(0)
  })

  test('what is published afterwards is shared; what is shared stays so (BLOB-4)', async () => {
    for (const bytes of [utf8('secret'), vectorBytes(mib + 1)]) {
      const { digest } = await store.put(bytes, { private: true })
      await store.put(bytes)
      expect(place(digest)).toEqual([true, false])
      await store.put(bytes, { private: true })
      expect(place(digest)).toEqual([true, false])
    }
  })

  test('all are listed, with their place; foreign names are passed over', async () => {
    const { digest: shared } = await store.put(utf8('shared'))
    const { digest: kept } = await store.put(utf8('kept'), { private: true })
    writeFileSync(join(root, 'blobs/sha256/README'), '')
    const listed: unknown[] = []
    for await (const blob of store.list()) listed.push(blob)
    expect(listed).toEqual([
      { digest: shared, place: 'shared' },
      { digest: kept, place: 'private' }
    ])
  })
})

describe('temporary files', () => {
  test('that are of no use are deleted at the next start, a part of a blob is not (BLOB-5)', () => {
    const part = `sha256-${'0'.repeat(64)}.part`
    for (const name of [`put-${'0'.repeat(24)}.part`, part, 'foreign']) writeFileSync(join(root, 'tmp', name), 'x')
    openBlobs(root, { readOnly: true })
    expect(temporaries()).toHaveLength(3)
    openBlobs(root)
    expect([...temporaries()].sort()).toEqual(['foreign', part])
  })

  test('a folder that was there before is opened as it is', async () => {
    const { digest } = await store.put(utf8('x'))
    renameSync(root, `${root}-moved`)
    root = `${root}-moved`
    expect(openBlobs(root).has(digest)).toBe(true)
  })
})
