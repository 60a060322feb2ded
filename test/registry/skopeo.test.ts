import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { Site } from './site.ts'
import { layout, tool, skopeoCopy } from './tools.ts'

interface Index {
  readonly manifests: readonly { readonly digest: string; readonly annotations?: Readonly<Record<string, string>> }[]
}

const tagKey = 'org.opencontainers.image.ref.name'

function taggedIn(folder: string): ReadonlyMap<string, string> {
  const { manifests } = JSON.parse(readFileSync(join(folder, 'index.json'), 'utf8')) as Index
  return new Map(manifests.map(({ digest, annotations }) => [annotations?.[tagKey] ?? '', digest]))
}

describe('skopeo', () => {
  it.each([
    ['oras-images', ['multi', 'foobar', 'nonjson-config']],
    ['regclient-testrepo', ['v1', 'a1', 'ai', 'b1', 'loop']]
  ] as const)(
    'REG-1: copies artifacts of %s in and out: digests and bytes are the same, and each push is one event',
    async (name, tags) => {
      await using site = await Site.open('skopeo')
      const from = await layout(site.root, name)
      const remote = `docker://${site.host}/corpus/${name}`
      for (const tag of tags) {
        await skopeoCopy(`oci:${from}:${tag}`, `${remote}:${tag}`)
        const events = site.events().length
        await skopeoCopy(`oci:${from}:${tag}`, `${remote}:${tag}`)
        expect(site.events()).toHaveLength(events)
        const to = join(site.root, `out-${tag}`)
        await skopeoCopy(`${remote}:${tag}`, `oci:${to}:${tag}`)
        expect(taggedIn(to).get(tag)).toBe(taggedIn(from).get(tag))
        for (const blob of readdirSync(join(to, 'blobs/sha256')))
          expect(readFileSync(join(to, 'blobs/sha256', blob))).toEqual(readFileSync(join(from, 'blobs/sha256', blob)))
      }
      const listed = JSON.parse(await tool('skopeo', 'list-tags', '--tls-verify=false', remote)) as {
        readonly Tags: readonly string[]
      }
      expect(listed.Tags).toEqual([...tags].toSorted())
      expect(new Set(site.events().map(({ type }) => type))).toEqual(new Set(['manifest.published']))
      await site.node.store.index.flush({ all: true })
      expect(await site.faults()).toEqual([])
    }
  )
})
