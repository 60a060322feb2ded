import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { digestOf, utf8 } from '../../src/core/index.ts'
import { type Descriptor, OciIndex, openBlobs, tagOfRoot } from '../../src/store/index.ts'
import { thrownBy } from '../thrown.ts'

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'rejoin-index-'))
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

const descriptor = (text: string): Descriptor => ({
  mediaType: 'application/vnd.oci.image.manifest.v1+json',
  digest: digestOf(utf8(text)),
  size: text.length
})
const onDisk = (): unknown => JSON.parse(readFileSync(join(root, 'index.json'), 'utf8'))

describe('index.json', () => {
  test('of a new folder is an empty index of an OCI layout (BLOB-2)', () => {
    openBlobs(root)
    expect(JSON.parse(readFileSync(join(root, 'oci-layout'), 'utf8'))).toEqual({ imageLayoutVersion: '1.0.0' })
    expect(onDisk()).toEqual({ schemaVersion: 2, mediaType: 'application/vnd.oci.image.index.v1+json', manifests: [] })
  })

  test('lists roots with and without a tag; a tag moves; a digest is taken out wherever it is (BLOB-2)', () => {
    const index = OciIndex.open(root)
    const [a, b, c] = ['a', 'bb', 'ccc'].map(descriptor) as [Descriptor, Descriptor, Descriptor]
    index.change([
      { kind: 'tag', tag: 'v1', descriptor: a },
      { kind: 'tag', tag: 'v2', descriptor: b },
      { kind: 'add', descriptor: c }
    ])
    index.change([
      { kind: 'tag', tag: 'v1', descriptor: b },
      { kind: 'untag', tag: 'none' }
    ])
    expect(index.roots().map((one) => [tagOfRoot(one), one.digest])).toEqual([
      ['v1', b.digest],
      ['v2', b.digest],
      [undefined, c.digest]
    ])
    expect(index.tagged('v2')?.size).toBe(2)
    expect(OciIndex.open(root).roots()).toEqual(index.roots())
    index.change([{ kind: 'drop', digest: b.digest }])
    expect(onDisk()).toMatchObject({ manifests: [{ digest: c.digest }] })
  })

  test('with many roots is written late, but at once for a tag or what is taken away, and at close (BLOB-2, BLOB-4)', () => {
    const many = Array.from({ length: 5000 }, (_, i) => ({ kind: 'add', descriptor: descriptor(`root ${i}`) }) as const)
    const listed = (): number => (onDisk() as { readonly manifests: readonly unknown[] }).manifests.length
    const index = OciIndex.open(root, { lazy: true })
    index.change(many.slice(0, 4096))
    expect(listed()).toBe(4096)
    index.change(many.slice(4096, 4500))
    expect([listed(), index.roots().length, index.isBehind]).toEqual([4096, 4500, true])
    index.change([{ kind: 'tag', tag: 'v1', descriptor: descriptor('root 0') }])
    expect([listed(), index.isBehind]).toEqual([4501, false])
    index.change(many.slice(4500))
    index.change([{ kind: 'drop', digest: descriptor('root 1').digest }])
    expect(listed()).toBe(5000)
    index.change([...many.slice(1, 2), ...many])
    expect([listed(), index.roots().length]).toEqual([5000, 5001])
    index.close()
    expect(listed()).toBe(5001)
    // a medium is never opened lazily: it may be pulled out at any time
    const stick = OciIndex.open(root)
    stick.change([{ kind: 'add', descriptor: descriptor('one more') }])
    expect(listed()).toBe(5002)
  })

  test('by another tool keeps what we do not know', () => {
    const theirs = {
      ...descriptor('a'),
      artifactType: 'x/y',
      annotations: { 'org.opencontainers.image.ref.name': 'latest', 'com.example': 'kept' }
    }
    writeFileSync(join(root, 'oci-layout'), '{"imageLayoutVersion": "1.1.0"}')
    writeFileSync(
      join(root, 'index.json'),
      JSON.stringify({ schemaVersion: 2, annotations: { top: 'kept' }, manifests: [theirs] })
    )
    OciIndex.open(root).change([{ kind: 'tag', tag: 'next', descriptor: theirs as Descriptor }])
    expect(onDisk()).toEqual({
      schemaVersion: 2,
      annotations: { top: 'kept' },
      manifests: [theirs, { ...theirs, annotations: { ...theirs.annotations, 'org.opencontainers.image.ref.name': 'next' } }]
    })
  })

  test('that is damaged, or a layout of another version, is refused', () => {
    OciIndex.open(root)
    for (const text of ['', '{', '[]', '{"manifests":{}}', '{"manifests":[],"manifests":[]}']) {
      writeFileSync(join(root, 'index.json'), text)
      expect(thrownBy(() => OciIndex.open(root))).toBe('E_DAMAGED')
    }
    writeFileSync(join(root, 'oci-layout'), '{"imageLayoutVersion":"2.0.0"}')
    expect(thrownBy(() => OciIndex.open(root))).toBe('E_VERSION')
  })
})
