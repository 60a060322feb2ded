import { readFileSync } from 'node:fs'
import { constantFrom, dictionary, nat, option, property, string, uint8Array } from 'fast-check'
import { describe, expect, it } from 'vitest'
import { artifactManifest, emptyConfig, isManifestType, ociLayoutRoots, readManifest } from '../../src/artifact/index.ts'
import { codeOf, digestOf, type ErrorCode, parseCanonical, utf8 } from '../../src/core/index.ts'
import { holds } from '../property.ts'
import { sharedPath } from '../shared.ts'
import { thrownBy } from '../thrown.ts'
import { filesOfTar } from './tar.ts'

const layer = { mediaType: 'application/vnd.cyclonedx+json', digest: digestOf(utf8('{}\n')), size: 3 }
const artifactType = 'application/vnd.cyclonedx+json'
const ociManifest = 'application/vnd.oci.image.manifest.v1+json'
const ociIndex = 'application/vnd.oci.image.index.v1+json'

describe('ARTIFACT-7: artifactManifest', () => {
  it('gives these bytes, and the same ones each time', () => {
    const { bytes, digest, mediaType } = artifactManifest({ artifactType, layer })
    expect(new TextDecoder().decode(bytes)).toBe(
      `{"artifactType":"application/vnd.cyclonedx+json","config":{"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","mediaType":"application/vnd.oci.empty.v1+json","size":2},"layers":[{"digest":"${layer.digest}","mediaType":"application/vnd.cyclonedx+json","size":3}],"mediaType":"application/vnd.oci.image.manifest.v1+json","schemaVersion":2}`
    )
    expect([digest, mediaType]).toEqual([digestOf(bytes), ociManifest])
    expect(artifactManifest({ layer: { size: 3, digest: layer.digest, mediaType: layer.mediaType }, artifactType }).digest).toBe(
      digest
    )
    expect(emptyConfig).toEqual({
      bytes: utf8('{}'),
      digest: digestOf(utf8('{}')),
      size: 2,
      mediaType: 'application/vnd.oci.empty.v1+json'
    })
  })

  it('is read as it was made', () => {
    const texts = option(dictionary(string({ minLength: 1 }), string()), { nil: undefined })
    const subjects = option(constantFrom({ mediaType: ociIndex, digest: digestOf(utf8('x')), size: 1 }), { nil: undefined })
    const clean = (value: Readonly<Record<string, string>> | undefined): Readonly<Record<string, string>> | undefined =>
      value &&
      Object.fromEntries(Object.entries(value).filter(([key]) => !['__proto__', 'constructor', 'prototype'].includes(key)))
    holds(
      property(nat(), texts, texts, subjects, (size, ofLayer, ofManifest, subject) => {
        const [inner, outer] = [clean(ofLayer), clean(ofManifest)]
        const named = { ...layer, size, ...(inner && { annotations: inner }) }
        const { bytes } = artifactManifest({
          artifactType,
          layer: named,
          ...(subject && { subject }),
          ...(outer && { annotations: outer })
        })
        parseCanonical(bytes, { maxBytes: bytes.length, maxDepth: 8 })
        expect(readManifest(bytes)).toEqual({
          mediaType: ociManifest,
          artifactType,
          config: { mediaType: emptyConfig.mediaType, digest: emptyConfig.digest, size: 2 },
          layers: [named],
          manifests: [],
          ...(subject && { subject }),
          annotations: outer ?? {}
        })
      })
    )
  })

  it('refuses what OCI does not allow as a media type', () => {
    for (const type of ['', 'a', 'a/b;version=1', 'a/ b']) {
      expect(thrownBy(() => artifactManifest({ artifactType: type, layer }))).toBe('E_DOCUMENT')
      expect(thrownBy(() => artifactManifest({ artifactType, layer: { ...layer, mediaType: type } }))).toBe('E_DOCUMENT')
    }
    expect(thrownBy(() => artifactManifest({ artifactType, layer, annotations: { a: '\ud800' } }))).toBe('E_NOT_CANONICAL')
  })
})

describe.each(['regclient-testrepo', 'oras-images'])('ARTIFACT-8: the layout %s', (name) => {
  const files = new Map(filesOfTar(readFileSync(sharedPath(`corpus/oci/${name}.tar`))))
  const blob = (digest: string): Uint8Array =>
    files.get(`blobs/${digest.replace(':', '/')}`) ?? expect.unreachable(`${digest} is absent`)

  it('is read whole from its roots, each blob of the size that is said', () => {
    const roots = ociLayoutRoots(files.get('index.json') ?? expect.unreachable())
    expect(roots.length).toBeGreaterThan(5)
    expect(roots.filter(({ refName }) => refName !== undefined).length).toBeGreaterThan(5)
    const seen = new Set<string>()
    const manifests = [...roots]
    for (const { digest, mediaType, size } of manifests) {
      if (seen.has(digest)) continue
      seen.add(digest)
      const bytes = blob(digest)
      const read = readManifest(bytes)
      expect([bytes.length, digestOf(bytes), read.mediaType]).toEqual([size, digest, mediaType])
      expect(read.manifests.every((child) => isManifestType(child.mediaType))).toBe(true)
      manifests.push(...read.manifests)
      for (const leaf of [read.config, ...read.layers]) if (leaf !== undefined) expect(blob(leaf.digest).length).toBe(leaf.size)
    }
    expect(seen.size).toBeGreaterThan(5)
  })

  it('has nothing else that reads as a manifest', () => {
    files.delete('index.json')
    for (const [path, bytes] of files) {
      const isOne = /"(?:manifests|layers)":\s*\[/.test(new TextDecoder().decode(bytes.subarray(0, 2000)))
      expect([path, thrownBy(() => readManifest(bytes)) === undefined]).toEqual([path, isOne])
    }
  })
})

describe('ARTIFACT-8: readManifest', () => {
  const config = { mediaType: 'application/vnd.oci.image.config.v1+json', digest: layer.digest, size: 3 }
  const manifest = { schemaVersion: 2, mediaType: ociManifest, config, layers: [layer] }
  const refusal = (value: unknown): ErrorCode | undefined => thrownBy(() => readManifest(utf8(JSON.stringify(value))))

  it('reads Docker schema 2 and refuses schema 1', () => {
    const read = (name: string): Uint8Array => readFileSync(sharedPath(`corpus/oci/skopeo__${name}`))
    expect(readManifest(read('fixtures__image.manifest.json')).layers).toHaveLength(3)
    expect(readManifest(read('uncompressed-image-s2__manifest.json')).mediaType).toBe(
      'application/vnd.docker.distribution.manifest.v2+json'
    )
    expect(thrownBy(() => readManifest(read('fixtures__v2s1-invalid-signatures.manifest.json')))).toBe('E_DOCUMENT')
    const list = {
      schemaVersion: 2,
      mediaType: 'application/vnd.docker.distribution.manifest.list.v2+json',
      manifests: [{ ...layer, platform: { os: 'linux' } }]
    }
    expect(readManifest(utf8(JSON.stringify(list))).manifests[0]?.platform).toEqual({ os: 'linux' })
  })

  it('infers a media type that is left out, and takes parameters in an artifactType', () => {
    const { mediaType: _, ...untyped } = manifest
    expect(readManifest(utf8(JSON.stringify(untyped))).mediaType).toBe(ociManifest)
    expect(readManifest(utf8('{"schemaVersion":2,"manifests":[]}')).mediaType).toBe(ociIndex)
    const bundle = 'application/vnd.dev.sigstore.bundle+json;version=0.1'
    expect(readManifest(utf8(JSON.stringify({ ...manifest, artifactType: bundle }))).artifactType).toBe(bundle)
  })

  it.each([
    ['no object', []],
    ['no schemaVersion', { ...manifest, schemaVersion: undefined }],
    ['schemaVersion 1', { ...manifest, schemaVersion: 1 }],
    ['another media type', { ...manifest, mediaType: 'application/vnd.oci.image.config.v1+json' }],
    ['a manifest and an index at once', { ...manifest, manifests: [] }],
    ['an index with layers', { schemaVersion: 2, mediaType: ociIndex, manifests: [], layers: [] }],
    ['an index with a config', { schemaVersion: 2, mediaType: ociIndex, manifests: [], config }],
    ['no layers', { ...manifest, layers: undefined }],
    ['no config', { ...manifest, config: undefined }],
    ['an annotation that is a number', { ...manifest, annotations: { a: 1 } }],
    ['a subject without a digest', { ...manifest, subject: { mediaType: ociManifest, size: 1 } }],
    ['a digest of 62 digits', { ...manifest, layers: [{ ...layer, digest: layer.digest.slice(0, -2) }] }],
    ['a digest in capitals', { ...manifest, layers: [{ ...layer, digest: layer.digest.toUpperCase() }] }],
    ['a path for a digest', { ...manifest, layers: [{ ...layer, digest: 'sha256:../../../etc/passwd' }] }],
    ['a negative size', { ...manifest, layers: [{ ...layer, size: -1 }] }],
    ['half a byte', { ...manifest, layers: [{ ...layer, size: 1.5 }] }],
    ['a size of 2^53', { ...manifest, layers: [{ ...layer, size: 2 ** 53 }] }],
    ['a layer that is null', { ...manifest, layers: [null] }],
    ['a layer without a media type', { ...manifest, layers: [{ ...layer, mediaType: '' }] }],
    ['urls that are none', { ...manifest, layers: [{ ...layer, urls: [1] }] }]
  ])('refuses %s', (_name, value) => expect(refusal(value)).toBe('E_DOCUMENT'))

  it('refuses what is over 4 MiB, and JSON that two readers read differently', () => {
    expect(refusal({ ...manifest, annotations: { a: 'x'.repeat(4 * 1024 * 1024) } })).toBe('E_TOO_LARGE')
    expect(thrownBy(() => readManifest(utf8('{"schemaVersion":2,"schemaVersion":2}')))).toBe('E_DUPLICATE_KEY')
  })

  it('gives a result or an error of ours, whatever the bytes', () => {
    holds(
      property(
        uint8Array({ maxLength: 300 }),
        constantFrom('', '{"schemaVersion":2,"layers":[', '{"schemaVersion":2,"manifests":['),
        (after, before) => {
          try {
            readManifest(Buffer.concat([utf8(before), after]))
          } catch (error) {
            if (codeOf(error) === undefined) throw error
          }
        }
      )
    )
  })

  it('and a manifest is no list of roots', () => {
    expect(thrownBy(() => ociLayoutRoots(utf8(JSON.stringify(manifest))))).toBe('E_DOCUMENT')
  })
})
