import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { textOf, utf8 } from '../../src/core/index.ts'
import { Node, runVerb } from '../../src/node/index.ts'
import { bring, type Said, trustText, verdictAt, type WrittenLog, writtenLog } from './logs.ts'
import { nodeWith, opened } from './trusting-node.ts'

const never = new AbortController().signal

async function rules(node: Node, trust: string): Promise<void> {
  writeFileSync(join(node.root, 'trust.yaml'), trust)
  node.reloadTrust()
  await node.settled()
}

async function ask(node: Node, verb: string, args: object): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const records: Readonly<Record<string, unknown>>[] = []
  for await (const record of runVerb(node, undefined, verb, args, never))
    records.push(record as Readonly<Record<string, unknown>>)
  return records
}

const shown = (node: Node, { log, lines }: WrittenLog): string =>
  lines.map((_, index) => ({ relay: 'r', keep: 'k', hold: 'h', nowhere: '-' })[verdictAt(node, log, index)]).join('')
const notes = (count: number, more: Partial<Said> = {}): readonly Said[] =>
  Array.from({ length: count }, (_, i) => ({ type: 'note.said', data: { text: `note ${i}` }, ...more }))
const quota = (text: string): string => `quotas: {team: ${text}}\n`

describe('the quota of an identity', () => {
  const a = writtenLog('a', notes(6))
  const b = writtenLog('b', notes(6))

  it('TRUST-30 TRUST-32 refuses what is over it, over all its logs, and lets it come once there is room', async () => {
    const node = await nodeWith(trustText({ team: [a, b] }, quota('{events: 9}')))
    await bring(node, a)
    await bring(node, b)
    expect([shown(node, a), shown(node, b)]).toEqual(['rrrrrrr', 'rr-----'])
    expect(await ask(node, 'explain', { event: `${b.log}/2` })).toMatchObject([{ history: [{ rule: 'quota:events' }] }])
    expect(await ask(node, 'explain', { event: `${b.log}/1` })).toMatchObject([{ now: { facts: { usage: { events: 8 } } } }])
    await rules(node, trustText({ team: [a, b] }, quota('{events: 12}'), { version: 3 }))
    const text = utf8(b.lines.map((line) => `${textOf(line)}\n`).join(''))
    await node.replica.takeTexts(b.log, { from: 0, count: 7, text })
    expect(shown(node, b)).toBe('rrrrr--')
    await rules(node, trustText({ team: [a, b] }, quota('{events: 5}'), { version: 4 }))
    expect(`${shown(node, a)}${shown(node, b)}`.replaceAll('-', '').length).toBe(5)
  })

  it('TRUST-30 within a log the place decides, however it came, and after a restart', async () => {
    for (const cuts of [[7], [1, 2, 3, 4, 5, 6, 7], [3, 7]]) {
      const node = await nodeWith(trustText({ team: [a] }, quota('{events: 4}')))
      let from = 0
      for (const to of cuts) {
        await bring(node, a, from, to)
        from = to
      }
      expect(shown(node, a)).toBe('rrrr---')
      await node[Symbol.asyncDispose]()
      const again = await opened(node.root)
      await bring(again, b)
      expect(await again.rejudge(a.log)).toBe(0)
      expect(shown(again, a)).toBe('rrrr---')
    }
  })

  it('TRUST-30 counts the bytes of lines and of what they name', async () => {
    const large = writtenLog('a', [{ type: 'a.b', data: { size: 900, blobs: [{ size: 90_000 }] } }, ...notes(2)])
    const node = await nodeWith(trustText({ team: [large] }, quota('{bytes: 50KiB}')))
    await bring(node, large)
    expect(shown(node, large)).toBe('r-rr')
  })

  it('TRUST-6 counts events of type log.…, but for the first line, and holds no more than it relays', async () => {
    const c = writtenLog('a', [...notes(2), { type: 'log.said' }, { type: 'log.said' }])
    const node = await nodeWith(trustText({ team: [c] }, `${quota('{events: 4}')}rules: []\ndefault: hold\n`))
    await bring(node, c)
    expect(shown(node, c)).toBe('rhhr-')
    const none = await nodeWith(trustText({ team: [c] }, quota('{events: 0}')))
    await bring(none, c)
    expect(shown(none, c)).toBe('r----')
  })

  it('TRUST-30 is tried by trust test as it would be in force', async () => {
    const node = await nodeWith(trustText({ team: [a] }, ''))
    await bring(node, a)
    const file = Buffer.from(trustText({ team: [a] }, quota('{events: 4}'), { version: 3 })).toString('base64')
    const records = await ask(node, 'trust-test', { file, label: 'new.yaml' })
    expect(records.filter(({ kind }) => kind === 'change').map(({ index, rule }) => [index, rule])).toEqual([
      [4, 'quota:events'],
      [5, 'quota:events'],
      [6, 'quota:events']
    ])
    expect(shown(node, a)).toBe('rrrrrrr')
    expect(readFileSync(join(node.root, `logs/${a.log}/entries/000000.ndjson`), 'utf8')).not.toContain('withheld')
  })
})

describe('the rate of an identity', () => {
  const at = (ms: number, text = ''): Said => ({ type: 'note.said', data: { text }, atMs: 1_790_000_000_000 + ms })
  const rate = (text: string): string => `rateLimits: {perIdentity: ${text}}\n`

  it('TRUST-31 refuses what its writer claims to have said too fast, whenever it comes', async () => {
    const a = writtenLog('a', [at(10_000), at(10_100), at(10_200), at(11_900), at(12_050), at(12_150), at(9_000), at(30_000)])
    for (const step of [1, 9]) {
      const node = await nodeWith(trustText({ team: [a] }, rate('{events: 1/s, burst: 2}')))
      for (let from = 0; from < 9; from += step) await bring(node, a, from, from + step)
      expect(shown(node, a)).toBe('rrr--rr-r')
      const [explained] = await ask(node, 'explain', { event: `${a.log}/3` })
      expect(explained).toMatchObject({ verdict: 'refuse', history: [{ rule: 'rate:events' }] })
    }
  })

  it('TRUST-31 knows bytes, too, and lets through after a pause what alone is over it', async () => {
    const a = writtenLog('a', [at(10_000, 'x'.repeat(9000)), at(10_100), at(15_000), at(15_010, 'x'.repeat(9000))])
    const node = await nodeWith(trustText({ team: [a] }, rate('{bytes: 2KiB/s, burst: 2}')))
    await bring(node, a)
    expect(shown(node, a)).toBe('rr-r-')
  })
})
