import { expect } from 'vitest'
import {
  type Case,
  configType,
  digestOf,
  emptyType,
  expectFault,
  fresh,
  indexType,
  layerType,
  made,
  manifestType,
  type Registry,
  section
} from './client.ts'

const dockerManifest = 'application/vnd.docker.distribution.manifest.v2+json'
const dockerList = 'application/vnd.docker.distribution.manifest.list.v2+json'
const missing = { mediaType: layerType, digest: digestOf('missing layer'), size: 13 }

async function comesBack(registry: Registry, name: string, reference: string, bytes: Uint8Array, type: string): Promise<void> {
  const answer = await registry.ask('GET', `/v2/${name}/manifests/${reference}`, { headers: { accept: type } })
  expect(answer.status).toBe(200)
  expect(answer.body.equals(bytes)).toBe(true)
  expect(answer.headers['content-type']).toBe(type)
}

/** Returns an image manifest of exactly so many bytes. */
async function sized(registry: Registry, name: string, sizeBytes: number): Promise<ReturnType<typeof made>> {
  const config = await registry.described(name, Buffer.from('{}'), emptyType)
  const members = { schemaVersion: 2, mediaType: manifestType, artifactType: 'application/vnd.test', config, layers: [config] }
  const empty = made({ ...members, annotations: { fill: '' } }).bytes.length
  return made({ ...members, annotations: { fill: 'x'.repeat(sizeBytes - empty) } })
}

export const pushManifest: readonly Case[] = [
  ...section('Pushing Manifests', {
    'PUT by tag answers 201 with the Location and digest of the manifest': async (registry) => {
      const name = registry.name()
      const manifest = await registry.image(name)
      const answer = await registry.mustPut(name, manifest, 'v1')
      expect(answer.headers['docker-content-digest']).toBe(manifest.digest)
      const pulled = await registry.ask('GET', registry.location(answer), { headers: { accept: manifestType } })
      expect(pulled.body.equals(manifest.bytes)).toBe(true)
    },
    'PUT by digest answers 201': async (registry) => {
      const name = registry.name()
      const answer = await registry.mustPut(name, await registry.image(name))
      expect((await registry.ask('GET', registry.location(answer), { headers: { accept: manifestType } })).status).toBe(200)
    },
    'the bytes stay exactly as they came, blanks and order too': async (registry) => {
      const name = registry.name()
      const { bytes } = await registry.image(name)
      const spaced = Buffer.from(`  ${JSON.stringify(JSON.parse(bytes.toString()), null, 3)}\n\n`)
      const digest = digestOf(spaced)
      await registry.mustPut(
        name,
        { bytes: spaced, digest, descriptor: { mediaType: manifestType, digest, size: spaced.length } },
        'v1'
      )
      await comesBack(registry, name, 'v1', spaced, manifestType)
    },
    'parameters of Content-Type are passed over': async (registry) => {
      const name = registry.name()
      const { bytes } = await registry.image(name)
      const headers = { 'content-type': `${manifestType}; charset=utf-8` }
      expect((await registry.ask('PUT', `/v2/${name}/manifests/v1`, { headers, body: bytes })).status).toBe(201)
    },
    'a Content-Type other than the mediaType is 400 MANIFEST_INVALID': async (registry) => {
      const name = registry.name()
      const { bytes } = await registry.image(name)
      const answer = await registry.ask('PUT', `/v2/${name}/manifests/v1`, {
        headers: { 'content-type': indexType },
        body: bytes
      })
      expectFault(answer, [400], 'MANIFEST_INVALID')
    },
    'an OCI manifest without mediaType is taken': async (registry) => {
      const name = registry.name()
      const { bytes } = await registry.image(name, { mediaType: undefined })
      const answer = await registry.ask('PUT', `/v2/${name}/manifests/v1`, {
        headers: { 'content-type': manifestType },
        body: bytes
      })
      expect(answer.status).toBe(201)
      await comesBack(registry, name, 'v1', bytes, manifestType)
    },
    'a tag moves to what was pushed last, and the other stays reachable by digest': async (registry) => {
      const name = registry.name()
      const first = await registry.pushed(name, 'latest')
      const second = await registry.pushed(name, 'latest')
      await comesBack(registry, name, 'latest', second.bytes, manifestType)
      await comesBack(registry, name, first.digest, first.bytes, manifestType)
    },
    'the same manifest under two tags': async (registry) => {
      const name = registry.name()
      const manifest = await registry.pushed(name, 'one')
      await registry.mustPut(name, manifest, 'two')
      await comesBack(registry, name, 'one', manifest.bytes, manifestType)
      await comesBack(registry, name, 'two', manifest.bytes, manifestType)
    },
    'a digest that is not that of the bytes is 400 DIGEST_INVALID': async (registry) => {
      const name = registry.name()
      expectFault(await registry.put(name, await registry.image(name), digestOf('other')), [400], 'DIGEST_INVALID')
    },
    'what is no JSON is 400 MANIFEST_INVALID': async (registry) => {
      const name = registry.name()
      for (const body of ['', 'nonsense', '[]', '{}', '{"schemaVersion":2}'])
        expectFault(
          await registry.ask('PUT', `/v2/${name}/manifests/v1`, { headers: { 'content-type': manifestType }, body }),
          [400],
          'MANIFEST_INVALID'
        )
    },
    'a tag that is none is not taken': async (registry) => {
      const name = registry.name()
      const manifest = await registry.image(name)
      for (const tag of ['.dot', 'x'.repeat(129)]) expect([400, 404]).toContain((await registry.put(name, manifest, tag)).status)
    },
    'a missing blob is a MANIFEST_BLOB_UNKNOWN, where it is not taken': async (registry) => {
      const name = registry.name()
      const config = await registry.described(name, Buffer.from('{}'), configType)
      const manifest = made({ schemaVersion: 2, mediaType: manifestType, config, layers: [missing] })
      const answer = await registry.put(name, manifest, 'v1')
      if (answer.status !== 201) expectFault(answer, [400, 404], 'MANIFEST_BLOB_UNKNOWN')
    },
    'a missing manifest of an index is a MANIFEST_BLOB_UNKNOWN, where it is not taken': async (registry) => {
      const index = made({ schemaVersion: 2, mediaType: indexType, manifests: [{ ...missing, mediaType: manifestType }] })
      const answer = await registry.put(registry.name(), index, 'v1')
      if (answer.status !== 201) expectFault(answer, [400, 404], 'MANIFEST_BLOB_UNKNOWN')
    },
    'a blob that is only in another repository is not enough': async (registry) => {
      const manifest = await registry.image(registry.name())
      const answer = await registry.put(registry.name(), manifest, 'v1')
      expectFault(answer, [400, 404], 'MANIFEST_BLOB_UNKNOWN')
    },
    'a manifest of 4 MiB is taken': async (registry) => {
      const name = registry.name()
      const manifest = await sized(registry, name, 4 * 1024 * 1024)
      await registry.mustPut(name, manifest, 'large')
      await comesBack(registry, name, 'large', manifest.bytes, manifestType)
    },
    'a manifest over the limit is 413': async (registry) => {
      const name = registry.name()
      expect((await registry.put(name, await sized(registry, name, 4 * 1024 * 1024 + 1), 'large')).status).toBe(413)
    }
  }),
  ...section('Pushing Manifests: tag parameters', {
    'PUT by digest with tags answers OCI-Tag for each': async (registry) => {
      const name = registry.name()
      const manifest = await registry.image(name)
      const answer = await registry.mustPut(name, manifest, `${manifest.digest}?tag=1.2.3&tag=1.2&tag=1&tag=latest`)
      const said = String(answer.headers['oci-tag'] ?? '')
        .split(',')
        .map((tag) => tag.trim())
      expect(said.toSorted()).toEqual(['1', '1.2', '1.2.3', 'latest'])
      expect(await registry.tags(name)).toEqual(['1', '1.2', '1.2.3', 'latest'])
    },
    'ten tags in one request': async (registry) => {
      const name = registry.name()
      const manifest = await registry.image(name)
      const tags = Array.from({ length: 10 }, (_, i) => `t${i}`)
      await registry.mustPut(name, manifest, `${manifest.digest}?${tags.map((tag) => `tag=${tag}`).join('&')}`)
      expect(await registry.tags(name)).toEqual(tags)
    },
    'a tag that is none: nothing is taken': async (registry) => {
      const name = registry.name()
      const manifest = await registry.image(name)
      expect((await registry.put(name, manifest, `${manifest.digest}?tag=ok&tag=.bad`)).status).toBe(400)
    }
  }),
  ...section('Pushing Manifests with Subject', {
    'OCI-Subject names the subject': async (registry) => {
      const name = registry.name()
      const subject = await registry.pushed(name)
      const answer = await registry.mustPut(name, await registry.referrer(name, subject.descriptor, 'application/vnd.test'))
      expect(answer.headers['oci-subject']).toBe(subject.digest)
    },
    'a subject that is not there yet is taken': async (registry) => {
      const name = registry.name()
      const subject = await registry.image(name)
      const answer = await registry.mustPut(name, await registry.referrer(name, subject.descriptor, 'application/vnd.test'))
      expect(answer.headers['oci-subject']).toBe(subject.digest)
      await registry.mustPut(name, subject)
      expect(await registry.referrers(name, subject.digest)).toHaveLength(1)
    },
    'an index with a subject': async (registry) => {
      const name = registry.name()
      const subject = await registry.pushed(name)
      const child = await registry.pushed(name)
      const index = made({ schemaVersion: 2, mediaType: indexType, manifests: [child.descriptor], subject: subject.descriptor })
      expect((await registry.mustPut(name, index)).headers['oci-subject']).toBe(subject.digest)
    },
    'without a subject there is no OCI-Subject': async (registry) => {
      const name = registry.name()
      expect((await registry.mustPut(name, await registry.image(name))).headers['oci-subject']).toBeUndefined()
    }
  }),
  ...section('Content: what manifests may be', {
    'a Docker schema 2 manifest comes back byte for byte': async (registry) => {
      const name = registry.name()
      const config = await registry.described(
        name,
        Buffer.from(JSON.stringify({ os: 'linux' })),
        'application/vnd.docker.container.image.v1+json'
      )
      const layer = await registry.described(name, fresh(), 'application/vnd.docker.image.rootfs.diff.tar.gzip')
      const manifest = made({ schemaVersion: 2, mediaType: dockerManifest, config, layers: [layer] })
      await registry.mustPut(name, manifest, 'docker')
      await comesBack(registry, name, 'docker', manifest.bytes, dockerManifest)
      const list = made({
        schemaVersion: 2,
        mediaType: dockerList,
        manifests: [{ ...manifest.descriptor, platform: { architecture: 'amd64', os: 'linux' } }]
      })
      await registry.mustPut(name, list, 'list')
      await comesBack(registry, name, 'list', list.bytes, dockerList)
    },
    'indexes within indexes': async (registry) => {
      const name = registry.name()
      const inner = made({ schemaVersion: 2, mediaType: indexType, manifests: [(await registry.pushed(name)).descriptor] })
      await registry.mustPut(name, inner)
      const outer = made({
        schemaVersion: 2,
        mediaType: indexType,
        manifests: [inner.descriptor, (await registry.pushed(name)).descriptor]
      })
      await registry.mustPut(name, outer, 'nested')
      await comesBack(registry, name, 'nested', outer.bytes, indexType)
      await comesBack(registry, name, inner.digest, inner.bytes, indexType)
    },
    'an index of nothing': async (registry) => {
      const index = made({ schemaVersion: 2, mediaType: indexType, manifests: [] })
      const name = registry.name()
      await registry.mustPut(name, index, 'empty')
      await comesBack(registry, name, 'empty', index.bytes, indexType)
    },
    'an image without layers': async (registry) => {
      const name = registry.name()
      const manifest = await registry.image(name, { layers: [] })
      await registry.mustPut(name, manifest, 'v1')
      await comesBack(registry, name, 'v1', manifest.bytes, manifestType)
    },
    'an artifact with the empty config': async (registry) => {
      const name = registry.name()
      const config = await registry.described(name, Buffer.from('{}'), emptyType)
      const manifest = made({
        schemaVersion: 2,
        mediaType: manifestType,
        artifactType: 'application/vnd.example',
        config,
        layers: [config]
      })
      await registry.mustPut(name, manifest, 'v1')
      await comesBack(registry, name, 'v1', manifest.bytes, manifestType)
    },
    'members that are not of the specification, and descriptors with data': async (registry) => {
      const name = registry.name()
      const data = Buffer.from('{}')
      const config = {
        ...(await registry.described(name, data, emptyType)),
        data: data.toString('base64'),
        'org.example.more': [1]
      }
      const manifest = made({
        schemaVersion: 2,
        mediaType: manifestType,
        artifactType: 'application/vnd.example',
        config,
        layers: [config],
        'org.example': { x: true }
      })
      await registry.mustPut(name, manifest, 'v1')
      await comesBack(registry, name, 'v1', manifest.bytes, manifestType)
    },
    'layers that can not be distributed need not be there': async (registry) => {
      const name = registry.name()
      const foreign = [
        { ...missing, mediaType: 'application/vnd.oci.image.layer.nondistributable.v1.tar' },
        {
          ...missing,
          mediaType: 'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip',
          urls: ['https://example.com/layer']
        }
      ]
      await registry.mustPut(name, await registry.image(name, { layers: foreign }), 'v1')
    },
    'an empty layer': async (registry) => {
      const name = registry.name()
      const layer = await registry.described(name, Buffer.alloc(0), layerType)
      await registry.mustPut(name, await registry.image(name, { layers: [layer] }), 'v1')
    },
    'a manifest and blobs of sha512': async (registry) => {
      const name = registry.name()
      const config = await registry.described(name, Buffer.from('{}'), emptyType, 'sha512')
      const layer = await registry.described(name, fresh(), layerType, 'sha512')
      const manifest = made(
        { schemaVersion: 2, mediaType: manifestType, artifactType: 'application/vnd.test', config, layers: [layer] },
        'sha512'
      )
      const answer = await registry.mustPut(name, manifest)
      expect(answer.headers['docker-content-digest']).toBe(manifest.digest)
      await comesBack(registry, name, manifest.digest, manifest.bytes, manifestType)
    },
    'a sha512 manifest with tags': async (registry) => {
      const name = registry.name()
      const manifest = made({ schemaVersion: 2, mediaType: indexType, manifests: [] }, 'sha512')
      await registry.mustPut(name, manifest, `${manifest.digest}?tag=one`)
      const answer = await registry.ask('HEAD', `/v2/${name}/manifests/one`, { headers: { accept: indexType } })
      expect([answer.status, answer.headers['docker-content-digest']]).toEqual([200, manifest.digest])
    }
  })
]
