import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { constantFrom, property, string, uint8Array } from 'fast-check'
import { describe, expect, it } from 'vitest'
import { didOf, hex, RejoinError, sha256, utf8, vkeyOf } from '../../src/core/index.ts'
import {
  addIdentity,
  compileRules,
  createTrust,
  inspectTrustFile,
  loadTrust,
  parseTrustFile,
  readBeside,
  removeIdentity,
  type RulesCheck
} from '../../src/trust/index.ts'
import { holds } from '../property.ts'
import { exampleBytes, exampleFolder, exampleLog, exampleNames, exampleSigner } from './examples.ts'

const head = 'apiVersion: rejoin/v1\nkind: TrustPolicy\n'
const did = (name: string): string => didOf(exampleSigner(name).publicKey)
const base = `${head}keys:
  alice: {did: "${did('alice')}"}
  bob: {did: "${did('bob')}"}
identities:
  ci: {keys: [alice], roles: [builder]}
`
const checkRules: RulesCheck = (rules) => compileRules(rules).problems

/** Returns `line:column message; hint` of what a text is refused for. */
function refusal(text: string): string {
  try {
    parseTrustFile(utf8(text), checkRules)
  } catch (error) {
    if (!(error instanceof RejoinError) || error.code !== 'E_TRUST_FILE') throw error
    const { at = '', hint, message } = error
    const [line, column] = at.split(':')
    const place = ` at line ${line}, column ${column}`
    expect(message.startsWith('trust.yaml: ')).toBe(true)
    expect(message).toContain(place)
    return `${at} ${message.slice(12).replace(place, '')}; ${hint}`
  }
  return 'none'
}

const otherwise = 'correct the file; the rules that were in force stay in force'

describe('the examples of protocols/trust.md', () => {
  it.each(exampleNames)('TRUST-12 %s is good', (name) => {
    const inspected = inspectTrustFile(exampleBytes(name), checkRules, readBeside(exampleFolder))
    expect(inspected.kind === 'bad' ? inspected.problems : []).toEqual([])
  })

  it('have the keys and logs of test/trust/examples.ts', () => {
    const names: string[] = []
    for (const example of exampleNames)
      for (const [name, key] of parseTrustFile(exampleBytes(example)).keys) {
        names.push(name)
        expect(key.did).toBe(did(name))
      }
    expect(names).toEqual(['alice', 'bob', 'carol', 'ci-1', 'ci-2', 'fleet', 'gw', 'me'])
  })

  it('say what they say', () => {
    const bytes = exampleBytes('air-gapped')
    const file = parseTrustFile(bytes)
    expect(file).toMatchObject({ name: 'site-north', version: 7, default: 'hold', digest: hex(sha256(bytes)) })
    expect(file.root).toEqual({ threshold: 2, keys: ['alice', 'bob', 'carol'] })
    expect(file.keys.get('alice')).toMatchObject({ fromMs: Date.UTC(2026, 0, 1), untilMs: Date.UTC(2028, 0, 1) })
    expect(file.keys.get('ci-1')?.revokedFrom).toEqual([{ log: exampleLog('ci-1'), size: 88_120 }])
    expect(file.delegations[1]).toEqual({
      from: 'root',
      to: 'security',
      paths: ['**'],
      mediaTypes: ['application/vnd.openvex+json'],
      types: [],
      threshold: 2
    })
    expect(file.freshness).toEqual({ warnAfterMs: 30 * 86_400_000, localOnlyAfterMs: 90 * 86_400_000, refuseAfterMs: Infinity })
    expect(file.limits.blobBytes).toBe(20 * 2 ** 30)
    expect(file.tlogPolicy?.split('\n').at(-2)).toBe('quorum site')
    expect(file.rules?.map(({ id, onError }) => [id, onError])).toEqual([
      ['sbom-relevant', 'hold'],
      ['sbom-other', 'hold'],
      ['signed-image', 'hold']
    ])
    const pool = parseTrustFile(exampleBytes('pool'))
    expect(pool.identities.get('guests')).toEqual({ name: 'guests', keys: [], roles: ['guest'], issuer: 'forge-b' })
    expect(pool.delegations[1]?.untilMs).toBe(Date.UTC(2027, 0, 1))
  })

  it('TRUST-21 an empty file has the defaults of the page', () => {
    expect(parseTrustFile(utf8(head))).toEqual({
      name: '',
      version: 0,
      keys: new Map(),
      identities: new Map(),
      delegations: [],
      eventTypes: { allow: [], deny: [] },
      mediaTypes: { allow: [], deny: [] },
      artifactTypes: { allow: [], deny: [] },
      repositories: { allow: [], deny: [] },
      limits: { entryBytes: 65_535, jsonDepth: 64, blobBytes: 2 ** 40, unpackRatio: 100, parcelFiles: 1_000_000 },
      versions: [],
      gates: {},
      freshness: { warnAfterMs: Infinity, localOnlyAfterMs: Infinity, refuseAfterMs: Infinity },
      quotas: new Map(),
      default: 'hold',
      digest: hex(sha256(utf8(head)))
    })
    expect(parseTrustFile(utf8(`${base}quotas: {ci: {bytes: 2GiB}}\n`)).quotas.get('ci')).toEqual({
      events: Infinity,
      bytes: 2 ** 31
    })
  })

  it('and what `rejoin trust add` and `remove` write is good', () => {
    const root = mkdtempSync(join(tmpdir(), 'rejoin-trust-'))
    const names = (): readonly string[] => {
      const file = parseTrustFile(readFileSync(join(root, 'trust.yaml')))
      expect(loadTrust(root).file).toEqual(file)
      return [...file.identities.values()].map(
        ({ name, keys }) => `${name} ${keys.map((key) => file.keys.get(key)?.did).join(' ')}`
      )
    }
    createTrust(root, 'a node')
    expect(names()).toEqual([])
    addIdentity(root, 'alice', did('alice'))
    addIdentity(root, 'alice', vkeyOf('rejoin/x', exampleSigner('ci-1').publicKey))
    addIdentity(root, 'Ärzte 3', did('bob'))
    expect(names()).toEqual([`alice ${did('alice')} ${did('ci-1')}`, `Ärzte 3 ${did('bob')}`])
    removeIdentity(root, 'alice')
    expect(names()).toEqual([`Ärzte 3 ${did('bob')}`])
    removeIdentity(root, 'Ärzte 3')
    expect(names()).toEqual([])
    rmSync(root, { recursive: true })
  })
})

const never = 'can never match'
const fix = 'leave one of the two'

describe('TRUST-11 a refusal names line, column and what helps', () => {
  it.each([
    [
      'TRUST-2 broken YAML',
      `${head}keys: {a: [}\n`,
      `3:12 Flow sequence in block collection must be sufficiently indented and end with a ]; ${otherwise}`
    ],
    ['TRUST-10 a tab', `${head}\tname: x\n`, `3:1 Tabs are not allowed as indentation; ${otherwise}`],
    [
      'TRUST-10 a second document',
      `${head}---\n${head}`,
      '3:1 more than one document; a file holds one policy: leave out what begins at ---'
    ],
    ['TRUST-10 an anchor', `${head}name: &a x\n`, '3:10 anchors and aliases are not allowed; write the value out'],
    [
      'TRUST-10 an alias',
      `${head}keys: {a: &k {did: x}, b: *k}\n`,
      '3:14 anchors and aliases are not allowed; write the value out'
    ],
    ['TRUST-10 a tag', `${head}name: !!str x\n`, '3:13 tags are not allowed; leave out what begins with !'],
    ['TRUST-10 a tag of ours', `${head}keys: !x {}\n`, '3:10 tags are not allowed; leave out what begins with !'],
    ['TRUST-10 YAML 1.1', `%YAML 1.1\n---\n${head}`, '1:1 directives are not allowed; leave out the line that begins with %'],
    ['TRUST-10 a list', '- 1\n', '1:1 the file is not a mapping; begin with: apiVersion: rejoin/v1'],
    ['TRUST-10 nothing', '', '1:1 the file is not a mapping; begin with: apiVersion: rejoin/v1'],
    ['TRUST-10 a name twice', `${head}keys: {}\nname: x\nkeys: {}\n`, `5:1 "keys" stands there twice; ${fix}`],
    ['TRUST-10 a name twice below', `${head}keys: {a: {}, b: {}, a: {}}\n`, `3:22 "a" stands there twice; ${fix}`],
    ['TRUST-10 __proto__', `${head}keys:\n  __proto__: {}\n`, '4:3 the name "__proto__" is not allowed; take another name'],
    ['TRUST-10 depth, within brackets', `${head}keys: ${'['.repeat(100_000)}`, `3:39 the file is nested too deep; ${otherwise}`],
    [
      'TRUST-10 depth, within a line',
      `${head}keys:\n  ${'- '.repeat(100_000)}x`,
      `4:67 the file is nested too deep; ${otherwise}`
    ],
    [
      'TRUST-10 depth, by indentation',
      head + Array.from({ length: 40 }, (_, i) => `${' '.repeat(i)}a:\n`).join(''),
      `34:32 the file is nested too deep; ${otherwise}`
    ]
  ])('%s', (_, text, told) => {
    expect(refusal(text)).toBe(told)
  })

  it.each([
    [
      'TRUST-1 another version',
      'apiVersion: rejoin/v2\nkind: TrustPolicy\n',
      '1:13 apiVersion is not rejoin/v1; write apiVersion: rejoin/v1'
    ],
    ['TRUST-1 no kind', 'apiVersion: rejoin/v1\n', '1:1 the file has no kind; add kind'],
    ['TRUST-1 an unknown member', `${head}kyes: {}\n`, '3:1 unknown member "kyes"; did you mean keys?'],
    [
      'TRUST-1 an unknown member below',
      `${base}rules:\n- {id: a, wen: "true", verdict: keep}\n`,
      '9:3 rules[0] has no when (and 1 more); add when'
    ],
    ['TRUST-12 another type', `${head}version: "3"\n`, `3:10 version is not a whole number: "3"; ${otherwise}`],
    ['TRUST-12 a list for a mapping', `${head}keys: []\n`, `3:7 keys is not a mapping of key names: a list; ${otherwise}`],
    [
      'TRUST-12 a bad name',
      `${head}keys: {"-x": {did: "did:key:z"}}\n`,
      `3:8 not a name of 1 to 64 letters, digits, blanks and . _ @ -: "-x"; ${otherwise}`
    ],
    ['TRUST-12 an item twice', `${base}root: {threshold: 1, keys: [bob, bob]}\n`, `8:34 root.keys has an item twice; ${fix}`],
    ['TRUST-12 an unknown verdict', `${head}default: kepe\n`, '3:10 default is not a verdict: "kepe"; did you mean keep?'],
    [
      'TRUST-12 a duration',
      `${head}freshness:\n  warnAfter: 30 days\n`,
      `4:14 freshness.warnAfter is not a duration, such as 90s, 15m, 12h, 30d or never: "30 days"; ${otherwise}`
    ],
    [
      'TRUST-12 a size',
      `${head}limits: {blobBytes: 20GB}\n`,
      `3:21 limits.blobBytes is not a size in bytes, such as 65535 or 20GiB: "20GB"; ${otherwise}`
    ],
    [
      'TRUST-12 a limit over what there is',
      `${head}limits: {entryBytes: 65536}\n`,
      `3:22 limits.entryBytes is not a number of bytes from 256 to 65535: 65536; ${otherwise}`
    ],
    [
      'TRUST-12 an empty list',
      `${base}delegations: [{from: root, to: ci, paths: []}]\n`,
      '8:43 delegations[0].paths is empty; leave it out, or put something into it'
    ],
    [
      'TRUST-12 both spellings of a key',
      `${head}keys: {a: {did: "did:key:z", vkey: "x+00000000+AA=="}}\n`,
      `3:11 keys.a is not a key with one of did and vkey: a mapping; ${otherwise}`
    ],
    [
      'TRUST-12 an identity without keys and issuer',
      `${head}identities: {a: {}}\n`,
      `3:17 identities.a is not an identity with keys or an issuer: a mapping; ${otherwise}`
    ],
    [
      'TRUST-12 a path out of the folder',
      `${head}inventory: {source: ../../etc/x}\n`,
      `3:21 inventory.source is not a path of a file, without .. in it: "../../etc/x"; ${otherwise}`
    ]
  ])('%s', (_, text, told) => {
    expect(refusal(text)).toBe(told)
  })

  const log = exampleLog('gw')
  const delegation = (more: string): string => `${base}delegations:\n  - {from: root, to: ci, paths: ["**"], ${more}}\n`
  it.each([
    [
      'TRUST-3 a key that is none',
      `${head}keys: {a: {did: "did:key:zBAD"}}\n`,
      '3:17 not a key: the key is not an Ed25519 key; rejoin id prints a key as did and as vkey'
    ],
    ['TRUST-3 an unknown key', `${base}  sec: {keys: [bop]}\n`, '8:16 identity sec names the unknown key bop; did you mean bob?'],
    [
      'TRUST-13 a key of two identities',
      `${base}  sec: {keys: [bob, alice]}\n`,
      '8:21 the key alice belongs to ci already; give each identity keys of its own'
    ],
    [
      'TRUST-13 a key under two names',
      `${head}keys:\n  a: {did: "${did('gw')}"}\n  b: {vkey: "${vkeyOf('x', exampleSigner('gw').publicKey)}"}\n`,
      '5:3 b is the same key as a; leave one and use its name'
    ],
    [
      'TRUST-16 a log ID that is none',
      `${head}keys: {a: {did: "${did('a')}", revokedFrom: {log: forge.example/log, size: 3}}}\n`,
      '3:96 not a log ID: "forge.example/log"; a log ID has 52 letters and digits; rejoin status prints them'
    ],
    [
      'TRUST-16 an origin for a log ID',
      `${head}keys: {a: {did: "${did('a')}", revokedFrom: [{log: rejoin/${log}, size: 3}]}}\n`,
      `3:97 not a log ID: "rejoin/${log}"; did you mean ${log}?`
    ],
    [
      'TRUST-17 no such day',
      `${head}keys: {a: {did: "${did('a')}", from: 2026-02-30}}\n`,
      '3:83 there is no such time: 2026-02-30; write it as 2026-01-31'
    ],
    [
      'TRUST-17 an end before its start',
      `${head}keys: {a: {did: "${did('a')}", from: 2026-02-01, until: 2026-01-01}}\n`,
      '3:102 until 2026-01-01 is not after from 2026-02-01, so it never holds; swap the two'
    ],
    [
      'TRUST-25 an unknown issuer',
      `${head}identities: {a: {issuer: forge}}\n`,
      '3:26 identity a names the unknown issuer forge; none is known'
    ],
    [
      'TRUST-25 an identity called root',
      `${head}identities: {root: {keys: []}}\n`,
      '3:14 an identity cannot be called root; root is who gives the first delegations'
    ],
    [
      'TRUST-25 an unknown identity',
      `${base}delegations: [{from: root, to: cl, paths: ["**"]}]\n`,
      '8:32 a delegation to the unknown identity cl; did you mean ci?'
    ],
    [
      'TRUST-25 an unknown giver',
      `${base}delegations: [{from: roto, to: ci, paths: ["**"]}]\n`,
      '8:22 a delegation from the unknown identity roto; did you mean root?'
    ],
    [
      'TRUST-25 a quota of nobody',
      `${base}quotas: {xi: {events: 3}}\n`,
      '8:10 quotas names the unknown identity xi; did you mean ci?'
    ],
    ['TRUST-25 a budget of nobody', `${base}budget: {guests: {}}\n`, '8:10 budget names the unknown identity guests; known: ci'],
    [
      'TRUST-25 a role of nobody',
      `${base}gates: {vulnerability: {maxSeverity: low, vexRoles: [bilder]}}\n`,
      '8:54 no identity has the role bilder; did you mean builder?'
    ],
    [
      'TRUST-25 an unknown key in root',
      `${base}name: n\nroot: {threshold: 1, keys: [bobb]}\n`,
      '9:29 root names the unknown key bobb; did you mean bob?'
    ],
    [
      'TRUST-20 a threshold over the keys of root',
      `${base}name: n\nroot: {threshold: 3, keys: [bob, alice]}\n`,
      '9:19 the threshold 3 is over the 2 keys of root; write at most 2, or add keys'
    ],
    [
      'TRUST-20 a threshold over the keys of an identity',
      delegation('threshold: 2'),
      '9:52 the threshold 2 is over the 1 keys of ci; write at most 1, or give ci more keys'
    ],
    [
      'TRUST-23 a root without a name',
      `${base}root: {threshold: 1, keys: [bob]}\n`,
      '8:1 a file with a root needs a name, which is signed too; add name'
    ],
    [
      'TRUST-14 a bad path',
      `${base}delegations: [{from: root, to: ci, paths: [a, b/]}]\n`,
      '8:47 not a pattern of repository names: "b/"; did you mean "b/**"?'
    ],
    [
      'TRUST-14 a bad repository',
      `${head}repositories: {deny: ["a**"]}\n`,
      '3:23 not a pattern of repository names: "a**"; did you mean "a*"? "**" is a part of its own'
    ],
    [
      'TRUST-15 a bad media type',
      delegation('mediaTypes: ["a/*+json"]'),
      '9:54 not a pattern: "a/*+json"; only a last * is a wildcard: did you mean "a/*"?'
    ],
    [
      'TRUST-15 a type that nothing has',
      delegation('types: [sbom]'),
      `9:49 ${never}: no event type is "sbom"; did you mean sbom.*?`
    ],
    [
      'TRUST-15 a type with capitals',
      `${head}eventTypes: {allow: [Sbom.published]}\n`,
      `3:22 ${never}: no event type is "Sbom.published"; did you mean sbom.published?`
    ],
    [
      'TRUST-15 what is allowed and denied',
      `${head}mediaTypes:\n  allow: [text/plain]\n  deny: ["text/*"]\n`,
      `4:11 ${never}: "text/plain" is denied by "text/*"; deny goes first: take it out of one of the two lists`
    ],
    [
      'TRUST-19 a delegation that widens',
      `${base}  sec: {keys: [bob]}\ndelegations:\n  - {from: root, to: ci, paths: ["apps/*"]}\n  - {from: ci, to: sec, paths: ["apps/**"]}\n`,
      '11:33 the delegation to sec widens what ci has: "apps/**"; ci has apps/*'
    ],
    [
      'TRUST-21 tiers out of order',
      `${head}freshness: {warnAfter: 30d, localOnlyAfter: 7d}\n`,
      '3:45 localOnlyAfter is before warnAfter; the order is warnAfter, localOnlyAfter, refuseAfter'
    ],
    [
      'TRUST-21 a size that is no number',
      `${head}limits: {blobBytes: 9000TiB}\n`,
      '3:21 9000TiB is too large; write a size below 8192TiB'
    ],
    [
      'TRUST-22 a policy, at its line',
      `${head}witnesses:\n  tlogPolicy: |\n    # ours\n    quorum site\n`,
      '6:5 "site" is not defined above; define a witness or group before the line that names it'
    ],
    [
      'TRUST-22 a policy without quorum',
      `${head}witnesses: {tlogPolicy: "log x"}\n`,
      `3:26 malformed verifier key; ${otherwise}`
    ],
    [
      'TRUST-26 an ID twice',
      `${base}rules:\n- {id: a, when: delegated, verdict: keep}\n- {id: a, when: "true", verdict: keep}\n`,
      '10:8 two rules have the id a; give each rule an id of its own'
    ],
    [
      'TRUST-26 an ID of the program',
      `${base}rules: [{id: own, when: delegated, verdict: keep}]\n`,
      '8:14 the id own has another meaning in verdicts; did you mean my-own?'
    ],
    [
      'TRUST-27 a package with a version',
      `${head}versions: [{purl: "pkg:npm/a@1.0.0", deny: "vers:npm/<1.0.0"}]\n`,
      '3:19 a package here has no version; leave out @1.0.0; deny says which versions'
    ],
    [
      'TRUST-27 a range that is none',
      `${head}versions: [{purl: "pkg:npm/a", deny: "^1.2.0"}]\n`,
      '3:38 not a version range: it does not begin with vers: and a scheme in lower case; write it as vers:npm/>=1.0.0|<1.2.3'
    ],
    [
      'TRUST-27 a range of another kind',
      `${head}versions: [{purl: "pkg:npm/a", deny: "vers:pypi/<1.0"}]\n`,
      `3:38 ${never}: a range of pypi versions for a package of npm; did you mean vers:npm/…?`
    ]
  ])('%s', (_, text, told) => {
    expect(refusal(text)).toBe(told)
  })

  it('in a condition, at its place in the file', () => {
    const rule = (when: string): string => refusal(`${base}rules:\n  - id: a\n    when: ${when}\n    verdict: keep\n`)
    expect(rule('delegated && evnt.type == "a.b"')).toMatch(/^10:24 .*evnt/)
    expect(rule(`'delegated && evnt.type == "a.b"'`)).toMatch(/^10:25 .*evnt/)
    expect(rule('|\n      delegated &&\n        evnt.type == "a.b"')).toMatch(/^12:9 .*evnt/)
    // a text with escapes does not stand in the file as it is
    expect(rule('"delegated && \\"x\\" == evnt.type"')).toMatch(/^10:11 .*evnt/)
  })

  it('all of them, in the order of the text', () => {
    const text = `${base}zzz: 1\nkyes: {}\n`
    const inspected = inspectTrustFile(utf8(text))
    expect(inspected.kind === 'bad' && inspected.problems.map(({ line, message }) => [line, message])).toEqual([
      [8, 'unknown member "zzz"'],
      [9, 'unknown member "kyes"']
    ])
    const many = inspectTrustFile(utf8(head + Array.from({ length: 2000 }, (_, i) => `k${i}: 1\n`).join('')))
    expect(many.kind === 'bad' && many.problems.length).toBe(100)
  })

  it('TRUST-10 also of what is too large or no UTF-8', () => {
    expect(refusal(`${head}#${' '.repeat(1024 * 1024)}`)).toBe(`1:1 the file is over 1048576 bytes; ${otherwise}`)
    const bytes = Uint8Array.from([...utf8(`${head}name: `), 0xff, 0x0a])
    expect(inspectTrustFile(bytes)).toMatchObject({ kind: 'bad', problems: [{ message: 'the file is not UTF-8' }] })
    expect(() => parseTrustFile(bytes, checkRules, 'new.yaml')).toThrow(/^new\.yaml: /)
  })
})

describe('any bytes', () => {
  const example = new TextDecoder().decode(exampleBytes('air-gapped')).split('')
  it('TRUST-2 are a trust file or refused with a place', () => {
    holds(
      property(uint8Array({ maxLength: 80 }), (bytes) => {
        const inspected = inspectTrustFile(bytes)
        expect(inspected.kind === 'good' || inspected.problems.every(({ line, column }) => line >= 1 && column >= 1)).toBe(true)
      })
    )
  })

  it('TRUST-2 also where a good file was damaged somewhere', () => {
    holds(
      property(constantFrom(...example.keys()), string({ maxLength: 3 }), (at, put) => {
        const inspected = inspectTrustFile(utf8(example.toSpliced(at, 1, put).join('')), checkRules)
        expect(inspected.kind === 'good' || inspected.problems.length > 0).toBe(true)
      })
    )
  })
})
