import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { runVerb } from '../../src/node/index.ts'
import { Rates } from '../../src/registry/rates.ts'
import { expectFault, type Made, Registry } from './conformance/client.ts'
import { Site } from './site.ts'
import { layout, tool } from './tools.ts'

const never = new AbortController().signal
const locked = { registry: { loopback: 'token', requestsPerSecond: 200, uploadExpiry: '24h' } } as const

async function verb(site: Site, args: object): Promise<Readonly<Record<string, unknown>>> {
  const found: Readonly<Record<string, unknown>>[] = []
  for await (const record of runVerb(site.node, site.live, 'access-token', args, never)) found.push(record as never)
  return found[0] ?? {}
}

const basic = (token: string): Readonly<Record<string, string>> => ({
  authorization: `Basic ${Buffer.from(`anybody:${token}`).toString('base64')}`
})
const bearer = (token: string): Readonly<Record<string, string>> => ({ authorization: `Bearer ${token}` })

describe('who may do what', () => {
  it('REG-30: beyond this machine nothing is answered without a token, also not through a proxy on this machine', async () => {
    await using site = await Site.open('access')
    const registry = new Registry(site.url)
    await registry.pushed('team/app', 'v1')
    for (const headers of [
      { 'x-forwarded-for': '192.0.2.1' },
      { forwarded: 'for=192.0.2.1' },
      { origin: 'https://example.com' }
    ] as const)
      for (const [method, path] of [
        ['GET', '/v2/'],
        ['GET', '/v2/_catalog'],
        ['GET', '/v2/team/app/manifests/v1'],
        ['GET', '/v2/team/app/tags/list'],
        ['POST', '/v2/team/app/blobs/uploads/'],
        ['DELETE', '/v2/team/app/manifests/v1']
      ] as const) {
        const answer = await registry.ask(method, path, { headers: headers as never })
        expectFault(answer, [401], 'UNAUTHORIZED')
        expect(answer.headers['www-authenticate']).toContain(`Bearer realm="${site.url}/token",service="rejoin"`)
      }
    const asked = await registry.ask('PUT', '/v2/team/app/manifests/v2', {
      headers: { 'x-forwarded-for': '192.0.2.1' },
      body: '{}'
    })
    expect(asked.headers['www-authenticate']).toContain('scope="repository:team/app:pull,push"')
  })

  it('REG-31 REG-32 CLI-15: a token is shown once, kept as a hash, and good for its repositories, as password, bearer or exchanged', async () => {
    await using site = await Site.open('access', { flags: locked })
    const { token, id } = (await verb(site, { action: 'create', name: 'ci', pull: ['open/**'], push: ['team/*'] })) as Readonly<
      Record<string, string>
    >
    expect(statSync(join(site.root, 'keys/tokens')).mode & 0o777).toBe(0o600)
    expect(await tool('cat', join(site.root, 'keys/tokens'))).not.toContain(token?.slice(17))
    const registry = new Registry(site.url)
    const exchanged = await registry.ask('GET', '/token?service=rejoin&scope=repository:team/app:pull', {
      headers: basic(token ?? '')
    })
    expect(exchanged.status).toBe(200)
    const grant = JSON.parse(exchanged.body.toString()) as { readonly token: string; readonly expires_in: number }
    expect(grant.expires_in).toBe(300)
    for (const headers of [basic(token ?? ''), bearer(token ?? ''), bearer(grant.token)]) {
      expect((await registry.ask('GET', '/v2/', { headers })).status).toBe(200)
      expect((await registry.ask('POST', '/v2/team/app/blobs/uploads/', { headers })).status).toBe(202)
      expectFault(await registry.ask('POST', '/v2/open/app/blobs/uploads/', { headers }), [403], 'DENIED')
      expectFault(await registry.ask('GET', '/v2/other/app/manifests/v1', { headers }), [403], 'DENIED')
      expectFault(await registry.ask('GET', '/v2/open/app/manifests/v1', { headers }), [404], 'MANIFEST_UNKNOWN')
    }
    expect(await verb(site, { action: 'revoke', name: 'ci' })).toMatchObject({ id, revoked: true })
    for (const headers of [
      basic(token ?? ''),
      bearer(token ?? ''),
      bearer(grant.token),
      bearer(`${grant.token}x`),
      basic('rjt_x')
    ])
      expect((await registry.ask('GET', '/v2/', { headers })).status).toBe(401)
    expect(await site.faults()).toEqual([])
  })

  it('REG-32: a token with few repositories sees only those in the catalog, and mounts only from them', async () => {
    await using site = await Site.open('access')
    const registry = new Registry(site.url)
    const image: Made = await registry.pushed('secret/app', 'v1')
    await registry.pushed('open/app', 'v1')
    const { token = '' } = (await verb(site, { action: 'create', name: 'ci', push: ['open/**'] })) as Readonly<
      Record<string, string>
    >
    const headers = bearer(token)
    const catalog = await registry.ask('GET', '/v2/_catalog', { headers })
    expect(JSON.parse(catalog.body.toString())).toEqual({ repositories: ['open/app'] })
    const { layers } = JSON.parse(image.bytes.toString()) as { readonly layers: readonly [{ readonly digest: string }] }
    for (const query of [`?mount=${layers[0].digest}&from=secret/app`, `?mount=${layers[0].digest}`])
      expect((await registry.ask('POST', `/v2/open/app/blobs/uploads/${query}`, { headers })).status).toBe(202)
  })

  it('REG-31: what has expired is no token; wrong ones are slowed down', async () => {
    await using site = await Site.open('access', { flags: locked })
    const { token = '' } = (await verb(site, { action: 'create', name: 'brief', expires: '0s' })) as Readonly<
      Record<string, string>
    >
    const registry = new Registry(site.url)
    const statuses: number[] = []
    for (let i = 0; i < 12; i++) statuses.push((await registry.ask('GET', '/v2/', { headers: bearer(token) })).status)
    expect(statuses.slice(0, 10)).toEqual(Array.from({ length: 10 }, () => 401))
    const last = await registry.ask('GET', '/v2/', { headers: bearer(token) })
    expectFault(last, [429], 'TOOMANYREQUESTS')
    expect(last.headers['retry-after']).toBe('5')
  })

  it('REG-33: an address may ask so often, and no oftener', () => {
    const rates = new Rates(10, 2)
    const taken = (address: string, nowMs: number): number =>
      Array.from({ length: 100 }, () => rates.take(address, nowMs)).filter(Boolean).length
    expect(taken('a', 0)).toBe(20)
    expect(taken('a', 1000)).toBe(10)
    expect(taken('b', 1000)).toBe(20)
  })

  it('REG-34: skopeo logs in with a token over TLS with one’s own certificate', async () => {
    const certificates = mkdtempSync(join(tmpdir(), 'rejoin-tls-'))
    const [cert, key] = [join(certificates, 'ca.crt'), join(certificates, 'own.pem')]
    await tool(
      'openssl',
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-days',
      '2',
      '-subj',
      '/CN=localhost',
      '-addext',
      'subjectAltName=IP:127.0.0.1',
      '-keyout',
      key,
      '-out',
      cert
    )
    try {
      await using site = await Site.open('access', { flags: { ...locked, tls: { cert, key } } })
      expect(site.url).toMatch(/^https:/)
      const { token = '' } = (await verb(site, { action: 'create', name: 'skopeo', push: ['**'] })) as Readonly<
        Record<string, string>
      >
      const from = await layout(site.root, 'regclient-testrepo')
      const remote = `docker://${site.url.replace('https://', '')}/team/app:a1`
      const copy = async (creds: string): Promise<string> =>
        await tool(
          'skopeo',
          'copy',
          '-q',
          '--all',
          `--dest-cert-dir=${certificates}`,
          `--dest-creds=${creds}`,
          `oci:${from}:a1`,
          remote
        )
      await expect(copy('ci:wrong')).rejects.toThrow('unauthorized')
      await copy(`ci:${token}`)
      expect(site.events().map(({ type }) => type)).toEqual(['manifest.published'])
    } finally {
      rmSync(certificates, { recursive: true, force: true })
    }
  })
})
