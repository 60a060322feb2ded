import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  codeOf,
  didOf,
  encodeEvent,
  hex,
  leafHash,
  linesOf,
  logIdOf,
  type LogId,
  parseHlc,
  sha256,
  signCheckpoint,
  textOf,
  Tree,
  utf8
} from '../../src/core/index.ts'
import { Node, runVerb } from '../../src/node/index.ts'
import { sampleEvent, sampleSigner } from '../core/sample.ts'

const never = new AbortController().signal
const hlc = parseHlc(`${(1_790_000_000_000).toString(16).padStart(12, '0')}0000`)
type AnyRecord = Readonly<Record<string, unknown>> & { readonly kind: string }

let root = ''
let node: Node
let log: LogId
const lines = linesFor('alice', ['plain', 'odd', 'odd', 'mine', 'bad', 'odd'])

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'rejoin-triage-'))
  await Node.init(root, 'me', 'test')
  writeFileSync(join(root, 'trust.yaml'), trustFile('hold'))
  node = await Node.open(root)
  log = await take('alice', lines)
})
afterEach(async () => {
  await node[Symbol.asyncDispose]()
  rmSync(root, { recursive: true })
})

function trustFile(odd: string, version = 2): string {
  const names = ['alice', 'bob']
  const keys = names.map((name) => `  ${name}: {did: "${didOf(sampleSigner(name).publicKey)}"}\n`)
  const identities = names.map((name) => `  ${name}: {keys: [${name}]}\n`)
  return `apiVersion: rejoin/v1
kind: TrustPolicy
name: me
version: ${version}
keys:
${keys.join('')}identities:
${identities.join('')}rules:
  - {id: odd, when: 'event.type == "odd.published" && event.index > 0', verdict: ${odd}}
  - {id: mine, when: 'event.type == "mine.published"', verdict: keep}
  - {id: bad, when: 'event.type == "bad.published"', verdict: refuse}
default: relay
`
}

function linesFor(name: string, types: readonly string[]): readonly Uint8Array[] {
  const signer = sampleSigner(name)
  return [undefined, ...types].map((type, index) => {
    const event = sampleEvent(signer, index, hlc)
    return encodeEvent(
      type === undefined ? event : { ...event, type: `${type}.published`, data: { note: `text ${index} of ${name}` } }
    )
  })
}

async function take(name: string, some: readonly Uint8Array[]): Promise<LogId> {
  const of = logIdOf(some[0] as Uint8Array)
  const block = { from: 0, count: some.length, text: utf8(some.map((line) => `${textOf(line)}\n`).join('')) }
  const tree = new Tree()
  for (const line of some) tree.append(leafHash(line))
  await node.replica.accept(of, [{ ...block, lines: linesOf(block), tileHash: undefined }])
  await node.replica.commit(of, signCheckpoint({ log: of, size: some.length, root: tree.root() }, sampleSigner(name)), undefined)
  return of
}

async function ask(verb: string, args: object): Promise<readonly AnyRecord[]> {
  const records: AnyRecord[] = []
  for await (const record of runVerb(node, undefined, verb, args, never)) records.push(record as AnyRecord)
  return records
}

async function failed(verb: string, args: object): Promise<string | undefined> {
  return await ask(verb, args).then(
    () => undefined,
    (error: unknown) => codeOf(error)
  )
}

/** Where the text of entries of alice's log is: `relay`, `keep`, `hold`, or nowhere at all. */
function lying(): readonly string[] {
  const places: readonly [string, string][] = [
    ['relay', 'logs'],
    ['keep', 'private/logs'],
    ['hold', 'private/held']
  ]
  const texts = places.map(([verdict, folder]) => {
    const path = join(root, folder, log, 'entries/000000.ndjson')
    return [verdict, existsSync(path) ? readFileSync(path, 'utf8') : ''] as const
  })
  return lines.slice(1).map((_, i) => {
    const found = texts.filter(([, text]) => text.includes(`"text ${i + 1} of alice"`)).map(([verdict]) => verdict)
    expect(found.length, `entry ${i + 1}`).toBeLessThan(2)
    return found[0] ?? 'nowhere'
  })
}

async function reopen(): Promise<void> {
  await node[Symbol.asyncDispose]()
  node = await Node.open(root)
}

describe('triage', () => {
  it('CLI-12 lists what is held, by rule and author, with reason and time', async () => {
    await take('bob', linesFor('bob', ['odd']))
    const records = await ask('triage', {})
    expect(records.map(({ author, index, rule, waits }) => [author, index, rule, waits])).toEqual([
      ['alice', 2, 'odd', 'person'],
      ['alice', 3, 'odd', 'person'],
      ['alice', 6, 'odd', 'person'],
      ['bob', 1, 'odd', 'person']
    ])
    expect(records[0]).toMatchObject({
      kind: 'held',
      log,
      type: 'odd.published',
      subject: expect.stringMatching(/^sha256:/) as string
    })
    expect(Date.parse(String(records[0]?.['since']))).toBeGreaterThan(0)
  })

  it('VERDICT-19 moves text by a decision, which outlives other rules, a restart and the index', async () => {
    expect(lying()).toEqual(['relay', 'hold', 'hold', 'keep', 'nowhere', 'hold'])
    const accepted = await ask('triage', { action: 'accept', events: [`${log}/2`], because: 'looked at it' })
    expect(accepted).toMatchObject([{ kind: 'decision', index: 2, before: 'hold', after: 'relay', because: 'looked at it' }])
    expect(await ask('triage', { action: 'accept', keep: true, events: [`${log}/3`] })).toMatchObject([
      { before: 'hold', after: 'keep' }
    ])
    expect(await ask('triage', { action: 'refuse', events: [`${log}/6`] })).toMatchObject([{ before: 'hold', after: 'refuse' }])
    const decided = ['relay', 'relay', 'keep', 'keep', 'nowhere', 'nowhere']
    expect(lying()).toEqual(decided)
    expect(readFileSync(join(root, 'verdicts/decisions.ndjson'), 'utf8').split('\n')[0]).toContain('"because":"looked at it"')

    writeFileSync(join(root, 'trust.yaml'), trustFile('refuse', 3))
    node.reloadTrust()
    await node.settled()
    expect(lying()).toEqual(decided)
    await node[Symbol.asyncDispose]()
    rmSync(join(root, 'index'), { recursive: true })
    node = await Node.open(root)
    for await (const _ of runVerb(node, undefined, 'doctor', { reindex: true }, never));
    await node.rejudge(log)
    expect(lying()).toEqual(decided)
    expect(await ask('triage', {})).toEqual([])
  })

  it('VERDICT-19 lets the rules decide again once a decision is withdrawn', async () => {
    await ask('triage', { action: 'accept', events: [`${log}/2`, `${log}/3`] })
    expect(await ask('triage', { action: 'withdraw', events: [`${log}/2`] })).toMatchObject([{ before: 'relay', after: 'hold' }])
    expect(lying()).toEqual(['relay', 'hold', 'relay', 'keep', 'nowhere', 'hold'])
    await reopen()
    expect((await ask('triage', {})).map(({ index }) => index)).toEqual([2, 6])
    expect(await failed('triage', { action: 'withdraw', events: [`${log}/2`] })).toBe('E_NOT_FOUND')
  })

  it('takes an event by the digest that it is about, and decides about any, held or not', async () => {
    const [held] = await ask('triage', {})
    expect(await ask('triage', { action: 'accept', events: [held?.['subject']] })).toMatchObject([{ index: 2, after: 'relay' }])
    expect(await ask('triage', { action: 'refuse', events: [`${log}/1`] })).toMatchObject([{ before: 'relay', after: 'refuse' }])
    expect(lying()[0]).toBe('nowhere')
    expect(node.store.needFolder(log).tree.size).toBe(lines.length)
  })

  it('CLI-12 says that the text of an event that was refused has yet to come, and takes it when it does', async () => {
    expect(await ask('triage', { action: 'accept', events: [`${log}/5`] })).toMatchObject([
      { before: 'refuse', after: 'refuse', waits: 'text' }
    ])
    const block = { from: 0, count: lines.length, text: utf8(lines.map((line) => `${textOf(line)}\n`).join('')) }
    await node.replica.takeTexts(log, block)
    expect(lying()[4]).toBe('relay')
  })

  it('does not touch the own log or the first line of another one, and records nothing where one place is wrong', async () => {
    for (const [events, code] of [
      [[`${node.log}/0`], 'E_USAGE'],
      [[`${log}/0`], 'E_USAGE'],
      [[`${log}/2`, `${log}/99`], 'E_NOT_FOUND'],
      [['nobody/1'], 'E_NOT_FOUND'],
      [[], 'E_USAGE']
    ] as const)
      expect(await failed('triage', { action: 'refuse', events })).toBe(code)
    expect(await failed('triage', { action: 'accept', events: [`${log}/2`], because: 'x'.repeat(1001) })).toBe('E_USAGE')
    expect(await failed('triage', { action: 'eat', events: [`${log}/2`] })).toBe('E_USAGE')
    expect(node.verdicts.standing()).toEqual([])
  })

  it('goes on with events as they come to be held', async () => {
    const stop = new AbortController()
    const seen: string[] = []
    const watching = (async () => {
      for await (const record of runVerb(node, undefined, 'triage', { watch: true }, stop.signal)) {
        const { author, index, rule } = record as AnyRecord
        seen.push(`${String(author)}/${String(index)} ${String(rule)}`)
        if (seen.length === 3) await take('bob', linesFor('bob', ['plain', 'odd']))
        if (seen.length === 4) stop.abort()
      }
    })()
    await watching
    expect(seen).toEqual(['alice/2 odd', 'alice/3 odd', 'alice/6 odd', 'bob/2 odd'])
  })
})

describe('what a node shows of its verdicts', () => {
  it('has the event of what is kept, and only the hash of what is held or refused', async () => {
    const records = await ask('log', { log })
    expect(records.map(({ index, verdict, event }) => [index, verdict, event !== undefined])).toEqual([
      [0, 'relay', true],
      [1, 'relay', true],
      [2, 'hold', false],
      [3, 'hold', false],
      [4, 'keep', true],
      [5, 'refuse', false],
      [6, 'hold', false]
    ])
    expect(records[2]?.['withheld']).toBe(hex(leafHash(lines[2] as Uint8Array)))
    expect(await ask('show', { what: `${log}/4` })).toMatchObject([{ kind: 'event', verdict: 'keep' }])
    expect(await failed('show', { what: `${log}/2` })).toBe('E_REFUSED')
    expect(await failed('show', { what: `${log}/5` })).toBe('E_REFUSED')
  })

  it('CLI-9 explains a verdict by what was recorded, what a person decided and what the rules say now', async () => {
    await ask('triage', { action: 'accept', events: [`${log}/2`], because: 'fine' })
    const was = node.gate.rules.file.digest
    writeFileSync(join(root, 'trust.yaml'), trustFile('refuse', 3))
    node.reloadTrust()
    await node.settled()
    const [told] = await ask('explain', { event: `${log}/2` })
    expect(told).toMatchObject({
      kind: 'explanation',
      log,
      index: 2,
      author: 'alice',
      verdict: 'relay',
      trust: hex(sha256(utf8(trustFile('refuse', 3)))),
      history: [
        {
          verdict: 'hold',
          rule: 'odd',
          trust: was,
          inForce: false,
          conjuncts: { 'event.type == "odd.published"': 'true', 'event.index > 0': 'true' }
        },
        { verdict: 'relay', rule: 'person', trust: was, inForce: false }
      ],
      decision: { verdict: 'relay', because: 'fine' },
      now: {
        verdict: 'refuse',
        rule: 'odd',
        warnings: [],
        facts: { event: { type: 'odd.published', index: 2 }, delegated: false }
      }
    })
    const [refused] = await ask('explain', { event: `${log}/5` })
    expect(refused).toMatchObject({ verdict: 'refuse', history: [{ verdict: 'refuse', rule: 'bad', inForce: false }] })
    expect(refused).not.toHaveProperty('now')
    expect(await failed('explain', { event: `${log}/7` })).toBe('E_NOT_FOUND')
  })
})
