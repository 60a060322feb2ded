import { createHash, randomBytes } from 'node:crypto'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { env } from 'node:process'
import { afterAll, describe, expect, it } from 'vitest'
import { codeOf, parseDigest } from '../../src/core/index.ts'
import { credentialsFor } from '../../src/forge/credentials.ts'
import { parseChallenges, RegistryAuth } from '../../src/forge/registry-auth.ts'
import { RegistryClient } from '../../src/forge/registry-client.ts'
import { listTags } from '../../src/forge/registry-lists.ts'
import { Followed } from './followed.ts'

const never = new AbortController().signal
const place = mkdtempSync(join(tmpdir(), 'rejoin-forge-client-'))
afterAll(() => rmSync(place, { recursive: true, force: true }))

const digestOf = (bytes: Uint8Array | string): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`

/** Serves what a handler answers until it is disposed of. */
async function serve(
  handle: (request: IncomingMessage, response: ServerResponse) => void
): Promise<AsyncDisposable & { readonly url: string; readonly host: string; readonly asked: string[] }> {
  const asked: string[] = []
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}${request.headers.range === undefined ? '' : ` ${request.headers.range}`}`)
    handle(request, response)
  }).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    url: `http://${host}`,
    host,
    asked,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    }
  }
}

function dockerFolder(name: string, config: object): string {
  const folder = join(place, name)
  mkdirSync(folder)
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config))
  return folder
}

describe('what a registry is shown', () => {
  it('FORGE-13 is what config.json has for it, as Docker writes it', async () => {
    const folder = dockerFolder('auths', {
      auths: {
        'r.example:5000': { auth: Buffer.from('ann:p:w').toString('base64') },
        'https://index.docker.io/v1/': { username: 'hub', password: 'x' },
        'token.example': { identitytoken: 'abc' },
        'bad.example': { auth: 'nothing' }
      }
    })
    const found = async (host: string): Promise<unknown> => await credentialsFor(host, { folder, signal: never }).catch(codeOf)
    expect(await found('r.example:5000')).toEqual({ username: 'ann', password: 'p:w' })
    expect(await found('docker.io')).toMatchObject({ username: 'hub' })
    expect(await found('token.example')).toMatchObject({ identityToken: 'abc' })
    expect(await found('bad.example')).toBe('E_CONFIG')
    expect(await found('other.example')).toBeUndefined()
    expect(await credentialsFor('r.example', { folder: join(place, 'nowhere'), signal: never })).toBeUndefined()
    writeFileSync(join(folder, 'config.json'), '{"auths": {}, "auths": {}}')
    expect(await found('r.example')).toBe('E_CONFIG')
  })

  it('FORGE-13 is what a credential helper says, where config.json names one', async () => {
    const programs = join(place, 'programs')
    mkdirSync(programs)
    const helper = (name: string, script: string): void => {
      const path = join(programs, `docker-credential-${name}`)
      writeFileSync(path, `#!/bin/sh\n${script}\n`)
      chmodSync(path, 0o755)
    }
    helper('good', 'read host; printf \'{"Username":"bob","Secret":"%s"}\' "$host"')
    helper('token', 'printf \'{"Username":"<token>","Secret":"t"}\'')
    helper('none', 'exit 1')
    helper('odd', 'echo hello')
    const folder = dockerFolder('helpers', {
      credHelpers: {
        'a.example': 'good',
        'b.example': 'token',
        'd.example': 'odd',
        'e.example': 'absent',
        'f.example': '../evil'
      },
      credsStore: 'none'
    })
    const before = env['PATH']
    env['PATH'] = `${programs}:${before ?? ''}`
    try {
      const found = async (host: string): Promise<unknown> => await credentialsFor(host, { folder, signal: never }).catch(codeOf)
      expect(await found('a.example')).toEqual({ username: 'bob', password: 'a.example' })
      expect(await found('b.example')).toMatchObject({ identityToken: 't' })
      expect(await found('c.example')).toBeUndefined()
      for (const host of ['d.example', 'e.example', 'f.example']) expect([host, await found(host)]).toEqual([host, 'E_CONFIG'])
    } finally {
      env['PATH'] = before
    }
  })

  it('FORGE-13 goes to the token service that the registry names, and a token then to the registry', async () => {
    const seen: string[] = []
    // each token is good for two requests
    let [issued, used] = [0, 0]
    await using server = await serve((request, response) => {
      seen.push(String(request.headers.authorization))
      const { url = '' } = request
      if (url.startsWith('/token')) {
        const isRight =
          request.headers.authorization === `Basic ${Buffer.from('ann:pw').toString('base64')}` &&
          url.includes('scope=repository%3Aapps%2Fweb%3Apull')
        response.writeHead(isRight ? 200 : 401).end(JSON.stringify({ token: `T0KEN-${++issued}`, expires_in: 300 }))
        used = 0
      } else if (request.headers.authorization === `Bearer T0KEN-${issued}` && used++ < 2)
        response.writeHead(200).end('{"tags":["v1"]}')
      else
        response.writeHead(401, { 'www-authenticate': `Bearer realm="http://${request.headers.host}/token",service="s"` }).end()
    })
    const credentialFolder = dockerFolder('bearer', {
      auths: { [server.host]: { auth: Buffer.from('ann:pw').toString('base64') } }
    })
    const client = new RegistryClient({ origin: server.url, host: server.host }, { credentialFolder })
    for (let i = 0; i < 4; i++)
      expect(await listTags(client, 'apps/web', undefined, never)).toMatchObject({ tags: new Map([['v1', undefined]]) })
    expect(server.asked.filter((one) => one.includes('/token'))).toHaveLength(2)
    expect(seen[0]).toBe('undefined')
    const nobody = new RegistryClient({ origin: server.url, host: server.host }, { credentialFolder: join(place, 'nowhere') })
    expect(await listTags(nobody, 'apps/web', undefined, never).catch(codeOf)).toBe('E_PERMISSION')
  })

  it('FORGE-13 never goes over plain HTTP to the token service of a registry that is HTTPS', async () => {
    await using server = await serve((_, response) => response.writeHead(200).end('{"token":"x"}'))
    const folder = dockerFolder('plain', { auths: { 'r.example': { auth: Buffer.from('ann:pw').toString('base64') } } })
    const auth = new RegistryAuth({ origin: 'https://r.example', host: 'r.example' }, folder)
    const answer = auth.answer(parseChallenges(`Bearer realm="${server.url}/token"`), 'repository:a:pull', never)
    expect(await answer.catch(codeOf)).toBe('E_PROTOCOL')
    expect(server.asked).toEqual([])
  })

  it('reads challenges with several schemes and quoted texts', () => {
    expect(
      parseChallenges('Bearer realm="https://a/t", service="x \\"y\\"", scope="repository:a:pull,push", Basic realm=z')
    ).toEqual([
      { scheme: 'bearer', parameters: { realm: 'https://a/t', service: 'x "y"', scope: 'repository:a:pull,push' } },
      { scheme: 'basic', parameters: { realm: 'z' } }
    ])
    expect(parseChallenges('')).toEqual([])
  })
})

/** A registry with one artifact of one layer; `answer` may do something else for the layer. */
async function oneArtifact(
  layer: Buffer,
  answer: (request: IncomingMessage, response: ServerResponse) => boolean
): Promise<Awaited<ReturnType<typeof serve>> & { readonly digest: string }> {
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    artifactType: 'text/x-note',
    config: { mediaType: 'application/vnd.oci.empty.v1+json', digest: digestOf('{}'), size: 2 },
    layers: [{ mediaType: 'text/plain', digest: digestOf(layer), size: layer.length }]
  })
  const server = await serve((request, response) => {
    const { url = '' } = request
    if (url.includes('/manifests/v1') || url.includes(`/manifests/${digestOf(manifest)}`))
      response
        .writeHead(200, {
          'content-type': 'application/vnd.oci.image.manifest.v1+json',
          'docker-content-digest': digestOf(manifest),
          'content-length': manifest.length
        })
        .end(request.method === 'HEAD' ? undefined : manifest)
    else if (url.endsWith(digestOf('{}'))) response.writeHead(200).end('{}')
    else if (!url.endsWith(`/blobs/${digestOf(layer)}`)) response.writeHead(404).end()
    else if (!answer(request, response)) {
      const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0)
      response.writeHead(
        from > 0 ? 206 : 200,
        from > 0 ? { 'content-range': `bytes ${from}-${layer.length - 1}/${layer.length}` } : {}
      )
      response.end(layer.subarray(from))
    }
  })
  return Object.assign(server, { digest: digestOf(manifest) })
}

describe('a transfer', () => {
  it('FORGE-6 that broke is gone on with where it broke', async () => {
    const layer = randomBytes(5 * 1024 * 1024 + 17)
    const half = 3 * 1024 * 1024
    let broken = 0
    await using server = await oneArtifact(layer, (request, response) => {
      if (broken > 0) return false
      broken++
      response.writeHead(200, { 'content-length': layer.length })
      response.write(layer.subarray(0, half), () => request.socket.destroy())
      return true
    })
    await using followed = await Followed.open(server.url, { pull: ['apps/web:v1'], push: [] })
    expect(await followed.sync().catch(codeOf)).toBe('E_GONE')
    expect(followed.site.node.blobs.has(parseDigest(digestOf(layer)))).toBe(false)
    expect(await followed.sync()).toMatchObject({ complete: true, taken: 1 })
    const ranges = server.asked.flatMap((one) => /bytes=(\d+)-/.exec(one)?.[1] ?? [])
    expect(ranges).toHaveLength(1)
    expect(Number(ranges[0])).toBeGreaterThan(half - 1024 * 1024)
    expect(await followed.site.faults()).toEqual([])
  })

  it.each([
    ['other bytes', (layer: Buffer) => Buffer.from(layer).fill(1, 5, 9), 'E_BAD_OBJECT'],
    ['more bytes', (layer: Buffer) => Buffer.concat([layer, Buffer.from('more')]), 'E_BAD_OBJECT']
  ] as const)('FORGE-4 with %s than the manifest says is no blob, and no event names it', async (_, change, code) => {
    const layer = randomBytes(2000)
    await using server = await oneArtifact(layer, (_request, response) => {
      response.writeHead(200).end(change(layer))
      return true
    })
    await using followed = await Followed.open(server.url, { pull: ['apps/web:v1'], push: [] })
    const result = await followed.sync()
    expect(result).toMatchObject({ complete: false, taken: 0 })
    expect(result.faults[0]).toContain(code)
    expect(followed.site.events()).toEqual([])
    expect(followed.site.node.blobs.has(parseDigest(digestOf(layer)))).toBe(false)
  })

  it('FORGE-12 is not taken for away by a node that knows one artifact and has none of it, only by one that says nothing else', async () => {
    let body = JSON.stringify({ errors: [{ code: 'MANIFEST_UNKNOWN', message: 'known and not here' }] })
    await using server = await serve((request, response) => {
      const isTag = request.url?.includes('/apps/web/manifests/v1') === true
      response.writeHead(isTag ? 200 : 503, {
        'content-type': isTag ? 'application/vnd.oci.image.manifest.v1+json' : 'application/json',
        ...(isTag && { 'docker-content-digest': `sha256:${'1'.repeat(64)}` })
      })
      response.end(request.method === 'HEAD' ? undefined : body)
    })
    await using followed = await Followed.open(server.url, { pull: ['apps/web:v1', 'other/web:v1'], push: [] })
    const { faults } = await followed.sync()
    expect(faults.map((fault) => /\(E_.*\)/.exec(fault)?.[0])).toEqual(['(E_NOT_FOUND)', '(E_NOT_FOUND)'])
    body = 'down'
    expect(await followed.sync().catch(codeOf)).toBe('E_UNREACHABLE')
  })

  it('FORGE-4 of a manifest under the digest of another one is refused', async () => {
    await using server = await serve((request, response) =>
      response
        .writeHead(200, {
          'content-type': 'application/vnd.oci.image.manifest.v1+json',
          'docker-content-digest': `sha256:${'1'.repeat(64)}`
        })
        .end(request.method === 'HEAD' ? undefined : '{"schemaVersion":2}')
    )
    await using followed = await Followed.open(server.url, { pull: ['apps/web:v1'], push: [] })
    const { faults } = await followed.sync()
    expect(faults[0]).toContain('E_BAD_OBJECT')
  })
})
