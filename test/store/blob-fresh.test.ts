import { existsSync, mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { codeOf, type Digest, digestOf, privateBlobPath, utf8 } from '../../src/core/index.ts'
import { type BlobStore, openBlobs } from '../../src/store/index.ts'

interface Small {
  readonly bytes: Uint8Array
  readonly digest: Digest
}

let root: string
let store: BlobStore

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'rejoin-fresh-'))
  store = openBlobs(root)
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

const small = (text: string): Small => ({ bytes: utf8(text), digest: digestOf(utf8(text)) })
const three: readonly [Small, Small, Small] = [small('one'), small('two'), small('three')]
const fresh = (): readonly string[] => readdirSync(join(root, 'private/fresh'))
const places = (): readonly (string | undefined)[] => three.map(({ digest }) => store.placeOf(digest))

describe('small blobs that came just now', () => {
  test('are here at once, and get their names once they are durable (BLOB-3, BLOB-4)', async () => {
    const [one, two, last] = three
    for (const { bytes, digest } of [one, two, two, last]) store.putFresh(bytes, digest)
    expect(fresh()).toHaveLength(3)
    expect([...places(), store.size(two.digest)]).toEqual(['private', 'private', 'private', 3])
    expect(await store.readBytes(one.digest, 100)).toEqual(Buffer.from(one.bytes))
    expect(await Array.fromAsync(store.list())).toHaveLength(3)
    await store.share([one.digest])
    expect(fresh()).toHaveLength(2)
    await store.put(last.bytes, { private: true })
    expect(existsSync(join(root, privateBlobPath(last.digest)))).toBe(true)
    expect(existsSync(join(root, privateBlobPath(two.digest)))).toBe(false)
    await store.settleFresh()
    expect(existsSync(join(root, privateBlobPath(two.digest)))).toBe(true)
    expect([...fresh(), ...places()]).toEqual(['shared', 'private', 'private'])
  })

  test('can be moved, published and deleted like others', async () => {
    const [one, two, last] = three
    for (const { bytes, digest } of three) store.putFresh(bytes, digest)
    await store.move(one.digest, 'shared')
    await store.put(two.bytes)
    expect(await store.remove(last.digest)).toBe(true)
    expect([...fresh(), ...places()]).toEqual(['shared', 'shared', undefined])
  })

  test('are lost neither way when they are shared while they become durable', async () => {
    const blobs = Array.from({ length: 300 }, (_, i) => small(`fresh ${i}`))
    for (const { bytes, digest } of blobs) store.putFresh(bytes, digest)
    const sharing = blobs.map(async ({ digest }, i) => {
      if (i % 3 === 1) await new Promise((resolve) => setImmediate(resolve))
      await store.share([digest], [small(`manifest ${i}`)])
    })
    await Promise.all([store.settleFresh(), ...sharing, store.settleFresh()])
    expect(blobs.filter(({ digest }) => store.placeOf(digest) !== 'shared')).toEqual([])
    expect([...readdirSync(join(root, 'tmp')), ...fresh()]).toEqual([])
  })

  test('that a power cut damaged are deleted at the next start, and can come again (REG-50)', async () => {
    const [whole, short, other] = three
    for (const { bytes, digest } of three) store.putFresh(bytes, digest)
    truncateSync(store.pathOf(short.digest), 0)
    writeFileSync(store.pathOf(other.digest), new Uint8Array(other.bytes.length))
    store = openBlobs(root)
    expect(places()).toEqual(['private', undefined, undefined])
    store.putFresh(short.bytes, short.digest)
    await store.settleFresh()
    expect([await store.verify(whole.digest), await store.verify(short.digest)]).toEqual([undefined, undefined])
  })

  test('of which one is not here are shared all or none', async () => {
    const [one, two, missing] = three
    for (const { bytes, digest } of [one, two]) store.putFresh(bytes, digest)
    const sharing = store.share([one.digest, two.digest, missing.digest], [small('manifest')])
    expect(await sharing.catch(codeOf)).toBe('E_NOT_FOUND')
    expect([...readdirSync(join(root, 'tmp')), ...places()]).toEqual(['private', 'private', undefined])
  })
})
