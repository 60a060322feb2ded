import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { keySetOf, makeIssuer, sign, type TestClaims, type TestIssuer } from '../trust/issuer.ts'
import { eventually, Lab, type Printed } from './process.ts'

// From the command line: `forge` and `mesh` are workers with a token of an OIDC issuer and a JWT-SVID; `site` knows the issuers, and no key.
const lab = new Lab()
const iss = 'https://forge.example/api/actions'
let oidc: TestIssuer
let spiffe: TestIssuer

async function token(issuer: TestIssuer, claims: TestClaims): Promise<string> {
  return await sign(issuer, claims, Date.now())
}

async function audience(folder: string): Promise<string> {
  const { stdout } = await lab.run(['id', '--audience', 'pool', '--data', lab.path(folder)])
  return stdout.trim()
}

/** Returns who writes the events of others that a node uses, as `author type`. */
async function seenAt(folder: string): Promise<readonly string[]> {
  const records = await lab.ask(folder, 'log')
  return records.flatMap(({ author, event }) =>
    event === undefined ? [] : [`${String(author)} ${(event as Printed)['type'] as string}`]
  )
}

function textBelow(folder: string): string {
  const files = readdirSync(lab.path(folder), { recursive: true, withFileTypes: true }).filter((one) => one.isFile())
  return files.map((one) => readFileSync(join(one.parentPath, one.name), 'latin1')).join('\n')
}

beforeAll(async () => {
  for (const name of ['forge', 'mesh', 'site', 'stranger']) await lab.init(name)
  oidc = await makeIssuer('RS256', 'forge-2026')
  spiffe = await makeIssuer('ES256', 'bundle-1', 'jwt-svid')
  mkdirSync(lab.path('site/jwks'))
  writeFileSync(lab.path('site/jwks/forge.json'), keySetOf(oidc))
  writeFileSync(lab.path('site/jwks/mesh.json'), keySetOf(spiffe))
  writeFileSync(
    lab.path('site/trust.yaml'),
    `apiVersion: rejoin/v1
kind: TrustPolicy
name: site
version: 2
issuers:
  forge: {iss: "${iss}", jwks: ./jwks/forge.json, aud: pool, algs: [RS256], claims: {repository: "team-a/*"}}
  mesh: {spiffe: mesh.example, jwks: ./jwks/mesh.json, aud: pool, claims: {sub: "spiffe://mesh.example/ci/**"}}
identities:
  team-a: {issuer: forge, roles: [submitter]}
  ci: {issuer: mesh, roles: [builder]}
rules:
  - {id: main, when: 'signer.issuer == "forge" && "ref=refs/heads/main" in signer.claims', verdict: relay}
  - {id: ci, when: 'signer.roles.exists(r, r == "builder")', verdict: relay}
default: refuse
`
  )
  writeFileSync(lab.path('note.txt'), 'a note of a worker')
})

afterAll(async () => await lab[Symbol.asyncDispose]())

it('BINDING-16 tells what is wrong with a token before anything is in the log', async () => {
  const bind = async (input: string): Promise<string> => {
    const { code, stderr } = await lab.run(['trust', 'token', 'bind', '-', '--data', lab.path('forge')], { input })
    return `${code} ${stderr}`
  }
  expect(await bind('no token')).toMatch(/^1 rejoin: error: not a token: .* \(E_TOKEN\)\n/)
  const other = await token(oidc, { iss, aud: 'https://bank.example' })
  const said = await bind(other)
  expect(said).toMatch(
    /^1 rejoin: error: the token is not for this node's key: its audience is "https:\/\/bank\.example" \(E_TOKEN\)\n/
  )
  expect(said).toContain(`rejoin: hint: ask the issuer for the audience AUD/did:key:`)
  expect(said).not.toContain(other.slice(-20))
  expect(await lab.ask('forge', 'log')).toHaveLength(1)
})

it('BINDING-14 a site that knows only issuers lets in who shows their tokens, and nobody else', async () => {
  const fromForge = await token(oidc, {
    iss,
    aud: await audience('forge'),
    sub: 'repo:team-a/app:ref:refs/heads/main',
    repository: 'team-a/app',
    ref: 'refs/heads/main'
  })
  const did = String((await lab.askOne('mesh', 'id'))['did'])
  const fromMesh = await token(spiffe, { sub: 'spiffe://mesh.example/ci/build', aud: ['pool', did] })
  writeFileSync(lab.path('svid.jwt'), `${fromMesh}\n`)
  // the stranger has a good token, of somebody else
  const shown = await lab.run(['trust', 'token', 'bind', '-', '--data', lab.path('stranger')], { input: fromForge })
  expect(shown.code).toBe(1)
  const bound = await lab.run(['trust', 'token', 'bind', '-', '--data', lab.path('forge')], { input: fromForge })
  expect(bound.stdout).toMatch(
    /^entry {6}[a-z2-7]{52}\/1\nissuer {5}https:\/\/forge\.example\/api\/actions\nsubject {4}repo:team-a\/app:/
  )
  expect(bound.stdout + bound.stderr).not.toContain(fromForge.slice(-20))
  expect(await lab.askOne('mesh', 'trust', 'token', 'bind', lab.path('svid.jwt'))).toMatchObject({
    kind: 'bound',
    index: 1,
    sub: 'spiffe://mesh.example/ci/build',
    audience: 'pool',
    late: false
  })
  for (const name of ['forge', 'mesh', 'stranger'])
    await lab.ask(name, 'publish', lab.path('note.txt'), '--type', 'text/plain', '--repo', `of/${name}`)
  const site = await lab.up('site')
  const workers = await Promise.all(['forge', 'mesh', 'stranger'].map(async (name) => await lab.up(name, site.address)))
  const seen = await eventually(
    async () => (await seenAt('site')).filter((one) => !one.startsWith('site ')),
    (all) => all.length >= 6
  )
  expect(seen.toSorted()).toEqual([
    'ci artifact.published',
    'ci identity.bound',
    'ci log.opened',
    'team-a artifact.published',
    'team-a identity.bound',
    'team-a log.opened'
  ])
  const [entry] = await lab.ask('site', 'trust', 'explain', `${(workers[0] as { id: Printed }).id['logId'] as string}/2`)
  expect(entry).toMatchObject({
    author: 'team-a',
    verdict: 'relay',
    now: { rule: 'main', facts: { signer: { name: 'team-a', roles: ['submitter'], issuer: 'forge' } } }
  })
  const peers = await lab.ask('site', 'peers')
  expect(peers.filter(({ kind }) => kind === 'unknown-writer').map(({ did: who }) => who)).toEqual([
    (workers[2] as { id: Printed }).id['did']
  ])
  const binding = await lab.run([
    'trust',
    'explain',
    `${(workers[0] as { id: Printed }).id['logId'] as string}/1`,
    '--data',
    lab.path('site')
  ])
  expect(binding.stdout).toContain('\ntoken      binds the log to team-a from here on\n')
  expect(await lab.askOne('site', 'verify')).toMatchObject({ ok: true })
  for (const one of [...workers, site]) expect(await one.stop()).toBe(0)
  expect(textBelow('site')).not.toContain('of/stranger')
})

it('BINDING-14 likewise from a stick', async () => {
  await lab.init('island')
  mkdirSync(lab.path('island/jwks'))
  for (const name of ['forge', 'mesh'])
    writeFileSync(lab.path(`island/jwks/${name}.json`), readFileSync(lab.path(`site/jwks/${name}.json`)))
  writeFileSync(lab.path('island/trust.yaml'), readFileSync(lab.path('site/trust.yaml')))
  mkdirSync(lab.path('stick'))
  for (const name of ['forge', 'stranger']) await lab.ask(name, 'export', lab.path('stick'))
  const imported = await lab.ask('island', 'import', lab.path('stick'))
  expect(imported.at(-1)).toMatchObject({ kind: 'result', unknown: 1 })
  const seen = (await seenAt('island')).filter((one) => !one.startsWith('island '))
  expect(seen).toEqual(['team-a log.opened', 'team-a identity.bound', 'team-a artifact.published'])
  expect(textBelow('island')).not.toContain('of/stranger')
})
