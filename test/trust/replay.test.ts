import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  type Content,
  didOf,
  encodeEvent,
  hex,
  leafHash,
  linesOf,
  logIdOf,
  type LogId,
  parseHlc,
  type RejoinEvent,
  sha256,
  signCheckpoint,
  textOf,
  Tree,
  utf8,
  type Verdict
} from '../../src/core/index.ts'
import { LocalReplica } from '../../src/replica/index.ts'
import { Store, Verdicts } from '../../src/store/index.ts'
import {
  compileTrustBytes,
  Gate,
  isWeaker,
  type Lookup,
  noEvidence,
  replay,
  type ReplayChange,
  type ReplayInput,
  type ReplayTotals
} from '../../src/trust/index.ts'
import { sampleEvent, sampleSigner } from '../core/sample.ts'

const me = sampleSigner('me')
const nowMs = 1_795_000_000_000
const day = 86_400_000
const hlcAt = (ms: number): RejoinEvent['hlc'] => parseHlc(`${ms.toString(16).padStart(12, '0')}0000`)
const nothing: Lookup = { ...noEvidence, load: async () => await Promise.resolve(false) }

/** A trust file that knows alice and bob, with rules or members of its own. */
function trustFile(more: string, version = 1): Uint8Array {
  const names = ['alice', 'bob']
  const keys = names.map((name) => `  ${name}: {did: "${didOf(sampleSigner(name).publicKey)}"}\n`)
  const identities = names.map((name) => `  ${name}: {keys: [${name}]}\n`)
  return utf8(
    `apiVersion: rejoin/v1\nkind: TrustPolicy\nname: t\nversion: ${version}\nkeys:\n${keys.join('')}identities:\n${identities.join('')}${more}`
  )
}

const rule = (id: string, when: string, verdict: Verdict): string => `  - {id: ${id}, when: '${when}', verdict: ${verdict}}\n`
const before = trustFile(
  `rules:\n${rule('mine', 'event.type == "mine.published"', 'keep')}${rule('odd', 'event.type == "odd.published"', 'hold')}${rule('bad', 'event.type == "bad.published"', 'refuse')}default: relay\n`
)
const types = ['plain', 'mine', 'odd', 'bad']

let root = ''
let store: Store
let gate: Gate
let replica: LocalReplica
let verdicts: Verdicts
const logs: Record<string, LogId> = {}

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'rejoin-replay-'))
  Store.create(root, 'test')
  store = await Store.open(root)
  verdicts = new Verdicts(root)
  gate = new Gate(didOf(me.publicKey), compileTrustBytes(before), {
    decisionOn: (log, index) => verdicts.decisionOn(log, index)
  })
  replica = new LocalReplica(store, gate, me.publicKey, { verdicts })
  for (const name of ['alice', 'bob']) logs[name] = await take(name)
})
afterEach(async () => {
  await store[Symbol.asyncDispose]()
  rmSync(root, { recursive: true })
})

/** Takes in a log of nine events: its first line, then twice one of each type; those of the second time are a day newer. */
async function take(name: string): Promise<LogId> {
  const signer = sampleSigner(name)
  const lines = Array.from({ length: 9 }, (_, index) => {
    const event = sampleEvent(signer, index, hlcAt(nowMs - 10 * day + (index > 4 ? day : 0)))
    const digest = `sha256:${hex(sha256(utf8(`${name} ${index}`)))}`
    const data = { digest, repository: `apps/${name}` }
    return encodeEvent(index === 0 ? event : { ...event, type: `${types[(index - 1) % 4] as string}.published`, data })
  })
  const log = logIdOf(lines[0] as Uint8Array)
  const block = { from: 0, count: lines.length, text: utf8(lines.map((line) => `${textOf(line)}\n`).join('')) }
  const tree = new Tree()
  for (const line of lines) tree.append(leafHash(line))
  await replica.accept(log, [{ ...block, lines: linesOf(block), tileHash: undefined }])
  await replica.commit(log, signCheckpoint({ log, size: lines.length, root: tree.root() }, signer), undefined)
  return log
}

async function run(
  bytes: Uint8Array,
  more: Partial<ReplayInput> = {}
): Promise<{ readonly changes: readonly ReplayChange[]; readonly totals: ReplayTotals; readonly done: readonly number[] }> {
  const input = { store, compiled: compileTrustBytes(bytes), own: didOf(me.publicKey), known: nothing, nowMs, ...more }
  const changes: ReplayChange[] = []
  const done: number[] = []
  const steps = replay(input)
  for (;;) {
    const next = await steps.next()
    if (next.done === true) return { changes, totals: next.value, done }
    changes.push(...next.value.changes)
    done.push(next.value.done)
  }
}

/** e.g. `alice/1 relay → hold by apps` */
const worded = ({ log, index, before: was, after }: ReplayChange): string =>
  `${log === logs['alice'] ? 'alice' : 'bob'}/${index} ${was} → ${after.verdict} by ${after.rule}`

/** Every file of the data folder, but for the index, with its bytes. */
function snapshot(): readonly string[] {
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((name) => !name.startsWith('index/') && statSync(join(root, name)).isFile())
    .toSorted()
    .map((name) => `${name} ${hex(sha256(readFileSync(join(root, name))))}`)
}

describe('a replay', () => {
  it('changes nothing by the rules in force, and counts what it tried', async () => {
    const { changes, totals, done } = await run(before)
    expect(changes).toEqual([])
    expect(totals).toEqual({
      tried: 12,
      withheld: 4,
      weaker: 0,
      table: [
        { before: 'relay', after: 'relay', count: 4 },
        { before: 'keep', after: 'keep', count: 4 },
        { before: 'hold', after: 'hold', count: 4 }
      ]
    })
    expect(done).toEqual([9, 18])
  })

  it('CLI-10 tries what is relayed, kept and held, names the rule, and writes nothing', async () => {
    const whole = snapshot()
    const after = trustFile(
      `rules:\n${rule('mine', 'event.type == "mine.published"', 'relay')}${rule('odd', 'event.type == "odd.published" && signer.name == "bob"', 'keep')}${rule('alices', 'signer.name == "alice"', 'refuse')}default: relay\n`
    )
    const { changes, totals } = await run(after)
    expect(changes.map(worded).toSorted()).toEqual([
      'alice/1 relay → refuse by alices',
      'alice/2 keep → relay by mine',
      'alice/3 hold → refuse by alices',
      'alice/5 relay → refuse by alices',
      'alice/6 keep → relay by mine',
      'alice/7 hold → refuse by alices',
      'bob/2 keep → relay by mine',
      'bob/3 hold → keep by odd',
      'bob/6 keep → relay by mine',
      'bob/7 hold → keep by odd'
    ])
    expect(totals).toMatchObject({ tried: 12, weaker: 6 })
    expect(changes.find(({ index, log }) => index === 3 && log === logs['bob'])?.after.conjuncts).toEqual([
      { text: 'event.type == "odd.published"', value: 'true' },
      { text: 'signer.name == "bob"', value: 'true' }
    ])
    expect(snapshot()).toEqual(whole)
  })

  it('CLI-10 foretells what putting the file in force does', async () => {
    const after = trustFile(
      `mediaTypes: {deny: ["text/*"]}\nrules:\n${rule('bobs', 'signer.name == "bob" && event.index < 5', 'hold')}${rule('odd', 'event.type == "odd.published"', 'relay')}default: keep\n`
    )
    const { changes } = await run(after)
    gate.reload(compileTrustBytes(after))
    const real: string[] = []
    for (const log of Object.values(logs))
      for await (const one of replica.rejudge(log))
        real.push(`${one.log} ${one.index} ${one.before} → ${one.after} by ${one.rule}`)
    expect(
      changes.map((one) => `${one.log} ${one.index} ${one.before} → ${one.after.verdict} by ${one.after.rule}`).toSorted()
    ).toEqual(real.toSorted())
    expect(real).toHaveLength(8)
    expect((await run(after)).changes).toEqual([])
  })

  it('tries one log, or what is newer than a time', async () => {
    const after = trustFile('rules: []\ndefault: refuse\n')
    const bobs = await run(after, { log: logs['bob'] as LogId })
    expect(bobs.changes.map(worded)).toEqual(
      [1, 2, 3, 5, 6, 7].map((index) => `bob/${index} ${verdictOf(index)} → refuse by default`)
    )
    const newer = await run(after, { sinceMs: nowMs - 10 * day + 1 })
    expect(newer.changes.map(({ index }) => index)).toEqual([5, 6, 7, 5, 6, 7])
    expect(newer.totals.tried).toBe(6)
  })

  it('lets a person’s decision stand, and leaves out events of this node itself', async () => {
    const log = logs['alice'] as LogId
    verdicts.decide([{ log, index: 3, verdict: 'relay', at: '2026-11-21T00:00:00.000Z' }])
    for await (const _ of replica.rejudge(log, new Set([3])));
    const after = trustFile('rules: []\ndefault: refuse\n')
    const decisionOn: ReplayInput['decisionOn'] = (of, index) => verdicts.decisionOn(of, index)
    expect((await run(after, { log, decisionOn })).changes.map(({ index }) => index)).toEqual([1, 2, 5, 6, 7])
    expect((await run(after, { log })).changes.map(({ index }) => index)).toEqual([1, 2, 3, 5, 6, 7])
    expect((await run(after, { log, own: didOf(sampleSigner('alice').publicKey) })).totals).toEqual({
      tried: 0,
      withheld: 0,
      weaker: 0,
      table: []
    })
  })

  it('looks into content only where a verdict waits for it', async () => {
    const empty: Content = { components: [], vulnerabilities: [], licenses: [], layerTypes: [], signers: [] }
    const after = trustFile(
      `rules:\n${rule('small', 'event.type == "plain.published" && content.components.size() == 0', 'keep')}default: relay\n`
    )
    const asked: string[] = []
    const known = new Set<string>()
    const lookup: Lookup = {
      ...noEvidence,
      contentOf: ({ data }) => (known.has(String(data['digest'])) ? empty : undefined),
      load: async ({ type, source, data }) => {
        asked.push(type)
        if (source !== didOf(sampleSigner('alice').publicKey)) return await Promise.resolve(false)
        known.add(String(data['digest']))
        return true
      }
    }
    const { changes } = await run(after, { known: lookup })
    expect(asked).toEqual(Array.from({ length: 4 }, () => 'plain.published'))
    const plain = changes.filter(({ event }) => event?.type === 'plain.published')
    expect(plain.map((one) => `${worded(one)} ${one.after.waits ?? 'nothing'}`).toSorted()).toEqual([
      'alice/1 relay → keep by small nothing',
      'alice/5 relay → keep by small nothing',
      'bob/1 relay → hold by small content',
      'bob/5 relay → hold by small content'
    ])
  })

  it('fails where a file of entries is missing', async () => {
    const other = logs['alice'] as LogId
    rmSync(join(root, 'logs', other, 'entries/000000.ndjson'))
    await expect(run(before)).rejects.toMatchObject({ code: 'E_DAMAGED' })
    writeFileSync(join(root, 'logs', other, 'entries/000000.ndjson'), '')
  })
})

const verdictOf = (index: number): string => ['relay', 'keep', 'hold'][(index - 1) % 4] as string

describe('a weaker verdict', () => {
  it.each<[Verdict, Verdict, boolean]>([
    ['refuse', 'hold', true],
    ['hold', 'keep', true],
    ['keep', 'relay', true],
    ['refuse', 'relay', true],
    ['relay', 'keep', false],
    ['hold', 'refuse', false],
    ['relay', 'relay', false]
  ])('%s → %s: %s', (was, is, weaker) => {
    expect(isWeaker(was, is)).toBe(weaker)
  })
})
