import { expect } from 'vitest'
import { type Answer, type Case, digestOf, fresh, type Registry, section } from './client.ts'

function chunk(from: number, bytes: Uint8Array): Readonly<Record<string, string>> {
  return { 'content-type': 'application/octet-stream', 'content-range': `${from}-${from + bytes.length - 1}` }
}

async function patch(registry: Registry, location: string, bytes: Uint8Array, from: number): Promise<Answer> {
  return await registry.ask('PATCH', location, { headers: chunk(from, bytes), body: bytes })
}

async function ends(registry: Registry, name: string, location: string, bytes: Uint8Array): Promise<void> {
  const put = await registry.ask('PUT', registry.with(location, `digest=${digestOf(bytes)}`))
  expect(put.status).toBe(201)
  expect((await registry.ask('GET', registry.location(put))).body.equals(bytes)).toBe(true)
  expect((await registry.ask('HEAD', `/v2/${name}/blobs/${digestOf(bytes)}`)).status).toBe(200)
}

export const pushChunked: readonly Case[] = [
  ...section('Pushing a blob in chunks', {
    'each PATCH answers 202 with Location and Range; PUT ends it with 201': async (registry) => {
      const name = registry.name()
      const bytes = fresh(3000)
      let location = await registry.begin(name)
      for (const from of [0, 1000, 2000]) {
        const answer = await patch(registry, location, bytes.subarray(from, from + 1000), from)
        expect([answer.status, answer.headers.range]).toEqual([202, `0-${from + 999}`])
        location = registry.location(answer)
      }
      await ends(registry, name, location, bytes)
    },
    'the last chunk may come with the closing PUT': async (registry) => {
      const name = registry.name()
      const bytes = fresh(2500)
      const first = await patch(registry, await registry.begin(name), bytes.subarray(0, 1000), 0)
      const put = await registry.ask('PUT', registry.with(registry.location(first), `digest=${digestOf(bytes)}`), {
        headers: chunk(1000, bytes.subarray(1000)),
        body: bytes.subarray(1000)
      })
      expect(put.status).toBe(201)
      expect((await registry.ask('GET', registry.location(put))).body.equals(bytes)).toBe(true)
    },
    'chunks that end within a mebibyte': async (registry) => {
      const name = registry.name()
      const bytes = fresh(3 * 1024 * 1024 + 5)
      let location = await registry.begin(name)
      for (let from = 0; from < bytes.length; from += 700_001) {
        const answer = await patch(registry, location, bytes.subarray(from, from + 700_001), from)
        expect(answer.status).toBe(202)
        location = registry.location(answer)
      }
      await ends(registry, name, location, bytes)
    },
    'one PATCH without Content-Range, streamed': async (registry) => {
      const name = registry.name()
      const bytes = fresh(2_000_000)
      const answer = await registry.ask('PATCH', await registry.begin(name), {
        headers: { 'content-type': 'application/octet-stream' },
        pieces: [bytes.subarray(0, 1), bytes.subarray(1, 1_500_000), bytes.subarray(1_500_000)]
      })
      expect([answer.status, answer.headers.range]).toEqual([202, '0-1999999'])
      await ends(registry, name, registry.location(answer), bytes)
    },
    'a first chunk that does not begin at 0 is 416': async (registry) => {
      const bytes = fresh(100)
      expect((await patch(registry, await registry.begin(registry.name()), bytes, 10)).status).toBe(416)
    },
    'a chunk after a gap is 416, and the upload goes on where it was': async (registry) => {
      const name = registry.name()
      const bytes = fresh(3000)
      const first = await patch(registry, await registry.begin(name), bytes.subarray(0, 1000), 0)
      const location = registry.location(first)
      expect((await patch(registry, location, bytes.subarray(2000), 2000)).status).toBe(416)
      const rest = await patch(registry, location, bytes.subarray(1000), 1000)
      expect([rest.status, rest.headers.range]).toEqual([202, '0-2999'])
      await ends(registry, name, registry.location(rest), bytes)
    },
    'a chunk that was sent already is 416': async (registry) => {
      const bytes = fresh(1000)
      const first = await patch(registry, await registry.begin(registry.name()), bytes, 0)
      expect((await patch(registry, registry.location(first), bytes, 0)).status).toBe(416)
    },
    'a last chunk out of order in the closing PUT is 416': async (registry) => {
      const bytes = fresh(2000)
      const first = await patch(registry, await registry.begin(registry.name()), bytes.subarray(0, 1000), 0)
      const put = await registry.ask('PUT', registry.with(registry.location(first), `digest=${digestOf(bytes)}`), {
        headers: chunk(1500, bytes.subarray(1500)),
        body: bytes.subarray(1500)
      })
      expect(put.status).toBe(416)
    },
    'after a 416, GET tells where to go on: 204 with Location and Range': async (registry) => {
      const name = registry.name()
      const bytes = fresh(2000)
      const first = await patch(registry, await registry.begin(name), bytes.subarray(0, 1000), 0)
      await patch(registry, registry.location(first), bytes.subarray(1500), 1500)
      const status = await registry.ask('GET', registry.location(first))
      expect([status.status, status.headers.range]).toEqual([204, '0-999'])
      const rest = await patch(registry, registry.location(status), bytes.subarray(1000), 1000)
      await ends(registry, name, registry.location(rest), bytes)
    },
    'a Content-Range that is none is not taken': async (registry) => {
      const answer = await registry.ask('PATCH', await registry.begin(registry.name()), {
        headers: { 'content-type': 'application/octet-stream', 'content-range': 'x-y' },
        body: fresh(10)
      })
      expect([400, 416]).toContain(answer.status)
    },
    'a Content-Range of another length than the chunk is not taken': async (registry) => {
      const answer = await registry.ask('PATCH', await registry.begin(registry.name()), {
        headers: { 'content-type': 'application/octet-stream', 'content-range': '0-99' },
        body: fresh(10)
      })
      expect([400, 416]).toContain(answer.status)
    },
    'a wrong digest at the end is 400, and nothing is stored': async (registry) => {
      const name = registry.name()
      const bytes = fresh(100)
      const first = await patch(registry, await registry.begin(name), bytes, 0)
      const wrong = digestOf(fresh())
      expect((await registry.ask('PUT', registry.with(registry.location(first), `digest=${wrong}`))).status).toBe(400)
      for (const digest of [wrong, digestOf(bytes)])
        expect((await registry.ask('HEAD', `/v2/${name}/blobs/${digest}`)).status).toBe(404)
    },
    'an upload of no bytes at all is the empty blob': async (registry) => {
      const name = registry.name()
      await ends(registry, name, await registry.begin(name), Buffer.alloc(0))
    },
    'digest-algorithm=sha512': async (registry) => {
      const name = registry.name()
      const bytes = fresh(2_000_000)
      const digest = digestOf(bytes, 'sha512')
      const first = await patch(registry, await registry.begin(name, '?digest-algorithm=sha512'), bytes, 0)
      const put = await registry.ask('PUT', registry.with(registry.location(first), `digest=${digest}`))
      expect(put.status).toBe(201)
      expect((await registry.ask('GET', `/v2/${name}/blobs/${digest}`)).body.equals(bytes)).toBe(true)
    },
    'sha512 without having said so before': async (registry) => {
      const name = registry.name()
      const bytes = fresh(1_500_000)
      const digest = digestOf(bytes, 'sha512')
      const first = await patch(registry, await registry.begin(name), bytes, 0)
      expect((await registry.ask('PUT', registry.with(registry.location(first), `digest=${digest}`))).status).toBe(201)
      expect((await registry.ask('HEAD', `/v2/${name}/blobs/${digest}`)).headers['docker-content-digest']).toBe(digest)
    },
    'an unknown digest-algorithm is 400': async (registry) => {
      expect((await registry.ask('POST', `/v2/${registry.name()}/blobs/uploads/?digest-algorithm=md5`)).status).toBe(400)
    }
  })
]
