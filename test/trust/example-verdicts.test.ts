import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { compileTrustBytes, readBeside } from '../../src/trust/index.ts'
import { nowMs } from '../core/trust/sample-trust.ts'
import {
  clean,
  day,
  image,
  licensed,
  local,
  manifestType,
  otherLog,
  own,
  rulingOn,
  sbom,
  sbomType,
  told,
  type VerdictRow,
  vex,
  vulnerable,
  waits,
  warn,
  witnessed,
  wrapper
} from './example-events.ts'
import { exampleBound, exampleBytes, exampleFolder, exampleIssuerKey, exampleLog, exampleNames } from './examples.ts'

const minute = 60_000
const start = Date.UTC(2026, 0, 1)
const end = Date.UTC(2028, 0, 1)
const stolen = exampleLog('ci-1')
const runs = { content: clean, overlap: ['pkg:npm/left-pad@1.3.0'] }
const runsNot = { content: clean, overlap: [] }

const airGapped: readonly VerdictRow[] = [
  ['its own', image('this node'), {}, 'relay', 'own'],
  ['its own of a denied type', told('this node', 'a.b', { mediaType: 'text/plain' }), {}, 'relay', 'own'],
  ['its own over a limit', image('this node'), { lineBytes: 65_536 }, 'refuse', 'limit:entryBytes'],
  ['its own name in the log of another', image('this node'), { writer: 'ci-2' }, 'refuse', 'wrong-source'],
  ['the name of ci-2 in its own log', image('ci-2'), { writer: 'this node' }, 'refuse', 'wrong-source'],
  ['the longest line', sbom('ci-2'), { ...runs, lineBytes: 65_535 }, 'relay', 'sbom-relevant'],
  ['a line over the limit', sbom('ci-2'), { ...runs, lineBytes: 65_536 }, 'refuse', 'limit:entryBytes'],
  ['the largest artifact', image('ci-2', { size: 20 * 2 ** 30 }), runs, 'relay', 'signed-image'],
  ['one that is larger', image('ci-2', { size: 20 * 2 ** 30 + 1 }), runs, 'refuse', 'limit:blobBytes'],
  ['a stranger', sbom('stranger'), runs, 'refuse', 'unknown-author'],
  ['a stranger who opens a log', told('stranger', 'log.opened'), {}, 'refuse', 'unknown-author'],
  ['a root key of no identity', sbom('carol'), runs, 'refuse', 'unknown-author'],
  ['the last entry before the theft', image('ci-1'), { ...runs, log: stolen, index: 88_119 }, 'relay', 'signed-image'],
  ['the first one after it', image('ci-1'), { ...runs, log: stolen, index: 88_120 }, 'refuse', 'key-revoked'],
  ['one after it with a date before', image('ci-1', {}, start), { log: stolen, index: 88_121 }, 'refuse', 'key-revoked'],
  ['the stolen key in another log', image('ci-1'), { ...runs, log: otherLog, index: 0 }, 'refuse', 'key-revoked'],
  ['the stolen key opens another log', told('ci-1', 'log.opened'), { log: otherLog, index: 0 }, 'refuse', 'key-revoked'],
  ['the stolen key opened its log', told('ci-1', 'log.opened'), { log: stolen, index: 0 }, 'relay', 'log'],
  ['a key before its time', told('bob', 'vex.published', {}, start - 1), { nowMs: start - 1 }, 'refuse', 'key-not-yet'],
  ['a key from its time on', told('bob', 'vex.published', {}, start), { nowMs: start }, 'hold', 'default'],
  ['a key at its last moment', told('alice', 'vex.published', {}, end - 1), { nowMs: end - 1 }, 'hold', 'default'],
  ['a key at its end', told('alice', 'vex.published', {}, end), { nowMs: end }, 'refuse', 'key-expired'],
  ['a key after its end with an old date', told('alice', 'log.closed', {}, start), { nowMs: end }, 'refuse', 'key-expired'],
  ['a log that opens', told('ci-2', 'log.opened', { mediaType: 'application/x-executable' }), {}, 'relay', 'log'],
  ['a log that opens in the future', told('ci-2', 'log.opened', {}, nowMs + 11 * minute), {}, 'relay', 'log'],
  ['a type that only begins like it', told('ci-2', 'logs.opened'), {}, 'hold', 'default'],
  ['a denied artifact type', sbom('ci-2', { artifactType: 'application/x-executable' }), runs, 'refuse', 'mediaTypes'],
  ['a media type that is not allowed', image('ci-2', { mediaType: 'text/plain' }), runs, 'refuse', 'mediaTypes'],
  ['an artifact type that is not allowed', sbom('ci-2', { artifactType: 'text/plain' }), runs, 'refuse', 'mediaTypes'],
  ['an allowed one in another manifest', sbom('ci-2', { mediaType: 'text/plain' }), runs, 'relay', 'sbom-relevant'],
  ['a longer name of an allowed one', sbom('ci-2', { artifactType: `${sbomType}; version=1.6` }), runs, 'relay', 'sbom-relevant'],
  ['a longer name where no * stands', sbom('ci-2', { artifactType: 'application/spdx+json2' }), runs, 'refuse', 'mediaTypes'],
  ['a clock that is just not too far ahead', sbom('ci-2', {}, nowMs + 10 * minute), runs, 'relay', 'sbom-relevant'],
  ['a clock ahead', sbom('ci-2', {}, nowMs + 10 * minute + 1), runs, 'hold', 'clock-ahead'],
  ['a clock ahead, of a denied type', image('ci-2', { mediaType: 'a/b' }, nowMs + day), {}, 'refuse', 'mediaTypes'],
  ['a clock ahead, and a gate that fails', sbom('ci-2', {}, nowMs + day), { content: wrapper('1.0.0') }, 'hold', 'clock-ahead'],
  ['30 days old', sbom('ci-2', {}, nowMs - 30 * day), runs, 'relay', 'sbom-relevant'],
  ['older than 30 days', sbom('ci-2', {}, nowMs - 30 * day - 1), runs, 'relay', 'sbom-relevant', warn],
  ['90 days old', sbom('ci-2', {}, nowMs - 90 * day), runs, 'relay', 'sbom-relevant', warn],
  ['older than 90 days', sbom('ci-2', {}, nowMs - 90 * day - 1), runs, 'keep', 'sbom-relevant', local],
  ['older, but kept in any case', sbom('ci-2', {}, nowMs - 200 * day), runsNot, 'keep', 'sbom-other', local],
  ['older, and held in any case', told('ci-2', 'a.b', {}, nowMs - 200 * day), {}, 'hold', 'default', local],
  ['older, and a gate fails', image('ci-2', {}, 1e12), { content: licensed('AGPL-3.0-only') }, 'refuse', 'gate:license', local],
  ['old, but witnessed today', sbom('ci-2', {}, nowMs - 200 * day), { ...runs, ...witnessed(0) }, 'relay', 'sbom-relevant'],
  ['of today, witnessed long ago', sbom('ci-2'), { ...runs, ...witnessed(91 * day) }, 'keep', 'sbom-relevant', local],
  ['a critical vulnerability', image('ci-2'), { ...runs, content: vulnerable('critical') }, 'refuse', 'gate:vulnerability'],
  ['one of unknown severity', image('ci-2'), { ...runs, content: vulnerable('unknown') }, 'refuse', 'gate:vulnerability'],
  ['a high one', image('ci-2'), { ...runs, content: vulnerable('high') }, 'relay', 'signed-image'],
  [
    'one not present',
    image('ci-2'),
    { content: vulnerable('critical'), overlap: [], vex: vex('vex-author', 'not_affected') },
    'relay',
    'signed-image'
  ],
  [
    'one fixed',
    image('ci-2'),
    { content: vulnerable('critical'), overlap: [], vex: vex('vex-author', 'fixed') },
    'relay',
    'signed-image'
  ],
  [
    'one looked into',
    image('ci-2'),
    { content: vulnerable('critical'), vex: vex('vex-author', 'under_investigation') },
    'refuse',
    'gate:vulnerability'
  ],
  [
    'one not present, nobody says why',
    image('ci-2'),
    { content: vulnerable('critical'), vex: vex('vex-author', 'not_affected', '') },
    'refuse',
    'gate:vulnerability'
  ],
  [
    'one not present, says its builder',
    image('ci-2'),
    { content: vulnerable('critical'), vex: vex('builder', 'not_affected') },
    'refuse',
    'gate:vulnerability'
  ],
  [
    'one fixed, says the SBOM itself',
    image('ci-2'),
    { content: vulnerable('critical', 'fixed') },
    'refuse',
    'gate:vulnerability'
  ],
  ['a denied licence', image('ci-2'), { content: licensed('AGPL-3.0-only'), overlap: [] }, 'refuse', 'gate:license'],
  [
    'a denied licence or another',
    image('ci-2'),
    { content: licensed('AGPL-3.0-only OR MIT'), overlap: [] },
    'relay',
    'signed-image'
  ],
  [
    'a denied licence and another',
    sbom('ci-2'),
    { content: licensed('AGPL-3.0-only AND MIT'), overlap: [] },
    'refuse',
    'gate:license'
  ],
  ['a denied version', sbom('ci-2'), { content: wrapper('3.0.13'), overlap: [] }, 'refuse', 'gate:version'],
  ['the first version that is not denied', sbom('ci-2'), { content: wrapper('3.0.14'), overlap: [] }, 'keep', 'sbom-other'],
  ['a version that is none', sbom('ci-2'), { content: wrapper('latest'), overlap: [] }, 'refuse', 'gate:version'],
  [
    'all three gates fail',
    sbom('ci-2'),
    { content: { ...wrapper('1.0.0'), vulnerabilities: vulnerable('critical').vulnerabilities } },
    'refuse',
    'gate:vulnerability'
  ],
  [
    'a gate fails where no rule fits',
    told('ci-2', 'a.b', { digest: `sha256:${'a'.repeat(64)}` }),
    { content: wrapper('1.0.0') },
    'refuse',
    'gate:version'
  ],
  ['an SBOM before its content', sbom('ci-2'), {}, 'hold', 'gate:vulnerability', waits],
  ['an SBOM of no builder before its content', sbom('alice'), {}, 'hold', 'gate:vulnerability', waits],
  ['an image before its content', image('ci-2'), {}, 'hold', 'gate:vulnerability', waits],
  [
    'an old one before its content',
    image('ci-2', {}, nowMs - 91 * day),
    {},
    'hold',
    'gate:vulnerability',
    { ...waits, ...local }
  ],
  ['an SBOM before the inventory was read', sbom('ci-2'), { content: clean }, 'hold', 'sbom-relevant', waits],
  ['an SBOM that concerns the site', sbom('ci-2'), runs, 'relay', 'sbom-relevant'],
  ['one that does not', sbom('ci-2'), runsNot, 'keep', 'sbom-other'],
  ['one that does, of no builder', sbom('alice'), runs, 'keep', 'sbom-other'],
  ['one without a digest', sbom('ci-2', { digest: '' }), {}, 'keep', 'sbom-other'],
  ['an SBOM that nobody delegated', sbom('ci-2', { repository: 'os/base' }), runs, 'relay', 'sbom-relevant'],
  ['an image', image('ci-2'), runsNot, 'relay', 'signed-image'],
  ['an image at the top of a delegation', image('ci-2', { repository: 'apps' }), runs, 'relay', 'signed-image'],
  ['an image outside of it', image('ci-2', { repository: 'os/base' }), runs, 'hold', 'default'],
  ['an image without a repository', image('ci-2', { repository: '' }), runs, 'hold', 'default'],
  [
    'a manifest of no image, which is not delegated',
    image('ci-2', { mediaType: 'application/vnd.oci.artifact.v1+json' }),
    runs,
    'hold',
    'default'
  ],
  ['an image without a media type', image('ci-2', { mediaType: '' }), runs, 'hold', 'default'],
  ['an image of which nothing can be known', image('ci-2', { digest: 'latest' }), {}, 'hold', 'default'],
  ['an image of who speaks for VEX only', image('alice'), runs, 'hold', 'default'],
  [
    'VEX of one where two must agree',
    image('alice', { artifactType: 'application/vnd.openvex+json' }),
    runs,
    'hold',
    'default',
    { waits: 'voices' }
  ],
  [
    'VEX on which two agree',
    image('alice', { artifactType: 'application/vnd.openvex+json' }),
    { ...runs, voiced: { signatures: 2, said: 2 } },
    'relay',
    'signed-image'
  ],
  ['what no rule speaks of', told('ci-2', 'a.b'), {}, 'hold', 'default']
]

const berlin = { repository: 'edge/eu/berlin' }
const ours = (more: object = {}, atMs?: number) => image('gw', { ...berlin, ...more }, atMs)
const receipt = (key: string, atMs?: number) => told(key, 'receipt.issued', {}, atMs)

const edge: readonly VerdictRow[] = [
  ['its own', image('this node'), {}, 'relay', 'own'],
  ['its own of another region', image('this node', { repository: 'edge/us' }), {}, 'relay', 'own'],
  ['its own over a limit', image('this node'), { lineBytes: 16_385 }, 'refuse', 'limit:entryBytes'],
  ['a stranger', receipt('stranger'), {}, 'refuse', 'unknown-author'],
  ['the root key, which is no identity', receipt('fleet'), {}, 'refuse', 'unknown-author'],
  ['the root key that opens a log', told('fleet', 'log.opened'), {}, 'refuse', 'unknown-author'],
  ['the gateway in the log of the root key', receipt('gw'), { writer: 'fleet' }, 'refuse', 'wrong-source'],
  ['a log that opens', told('gw', 'log.opened'), { index: 0 }, 'relay', 'log'],
  ['a log that closes', told('gw', 'log.closed'), {}, 'relay', 'log'],
  ['a log that opens with a line too long', told('gw', 'log.opened'), { lineBytes: 16_385 }, 'refuse', 'limit:entryBytes'],
  ['the longest line', ours(), { lineBytes: 16_384 }, 'keep', 'mine'],
  ['a longer one', ours(), { lineBytes: 16_385 }, 'refuse', 'limit:entryBytes'],
  ['the largest artifact', ours({ size: 2 ** 31 }), {}, 'keep', 'mine'],
  ['a larger one', ours({ size: 2 ** 31 + 1 }), {}, 'refuse', 'limit:blobBytes'],
  ['a larger one of a stranger', image('stranger', { size: 2 ** 31 + 1 }), {}, 'refuse', 'limit:blobBytes'],
  ['an image of its region', ours(), {}, 'keep', 'mine'],
  ['one whose content is there', ours(), { content: clean }, 'keep', 'mine'],
  ['one that no gate asks about', ours(), { content: vulnerable('critical') }, 'keep', 'mine'],
  ['one with a denied licence elsewhere', ours(), { content: licensed('AGPL-3.0-only') }, 'keep', 'mine'],
  ['one without a digest', ours({ digest: '' }), {}, 'keep', 'mine'],
  ['one deeper in its region', ours({ repository: 'edge/eu/berlin/a/b' }), {}, 'keep', 'mine'],
  ['any other event of its region', told('gw', 'a.b', { ...berlin, mediaType: manifestType }), {}, 'keep', 'mine'],
  ['the region itself: delegated, but the rule asks for more', ours({ repository: 'edge/eu' }), {}, 'refuse', 'default'],
  ['another region', ours({ repository: 'edge/us/boston' }), {}, 'refuse', 'default'],
  ['a region that begins alike', ours({ repository: 'edge/europe' }), {}, 'refuse', 'default'],
  ['no repository', ours({ repository: '' }), {}, 'refuse', 'default'],
  ['an SBOM, which is not delegated', ours({ artifactType: sbomType }), {}, 'refuse', 'default'],
  ['an artifact that says it is an image', ours({ mediaType: 'a/b', artifactType: manifestType }), {}, 'keep', 'mine'],
  ['no media type', ours({ mediaType: '' }), {}, 'refuse', 'default'],
  ['a media type that is no text', ours({ mediaType: 7 }), {}, 'refuse', 'default'],
  ['a receipt', receipt('gw'), {}, 'relay', 'receipts'],
  ['a receipt of another region', told('gw', 'receipt.issued', { repository: 'edge/us' }), {}, 'relay', 'receipts'],
  ['a receipt of its region', told('gw', 'receipt.issued', { ...berlin, mediaType: manifestType }), {}, 'keep', 'mine'],
  ['a type that begins alike', told('gw', 'receipt.issued.twice'), {}, 'refuse', 'default'],
  ['a receipt by a bad peer', receipt('gw'), { peerReputation: -100 }, 'relay', 'receipts'],
  ['a receipt, clock just not too far ahead', receipt('gw', nowMs + 10 * minute), {}, 'relay', 'receipts'],
  ['a receipt, clock ahead', receipt('gw', nowMs + 10 * minute + 1), {}, 'hold', 'clock-ahead'],
  ['what is refused anyway, clock ahead', told('gw', 'a.b', {}, nowMs + day), {}, 'hold', 'clock-ahead'],
  ['a receipt of 7 days', receipt('gw', nowMs - 7 * day), {}, 'relay', 'receipts'],
  ['a receipt of over 7 days', receipt('gw', nowMs - 7 * day - 1), {}, 'relay', 'receipts', warn],
  ['a receipt of 60 days', receipt('gw', nowMs - 60 * day), {}, 'relay', 'receipts', warn],
  ['a receipt of over 60 days', receipt('gw', nowMs - 60 * day - 1), {}, 'keep', 'receipts', local],
  ['a receipt of years ago, as there is no end', receipt('gw', 1e12), {}, 'keep', 'receipts', local],
  ['an old receipt, confirmed today', receipt('gw', nowMs - 90 * day), witnessed(day), 'relay', 'receipts'],
  ['an image of over 7 days', ours({}, nowMs - 8 * day), {}, 'keep', 'mine', warn],
  ['an image of over 60 days', ours({}, nowMs - 61 * day), {}, 'keep', 'mine', local],
  ['what is refused, of over 60 days', told('gw', 'a.b', {}, nowMs - 61 * day), {}, 'refuse', 'default', local],
  ['what no rule speaks of', told('gw', 'a.b'), {}, 'refuse', 'default']
]

const job = (atMs?: number) => told('worker', 'job.submitted', { repository: 'jobs/team-a/build' }, atMs)
const usage = told('worker', 'usage.receipt')
const asTeam = { after: exampleBound('worker', 'forge-a', { repository: 'team-a/build' }, nowMs) }
const asGuest = { after: exampleBound('worker', 'forge-b', { repository: 'someone/fork' }, nowMs) }
const team = { ...asTeam, budgetLeft: 10 }
const guest = { ...asGuest, budgetLeft: 0.5 }
const withToken = (issuer: string, claims: object, atMs = nowMs, key = 'worker') => ({
  after: { ...exampleBound(key, issuer, claims, atMs), source: job().source, hlc: job().hlc },
  budgetLeft: 10
})

const pool: readonly VerdictRow[] = [
  ['its own', told('this node', 'job.submitted'), {}, 'relay', 'own'],
  ['its own with a clock ahead', told('this node', 'job.submitted', {}, nowMs + day), {}, 'relay', 'own'],
  ['its own name in the log of another', told('this node', 'a.b'), { writer: 'me' }, 'refuse', 'wrong-source'],
  ['the root key, which is no identity', told('me', 'job.submitted'), {}, 'refuse', 'unknown-author'],
  ['the root key that opens a log', told('me', 'log.opened'), { index: 0 }, 'refuse', 'unknown-author'],
  ['a job of a key that no token binds', job(), {}, 'refuse', 'unknown-author'],
  ['a usage receipt of one', usage, { signatures: 2 }, 'refuse', 'unknown-author'],
  ['one of them with a clock ahead', job(nowMs + day), {}, 'refuse', 'unknown-author'],
  ['one of them with a line too long', job(), { lineBytes: 65_536 }, 'refuse', 'limit:entryBytes'],
  ['a job of the team', job(), team, 'relay', 'run-team'],
  ['a job of the team by a bad peer', job(), { ...team, peerReputation: -1 }, 'relay', 'run-team'],
  ['a job of the team with almost nothing left', job(), { ...team, budgetLeft: 0.001 }, 'relay', 'run-team'],
  ['a job of the team with nothing left', job(), { ...team, budgetLeft: 0 }, 'hold', 'default'],
  ['a job of the team with less than nothing', job(), { ...team, budgetLeft: -1 }, 'hold', 'default'],
  ['a job of the team, as budgets are today', job(), asTeam, 'hold', 'default'],
  [
    'a job of the team outside of its delegation',
    told('worker', 'job.submitted', { repository: 'x' }),
    team,
    'relay',
    'run-team'
  ],
  ['a job of the team whose content is not there', told('worker', 'job.submitted', image('me').data), team, 'relay', 'run-team'],
  [
    'a job of the team with a bad content',
    told('worker', 'job.submitted', image('me').data),
    { ...team, content: vulnerable('critical') },
    'relay',
    'run-team'
  ],
  ['the longest line', job(), { ...team, lineBytes: 65_535 }, 'relay', 'run-team'],
  ['a longer one', job(), { ...team, lineBytes: 65_536 }, 'refuse', 'limit:entryBytes'],
  ['the largest artifact', told('worker', 'job.submitted', { size: 2 ** 40 }), team, 'relay', 'run-team'],
  ['a larger one', told('worker', 'job.submitted', { size: 2 ** 40 + 1 }), team, 'refuse', 'limit:blobBytes'],
  ['a job of the team of years ago', job(1e12), team, 'relay', 'run-team'],
  ['a job of the team, clock just not too far ahead', job(nowMs + 10 * minute), team, 'relay', 'run-team'],
  ['a job of the team, clock ahead', job(nowMs + 10 * minute + 1), team, 'hold', 'clock-ahead'],
  ['a job with a token of another team', job(), withToken('forge-a', { repository: 'team-b/x' }), 'refuse', 'unknown-author'],
  ['a job with a token without a repository', job(), withToken('forge-a', {}), 'refuse', 'unknown-author'],
  [
    'a job with a token that was over before',
    job(),
    withToken('forge-a', { repository: 'team-a/x' }, nowMs - 361_000),
    'refuse',
    'unknown-author'
  ],
  [
    'a job with a token for another key',
    job(),
    withToken('forge-a', { repository: 'team-a/x' }, nowMs, 'me'),
    'refuse',
    'unknown-author'
  ],
  [
    'a job with a token that says it is of the other forge',
    job(),
    withToken('forge-b', { iss: 'https://forge-a.example', repository: 'team-a/x' }),
    'refuse',
    'unknown-author'
  ],
  ['a job of a guest', job(), guest, 'keep', 'run-guest'],
  ['a job of a guest by a good peer', job(), { ...guest, peerReputation: 2.5 }, 'keep', 'run-guest'],
  ['a job of a guest by a bad peer', job(), { ...guest, peerReputation: -0.5 }, 'hold', 'default'],
  ['a job of a guest with nothing left', job(), { ...guest, budgetLeft: 0 }, 'hold', 'default'],
  ['a job of a guest, as budgets are today', job(), asGuest, 'hold', 'default'],
  ['a job of a guest after the delegation', job(end), { ...guest, nowMs: end }, 'keep', 'run-guest'],
  ['a job of a guest, clock ahead', job(nowMs + day), guest, 'hold', 'clock-ahead'],
  ['a usage receipt that two signed', usage, { ...team, signatures: 2 }, 'relay', 'usage'],
  ['one that three signed', usage, { ...guest, signatures: 3 }, 'relay', 'usage'],
  ['one that two signed, no budget left', usage, { ...asGuest, signatures: 2 }, 'relay', 'usage'],
  ['one that its writer alone signed', usage, asTeam, 'hold', 'default', { waits: 'voices' }],
  ['a job that two signed, no budget left', job(), { ...asTeam, signatures: 2 }, 'hold', 'default'],
  ['a log of the team that opens', told('worker', 'log.opened'), { ...asTeam, index: 0 }, 'relay', 'log'],
  ['a log of a guest that opens, clock ahead', told('worker', 'log.opened', {}, nowMs + day), asGuest, 'relay', 'log'],
  ['a type that begins alike', told('worker', 'job.submitted.again'), team, 'hold', 'default'],
  [
    'a kind of document that no list shuts out',
    told('worker', 'a.b', { mediaType: 'application/x-executable' }),
    team,
    'hold',
    'default'
  ],
  ['what no rule speaks of', told('worker', 'a.b'), team, 'hold', 'default']
]

const tables = { 'air-gapped': airGapped, edge, pool } as const

describe.each(exampleNames)('the trust file of %s', (name) => {
  const compiled = compileTrustBytes(exampleBytes(name), `${name}.yaml`, readBeside(exampleFolder))
  const table = tables[name]

  it.each(table.map((row) => [row[0], row] as const))('VERDICT-5 decides about: %s', (_, row) => {
    const [, , , verdict, rule, more] = row
    const { conjuncts: _conjuncts, ...given } = rulingOn(row, compiled)
    expect(given).toEqual({ verdict, rule, warnings: [], ...more })
  })

  it('VERDICT-5 is asked about 30 events and more, no two named alike, that meet each of its rules', () => {
    expect(table.length).toBeGreaterThanOrEqual(30)
    expect(new Set(table.map(([title]) => title)).size).toBe(table.length)
    const met = new Set(table.map(([, , , , rule]) => rule))
    for (const { id } of compiled.file.rules ?? []) expect(met).toContain(id)
    for (const step of ['own', 'unknown-author', 'log', 'clock-ahead', 'default']) expect(met).toContain(step)
    expect(table.filter(([, of, , , rule]) => rule === 'own' && of.source !== own)).toEqual([])
  })
})

it.each(['forge-a', 'forge-b'])('BINDING-9 the key set of %s has the public members of its key', (name) => {
  const { d: _, ...jwk } = exampleIssuerKey(name)
  const written = JSON.parse(readFileSync(join(exampleFolder, `jwks/${name}.json`), 'utf8')) as object
  expect(written).toEqual({ keys: [jwk] })
})
