import { expect } from 'vitest'
import { type Case, digestOf, expectFault, fresh, indexType, made, manifestType, type Registry, section } from './client.ts'

const nowhere = digestOf('nowhere')

async function withBlob(
  registry: Registry,
  sizeBytes = 1000
): Promise<{ readonly path: string; readonly bytes: Buffer; readonly digest: string }> {
  const name = registry.name()
  const bytes = fresh(sizeBytes)
  const digest = await registry.blob(name, bytes)
  return { path: `/v2/${name}/blobs/${digest}`, bytes, digest }
}

export const pull: readonly Case[] = [
  ...section('Determining Support', {
    'GET /v2/ answers 200': async (registry) => {
      expect((await registry.ask('GET', '/v2/')).status).toBe(200)
    },
    'the API version header that older clients look for is there': async (registry) => {
      expect((await registry.ask('GET', '/v2/')).headers['docker-distribution-api-version']).toBe('registry/2.0')
    }
  }),
  ...section('Pulling manifests', {
    'GET by tag answers 200 with the bytes, Content-Type and Docker-Content-Digest': async (registry) => {
      const name = registry.name()
      const manifest = await registry.pushed(name, 'v1')
      const answer = await registry.ask('GET', `/v2/${name}/manifests/v1`, { headers: { accept: manifestType } })
      expect(answer.status).toBe(200)
      expect(answer.body.equals(manifest.bytes)).toBe(true)
      expect(answer.headers['content-type']).toBe(manifestType)
      expect(answer.headers['docker-content-digest']).toBe(manifest.digest)
    },
    'GET by digest answers 200 with the bytes': async (registry) => {
      const name = registry.name()
      const manifest = await registry.pushed(name)
      const answer = await registry.ask('GET', `/v2/${name}/manifests/${manifest.digest}`, { headers: { accept: manifestType } })
      expect(answer.status).toBe(200)
      expect(answer.body.equals(manifest.bytes)).toBe(true)
    },
    'GET of an index has its Content-Type': async (registry) => {
      const name = registry.name()
      const child = await registry.pushed(name)
      const index = made({ schemaVersion: 2, mediaType: indexType, manifests: [child.descriptor] })
      await registry.mustPut(name, index, 'multi')
      const answer = await registry.ask('GET', `/v2/${name}/manifests/multi`, { headers: { accept: indexType } })
      expect([answer.status, answer.headers['content-type']]).toEqual([200, indexType])
    },
    'Content-Type has no parameters': async (registry) => {
      const name = registry.name()
      await registry.pushed(name, 'v1')
      const answer = await registry.ask('GET', `/v2/${name}/manifests/v1`, { headers: { accept: manifestType } })
      expect(answer.headers['content-type']).not.toContain(';')
    },
    'an unknown tag is 404 MANIFEST_UNKNOWN': async (registry) => {
      const name = registry.name()
      await registry.pushed(name, 'v1')
      expectFault(await registry.ask('GET', `/v2/${name}/manifests/v2`), [404], 'MANIFEST_UNKNOWN')
    },
    'an unknown digest is 404 MANIFEST_UNKNOWN': async (registry) => {
      const name = registry.name()
      await registry.pushed(name, 'v1')
      expectFault(await registry.ask('GET', `/v2/${name}/manifests/${nowhere}`), [404], 'MANIFEST_UNKNOWN')
    },
    'a nonexistent repository is 404': async (registry) => {
      expect((await registry.ask('GET', `/v2/${registry.name()}/manifests/v1`)).status).toBe(404)
    },
    'a manifest of another repository is 404': async (registry) => {
      const manifest = await registry.pushed(registry.name())
      const other = registry.name()
      await registry.pushed(other)
      expect((await registry.ask('GET', `/v2/${other}/manifests/${manifest.digest}`)).status).toBe(404)
    },
    'a blob that is no manifest is not found as one': async (registry) => {
      const name = registry.name()
      await registry.pushed(name)
      const digest = await registry.blob(name, fresh())
      expect((await registry.ask('GET', `/v2/${name}/manifests/${digest}`)).status).toBe(404)
    },
    'names of the longest form that the expression allows are taken': async (registry) => {
      const name = `${registry.name()}/a__b/c.d/e--f_g/h---i`
      await registry.pushed(name, 'v1')
      expect((await registry.ask('GET', `/v2/${name}/manifests/v1`)).status).toBe(200)
    },
    'names whose parts are words of the API are taken': async (registry) => {
      const name = `${registry.name()}/blobs/manifests/tags`
      await registry.pushed(name, 'list')
      expect((await registry.ask('GET', `/v2/${name}/manifests/list`)).status).toBe(200)
    },
    'tags of 128 characters are taken': async (registry) => {
      const name = registry.name()
      const tag = `_${'Az09._-x'.repeat(16)}`.slice(0, 128)
      await registry.pushed(name, tag)
      expect((await registry.ask('HEAD', `/v2/${name}/manifests/${tag}`)).status).toBe(200)
    },
    'what neither is a tag nor a digest is not found': async (registry) => {
      const name = registry.name()
      await registry.pushed(name, 'v1')
      expect((await registry.ask('GET', `/v2/${name}/manifests/.v1`)).status).toBe(404)
      expect((await registry.ask('GET', `/v2/${name}/manifests/${'x'.repeat(129)}`)).status).toBe(404)
    }
  }),
  ...section('Pulling blobs', {
    'GET answers 200 with the bytes and Docker-Content-Digest': async (registry) => {
      const { path, bytes, digest } = await withBlob(registry)
      const answer = await registry.ask('GET', path)
      expect(answer.status).toBe(200)
      expect(answer.body.equals(bytes)).toBe(true)
      expect(answer.headers['docker-content-digest']).toBe(digest)
      expect(answer.headers['content-length']).toBe('1000')
    },
    'a blob over 2 MiB comes whole': async (registry) => {
      const { path, bytes } = await withBlob(registry, 2 * 1024 * 1024 + 17)
      const answer = await registry.ask('GET', path)
      expect(answer.status).toBe(200)
      expect(answer.body.equals(bytes)).toBe(true)
    },
    'an unknown blob is 404 BLOB_UNKNOWN': async (registry) => {
      const name = registry.name()
      await registry.pushed(name)
      expectFault(await registry.ask('GET', `/v2/${name}/blobs/${nowhere}`), [404], 'BLOB_UNKNOWN')
    },
    'a blob of another repository is 404': async (registry) => {
      const { digest } = await withBlob(registry)
      const other = registry.name()
      await registry.pushed(other)
      expect((await registry.ask('GET', `/v2/${other}/blobs/${digest}`)).status).toBe(404)
    },
    'Range: the first bytes are 206 with Content-Range': async (registry) => {
      const { path, bytes } = await withBlob(registry)
      const answer = await registry.ask('GET', path, { headers: { range: 'bytes=0-99' } })
      expect([answer.status, answer.headers['content-range']]).toEqual([206, 'bytes 0-99/1000'])
      expect(answer.body.equals(bytes.subarray(0, 100))).toBe(true)
    },
    'Range: from a byte on': async (registry) => {
      const { path, bytes } = await withBlob(registry)
      const answer = await registry.ask('GET', path, { headers: { range: 'bytes=900-' } })
      expect([answer.status, answer.headers['content-range']]).toEqual([206, 'bytes 900-999/1000'])
      expect(answer.body.equals(bytes.subarray(900))).toBe(true)
    },
    'Range: the last bytes': async (registry) => {
      const { path, bytes } = await withBlob(registry)
      const answer = await registry.ask('GET', path, { headers: { range: 'bytes=-10' } })
      expect([answer.status, answer.headers['content-range']]).toEqual([206, 'bytes 990-999/1000'])
      expect(answer.body.equals(bytes.subarray(990))).toBe(true)
    },
    'Range: an end beyond the blob is its end': async (registry) => {
      const { path } = await withBlob(registry)
      const answer = await registry.ask('GET', path, { headers: { range: 'bytes=990-5000' } })
      expect([answer.status, answer.headers['content-range']]).toEqual([206, 'bytes 990-999/1000'])
    },
    'Range: beyond the blob is 416 with the size': async (registry) => {
      const { path } = await withBlob(registry)
      const answer = await registry.ask('GET', path, { headers: { range: 'bytes=1000-' } })
      expect([answer.status, answer.headers['content-range']]).toEqual([416, 'bytes */1000'])
    },
    'Range: in a blob over 2 MiB': async (registry) => {
      const { path, bytes } = await withBlob(registry, 2 * 1024 * 1024 + 17)
      const answer = await registry.ask('GET', path, { headers: { range: 'bytes=1048570-1048590' } })
      expect([answer.status, answer.body.equals(bytes.subarray(1_048_570, 1_048_591))]).toEqual([206, true])
    },
    'Range: a malformed one is passed over': async (registry) => {
      const { path } = await withBlob(registry)
      for (const range of ['bytes=20-10', 'lines=0-1', 'bytes=x-y'])
        expect((await registry.ask('GET', path, { headers: { range } })).status).toBe(200)
    },
    'Range: If-Range with another entity tag sends all': async (registry) => {
      const { path } = await withBlob(registry)
      const headers = { range: 'bytes=0-9', 'if-range': '"another"' }
      expect((await registry.ask('GET', path, { headers })).status).toBe(200)
    }
  }),
  ...section('Checking if content exists in the registry', {
    'HEAD of a manifest answers 200 with digest and length, without a body': async (registry) => {
      const name = registry.name()
      const manifest = await registry.pushed(name, 'v1')
      for (const reference of ['v1', manifest.digest]) {
        const answer = await registry.ask('HEAD', `/v2/${name}/manifests/${reference}`, { headers: { accept: manifestType } })
        expect([answer.status, answer.body.length]).toEqual([200, 0])
        expect(answer.headers['docker-content-digest']).toBe(manifest.digest)
        expect(answer.headers['content-length']).toBe(String(manifest.bytes.length))
      }
    },
    'HEAD of a blob answers 200 with digest and length, without a body': async (registry) => {
      for (const size of [1000, 3_000_000]) {
        const { path, digest } = await withBlob(registry, size)
        const answer = await registry.ask('HEAD', path)
        expect([answer.status, answer.body.length]).toEqual([200, 0])
        expect(answer.headers['docker-content-digest']).toBe(digest)
        expect(answer.headers['content-length']).toBe(String(size))
      }
    },
    'HEAD of an unknown manifest or blob is 404, without a body': async (registry) => {
      const name = registry.name()
      await registry.pushed(name)
      for (const path of [`manifests/${nowhere}`, 'manifests/none', `blobs/${nowhere}`]) {
        const answer = await registry.ask('HEAD', `/v2/${name}/${path}`)
        expect([answer.status, answer.body.length]).toEqual([404, 0])
      }
    },
    'HTTP semantics: If-None-Match with the entity tag is 304': async (registry) => {
      const name = registry.name()
      const manifest = await registry.pushed(name, 'v1')
      const { etag } = (await registry.ask('GET', `/v2/${name}/manifests/v1`, { headers: { accept: manifestType } })).headers
      expect(etag).toContain(manifest.digest)
      const again = await registry.ask('GET', `/v2/${name}/manifests/v1`, {
        headers: { accept: manifestType, 'if-none-match': etag as string }
      })
      expect([again.status, again.body.length]).toEqual([304, 0])
    },
    'HTTP semantics: If-None-Match of a blob is 304': async (registry) => {
      const { path } = await withBlob(registry)
      const { etag } = (await registry.ask('GET', path)).headers
      expect((await registry.ask('GET', path, { headers: { 'if-none-match': etag as string } })).status).toBe(304)
    }
  })
]
