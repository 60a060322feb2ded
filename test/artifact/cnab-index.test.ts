import { readFileSync } from 'node:fs'
import { constantFrom, property, string } from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  bundleConfigManifest,
  bundleIndex,
  configOfBundle,
  fullImageName,
  imagesOfBundle,
  readBundle,
  readManifest,
  relocationMap,
  thickMemberOf
} from '../../src/artifact/index.ts'
import { digestOf, utf8 } from '../../src/core/index.ts'
import { holds } from '../property.ts'
import { thrownBy } from '../thrown.ts'

interface Vector {
  readonly bundle: object
  readonly config: { readonly mediaType: string; readonly digest: `sha256:${string}`; readonly size: number }
  readonly repository: string
  readonly index: {
    readonly manifests: readonly { readonly mediaType: string; readonly digest: string; readonly size: number }[]
  }
  readonly relocation: Readonly<Record<string, string>>
}

const vector = JSON.parse(readFileSync(new URL('../../protocols/vectors/cnab.json', import.meta.url), 'utf8')) as Vector
const bundle = readBundle(utf8(JSON.stringify(vector.bundle)))

describe('the index that cnab-to-oci makes of the bundle of its own tests', () => {
  it('CNAB-3: is the one that is made here, with what it says of itself since OCI 1.1', () => {
    const images = vector.index.manifests.slice(1)
    const made = bundleIndex(bundle, vector.config as never, images as never)
    expect(JSON.parse(new TextDecoder().decode(made.bytes))).toEqual({
      ...vector.index,
      mediaType: 'application/vnd.oci.image.index.v1+json',
      artifactType: 'application/vnd.cnab.manifest.v1'
    })
    expect(made.digest).toBe(digestOf(made.bytes))
  })

  it('CNAB-7 CNAB-8: is read, and its relocation map is the same', () => {
    const index = readManifest(utf8(JSON.stringify(vector.index)))
    expect(configOfBundle(index)?.digest).toBe(vector.config.digest)
    expect(relocationMap(imagesOfBundle(index, bundle), vector.repository)).toEqual(vector.relocation)
  })

  it('CNAB-3: the manifest of a bundle.json has these bytes', () => {
    const bytes = utf8('{}')
    expect(new TextDecoder().decode(bundleConfigManifest(digestOf(bytes), 2).bytes)).toBe(
      '{"config":{"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","mediaType":"application/vnd.cnab.config.v1+json","size":2},"layers":[],"mediaType":"application/vnd.oci.image.manifest.v1+json","schemaVersion":2}'
    )
  })
})

describe('readBundle', () => {
  const good = { schemaVersion: 'v1.0.0', name: 'n', version: '1', invocationImages: [{ image: 'a' }] }
  const of = (more: object): string | undefined => thrownBy(() => readBundle(utf8(JSON.stringify({ ...good, ...more }))))

  it('takes what CNAB’s own loader takes: null for what is not there', () => {
    expect(of({ images: null, keywords: null, maintainers: null })).toBeUndefined()
  })

  it.each<readonly [string, object]>([
    ['no invocation image', { invocationImages: [] }],
    ['an invocation image without a reference', { invocationImages: [{}] }],
    ['images that are no object', { images: [] }],
    ['a digest that is none', { images: { a: { image: 'a', contentDigest: 'sha256:aaa' } } }],
    ['a name that is no text', { name: 1 }],
    ['more images than anybody has', { invocationImages: Array.from({ length: 10_001 }, () => ({ image: 'a' })) }]
  ])('refuses %s', (_, more) => {
    expect(of(more)).toBe('E_DOCUMENT')
  })
})

// from normalize_test.go of github.com/distribution/reference
describe('fullImageName', () => {
  it.each([
    ['localhost/fooo', 'localhost/fooo'],
    ['LOCALDOMAIN/fooo/bar', 'LOCALDOMAIN/fooo/bar'],
    ['fooo/bar', 'docker.io/fooo/bar'],
    ['index.docker.io/fooo/bar', 'docker.io/fooo/bar'],
    ['ubuntu', 'docker.io/library/ubuntu'],
    ['library/ubuntu', 'docker.io/library/ubuntu'],
    ['127.0.0.1:8000/private/moonbase', '127.0.0.1:8000/private/moonbase'],
    ['example.com/privatebase', 'example.com/privatebase'],
    ['index.docker.io/library/ubuntu-12.04-base', 'docker.io/library/ubuntu-12.04-base'],
    ['docker.io/foo', 'docker.io/library/foo'],
    ['store/foo/bar', 'docker.io/store/foo/bar'],
    ['Foo/bar', 'Foo/bar'],
    ['192.168.0.1', 'docker.io/library/192.168.0.1'],
    ['192.168.0.1:80', 'docker.io/library/192.168.0.1:80'],
    ['[fc00::1]:5000/docker', '[fc00::1]:5000/docker'],
    ['dock__er/docker---x', 'docker.io/dock__er/docker---x'],
    ['a/b:1@sha256:' + '0'.repeat(64), 'docker.io/a/b:1@sha256:' + '0'.repeat(64)]
  ])('%s is %s', (text, name) => {
    expect(fullImageName(text)).toBe(name)
  })

  it.each([
    'https://github.com/docker/docker',
    'docker/Docker',
    '-docker',
    '-docker.io/docker/docker',
    'docker///docker',
    '[fc00::1]',
    'fc00::1:5000/debian',
    '[fe80::1%eth0]:5000/debian',
    '1a3f5e7d9c1b3a5f7e9d1c3b5a7f9e1d3c5b7a9f1e3d5d7c9b1a3f5e7d9c1b3a',
    'docker-/docker',
    '_docker/_docker',
    'dock..er/docker',
    'docker/',
    `${'a'.repeat(256)}/docker`,
    ''
  ])('%s is none', (text) => {
    expect(fullImageName(text)).toBeUndefined()
  })

  it('spells a name out once', () => {
    holds(
      property(
        constantFrom('', 'localhost/', 'a.b/', 'x/'),
        string({ unit: constantFrom('a', 'b', '/', '.', '-', ':', '@', '_', 'A') }),
        (head, tail) => {
          const name = fullImageName(head + tail)
          if (name !== undefined) expect(fullImageName(name)).toBe(name)
        }
      )
    )
  })
})

describe('CNAB-1: the files of a thick bundle', () => {
  const hex = '0'.repeat(64)
  it.each([
    ['bundle.json', 'bundle'],
    ['artifacts/layout/index.json', 'index'],
    ['artifacts/layout/oci-layout', 'oci-layout'],
    [`artifacts/layout/blobs/sha256/${hex}`, 'blob'],
    [`artifacts/layout/blobs/sha512/${hex}${hex}`, 'blob']
  ])('%s', (path, kind) => {
    expect(thickMemberOf(path)?.kind).toBe(kind)
  })

  it.each([
    '',
    'x/bundle.json',
    `blobs/sha256/${hex}`,
    `artifacts/layout/blobs/sha256/${hex}/x`,
    'artifacts/layout/blobs/md5/x',
    'bundle.cnab'
  ])('%s is none', (path) => {
    expect(thickMemberOf(path)).toBeUndefined()
  })
})
