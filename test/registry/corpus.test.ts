import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { sharedPath } from '../shared.ts'
import { type Descriptor, expectFault, manifestType, Registry } from './conformance/client.ts'
import { Site } from './site.ts'
import { layout } from './tools.ts'

interface Document {
  readonly config?: Descriptor
  readonly layers?: readonly Descriptor[]
  readonly manifests?: readonly Descriptor[]
  readonly subject?: Descriptor
}

const refName = 'org.opencontainers.image.ref.name'
const isManifest = ({ mediaType }: Descriptor): boolean => /manifest|index/.test(mediaType) && mediaType.endsWith('+json')

describe('the layouts of the corpus', () => {
  it.each(['oras-images', 'regclient-testrepo'] as const)(
    'REG-2: %s goes in whole and comes out whole, with its referrers',
    async (name) => {
      await using site = await Site.open('corpus')
      const folder = await layout(site.root, name)
      const registry = new Registry(site.url)
      const bytesOf = (digest: string): Buffer => readFileSync(join(folder, 'blobs', digest.replace(':', '/')))
      const repository = `corpus/${name}`
      const pushed = new Map<string, Descriptor>()
      const push = async (descriptor: Descriptor, tag?: string): Promise<void> => {
        const { digest, mediaType } = descriptor
        const bytes = bytesOf(digest)
        if (!isManifest(descriptor)) {
          if (!pushed.has(digest)) await registry.blob(repository, bytes)
        } else {
          const { config, layers = [], manifests = [] } = JSON.parse(bytes.toString()) as Document
          if (!pushed.has(digest)) for (const part of [...(config ? [config] : []), ...layers, ...manifests]) await push(part)
          await registry.mustPut(repository, { bytes, digest, descriptor: { ...descriptor, mediaType } }, tag)
        }
        pushed.set(digest, descriptor)
      }
      const index = JSON.parse(readFileSync(join(folder, 'index.json'), 'utf8')) as { readonly manifests: readonly Descriptor[] }
      const tags: string[] = []
      for (const root of index.manifests) {
        const tag = (root['annotations'] as Readonly<Record<string, string>> | undefined)?.[refName]
        await push(root, tag)
        if (tag !== undefined) tags.push(tag)
      }
      // what nothing lists and only the referrers API finds
      for (const hex of readdirSync(join(folder, 'blobs/sha256'))) expect(pushed.has(`sha256:${hex}`), hex).toBe(true)
      expect(await registry.tags(repository)).toEqual([...new Set(tags)].toSorted())
      const subjects = new Map<string, string[]>()
      for (const [digest, descriptor] of pushed) {
        const path = isManifest(descriptor) ? `manifests/${digest}` : `blobs/${digest}`
        const answer = await registry.ask('GET', `/v2/${repository}/${path}`)
        expect(answer.status).toBe(200)
        expect(answer.body.equals(bytesOf(digest))).toBe(true)
        if (!isManifest(descriptor)) continue
        expect(answer.headers['content-type']).toBe(descriptor.mediaType)
        const { subject } = JSON.parse(answer.body.toString()) as Document
        if (subject !== undefined) subjects.set(subject.digest, [...(subjects.get(subject.digest) ?? []), digest])
      }
      for (const [subject, digests] of subjects)
        expect((await registry.referrers(repository, subject)).map(({ digest }) => digest).toSorted()).toEqual(digests.toSorted())
      if (name === 'regclient-testrepo') expect(subjects.size).toBeGreaterThan(2)
      expect(await site.faults()).toEqual([])
    }
  )

  it('a Docker schema 1 manifest is not taken', async () => {
    await using site = await Site.open('corpus')
    const body = readFileSync(sharedPath('corpus/oci/skopeo__fixtures__v2s1-invalid-signatures.manifest.json'))
    const answer = await new Registry(site.url).ask('PUT', '/v2/old/app/manifests/v1', {
      headers: { 'content-type': manifestType },
      body
    })
    expectFault(answer, [400], 'MANIFEST_INVALID')
  })
})
