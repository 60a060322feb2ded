import { expect } from 'vitest'
import { type Case, digestOf, expectFault, fresh, indexType, made, manifestType, type Registry, section } from './client.ts'

async function status(registry: Registry, path: string): Promise<number> {
  return (await registry.ask('GET', path, { headers: { accept: manifestType } })).status
}

export const management: readonly Case[] = [
  ...section('Deleting tags', {
    'DELETE of a tag answers 202; then it is 404, and the manifest stays': async (registry) => {
      const name = registry.name()
      const manifest = await registry.pushed(name, 'v1')
      expect((await registry.ask('DELETE', `/v2/${name}/manifests/v1`)).status).toBe(202)
      expect(await status(registry, `/v2/${name}/manifests/v1`)).toBe(404)
      expect(await status(registry, `/v2/${name}/manifests/${manifest.digest}`)).toBe(200)
      expect(await registry.tags(name)).toEqual([])
    },
    'other tags of the manifest stay': async (registry) => {
      const name = registry.name()
      const manifest = await registry.pushed(name, 'one')
      await registry.mustPut(name, manifest, 'two')
      await registry.ask('DELETE', `/v2/${name}/manifests/one`)
      expect(await registry.tags(name)).toEqual(['two'])
    },
    'a tag that was deleted can be set again': async (registry) => {
      const name = registry.name()
      const manifest = await registry.pushed(name, 'v1')
      expect((await registry.ask('DELETE', `/v2/${name}/manifests/v1`)).status).toBe(202)
      await registry.mustPut(name, manifest, 'v1')
      expect(await status(registry, `/v2/${name}/manifests/v1`)).toBe(200)
    },
    'DELETE of an unknown tag is 404': async (registry) => {
      const name = registry.name()
      await registry.pushed(name, 'v1')
      expectFault(await registry.ask('DELETE', `/v2/${name}/manifests/v2`), [404], 'MANIFEST_UNKNOWN')
    }
  }),
  ...section('Deleting Manifests', {
    'DELETE by digest answers 202; then it and its tags are 404': async (registry) => {
      const name = registry.name()
      const manifest = await registry.pushed(name, 'v1')
      await registry.mustPut(name, manifest, 'v2')
      expect((await registry.ask('DELETE', `/v2/${name}/manifests/${manifest.digest}`)).status).toBe(202)
      for (const reference of [manifest.digest, 'v1', 'v2'])
        expect(await status(registry, `/v2/${name}/manifests/${reference}`)).toBe(404)
    },
    'other manifests stay': async (registry) => {
      const name = registry.name()
      const [one, two] = [await registry.pushed(name, 'one'), await registry.pushed(name, 'two')]
      await registry.ask('DELETE', `/v2/${name}/manifests/${one.digest}`)
      expect(await status(registry, `/v2/${name}/manifests/${two.digest}`)).toBe(200)
      expect(await registry.tags(name)).toEqual(['two'])
    },
    'the same manifest in another repository stays': async (registry) => {
      const [name, other] = [registry.name(), registry.name()]
      const index = made({ schemaVersion: 2, mediaType: indexType, manifests: [] })
      await registry.mustPut(name, index)
      await registry.mustPut(other, index)
      await registry.ask('DELETE', `/v2/${name}/manifests/${index.digest}`)
      expect(
        (await registry.ask('GET', `/v2/${other}/manifests/${index.digest}`, { headers: { accept: indexType } })).status
      ).toBe(200)
    },
    'a manifest that was deleted can be pushed again, without its old tags': async (registry) => {
      const name = registry.name()
      const manifest = await registry.image(name)
      await registry.mustPut(name, manifest, 'v1')
      await registry.ask('DELETE', `/v2/${name}/manifests/${manifest.digest}`)
      await registry.mustPut(name, manifest)
      expect(await status(registry, `/v2/${name}/manifests/${manifest.digest}`)).toBe(200)
      expect(await registry.tags(name)).toEqual([])
    },
    'DELETE of an unknown digest is 404': async (registry) => {
      const name = registry.name()
      await registry.pushed(name)
      expectFault(await registry.ask('DELETE', `/v2/${name}/manifests/${digestOf('nowhere')}`), [404], 'MANIFEST_UNKNOWN')
    },
    'DELETE in a repository that does not exist is 404': async (registry) => {
      expect((await registry.ask('DELETE', `/v2/${registry.name()}/manifests/${digestOf('nowhere')}`)).status).toBe(404)
    }
  }),
  ...section('Deleting Blobs', {
    'DELETE answers 202; then it is 404': async (registry) => {
      const name = registry.name()
      const digest = await registry.blob(name, fresh())
      expect((await registry.ask('DELETE', `/v2/${name}/blobs/${digest}`)).status).toBe(202)
      expectFault(await registry.ask('GET', `/v2/${name}/blobs/${digest}`), [404], 'BLOB_UNKNOWN')
    },
    'of a blob that a manifest names, too': async (registry) => {
      const name = registry.name()
      const manifest = await registry.pushed(name)
      const { layers } = JSON.parse(manifest.bytes.toString()) as { readonly layers: readonly [{ readonly digest: string }] }
      const path = `/v2/${name}/blobs/${layers[0].digest}`
      expect((await registry.ask('DELETE', path)).status).toBe(202)
      expect((await registry.ask('GET', path)).status).toBe(404)
    },
    'in another repository it stays': async (registry) => {
      const [name, other] = [registry.name(), registry.name()]
      const bytes = fresh()
      const digest = await registry.blob(name, bytes)
      await registry.blob(other, bytes)
      await registry.ask('DELETE', `/v2/${name}/blobs/${digest}`)
      expect((await registry.ask('GET', `/v2/${other}/blobs/${digest}`)).status).toBe(200)
    },
    'a blob that was deleted can be pushed again': async (registry) => {
      const name = registry.name()
      const bytes = fresh()
      const digest = await registry.blob(name, bytes)
      await registry.ask('DELETE', `/v2/${name}/blobs/${digest}`)
      await registry.blob(name, bytes)
      expect((await registry.ask('GET', `/v2/${name}/blobs/${digest}`)).body.equals(bytes)).toBe(true)
    },
    'DELETE of an unknown blob is 404': async (registry) => {
      const name = registry.name()
      await registry.pushed(name)
      expectFault(await registry.ask('DELETE', `/v2/${name}/blobs/${digestOf('nowhere')}`), [404], 'BLOB_UNKNOWN')
    }
  }),
  ...section('Error Codes', {
    'a body has errors, each with a code of capital letters and underscores': async (registry) => {
      const name = registry.name()
      await registry.pushed(name, 'v1')
      for (const [path, code] of [
        ['manifests/none', 'MANIFEST_UNKNOWN'],
        [`blobs/${digestOf('nowhere')}`, 'BLOB_UNKNOWN'],
        ['blobs/uploads/00000000-0000-4000-8000-000000000000', 'BLOB_UPLOAD_UNKNOWN']
      ] as const) {
        const answer = await registry.ask('GET', `/v2/${name}/${path}`)
        expectFault(answer, [404], code)
        const [first] = (JSON.parse(answer.body.toString()) as { readonly errors: readonly { readonly message?: unknown }[] })
          .errors
        expect(['string', 'undefined']).toContain(typeof first?.message)
      }
    },
    'a method that is not of the API is 405': async (registry) => {
      const name = registry.name()
      await registry.pushed(name, 'v1')
      for (const [method, path] of [
        ['POST', `/v2/${name}/manifests/v1`],
        ['PATCH', `/v2/${name}/blobs/${digestOf('x')}`],
        ['PUT', `/v2/${name}/tags/list`]
      ] as const)
        expect((await registry.ask(method, path)).status).toBe(405)
    }
  })
]
