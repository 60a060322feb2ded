import { existsSync, readdirSync } from 'node:fs'
import { request as httpRequest } from 'node:http'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parseDigest } from '../../src/core/index.ts'
import { until } from '../node/lab.ts'
import { digestOf, fresh, Registry } from './conformance/client.ts'
import { Site } from './site.ts'

const octets = { 'content-type': 'application/octet-stream' }
const unfinished = (site: Site): readonly string[] =>
  readdirSync(join(site.root, 'tmp')).filter((name) => name.startsWith('upload-'))

describe('an upload', () => {
  it('REG-50: goes on after the node was started again, and is nowhere before it has its digest', async () => {
    await using site = await Site.open('uploads')
    const bytes = fresh(3_500_000)
    const digest = digestOf(bytes)
    const before = new Registry(site.url)
    const location = await before.begin('team/app')
    expect((await before.ask('PATCH', location, { headers: octets, body: bytes.subarray(0, 1_700_000) })).status).toBe(202)
    await site.down()
    await site.up()
    const registry = new Registry(site.url)
    const status = await registry.ask('GET', location)
    expect([status.status, status.headers.range]).toEqual([204, '0-1699999'])
    expect((await registry.ask('HEAD', `/v2/team/app/blobs/${digest}`)).status).toBe(404)
    const rest = { ...octets, 'content-range': '1700000-3499999' }
    expect((await registry.ask('PATCH', location, { headers: rest, body: bytes.subarray(1_700_000) })).status).toBe(202)
    expect(site.node.blobs.has(parseDigest(digest))).toBe(false)
    expect((await registry.ask('PUT', registry.with(location, `digest=${digest}`))).status).toBe(201)
    expect((await registry.ask('GET', `/v2/team/app/blobs/${digest}`)).body.equals(bytes)).toBe(true)
    // peers get it only once a manifest that names it is published
    expect(site.node.blobs.placeOf(parseDigest(digest))).toBe('private')
    const layer = { mediaType: 'application/vnd.oci.image.layer.v1.tar', digest, size: bytes.length }
    await registry.mustPut('team/app', await registry.image('team/app', { layers: [layer] }), 'v1')
    expect(site.node.blobs.placeOf(parseDigest(digest))).toBe('shared')
    expect(site.events().at(-1)?.data['blobs']).toMatchObject([{ digest, size: bytes.length }])
    expect(unfinished(site)).toEqual([])
    expect(await site.faults()).toEqual([])
  })

  it('REG-52: a blob that was uploaded is in its repository after a restart, and one that was deleted is not', async () => {
    await using site = await Site.open('uploads')
    const before = new Registry(site.url)
    const [stays, goes] = [await before.blob('team/app', fresh()), await before.blob('team/app', fresh())]
    expect((await before.ask('DELETE', `/v2/team/app/blobs/${goes}`)).status).toBe(202)
    await site.down()
    await site.up()
    const after = new Registry(site.url)
    expect((await after.ask('HEAD', `/v2/team/app/blobs/${stays}`)).status).toBe(200)
    expect((await after.ask('HEAD', `/v2/team/other/blobs/${stays}`)).status).toBe(404)
    expect((await after.ask('HEAD', `/v2/team/app/blobs/${goes}`)).status).toBe(404)
    expect(await site.faults()).toEqual([])
  })

  it('REG-50: keeps what came before the connection broke', async () => {
    await using site = await Site.open('uploads')
    const registry = new Registry(site.url)
    const bytes = fresh(2_000_000)
    const location = await registry.begin('team/app')
    const broken = httpRequest(new URL(location, site.url), {
      method: 'PATCH',
      headers: { 'content-length': String(bytes.length) }
    })
    broken.on('error', () => {})
    broken.write(bytes.subarray(0, 1_300_000))
    await until(async () => expect((await registry.ask('GET', location)).headers.range).toBe('0-1299999'))
    broken.destroy()
    const rest = { ...octets, 'content-range': '1300000-1999999' }
    const patched = await registry.ask('PATCH', location, { headers: rest, body: bytes.subarray(1_300_000) })
    expect([patched.status, patched.headers.range]).toEqual([202, '0-1999999'])
    expect((await registry.ask('PUT', registry.with(location, `digest=${digestOf(bytes)}`))).status).toBe(201)
  })

  it('REG-43: that nobody adds to is deleted, also one of an earlier run', async () => {
    const flags = { registry: { loopback: 'push', requestsPerSecond: 200, uploadExpiry: '1s' } } as const
    await using site = await Site.open('uploads')
    const location = await new Registry(site.url).begin('team/app')
    await new Registry(site.url).ask('PATCH', location, { headers: octets, body: fresh() })
    expect(unfinished(site)).toHaveLength(2)
    await site.down()
    await site.up({ flags })
    const registry = new Registry(site.url)
    const other = await registry.begin('team/app')
    await registry.ask('PATCH', other, { headers: octets, body: fresh() })
    await until(() => expect(unfinished(site)).toEqual([]))
    expect((await registry.ask('GET', location)).status).toBe(404)
    await until(async () => expect((await registry.ask('GET', other)).status).toBe(404))
    expect(existsSync(join(site.root, 'tmp'))).toBe(true)
  })
})
