import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { env } from 'node:process'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { codeOf } from '../../src/core/index.ts'
import { ForgeFollower } from '../../src/forge/index.ts'
import { readForgeState } from '../../src/forge/forge-state.ts'
import { runVerb } from '../../src/node/index.ts'
import { until } from '../node/lab.ts'
import { DockerRegistry } from '../registry/docker-registry.ts'
import { Site } from '../registry/site.ts'
import { digestAt, Followed, push } from './followed.ts'
import { TokenService } from './token-service.ts'

const never = new AbortController().signal
const [password, identity] = ['correct horse battery', 'identity-of-ann']
let place: string
let service: TokenService
let docker: DockerRegistry
let path: string | undefined

/** Makes a folder with Docker's config.json. */
function dockerFolder(name: string, config: (host: string) => object): { readonly credentialFolder: string } {
  const credentialFolder = join(place, name)
  mkdirSync(credentialFolder)
  writeFileSync(join(credentialFolder, 'config.json'), JSON.stringify(config(new URL(docker.url).host)))
  return { credentialFolder }
}

/** Returns all text below a folder. */
function textBelow(folder: string): string {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'latin1'))
    .join('\n')
}

beforeAll(async () => {
  place = mkdtempSync(join(tmpdir(), 'rejoin-credentials-'))
  service = await TokenService.open(place, { password, identity })
  docker = await DockerRegistry.open({ isInMemory: true, auth: service.auth })
  const helper = join(place, 'docker-credential-rejoin-test')
  writeFileSync(helper, `#!/bin/sh\nread host\nprintf '{"ServerURL":"%s","Username":"ann","Secret":"${password}"}' "$host"\n`)
  chmodSync(helper, 0o755)
  path = env['PATH']
  env['PATH'] = `${place}:${path ?? ''}`
})
afterAll(async () => {
  env['PATH'] = path
  await docker[Symbol.asyncDispose]()
  await service[Symbol.asyncDispose]()
  rmSync(place, { recursive: true, force: true })
})

describe('docker-registry with a token service', () => {
  it('FORGE-13 FORGE-14: a site pushes with the password of a credential helper, another pulls with an identity token; each scope is asked for once', async () => {
    await using from = await Followed.open(docker.url, { pull: [] })
    const image = await push(from.site.url, 'apps/web', 'v1', 'one')
    await push(from.site.url, 'apps/web', 'v2', 'two')
    const helped = dockerFolder('helped', (host) => ({ credHelpers: { [host]: 'rejoin-test' } }))
    expect(await from.sync(helped)).toMatchObject({ sent: 2, complete: true })
    expect(service.asked.splice(0)).toEqual(['GET ann repository:apps/web:pull', 'GET ann repository:apps/web:pull,push'])
    await using to = await Followed.open(docker.url, { pull: ['apps/**'], push: [] })
    const identified = dockerFolder('identified', (host) => ({ auths: { [host]: { identitytoken: identity } } }))
    expect(await to.sync(identified)).toMatchObject({ taken: 2, complete: true })
    expect(service.asked.splice(0)).toEqual(['POST  registry:catalog:*', 'POST  repository:apps/web:pull'])
    expect(await digestAt(to.site.url, 'apps/web', 'v1')).toBe(image.digest)
    for (const { site } of [from, to]) expect(textBelow(site.root)).not.toMatch(new RegExp(`${password}|${identity}|eyJ`))
  })

  it.each([
    [
      'a wrong password',
      (host: string) => ({ auths: { [host]: { auth: Buffer.from('ann:wr0ng').toString('base64') } } }),
      'user name and password kept'
    ],
    [
      'an identity token that is none any more',
      (host: string) => ({ auths: { [host]: { identitytoken: 'wr0ng' } } }),
      'identity token kept'
    ],
    ['nothing', () => ({}), 'wants a user name']
  ] as const)('FORGE-14: %s is tried once, and is one error', async (name, config, words) => {
    await using followed = await Followed.open(docker.url, { pull: ['apps/web:v1', 'apps/web:v2', 'apps/other', 'apps/third'] })
    await push(followed.site.url, 'apps/mine', 'v1', 'waits')
    const folder = dockerFolder(name.replaceAll(' ', '-'), config)
    service.asked.splice(0)
    const error = (await followed.sync(folder).catch((one: unknown) => one)) as Error
    expect(codeOf(error)).toBe('E_PERMISSION')
    expect(error.message).toContain(words)
    expect(service.asked).toHaveLength(1)
    const state = readForgeState(followed.site.root, new URL(docker.url).host)
    expect([state.why, state.awaySince === undefined]).toEqual([error.message, false])
    expect(textBelow(followed.site.root) + error.message).not.toContain('wr0ng')
  })

  it('FORGE-14: a follower says once that it is not let in, however often it is not', async () => {
    await using site = await Site.open('site', {
      net: true,
      flags: { forges: [{ url: docker.url, pull: ['apps/**'], push: [], intervalSeconds: 1, onConflict: 'show' }] }
    })
    const said: string[] = []
    service.asked.splice(0)
    const credentialFolder = join(place, 'a-wrong-password')
    const log = { info: (_: object, text: string) => said.push(text), warn: (_: object, text: string) => said.push(text) }
    await using follower = new ForgeFollower(site.node, site.live as never, log, { credentialFolder })
    void follower
    await until(() => expect(service.asked.length).toBeGreaterThan(2))
    expect(said).toEqual([expect.stringContaining('does not take the user name and password') as string])
  })
})

it('FORGE-13: a node that wants tokens is a forge like any other', async () => {
  await using forge = await Site.open('forge', {
    flags: { registry: { loopback: 'token', requestsPerSecond: 200, uploadExpiry: '24h' } }
  })
  const tokens: Readonly<Record<string, string>>[] = []
  for await (const record of runVerb(
    forge.node,
    forge.live,
    'access-token',
    { action: 'create', name: 'ci', push: ['apps/**'] },
    never
  ))
    tokens.push(record as never)
  const folder = join(place, 'node')
  mkdirSync(folder)
  const auth = Buffer.from(`ci:${tokens[0]?.['token'] ?? ''}`).toString('base64')
  writeFileSync(join(folder, 'config.json'), JSON.stringify({ auths: { [forge.host]: { auth } } }))
  await using followed = await Followed.open(forge.url)
  await push(followed.site.url, 'apps/web', 'v1', 'one')
  expect(await followed.sync({ credentialFolder: folder })).toMatchObject({ sent: 1, complete: true })
  expect(forge.events()).toHaveLength(1)
  expect(await followed.sync({ credentialFolder: join(place, 'nowhere') }).catch(codeOf)).toBe('E_PERMISSION')
})
