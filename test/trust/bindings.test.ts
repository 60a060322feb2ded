import { beforeAll, describe, expect, it } from 'vitest'
import {
  boundData,
  boundType,
  type Compiled,
  encodeEvent,
  leafHash,
  type LogId,
  openedEvent,
  openedType,
  parseKeySet,
  type KeySet,
  type ProvenBlock,
  type RejoinEvent,
  tokenAlgs,
  tokenAudience,
  type TrustFile,
  type TrustKey
} from '../../src/core/index.ts'
import { Bindings, compileTrust, Gate, noEvidence } from '../../src/trust/index.ts'
import { sampleSigner } from '../core/sample.ts'
import { did, event, nowMs, rule, someLog, trustFile } from '../core/trust/sample-trust.ts'
import { keySetOf, makeIssuer, sign, type TestClaims, type TestIssuer } from './issuer.ts'

const own = did('this node')
const writer = did('worker')
const iss = 'https://forge.example'
const day = 86_400_000
let forge: TestIssuer
let keys: KeySet

beforeAll(async () => {
  forge = await makeIssuer()
  keys = parseKeySet(keySetOf(forge)) as KeySet
})

const shows = async (claims: TestClaims = {}, atMs = nowMs): Promise<RejoinEvent> =>
  event(
    'worker',
    boundType,
    boundData(await sign(forge, { iss, aud: tokenAudience('pool', writer), team: 'a', ...claims }, atMs)),
    atMs
  )
const says = (atMs = nowMs): RejoinEvent => event('worker', 'note.said', { text: 'x' }, atMs)

function rules(members: Partial<TrustFile> = {}, bindForMs = Infinity): Compiled {
  const issuer = (team: string): NonNullable<TrustFile['issuers']> extends ReadonlyMap<string, infer One> ? One : never => ({
    name: team,
    iss,
    jwks: 'x',
    aud: 'pool',
    algs: tokenAlgs,
    claims: new Map([['team', team]]),
    bindForMs
  })
  return compileTrust(
    trustFile({
      identities: new Map([
        ['team-a', { name: 'team-a', keys: [], roles: ['submitter'], issuer: 'a' }],
        ['team-b', { name: 'team-b', keys: [], roles: ['guest'], issuer: 'b' }]
      ]),
      issuers: new Map([
        ['a', issuer('a')],
        ['b', issuer('b')]
      ]),
      keySets: new Map([
        ['a', keys],
        ['b', keys]
      ]),
      ...members
    })
  )
}

interface Site {
  readonly gate: Gate
  readonly bindings: Bindings
  /** Returns verdict, rule and the name of the signer of an event that comes next. */
  readonly judge: (index: number, of: RejoinEvent, before?: 'relay') => string
}

function site(compiled: Compiled): Site {
  const lines = new Map<number, Uint8Array>()
  const bindings = new Bindings(compiled, (_, index) => lines.get(index))
  const gate = new Gate(own, compiled, { bindings })
  const judge: Site['judge'] = (index, of, before) => {
    const line = encodeEvent(of)
    const entry = { index, size: 1, hash: leafHash(line), withheld: false, start: 0, end: line.length }
    const arrival = { log: someLog, author: of.source, nowMs, ...(before && { before }) }
    const { verdict, rule: by } = gate.judgeOne(entry, of, arrival).decision
    lines.set(index, line)
    return `${verdict} ${by} ${gate.factsOf(entry, of, arrival).signer.name}`
  }
  return { gate, bindings, judge }
}

function blockOf(events: readonly (RejoinEvent | string)[]): ProvenBlock {
  const lines = events.map((one) => Buffer.from(typeof one === 'string' ? one : encodeEvent(one)))
  let start = 0
  const text = Buffer.concat(lines.flatMap((line) => [line, Buffer.from('\n')]))
  return {
    from: 0,
    count: lines.length,
    text,
    tileHash: undefined,
    lines: lines.map((line, index) => {
      const at = start
      start += line.length + 1
      return {
        index,
        size: 1,
        hash: leafHash(line),
        withheld: line.toString().startsWith('{"withheld'),
        start: at,
        end: start - 1
      }
    })
  }
}

describe('a log with tokens', () => {
  it('BINDING-11 is nobody’s before the first token, and the identity’s from that on', async () => {
    const { judge } = site(rules())
    expect(judge(1, says())).toBe('refuse unknown-author ')
    expect(judge(2, await shows())).toBe('relay binding team-a')
    expect(judge(3, says())).toBe('relay identity team-a')
    expect(judge(1, says())).toBe('refuse unknown-author ')
    expect(judge(0, event('worker', openedType))).toBe('relay log team-a')
  })

  it('BINDING-2 belongs to another identity from another token on, and a bad one changes nothing', async () => {
    const { judge } = site(rules())
    judge(1, await shows())
    expect(judge(2, await shows({ team: 'c' }))).toBe('relay binding team-a')
    expect(judge(3, says())).toBe('relay identity team-a')
    expect(judge(4, await shows({ team: 'b' }))).toBe('relay binding team-b')
    expect(judge(5, says())).toBe('relay identity team-b')
    expect(judge(3, says())).toBe('relay identity team-a')
  })

  it('BINDING-2 belongs to the same in whatever order its events come, and after a restart', async () => {
    const events = [await shows(), says(), await shows({ team: 'b' }), says()]
    const forward = site(rules())
    const here = events.map((one, i) => forward.judge(i + 1, one))
    const backward = site(rules())
    for (const [i, one] of [...events.entries()].toReversed()) backward.judge(i + 1, one)
    expect(events.map((one, i) => backward.judge(i + 1, one))).toEqual(here)
    const again = new Bindings(rules(), (_, index) => encodeEvent(events[index - 1] as RejoinEvent))
    await again.noteAll({ byType: async () => await Promise.resolve([3, 1].map((index) => ({ log: someLog, index }))) })
    expect([1, 2, 3, 4].map((index) => again.at(someLog, index, writer)?.name)).toEqual(['team-a', 'team-a', 'team-b', 'team-b'])
  })

  it('BINDING-11 is no longer bound once bindFor is over, by the clock of its events', async () => {
    const { judge } = site(rules({}, day))
    judge(1, await shows())
    expect(judge(2, says(nowMs + day))).not.toContain('key-expired')
    expect(judge(3, says(nowMs + day + 1))).toBe('refuse key-expired team-a')
    expect(judge(4, await shows({}, nowMs + 2 * day))).toBe('relay binding team-a')
    expect(judge(5, says(nowMs + 2 * day + 1))).not.toContain('key-expired')
  })

  it('BINDING-10 of a key that the file gives to somebody belongs to that one', async () => {
    const key: TrustKey = { name: 'w', did: writer, publicKey: sampleSigner('worker').publicKey }
    const identities = new Map([...rules().file.identities, ['named', { name: 'named', keys: ['w'], roles: [] }] as const])
    const { judge } = site(rules({ identities, keys: new Map([['w', key]]) }))
    expect(judge(1, await shows())).toBe('relay binding named')
    expect(judge(2, says())).toBe('relay identity named')
  })

  it('BINDING-10 of a key that the file has for nobody is revoked and valid as it says there', async () => {
    const key: TrustKey = {
      name: 'w',
      did: writer,
      publicKey: sampleSigner('worker').publicKey,
      revokedFrom: [{ log: someLog, size: 3 }]
    }
    const { judge } = site(rules({ keys: new Map([['w', key]]) }))
    expect(judge(1, await shows())).toBe('relay binding team-a')
    expect(judge(2, says())).toBe('relay identity team-a')
    expect(judge(3, says())).toBe('refuse key-revoked team-a')
  })

  it('BINDING-13 shows its token whatever the lists and rules say, and keeps it where the rules no longer know its writer', async () => {
    const eventTypes = { allow: ['note.*'], deny: ['identity.*'] }
    const { judge, gate } = site(rules({ eventTypes, rules: [], default: 'refuse' }))
    const token = await shows()
    expect(judge(1, token)).toBe('relay binding team-a')
    expect(judge(2, says())).toBe('refuse default team-a')
    gate.reload(rules({ keySets: new Map() }))
    expect(judge(1, token, 'relay')).toBe('relay binding ')
    expect(judge(1, token)).toBe('refuse unknown-author ')
    expect(judge(2, says())).toBe('refuse unknown-author ')
    gate.reload(rules())
    expect(judge(2, says())).toBe('relay identity team-a')
  })

  it('BINDING-2 gives conditions the issuer and what the token claims', async () => {
    const when = 'signer.issuer == "a" && "ref=refs/heads/main" in signer.claims && signer.roles.exists(r, r == "submitter")'
    const { judge } = site(rules({ rules: [rule(when, { id: 'main' })], default: 'refuse' }))
    judge(1, await shows({ ref: 'refs/heads/x' }))
    expect(judge(2, says())).toBe('refuse default team-a')
    judge(3, await shows({ ref: 'refs/heads/main' }))
    expect(judge(4, says())).toBe('relay main team-a')
  })

  it('BINDING-2 delegates to who a token binds', async () => {
    const delegations = [{ from: 'root', to: 'team-a', paths: ['jobs/a/**'], mediaTypes: [], types: [], threshold: 1 }]
    const { judge } = site(rules({ delegations }))
    judge(1, await shows())
    const job = (repository: string): RejoinEvent => event('worker', 'job.submitted', { repository })
    expect(judge(2, job('jobs/a/1'))).toBe('relay identity team-a')
    expect(judge(3, job('jobs/b/1'))).toBe('refuse not-delegated team-a')
    judge(4, await shows({ team: 'b' }))
    expect(judge(5, job('jobs/a/1'))).toBe('refuse not-delegated team-b')
  })
})

describe('a gate', () => {
  it('BINDING-2 gives the same verdicts where it looks at no facts', async () => {
    const events = [
      says(),
      await shows(),
      says(),
      await shows({ team: 'c' }),
      await shows({}, nowMs + 1000),
      says(nowMs + day),
      says()
    ]
    const plain = rules({}, day / 2)
    const full = { ...plain, file: { ...plain.file, versions: [{ purl: 'pkg:npm/x', deny: 'vers:npm/*' }] } }
    const byBlock = (compiled: Compiled): readonly string[] =>
      site(compiled)
        .gate.judge(
          { ...blockOf(events), lines: blockOf(events).lines.map((line) => ({ ...line, index: line.index + 1 })) },
          arrival
        )
        .map(({ decision: { verdict, rule: by } }) => `${verdict} ${by}`)
    const arrival = { log: someLog, author: writer, nowMs }
    expect(byBlock(plain)).toEqual([
      'refuse unknown-author',
      'relay binding',
      'relay identity',
      'relay binding',
      'relay binding',
      'refuse key-expired',
      'relay identity'
    ])
    expect(byBlock(full)).toEqual(byBlock(plain))
  })

  it('TRUST-28 counts keys that tokens bind to one identity', async () => {
    const delegations = [{ from: 'root', to: 'team-a', paths: ['jobs/**'], mediaTypes: [], types: [], threshold: 2 }]
    const compiled = rules({ delegations })
    const bindings = new Bindings(compiled, () => undefined)
    const second = 'b'.repeat(52) as LogId
    const voice = { log: second, index: 5, author: did('worker 2') }
    const gate = new Gate(own, compiled, { bindings, evidence: { ...noEvidence, voicesOn: () => [voice] } })
    const judge = (of: RejoinEvent, index: number): string => {
      const line = encodeEvent(of)
      const entry = { index, size: 1, hash: leafHash(line), withheld: false, start: 0, end: line.length }
      const { verdict, rule: by } = gate.judgeOne(entry, of, { log: someLog, author: writer, nowMs }).decision
      return `${verdict} ${by}`
    }
    const job = event('worker', 'job.submitted', { repository: 'jobs/1', digest: `sha256:${'a'.repeat(64)}` })
    judge(await shows(), 1)
    expect(judge(job, 2)).not.toMatch(/^relay/)
    const aud = tokenAudience('pool', voice.author)
    const token = event('worker 2', boundType, boundData(await sign(forge, { iss, aud, team: 'a' }, nowMs)))
    bindings.learn({ ...voice, index: 1 }, token)
    expect(judge(job, 2)).toBe('relay identity')
  })
})

describe('the door', () => {
  const log = someLog
  const opened = openedEvent(
    { publicKey: sampleSigner('worker').publicKey, nextKey: `sha256:${'a'.repeat(64)}` as never, name: 'w' },
    { id: 'ab'.repeat(16), time: '2026-11-20T10:00:00.000Z', hlc: says().hlc }
  )

  it('BINDING-14 opens to a log with a token among its first 16 entries', async () => {
    const token = await shows()
    const open = (events: readonly (RejoinEvent | string)[], compiled = rules()): boolean => {
      const { gate } = site(compiled)
      expect(gate.admits(writer, log)).toBe(false)
      const isOpen = gate.knock(log, blockOf(events))
      expect(gate.admits(writer, log)).toBe(isOpen)
      return isOpen
    }
    expect(open([opened, token])).toBe(true)
    expect(open([opened, ...Array<RejoinEvent>(14).fill(says()), token])).toBe(true)
    expect(open([opened, ...Array<RejoinEvent>(15).fill(says()), token])).toBe(false)
    expect(open([opened, says()])).toBe(false)
    expect(open([opened, `{"withheld":"${'0'.repeat(64)}"}`])).toBe(false)
    expect(open([opened, 'no event at all, "type":"identity.bound"', token])).toBe(true)
    expect(open([opened, await shows({ team: 'c' })])).toBe(false)
    expect(open([opened, await shows({ aud: tokenAudience('pool', own) })])).toBe(false)
    expect(open([opened, { ...token, source: own }])).toBe(false)
    expect(open([opened, token], rules({ keySets: new Map() }))).toBe(false)
  })

  it('BINDING-14 remembers 64 logs that it let in and that did not come', async () => {
    const { gate } = site(rules())
    const block = blockOf([opened, await shows()])
    const logs = Array.from(
      { length: 65 },
      (_, i) =>
        `${'a'.repeat(50)}${String.fromCharCode(97 + Math.floor(i / 26))}${'abcdefghijklmnopqrstuvwxyz'[i % 26] as string}` as LogId
    )
    for (const one of logs) gate.knock(one, block)
    expect(logs.filter((one) => !gate.admits(writer, one))).toEqual([logs[0]])
  })
})
