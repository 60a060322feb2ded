import { expect } from 'vitest'
import {
  type Case,
  configType,
  type Descriptor,
  digestOf,
  expectFault,
  indexType,
  made,
  manifestType,
  type Registry,
  section
} from './client.ts'

const tags = ['0.9', 'B', '_x', 'a', 'a-1', 'a.1', 'b', 'latest', 'v10', 'v9']

async function tagged(registry: Registry): Promise<string> {
  const name = registry.name()
  const manifest = await registry.image(name)
  // in an order that is neither that of the list nor its reverse, since folders are listed in either
  for (const i of [5, 2, 8, 0, 9, 3, 7, 1, 6, 4]) await registry.mustPut(name, manifest, tags[i])
  return name
}

const [sbom, signature] = ['application/vnd.example.sbom+json', 'application/vnd.example.signature.v1']

async function referred(
  registry: Registry
): Promise<{ readonly name: string; readonly subject: Descriptor; readonly digests: readonly string[] }> {
  const name = registry.name()
  const { descriptor: subject } = await registry.pushed(name, 'v1')
  const digests: string[] = []
  for (const [type, more] of [
    [sbom, { annotations: { 'org.example.format': 'json' } }],
    [signature, {}],
    [sbom, {}]
  ] as const) {
    const referrer = await registry.referrer(name, subject, type, more)
    await registry.mustPut(name, referrer)
    digests.push(referrer.digest)
  }
  return { name, subject, digests }
}

export const discovery: readonly Case[] = [
  ...section('Listing Tags', {
    'all of them, in ASCII order, with the name': async (registry) => {
      const name = await tagged(registry)
      const answer = await registry.ask('GET', `/v2/${name}/tags/list`)
      expect(answer.status).toBe(200)
      expect(answer.headers['content-type']).toMatch(/^application\/json/)
      expect(JSON.parse(answer.body.toString())).toEqual({ name, tags })
    },
    'n: the first so many': async (registry) => {
      expect(await registry.tags(await tagged(registry), '?n=3')).toEqual(tags.slice(0, 3))
    },
    'n with more to come: a Link of rel="next" leads through all': async (registry) => {
      const name = await tagged(registry)
      const found: string[] = []
      let path: string | undefined = `/v2/${name}/tags/list?n=4`
      for (let pages = 0; path !== undefined && pages < 10; pages++) {
        const answer = await registry.ask('GET', path)
        found.push(...(JSON.parse(answer.body.toString()) as { readonly tags: readonly string[] }).tags)
        const link = answer.headers['link'] as string | undefined
        if (link !== undefined) expect(link).toMatch(/^<[^>]+>; ?rel="next"$/)
        path = link === undefined ? undefined : new URL(link.slice(1, link.indexOf('>')), registry.base).href
      }
      expect(found).toEqual(tags)
    },
    'n over their number: all, without a Link': async (registry) => {
      const answer = await registry.ask('GET', `/v2/${await tagged(registry)}/tags/list?n=100`)
      expect(JSON.parse(answer.body.toString())).toMatchObject({ tags })
      expect(answer.headers['link']).toBeUndefined()
    },
    'n of exactly their number: all': async (registry) => {
      expect(await registry.tags(await tagged(registry), `?n=${tags.length}`)).toEqual(tags)
    },
    'n=0: none, and no Link': async (registry) => {
      const answer = await registry.ask('GET', `/v2/${await tagged(registry)}/tags/list?n=0`)
      expect(answer.status).toBe(200)
      expect(JSON.parse(answer.body.toString())).toMatchObject({ tags: [] })
      expect(answer.headers['link']).toBeUndefined()
    },
    'last without n: all after it': async (registry) => {
      expect(await registry.tags(await tagged(registry), '?last=a.1')).toEqual(tags.slice(6))
    },
    'n and last: so many after it': async (registry) => {
      expect(await registry.tags(await tagged(registry), '?n=2&last=a')).toEqual(['a-1', 'a.1'])
    },
    'last need not be there': async (registry) => {
      expect(await registry.tags(await tagged(registry), '?n=2&last=a0')).toEqual(['b', 'latest'])
    },
    'n that is no number is 400': async (registry) => {
      expect((await registry.ask('GET', `/v2/${await tagged(registry)}/tags/list?n=many`)).status).toBe(400)
    },
    'a repository without tags has an empty list': async (registry) => {
      const name = registry.name()
      await registry.pushed(name)
      const answer = await registry.ask('GET', `/v2/${name}/tags/list`)
      expect(answer.status).toBe(200)
      expect(JSON.parse(answer.body.toString())).toEqual({ name, tags: [] })
    },
    'a repository that does not exist is 404 NAME_UNKNOWN': async (registry) => {
      expectFault(await registry.ask('GET', `/v2/${registry.name()}/tags/list`), [404], 'NAME_UNKNOWN')
    }
  }),
  ...section('Listing Referrers', {
    'all of them, with type, size, digest, artifactType and annotations': async (registry) => {
      const { name, subject, digests } = await referred(registry)
      const found = await registry.referrers(name, subject.digest)
      expect(found.map(({ digest }) => digest).toSorted()).toEqual(digests.toSorted())
      const first = found.find(({ digest }) => digest === digests[0])
      expect(first).toMatchObject({ mediaType: manifestType, artifactType: sbom, annotations: { 'org.example.format': 'json' } })
      const bytes = (await registry.ask('GET', `/v2/${name}/manifests/${digests[0]}`)).body
      expect(first?.size).toBe(bytes.length)
    },
    'filtered by artifactType, and OCI-Filters-Applied says so': async (registry) => {
      const { name, subject, digests } = await referred(registry)
      const query = `?artifactType=${encodeURIComponent(sbom)}`
      expect((await registry.referrers(name, subject.digest, query)).map(({ digest }) => digest).toSorted()).toEqual(
        [digests[0], digests[2]].toSorted()
      )
      const answer = await registry.ask('GET', `/v2/${name}/referrers/${subject.digest}${query}`)
      expect(answer.headers['oci-filters-applied']).toBe('artifactType')
    },
    'filtered by a type that was not escaped, as the example has it': async (registry) => {
      const { name, subject } = await referred(registry)
      expect(await registry.referrers(name, subject.digest, `?artifactType=${sbom}`)).toHaveLength(2)
    },
    'filtered by a type that nothing has: an empty list': async (registry) => {
      const { name, subject } = await referred(registry)
      expect(await registry.referrers(name, subject.digest, '?artifactType=application/none')).toEqual([])
    },
    'without a filter there is no OCI-Filters-Applied': async (registry) => {
      const { name, subject } = await referred(registry)
      const answer = await registry.ask('GET', `/v2/${name}/referrers/${subject.digest}`)
      expect([answer.status, answer.headers['oci-filters-applied']]).toEqual([200, undefined])
    },
    'of a digest that nothing refers to, or that is not there: an empty list, not 404': async (registry) => {
      const { name, digests } = await referred(registry)
      expect(await registry.referrers(name, digests[0] as string)).toEqual([])
      expect(await registry.referrers(name, digestOf('nowhere'))).toEqual([])
    },
    'of a malformed digest: 400': async (registry) => {
      const { name } = await referred(registry)
      expect((await registry.ask('GET', `/v2/${name}/referrers/sha256:abc`)).status).toBe(400)
    },
    'an image without artifactType has that of its config': async (registry) => {
      const name = registry.name()
      const { descriptor: subject } = await registry.pushed(name)
      await registry.mustPut(name, await registry.image(name, { subject }))
      expect(await registry.referrers(name, subject.digest)).toMatchObject([{ artifactType: configType }])
    },
    'an index without artifactType has none, one with it has it': async (registry) => {
      const name = registry.name()
      const { descriptor: subject } = await registry.pushed(name)
      const plain = made({ schemaVersion: 2, mediaType: indexType, manifests: [], subject })
      await registry.mustPut(name, plain)
      await registry.mustPut(name, made({ schemaVersion: 2, mediaType: indexType, artifactType: sbom, manifests: [], subject }))
      const found = await registry.referrers(name, subject.digest)
      expect(found).toHaveLength(2)
      for (const one of found) {
        expect(one.mediaType).toBe(indexType)
        expect(one['artifactType']).toBe(one.digest === plain.digest ? undefined : sbom)
      }
    },
    'of another repository they are not shown': async (registry) => {
      const { subject } = await referred(registry)
      const other = registry.name()
      await registry.pushed(other)
      expect(await registry.referrers(other, subject.digest)).toEqual([])
    },
    'one that was deleted is not listed': async (registry) => {
      const { name, subject, digests } = await referred(registry)
      expect((await registry.ask('DELETE', `/v2/${name}/manifests/${digests[1]}`)).status).toBe(202)
      expect((await registry.referrers(name, subject.digest)).map(({ digest }) => digest)).not.toContain(digests[1])
    },
    'they stay when the subject is deleted': async (registry) => {
      const { name, subject } = await referred(registry)
      expect((await registry.ask('DELETE', `/v2/${name}/manifests/${subject.digest}`)).status).toBe(202)
      expect(await registry.referrers(name, subject.digest)).toHaveLength(3)
    },
    'pages that do not fit one manifest are linked': async (registry) => {
      const name = registry.name()
      const { descriptor: subject } = await registry.pushed(name)
      const fill = 'x'.repeat(1_500_000)
      const digests: string[] = []
      for (let i = 0; i < 3; i++) {
        const referrer = await registry.referrer(name, subject, sbom, { annotations: { fill } })
        await registry.mustPut(name, referrer)
        digests.push(referrer.digest)
      }
      const found: string[] = []
      let path: string | undefined = `/v2/${name}/referrers/${subject.digest}`
      while (path !== undefined) {
        const answer = await registry.ask('GET', path)
        expect(answer.status).toBe(200)
        found.push(
          ...(JSON.parse(answer.body.toString()) as { readonly manifests: readonly Descriptor[] }).manifests.map(
            ({ digest }) => digest
          )
        )
        const link = answer.headers['link'] as string | undefined
        path = link === undefined ? undefined : new URL(link.slice(1, link.indexOf('>')), registry.base).href
      }
      expect(found.toSorted()).toEqual(digests.toSorted())
    }
  }),
  ...section('Docker Registry HTTP API V2: Listing Repositories', {
    'a repository is in the catalog, in order, and pages are linked': async (registry) => {
      const names = [registry.name(), registry.name(), registry.name()].toSorted()
      for (const name of names) await registry.pushed(name, 'v1')
      const found: string[] = []
      let path: string | undefined = '/v2/_catalog?n=2'
      while (path !== undefined) {
        const answer = await registry.ask('GET', path)
        expect(answer.status).toBe(200)
        found.push(...(JSON.parse(answer.body.toString()) as { readonly repositories: readonly string[] }).repositories)
        const link = answer.headers['link'] as string | undefined
        path = link === undefined ? undefined : new URL(link.slice(1, link.indexOf('>')), registry.base).href
      }
      expect(found).toEqual(found.toSorted())
      expect(found).toEqual(expect.arrayContaining(names))
    }
  })
]
