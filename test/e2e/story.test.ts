import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, globSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { sharedPath } from '../shared.ts'
import { askSocket } from './ask-socket.ts'
import { eventually, Lab, type Printed, recordsOf, type Running } from './process.ts'

// The story of the issue, with real processes: three nodes a, b and c, and a writer d whom c does not trust.
type Node = Awaited<ReturnType<Lab['up']>>
interface LogHead {
  readonly log: string
  readonly size: number
  readonly root: string
}

const lab = new Lab()
const corpora = ['cyclonedx', 'spdx', 'vex', 'attestations', 'cnab']
/** the documents of the corpus that do not parse */
const broken = ['csaf__trailing-garbage__avendor-advisory-0004.json', 'syft__format__spdxjson__testdata__spdx__bad__bad-sbom']
const ids: Record<string, Printed> = {}
let a: Node
let b: Node
let c: Node
let follow: Running
let published: readonly Printed[] = []

const logOf = (name: string): string => String(ids[name]?.['logId'])

async function headsOf(name: string): Promise<readonly LogHead[]> {
  const status = await lab.askOne(name, 'status')
  return (status['logs'] as readonly LogHead[])
    .map(({ log, size, root }) => ({ log, size, root }))
    .toSorted((x, y) => (x.log < y.log ? -1 : 1))
}

/** Waits until a follower printed entry `index` of a log. */
async function seen(follower: Running, log: string, index: number): Promise<void> {
  await follower.line((line) => line.includes(`"log":"${log}","index":${index},`))
}

function beginFollow(name: string): Running {
  return lab.start(['log', '--follow', '--json', '--data', lab.path(name)])
}

/** Makes files of small documents. @returns their paths */
function smallDocuments(prefix: string, count: number): readonly string[] {
  return Array.from({ length: count }, (_, i) => {
    const path = lab.path(`${prefix}-${i}.cdx.json`)
    writeFileSync(
      path,
      JSON.stringify({
        bomFormat: 'CycloneDX',
        specVersion: '1.6',
        version: 1,
        metadata: { component: { type: 'library', name: `${prefix}-${i}` } }
      })
    )
    return path
  })
}

async function verified(name: string): Promise<Printed> {
  const result = await lab.askOne(name, 'verify')
  expect(result).toMatchObject({ ok: true })
  return result
}

beforeAll(async () => {
  for (const name of ['a', 'b', 'c', 'd']) ids[name] = await lab.init(name)
  const trust = async (name: string, ...others: readonly string[]): Promise<void> => {
    for (const other of others) await lab.ask(name, 'trust', 'add', other, String(ids[other]?.['did']))
  }
  await Promise.all([trust('a', 'b'), trust('b', 'a', 'd'), trust('c', 'a', 'b')])
  a = await lab.up('a')
  b = await lab.up('b', a.address)
  follow = beginFollow('b')
  await seen(follow, logOf('a'), 0)
})

afterAll(async () => await lab[Symbol.asyncDispose]())

it('1. every document of the corpora that is published on a appears on b, with identical bytes', async () => {
  const files = corpora
    .flatMap((name) => globSync('**', { cwd: sharedPath(`corpus/${name}`) }).map((file) => sharedPath(`corpus/${name}/${file}`)))
    .filter((file) => statSync(file).isFile())
  const { code, stdout } = await lab.run(['publish', '--json', '--data', lab.path('a'), ...files])
  const records = recordsOf(Buffer.from(stdout, 'latin1').toString())
  const refused = records.filter(({ kind }) => kind === 'error')
  expect(refused.map(({ file }) => String(file).split('/').at(-1)).toSorted()).toEqual(broken)
  expect(refused.map(({ code: word }) => word).toSorted()).toEqual(['E_JSON', 'E_UNKNOWN_TYPE'])
  expect(code).toBe(1)
  published = records.filter(({ kind }) => kind === 'result')
  expect(published).toHaveLength(files.length - broken.length)
  expect(published.length).toBeGreaterThan(85)

  for (const { log, index } of published) await seen(follow, String(log), Number(index))
  const shown = new Map(
    recordsOf(follow.lines.join('\n')).map((record) => [`${String(record['log'])}/${String(record['index'])}`, record])
  )
  for (const { log, index, digest } of published) {
    expect(shown.get(`${String(log)}/${String(index)}`)).toMatchObject({
      author: 'a',
      verdict: 'relay',
      event: { subject: digest, source: ids['a']?.['did'] }
    })
  }
  for (const [i, { digest, file }] of published.entries()) {
    const bytes = readFileSync(String(file))
    const [blob] = await askSocket(lab, 'b', 'get', { what: digest })
    expect(Buffer.compare(readFileSync(String(blob?.['path'])), bytes), String(file)).toBe(0)
    if (i % 4 !== 0) continue
    const got = await lab.run(['get', String(digest), '--data', lab.path('b')])
    expect(got).toMatchObject({ code: 0, stderr: '' })
    expect(Buffer.compare(Buffer.from(got.stdout, 'latin1'), bytes), String(file)).toBe(0)
  }
})

it('2. b is killed, both publish while it is down, and after its start both hold the same', async () => {
  const onA = smallDocuments('on-a', 1000)
  const onB = smallDocuments('on-b', 500)
  const before = Number(published.at(-1)?.['index']) + 1
  const publishing = lab.ask('a', 'publish', ...onA)
  await seen(follow, logOf('a'), before)
  await b.stop('SIGKILL')
  const fromA = await publishing
  expect(await follow.stop()).not.toBe(0)
  const fromB = await lab.ask('b', 'publish', ...onB)
  b = await lab.up('b', a.address)
  follow = beginFollow('b')
  const followA = beginFollow('a')
  await seen(follow, logOf('a'), before + 999)
  await seen(followA, logOf('b'), 500)
  await followA.stop()

  const expected = new Map([...fromA, ...fromB].map(({ log, index, digest }) => [`${String(log)}/${String(index)}`, digest]))
  expect(expected.size).toBe(1500)
  const heads = await eventually(
    async () => [await headsOf('a'), await headsOf('b')] as const,
    ([one, other]) => JSON.stringify(one) === JSON.stringify(other)
  )
  expect(heads[0].map(({ size }) => size).toSorted((x, y) => x - y)).toEqual([501, before + 1000])
  for (const name of ['a', 'b']) {
    const entries = await lab.ask(name, 'log')
    const places = entries.map(({ log, index }) => `${String(log)}/${String(index)}`)
    expect(new Set(places).size).toBe(places.length)
    expect(entries).toHaveLength(1501 + before)
    const subjects = new Map(entries.map((entry, i) => [places[i], (entry['event'] as Printed)['subject']]))
    for (const [place, digest] of expected) expect(subjects.get(place), place).toBe(digest)
    expect(new Set(expected.values()).size).toBe(1500)
    expect(await verified(name)).toMatchObject({ logs: 2, events: 1501 + before, withheld: 0 })
  }
  const [blob] = await askSocket(lab, 'b', 'get', { what: fromA.at(-1)?.['digest'] })
  expect(readFileSync(String(blob?.['path']))).toEqual(readFileSync(onA.at(-1) as string))
})

it("3. c connects to b alone and gets a's events, which it verifies without having met a", async () => {
  c = await lab.up('c', b.address)
  const followC = beginFollow('c')
  const size = (await headsOf('a')).find(({ log }) => log === logOf('a'))?.size ?? 0
  await seen(followC, logOf('a'), size - 1)
  await seen(followC, logOf('b'), 500)
  await followC.stop()
  const ofC = await eventually(
    async () => (await headsOf('c')).filter(({ log }) => log !== logOf('c')),
    (heads) => heads.length === 2
  )
  expect(ofC).toEqual((await headsOf('a')).filter(({ log }) => log !== logOf('c')))
  const peers = await lab.ask('c', 'peers')
  expect(peers.map(({ peerId, connected }) => [peerId, connected])).toEqual([[b.id['nodeId'], true]])
  await verified('c')
  const digest = String(published[0]?.['digest'])
  const got = await lab.run(['get', digest, '--data', lab.path('c')])
  expect(got.stdout === readFileSync(String(published[0]?.['file']), 'latin1')).toBe(true)
})

it('4. the event of a writer whom c does not trust reaches b and not c; what a rule of c refuses is withheld there', async () => {
  const [secret] = await lab.ask('d', 'publish', ...smallDocuments('on-d', 1))
  await lab.ask('d', 'sync', b.address)
  await seen(follow, logOf('d'), 1)
  // d is gone, and left b all that its event names
  const [blob] = await askSocket(lab, 'b', 'get', { what: secret?.['digest'] })
  expect(readFileSync(String(blob?.['path']), 'utf8')).toContain('on-d-0')
  const followC = beginFollow('c')
  // c asks b again for all it has, so that it certainly heard of d's log
  expect((await lab.ask('c', 'sync')).at(-1)).toMatchObject({ kind: 'result', complete: true })
  expect((await headsOf('b')).map(({ log }) => log)).toContain(logOf('d'))
  expect((await headsOf('c')).map(({ log }) => log)).not.toContain(logOf('d'))
  expect(existsSync(join(lab.path('c'), 'logs', logOf('d')))).toBe(false)
  const digest = String(secret?.['digest'])
  expect(existsSync(join(lab.path('c'), 'blobs', digest.replace(':', '/')))).toBe(false)
  expect((await lab.run(['get', digest, '--data', lab.path('c')])).code).toBe(1)
  const unknown = (await lab.ask('c', 'peers')).filter(({ kind }) => kind === 'unknown-writer')
  expect(unknown).toMatchObject([{ did: ids['d']?.['did'], log: logOf('d'), size: 2 }])

  const rules = join(lab.path('c'), 'trust.yaml')
  writeFileSync(rules, `${readFileSync(rules, 'utf8')}mediaTypes:\n  deny: ["text/x-secret"]\n`)
  c.child.kill('SIGHUP')
  await eventually(
    async () => JSON.stringify(await lab.askOne('c', 'trust', 'show')),
    (text) => text.includes('text/x-secret')
  )
  const file = lab.path('refused.txt')
  writeFileSync(file, 'a text that c refuses by its rules\n')
  const refused = await lab.askOne('a', 'publish', '--type', 'text/x-secret', file)
  const [next] = await lab.ask('a', 'publish', ...smallDocuments('after', 1))
  await seen(followC, logOf('a'), Number(next?.['index']))
  await followC.stop()
  const ofA = (await headsOf('a')).filter(({ log }) => log === logOf('a'))
  await eventually(
    async () => (await headsOf('c')).filter(({ log }) => log === logOf('a')),
    (heads) => JSON.stringify(heads) === JSON.stringify(ofA)
  )
  const shown = (await lab.ask('c', 'log', logOf('a'), '--last', '2')).find(({ index }) => index === refused['index'])
  expect(shown).toMatchObject({ verdict: 'refuse', withheld: expect.stringMatching(/^[0-9a-f]{64}$/) as string })
  expect(shown).not.toHaveProperty('event')
  const onB = (await lab.ask('b', 'log', logOf('a'), '--last', '2')).find(({ index }) => index === refused['index'])
  expect(onB).toMatchObject({ verdict: 'relay', event: { subject: refused['digest'] } })
  expect(
    spawnSync('grep', ['-rqF', String((onB?.['event'] as Printed | undefined)?.['id'] ?? 'absent'), lab.path('c')]).status,
    "the refused event's text is nowhere on c"
  ).toBe(1)
  expect(spawnSync('grep', ['-rqF', 'a text that c refuses', lab.path('c')]).status).toBe(1)
  expect(await verified('c')).toMatchObject({ withheld: 1, logs: 3 })
  expect(await verified('b')).toMatchObject({ withheld: 0, logs: 3 })
  expect(c.stderr() + b.stderr() + a.stderr()).not.toMatch(/bug/)
})

it('5. the oracles accept the proofs, and verify names the file in which one byte was changed', async () => {
  const goCache = lab.path('go')
  const goOracle = lab.path('verify-tlog-proof')
  const environment = { ...process.env, GO111MODULE: 'off', GOPATH: '/usr/share/gocode', GOCACHE: goCache, GOFLAGS: '' }
  execFileSync('go', ['build', '-o', goOracle, sharedPath('oracles/verify-tlog-proof.go')], {
    cwd: lab.root,
    env: environment,
    stdio: 'pipe'
  })
  const { vkey, publicKey } = ids['a'] as { readonly vkey: string; readonly publicKey: string }
  const entry = lab.path('entry')
  const accepted = (format: string, proof: string): { readonly status: number | null; readonly stdout: string } =>
    format === 'cose'
      ? spawnSync('/usr/bin/python3', [sharedPath('oracles/verify-cose-receipt.py'), publicKey, entry, proof], {
          encoding: 'utf8'
        })
      : spawnSync(goOracle, [vkey, entry, proof], { encoding: 'utf8' })
  for (const [i, word] of [String(published[3]?.['digest']), `${logOf('a')}/0`, `${logOf('a')}/700`].entries()) {
    for (const format of ['tlog-proof', 'cose']) {
      const proof = lab.path(`proof-${i}.${format}`)
      // from b, about a log of a's
      const made = await lab.run(['proof', word, '--format', format, '-o', proof, '--entry', entry, '--data', lab.path('b')])
      expect(made.code, made.stderr).toBe(0)
      expect(accepted(format, proof)).toMatchObject({ status: 0, stdout: expect.stringMatching(/^verified: entry/) as string })
      writeFileSync(entry, `${readFileSync(entry, 'utf8').slice(0, -1)} `)
      expect(accepted(format, proof).status).not.toBe(0)
    }
  }
  expect(await b.stop()).toBe(0)
  await checkFlips('b')
})

/** Changes one byte in a sample of files, each alone, and expects that verify names the file. */
async function checkFlips(name: string): Promise<void> {
  const root = lab.path(name)
  const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 1e9))
  let state = seed
  const random = (below: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return (state >>> 8) % below
  }
  const all = globSync('**', { cwd: root }).filter(
    (path) => statSync(join(root, path)).isFile() && statSync(join(root, path)).size > 0
  )
  const pick = (pattern: RegExp, count: number): readonly string[] => {
    const found = all.filter((path) => pattern.test(path))
    expect(found.length, String(pattern)).toBeGreaterThan(0)
    return Array.from({ length: count }, () => found[random(found.length)] as string)
  }
  const sample = [
    ...pick(/^logs\/.*\/checkpoint$/, 1),
    ...pick(/^logs\/.*\/checkpoint\.cose$/, 1),
    ...pick(/^logs\/.*\/entries\//, 2),
    ...pick(/^logs\/.*\/tile\//, 2),
    ...pick(/^blobs\//, 2),
    ...pick(/^replica\.json$/, 1),
    ...pick(/^oci-layout$/, 1),
    ...pick(/^index\.json$/, 1),
    ...pick(/^keys\/(?:writer|next|log|home)$/, 2)
  ]
  for (const path of sample) {
    const bytes = readFileSync(join(root, path))
    const at = random(bytes.length)
    const changed = Buffer.from(bytes)
    changed[at] = (changed[at] as number) ^ (1 << random(8))
    writeFileSync(join(root, path), changed)
    const { code, stdout } = await lab.run(['verify', '--json', '--data', root])
    writeFileSync(join(root, path), bytes)
    const faults = recordsOf(Buffer.from(stdout, 'latin1').toString()).filter(({ ok }) => ok === false)
    const what = `seed ${seed}: ${path} byte ${at} of ${bytes.length}`
    expect(
      faults.map((fault) => fault['path']),
      what
    ).toContain(path)
    expect(code, what).toBe(11)
    expect(
      faults.every(({ offset, reason }) => typeof offset === 'number' && typeof reason === 'string'),
      what
    ).toBe(true)
  }
  await verified(name)
}
