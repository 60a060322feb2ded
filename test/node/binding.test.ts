import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it, vi } from 'vitest'
import { type RejoinError, tokenAudience } from '../../src/core/index.ts'
import { eventsNamed, runVerb, watchTrust } from '../../src/node/index.ts'
import { keySetOf, makeIssuer, sign, type TestClaims, type TestIssuer } from '../trust/issuer.ts'
import { faults, made, meet, up, type Up, write } from './nodes.ts'

const iss = 'https://forge.example'
const patience = { timeout: 20_000, interval: 50 }

/** Lets a node believe an issuer, and nobody else. */
function believe(root: string, issuer: TestIssuer, more = '', rules = ''): void {
  mkdirSync(join(root, 'jwks'), { recursive: true })
  writeFileSync(join(root, 'jwks/forge.json'), keySetOf(issuer))
  writeFileSync(
    join(root, 'trust.yaml'),
    `apiVersion: rejoin/v1
kind: TrustPolicy
name: n
version: 2
issuers:
  forge: {iss: "${iss}", jwks: ./jwks/forge.json, aud: pool, claims: {repository: "team-a/*"}${more}}
identities:
  team-a: {issuer: forge, roles: [submitter]}
${rules}`
  )
}

async function bind({ node, live }: Up, issuer: TestIssuer, claims: TestClaims = {}): Promise<void> {
  const token = await sign(issuer, { iss, aud: tokenAudience('pool', node.did), repository: 'team-a/app', ...claims }, Date.now())
  await Array.fromAsync(runVerb(node, live, 'token', { action: 'bind', token }, new AbortController().signal))
  node.writer.sign()
}

function reload({ node, live }: Up): void {
  if (node.reloadTrust()) live.rulesChanged()
}

/** Returns all that stands in the files of a data folder. */
function textsBelow(root: string): string {
  const files = readdirSync(root, { recursive: true, withFileTypes: true }).filter((one) => one.isFile())
  return files.map((one) => readFileSync(join(one.parentPath, one.name), 'latin1')).join('\n')
}

const seen = async ({ node, live }: Up): Promise<readonly (readonly unknown[])[]> =>
  (await Array.fromAsync(runVerb(node, live, 'log', {}, new AbortController().signal))).flatMap((record) => {
    const { log, index, author, event, verdict } = record as unknown as Readonly<Record<string, unknown>>
    return log === node.log ? [] : [[index, author, (event as { type: string } | undefined)?.type ?? 'withheld', verdict]]
  })

it('BINDING-14 a log of an unknown writer comes in where one of its first entries holds a token', async () => {
  const issuer = await makeIssuer()
  const [a, b] = [await up(await made('a')), await up(await made('b'))]
  believe(b.root, issuer)
  reload(b)
  await write(a, 2, 'before')
  await meet(b, a)
  expect(b.node.store.folder(a.node.log)).toBeUndefined()
  await bind(a, issuer)
  await write(a, 3, 'after')
  await vi.waitFor(async () => {
    await meet(b, a)
    expect(await seen(b)).toHaveLength(7)
  }, patience)
  expect(await seen(b)).toEqual([
    [0, 'team-a', 'log.opened', 'relay'],
    [1, expect.stringMatching(/^did:key:/), 'withheld', 'refuse'],
    [2, expect.stringMatching(/^did:key:/), 'withheld', 'refuse'],
    [3, 'team-a', 'identity.bound', 'relay'],
    [4, 'team-a', 'note.said', 'relay'],
    [5, 'team-a', 'note.said', 'relay'],
    [6, 'team-a', 'note.said', 'relay']
  ])
  expect(textsBelow(b.root)).not.toContain('before 0')
  // what is announced now comes by gossip, too
  await write(a, 1, 'gossip')
  await vi.waitFor(async () => expect(await seen(b)).toHaveLength(8), patience)
  expect(await faults(b.root)).toEqual([])
})

it('BINDING-12 a key that is taken out of the key set ends what it bound, and one put back lets the texts in again', async () => {
  const [issuer, other] = [await makeIssuer(), await makeIssuer('ES256', 'k2')]
  const [a, b] = [await up(await made('a')), await up(await made('b'))]
  believe(b.root, issuer)
  reload(b)
  await bind(a, issuer)
  await write(a, 2)
  await vi.waitFor(async () => {
    await meet(b, a)
    expect(await seen(b)).toHaveLength(4)
  }, patience)
  const verdicts = (): string => readFileSync(join(b.root, `verdicts/${a.node.log}.ndjson`), 'utf8')
  const [, before] = /"trust":"([0-9a-f]+)"/.exec(verdicts()) ?? []
  writeFileSync(join(b.root, 'jwks/forge.json'), keySetOf(other))
  reload(b)
  await b.node.settled()
  expect((await seen(b)).map(([, author, type]) => [author === 'team-a', type])).toEqual([
    [false, 'log.opened'],
    [false, 'identity.bound'],
    [false, 'withheld'],
    [false, 'withheld']
  ])
  expect(verdicts()).toMatch(new RegExp(`"unknown-author","trust":"(?!${before})`))
  writeFileSync(join(b.root, 'jwks/forge.json'), keySetOf(other, issuer))
  reload(b)
  await vi.waitFor(async () => expect((await seen(b)).map(([, author]) => author)).toEqual(Array(4).fill('team-a')), patience)
  await vi.waitFor(async () => expect((await seen(b)).map(([, , type]) => type)).not.toContain('withheld'), patience)
  expect(await faults(b.root)).toEqual([])
})

it('BINDING-16 a token that could be used elsewhere, or is not for this key, is not shown', async () => {
  const issuer = await makeIssuer()
  const a = await up(await made('a'))
  const now = Math.floor(Date.now() / 1000)
  const { did } = a.node
  const show = async (token: string): Promise<string> => {
    const said = Array.fromAsync(runVerb(a.node, a.live, 'token', { action: 'bind', token }, new AbortController().signal))
    return await said.then(
      () => 'shown',
      (error: unknown) => `${(error as RejoinError).code} ${(error as RejoinError).message}`
    )
  }
  const of = async (claims: TestClaims): Promise<string> =>
    await sign(issuer, { iss, aud: tokenAudience('pool', did), ...claims }, Date.now())
  for (const [token, said] of [
    ['', /^E_TOKEN not a token/],
    ['a.b.c', /^E_TOKEN the header of the token/],
    [await of({ aud: 'pool' }), /^E_TOKEN the token is not for this node's key: its audience is "pool"/],
    [await of({ aud: `pool/${did.slice(0, -1)}` }), /^E_TOKEN the token is not for this node's key: /],
    [await of({ aud: ['pool', did, 'https://bank.example'] }), /^E_TOKEN the token is not for this node's key alone/],
    [await of({ aud: did }), /^E_TOKEN the token is not for this node's key alone/],
    [await of({ aud: [did, 'a', 'b'] }), /^E_TOKEN the token is not for this node's key alone/],
    [await of({ iat: now - 4000, exp: now - 3600 }), /^E_TOKEN the token was valid until /],
    [await of({ iat: now + 3600, exp: now + 4000 }), /^E_TOKEN the token is valid from /],
    [await of({ iat: now, exp: now + 90_000 }), /^E_TOKEN the token is valid for more than a day/]
  ] as const)
    expect(await show(token)).toMatch(said)
  expect(a.node.writer.folder.size).toBe(1)
  expect(await show(`${await of({})}\n`)).toBe('shown')
  expect(await show(await of({ aud: ['pool', did] }))).toBe('shown')
  expect(a.node.writer.folder.size).toBe(3)
  expect(a.notices).toEqual([])
})

it('BINDING-7 what was bound stays bound after a restart, and a key set that goes missing leaves the rules in force', async () => {
  const issuer = await makeIssuer()
  const root = await made('b')
  const [a, b] = [await up(await made('a')), await up(root)]
  believe(root, issuer)
  reload(b)
  await bind(a, issuer)
  await write(a, 1)
  await vi.waitFor(async () => {
    await meet(b, a)
    expect(await seen(b)).toHaveLength(3)
  }, patience)
  await b.down()
  rmSync(join(root, 'jwks/forge.json'))
  const again = await up(root)
  expect(again.notices).toEqual([expect.stringMatching(/key set \.\/jwks\/forge\.json: there is no such file.*stay in force$/)])
  await again.node.settled()
  expect((await seen(again)).map(([, author, type]) => `${String(author)} ${String(type)}`)).toEqual([
    'team-a log.opened',
    'team-a identity.bound',
    'team-a note.said'
  ])
  expect(() => again.node.reloadTrust()).toThrow(/there is no such file/)
  await write(a, 1)
  await vi.waitFor(async () => {
    await meet(again, a)
    expect(await seen(again)).toHaveLength(4)
  }, patience)
})

it('BINDING-2 trust test tries other issuers on the tokens that are here, and changes nothing', async () => {
  const issuer = await makeIssuer()
  const [a, b] = [await up(await made('a')), await up(await made('b'))]
  believe(b.root, issuer)
  reload(b)
  await bind(a, issuer, { ref: 'refs/heads/x' })
  await write(a, 2)
  await vi.waitFor(async () => {
    await meet(b, a)
    expect(await seen(b)).toHaveLength(4)
  }, patience)
  const tried = async (text: string): Promise<readonly unknown[]> => {
    const args = { file: Buffer.from(text).toString('base64'), label: 'new.yaml' }
    const records = await Array.fromAsync(runVerb(b.node, b.live, 'trust-test', args, new AbortController().signal))
    return records.flatMap((one) => {
      const { kind, index, before, after, rule } = one as unknown as Readonly<Record<string, unknown>>
      return kind === 'change' ? [[index, before, after, rule]] : []
    })
  }
  const now = readFileSync(join(b.root, 'trust.yaml'), 'utf8')
  expect(await tried(now)).toEqual([])
  expect(await tried(now.replace('team-a/*"', 'team-a/*", ref: refs/heads/main'))).toEqual([
    [2, 'relay', 'refuse', 'unknown-author'],
    [3, 'relay', 'refuse', 'unknown-author']
  ])
  expect(await tried(now.replace('aud: pool', 'aud: pool, bindFor: 1s'))).toEqual([])
  expect((await seen(b)).map(([, , type]) => type)).not.toContain('withheld')
})

it('BINDING-13 a person does not decide about a token: it stays with the log', async () => {
  const issuer = await makeIssuer()
  const [a, b] = [await up(await made('a')), await up(await made('b'))]
  believe(b.root, issuer)
  reload(b)
  await bind(a, issuer)
  await vi.waitFor(async () => {
    await meet(b, a)
    expect(await seen(b)).toHaveLength(2)
  }, patience)
  const decide = runVerb(
    b.node,
    b.live,
    'triage',
    { action: 'refuse', events: [`${a.node.log}/1`] },
    new AbortController().signal
  )
  await expect(Array.fromAsync(decide)).rejects.toMatchObject({
    code: 'E_USAGE',
    message: expect.stringMatching(/shows a token/) as string
  })
})

it('BINDING-12 a node that is up sees that a key set changed', async () => {
  const [issuer, other] = [await makeIssuer(), await makeIssuer('ES256', 'k2')]
  const root = await made('b')
  believe(root, issuer)
  const changes: string[] = []
  const stop = watchTrust(
    root,
    () => changes.push('changed'),
    () => ['./jwks/forge.json']
  )
  writeFileSync(join(root, 'jwks/unrelated.json'), '{}')
  writeFileSync(join(root, 'jwks/forge.json'), keySetOf(issuer, other))
  await vi.waitFor(() => expect(changes).toEqual(['changed']), patience)
  stop()
})

it('BINDING-2 what a bound writer publishes is called by the name of its identity', async () => {
  const issuer = await makeIssuer()
  const [a, b] = [await up(await made('a')), await up(await made('b'))]
  believe(b.root, issuer, '', 'delegations: [{from: root, to: team-a, paths: ["jobs/**"]}]\nrules: []\ndefault: relay\n')
  reload(b)
  await bind(a, issuer)
  await a.node.writer.append(['app', 'jobs/x'].map((repository) => ({ type: 'tag.set', data: { repository } })))
  a.node.writer.sign()
  await vi.waitFor(async () => {
    await meet(b, a)
    expect(await seen(b)).toHaveLength(4)
  }, patience)
  const refs = [2, 3].map((index) => ({ log: a.node.log, index }))
  expect(eventsNamed(b.node, undefined, refs).map(({ name }) => name)).toEqual(['team-a/app', 'jobs/x'])
})

it('BINDING-14 says of a log that is not let in what is wrong with its token', async () => {
  const issuer = await makeIssuer()
  const [a, b] = [await up(await made('a')), await up(await made('b'))]
  believe(b.root, issuer)
  reload(b)
  await bind(a, issuer, { repository: 'team-b/app' })
  const heard = async (): Promise<readonly unknown[]> =>
    (await Array.fromAsync(runVerb(b.node, b.live, 'peers', {}, new AbortController().signal))).filter(
      ({ kind }) => kind === 'unknown-writer'
    )
  await vi.waitFor(async () => {
    await meet(b, a)
    expect(await heard()).toMatchObject([{ did: a.node.did, log: a.node.log, token: 'claims' }])
  }, patience)
  expect(b.node.store.folder(a.node.log)).toBeUndefined()
  // its own rules say the same of its own log
  believe(a.root, issuer)
  reload(a)
  const [own] = await Array.fromAsync(
    runVerb(a.node, a.live, 'explain', { event: `${a.node.log}/1` }, new AbortController().signal)
  )
  expect(own).toMatchObject({ verdict: 'relay', token: { fault: 'claims' } })
})
