import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { runVerb } from '../../src/node/index.ts'
import {
  configType,
  digestOf,
  emptyType,
  indexType,
  layerType,
  made,
  manifestType,
  type Made,
  Registry
} from './conformance/client.ts'
import { Site } from './site.ts'

const digestsType = 'application/vnd.rejoin.tags.v1+json'

/** Writes a layout of an index whose parts are an image and an attestation about it, as BuildKit does; returns the two. */
function writeLayout(folder: string): readonly [Made, Made] {
  mkdirSync(join(folder, 'blobs/sha256'), { recursive: true })
  const keep = (bytes: Buffer, mediaType: string): Made['descriptor'] => {
    const digest = digestOf(bytes)
    writeFileSync(join(folder, 'blobs', digest.replace(':', '/')), bytes)
    return { mediaType, digest, size: bytes.length }
  }
  const config = keep(Buffer.from('{"os":"linux"}'), configType)
  const image = made({ schemaVersion: 2, mediaType: manifestType, config, layers: [keep(Buffer.from('layer'), layerType)] })
  const attestation = made({
    schemaVersion: 2,
    mediaType: manifestType,
    artifactType: 'application/vnd.in-toto+json',
    config: keep(Buffer.from('{}'), emptyType),
    layers: [keep(Buffer.from('{"predicate":{}}'), 'application/vnd.in-toto+json')],
    subject: image.descriptor
  })
  for (const { bytes } of [image, attestation]) keep(bytes, manifestType)
  const index = made({ schemaVersion: 2, mediaType: indexType, manifests: [image.descriptor, attestation.descriptor] })
  const root = { ...keep(index.bytes, indexType), annotations: { 'org.opencontainers.image.ref.name': 'v1' } }
  writeFileSync(join(folder, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [root] }))
  writeFileSync(join(folder, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}')
  return [image, attestation]
}

it('REG-14 REG-15: parts of a published layout are listed as referrers, and a list with digests says when anything changed', async () => {
  await using site = await Site.open('lists')
  const folder = join(site.root, 'tmp/layout')
  const [image, attestation] = writeLayout(folder)
  const args = { files: [folder], options: { repository: 'team/app' } }
  for await (const record of runVerb(site.node, site.live, 'publish', args, new AbortController().signal))
    expect(record.kind).toBe('result')
  const registry = new Registry(site.url)
  expect(await registry.referrers('team/app', image.digest)).toMatchObject([
    { digest: attestation.digest, artifactType: 'application/vnd.in-toto+json' }
  ])

  const list = async (etag?: string): Promise<Awaited<ReturnType<Registry['ask']>>> =>
    await registry.ask('GET', '/v2/team/app/tags/list?n=1000', {
      headers: { accept: `${digestsType}, application/json;q=0.5`, ...(etag !== undefined && { 'if-none-match': etag }) }
    })
  const tagged = await registry.pushed('team/app', 'v2')
  const first = await list()
  expect(first.headers['content-type']).toBe(digestsType)
  expect(first.headers.etag).toBe(`"${digestOf(first.body)}"`)
  const { tags, referrers } = JSON.parse(first.body.toString()) as {
    readonly tags: Record<string, string>
    readonly referrers: object
  }
  expect([Object.keys(tags), tags['v2'], referrers]).toEqual([
    ['v1', 'v2'],
    tagged.digest,
    { [image.digest]: [attestation.digest] }
  ])
  const same = await list(first.headers.etag)
  expect([same.status, same.body.length]).toEqual([304, 0])
  // what refers to a tagged manifest changes it, and what refers to that
  const signature = await registry.referrer('team/app', tagged.descriptor, 'text/x-signature')
  await registry.mustPut('team/app', signature)
  const about = await registry.referrer('team/app', signature.descriptor, 'text/x-note')
  await registry.mustPut('team/app', about)
  const second = await list(first.headers.etag)
  expect(JSON.parse(second.body.toString())).toMatchObject({
    referrers: { [tagged.digest]: [signature.digest], [signature.digest]: [about.digest] }
  })
  // as anybody else asks, it is the list of the specification
  const plain = await registry.ask('GET', '/v2/team/app/tags/list', { headers: { accept: 'application/json' } })
  expect(JSON.parse(plain.body.toString())).toEqual({ name: 'team/app', tags: ['v1', 'v2'] })
})
