import { expect } from 'vitest'
import { type Case, digestOf, expectFault, fresh, type Registry, section } from './client.ts'

const octets = { 'content-type': 'application/octet-stream' }
const nobody = '00000000-0000-4000-8000-000000000000'

async function has(registry: Registry, name: string, bytes: Uint8Array, digest = digestOf(bytes)): Promise<void> {
  const answer = await registry.ask('GET', `/v2/${name}/blobs/${digest}`)
  expect(answer.status).toBe(200)
  expect(answer.body.equals(bytes)).toBe(true)
}

export const pushBlob: readonly Case[] = [
  ...section('Pushing a blob monolithically: POST then PUT', {
    'POST answers 202 with a Location that holds a UUID': async (registry) => {
      const answer = await registry.ask('POST', `/v2/${registry.name()}/blobs/uploads/`)
      expect(answer.status).toBe(202)
      expect(registry.location(answer)).toMatch(/[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}/i)
    },
    'each upload has an ID of its own': async (registry) => {
      const name = registry.name()
      expect(await registry.begin(name)).not.toBe(await registry.begin(name))
    },
    'PUT answers 201 with the Location of the blob': async (registry) => {
      const name = registry.name()
      const bytes = fresh()
      const put = await registry.ask('PUT', registry.with(await registry.begin(name), `digest=${digestOf(bytes)}`), {
        headers: octets,
        body: bytes
      })
      expect(put.status).toBe(201)
      const pulled = await registry.ask('GET', registry.location(put))
      expect([pulled.status, pulled.body.equals(bytes)]).toEqual([200, true])
    },
    'PUT without Content-Type is taken': async (registry) => {
      const name = registry.name()
      const bytes = fresh()
      const put = await registry.ask('PUT', registry.with(await registry.begin(name), `digest=${digestOf(bytes)}`), {
        body: bytes
      })
      expect(put.status).toBe(201)
    },
    'PUT of 5 MiB is taken': async (registry) => {
      const name = registry.name()
      const bytes = fresh(5 * 1024 * 1024 + 1)
      await registry.blob(name, bytes)
      await has(registry, name, bytes)
    },
    'PUT without a length, in transfer coding chunked, is taken': async (registry) => {
      const name = registry.name()
      const bytes = fresh(3_000_000)
      const put = await registry.ask('PUT', registry.with(await registry.begin(name), `digest=${digestOf(bytes)}`), {
        headers: octets,
        pieces: [bytes.subarray(0, 5), bytes.subarray(5, 2_000_000), bytes.subarray(2_000_000)]
      })
      expect(put.status).toBe(201)
      await has(registry, name, bytes)
    },
    'a blob that is there already is taken again': async (registry) => {
      const name = registry.name()
      const bytes = fresh()
      await registry.blob(name, bytes)
      await registry.blob(name, bytes)
      await has(registry, name, bytes)
    },
    'the empty blob is taken': async (registry) => {
      const name = registry.name()
      await registry.blob(name, Buffer.alloc(0))
      await has(registry, name, Buffer.alloc(0))
    },
    'bytes of another digest are 400 DIGEST_INVALID, and nothing is stored': async (registry) => {
      const name = registry.name()
      const digest = digestOf(fresh())
      const location = await registry.begin(name)
      expectFault(
        await registry.ask('PUT', registry.with(location, `digest=${digest}`), { headers: octets, body: fresh() }),
        [400],
        'DIGEST_INVALID'
      )
      expect((await registry.ask('HEAD', `/v2/${name}/blobs/${digest}`)).status).toBe(404)
    },
    '3 MB of another digest are 400 DIGEST_INVALID, and nothing is stored': async (registry) => {
      const name = registry.name()
      const bytes = fresh(3_000_000)
      const location = await registry.begin(name)
      expectFault(
        await registry.ask('PUT', registry.with(location, `digest=${digestOf(fresh())}`), { headers: octets, body: bytes }),
        [400],
        'DIGEST_INVALID'
      )
      expect((await registry.ask('HEAD', `/v2/${name}/blobs/${digestOf(bytes)}`)).status).toBe(404)
    },
    'a digest that is none is 400': async (registry) => {
      for (const digest of ['sha256:abc', 'nonsense', `md5:${'0'.repeat(32)}`]) {
        const location = await registry.begin(registry.name())
        expectFault(
          await registry.ask('PUT', registry.with(location, `digest=${digest}`), { headers: octets, body: fresh() }),
          [400],
          'DIGEST_INVALID'
        )
      }
    },
    'PUT without a digest is 400': async (registry) => {
      const location = await registry.begin(registry.name())
      expectFault(await registry.ask('PUT', location, { headers: octets, body: fresh() }), [400], 'DIGEST_INVALID')
    },
    'a name that is none is 400 NAME_INVALID or 404': async (registry) => {
      const answer = await registry.ask('POST', '/v2/Upper/case/blobs/uploads/')
      expect([400, 404]).toContain(answer.status)
      expectFault(answer, [400, 404], 'NAME_INVALID')
    }
  }),
  ...section('Pushing a blob monolithically: Single POST', {
    'POST with digest and bytes answers 201 with the Location of the blob': async (registry) => {
      const name = registry.name()
      const bytes = fresh()
      const answer = await registry.ask('POST', `/v2/${name}/blobs/uploads/?digest=${digestOf(bytes)}`, {
        headers: octets,
        body: bytes
      })
      expect(answer.status).toBe(201)
      expect((await registry.ask('GET', registry.location(answer))).body.equals(bytes)).toBe(true)
    },
    'or 202 with the Location of an upload, which a PUT then ends': async (registry) => {
      const name = registry.name()
      const bytes = fresh()
      const query = `digest=${digestOf(bytes)}`
      const answer = await registry.ask('POST', `/v2/${name}/blobs/uploads/?${query}`, { headers: octets, body: bytes })
      expect([201, 202]).toContain(answer.status)
      if (answer.status === 202)
        await registry.ask('PUT', registry.with(registry.location(answer), query), { headers: octets, body: bytes })
      await has(registry, name, bytes)
    },
    'bytes of another digest are refused': async (registry) => {
      const digest = digestOf(fresh())
      const answer = await registry.ask('POST', `/v2/${registry.name()}/blobs/uploads/?digest=${digest}`, {
        headers: octets,
        body: fresh()
      })
      expectFault(answer, [400], 'DIGEST_INVALID')
    },
    '3 MB in one POST': async (registry) => {
      const name = registry.name()
      const bytes = fresh(3_000_000)
      const answer = await registry.ask('POST', `/v2/${name}/blobs/uploads/?digest=${digestOf(bytes)}`, {
        headers: octets,
        body: bytes
      })
      expect(answer.status).toBe(201)
      await has(registry, name, bytes)
    }
  }),
  ...section('Mounting a blob from another repository', {
    'a blob of another repository is mounted: 201 with its Location': async (registry) => {
      const [from, to] = [registry.name(), registry.name()]
      const bytes = fresh()
      const digest = await registry.blob(from, bytes)
      const answer = await registry.ask('POST', `/v2/${to}/blobs/uploads/?mount=${digest}&from=${from}`)
      expect(answer.status).toBe(201)
      expect((await registry.ask('GET', registry.location(answer))).body.equals(bytes)).toBe(true)
      await has(registry, to, bytes)
    },
    'a blob that the other repository does not have begins an upload: 202': async (registry) => {
      const [from, to] = [registry.name(), registry.name()]
      await registry.blob(from, fresh())
      const bytes = fresh()
      const answer = await registry.ask('POST', `/v2/${to}/blobs/uploads/?mount=${digestOf(bytes)}&from=${from}`)
      expect(answer.status).toBe(202)
      const put = await registry.ask('PUT', registry.with(registry.location(answer), `digest=${digestOf(bytes)}`), {
        body: bytes
      })
      expect(put.status).toBe(201)
    },
    'from a repository that does not exist begins an upload: 202': async (registry) => {
      const digest = digestOf(fresh())
      const answer = await registry.ask('POST', `/v2/${registry.name()}/blobs/uploads/?mount=${digest}&from=${registry.name()}`)
      expect(answer.status).toBe(202)
    },
    'without from: 201 where the registry finds it, else 202 and an upload': async (registry) => {
      const [from, to] = [registry.name(), registry.name()]
      const bytes = fresh()
      const digest = await registry.blob(from, bytes)
      const answer = await registry.ask('POST', `/v2/${to}/blobs/uploads/?mount=${digest}`)
      expect([201, 202]).toContain(answer.status)
      if (answer.status === 202)
        expect(
          (await registry.ask('PUT', registry.with(registry.location(answer), `digest=${digest}`), { body: bytes })).status
        ).toBe(201)
      await has(registry, to, bytes)
    },
    'without from, the blob of a manifest is found': async (registry) => {
      const [from, to] = [registry.name(), registry.name()]
      const image = await registry.pushed(from)
      const { layers } = JSON.parse(image.bytes.toString()) as { readonly layers: readonly [{ readonly digest: string }] }
      const answer = await registry.ask('POST', `/v2/${to}/blobs/uploads/?mount=${layers[0].digest}`)
      expect(answer.status).toBe(201)
    }
  }),
  ...section('Cancel a blob upload', {
    'DELETE answers 204, and the upload is gone': async (registry) => {
      const location = await registry.begin(registry.name())
      expect((await registry.ask('DELETE', location)).status).toBe(204)
      expectFault(await registry.ask('GET', location), [404], 'BLOB_UPLOAD_UNKNOWN')
    },
    'DELETE of an upload that has bytes': async (registry) => {
      const location = await registry.begin(registry.name())
      const patch = await registry.ask('PATCH', location, { headers: octets, body: fresh() })
      expect((await registry.ask('DELETE', registry.location(patch))).status).toBe(204)
      expect((await registry.ask('GET', location)).status).toBe(404)
    },
    'an unknown upload is 404 BLOB_UPLOAD_UNKNOWN': async (registry) => {
      for (const method of ['GET', 'PATCH', 'PUT', 'DELETE']) {
        const path = `/v2/${registry.name()}/blobs/uploads/${nobody}?digest=${digestOf('x')}`
        expectFault(await registry.ask(method, path, method === 'GET' ? {} : { body: 'x' }), [404], 'BLOB_UPLOAD_UNKNOWN')
      }
    },
    'an upload of another repository is not found': async (registry) => {
      const name = registry.name()
      const location = await registry.begin(name)
      expect((await registry.ask('GET', location.replace(name, registry.name()))).status).toBe(404)
    }
  })
]
