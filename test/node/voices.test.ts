import * as fc from 'fast-check'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { Node, runVerb } from '../../src/node/index.ts'
import { bring, type Said, trustText, verdictAt, type WrittenLog, writtenLog } from './logs.ts'
import { nodeWith, opened } from './trusting-node.ts'

const never = new AbortController().signal

async function explained(node: Node, log: WrittenLog, index: number): Promise<Readonly<Record<string, unknown>>> {
  for await (const record of runVerb(node, undefined, 'explain', { event: `${log.log}/${index}` }, never))
    return record as Readonly<Record<string, unknown>>
  throw new Error('nothing was explained')
}

const digest = (n: number): string => `sha256:${String(n).repeat(64)}`
const about = (n: number, more: object = {}): Said => ({
  type: 'vex.published',
  subject: digest(n),
  data: { digest: digest(n), repository: 'apps/web', ...more }
})
const two = 'delegations:\n  - {from: root, to: team, paths: ["apps/**"], threshold: 2}\n'

describe('TRUST-20 a delegation with a threshold', () => {
  const a = writtenLog('a', [about(1), about(2), about(3, { note: 'my own words' })])
  const b = writtenLog('b', [about(2), about(3, { note: 'other words' }), about(1, { tag: 'latest' })])
  const c = writtenLog('c', [about(2), about(1)])

  it('TRUST-28 holds until enough keys of the identity have said the same, whatever else they say', async () => {
    const node = await nodeWith(trustText({ team: [a, b], other: [c] }, two))
    await bring(node, a)
    await bring(node, c)
    expect([1, 2, 3].map((index) => verdictAt(node, a.log, index))).toEqual(['hold', 'hold', 'hold'])
    expect(await explained(node, a, 1)).toMatchObject({
      now: {
        verdict: 'hold',
        rule: 'not-delegated',
        waits: 'voices',
        facts: { delegated: false, voices: { said: 1, needed: 2 } }
      }
    })
    await bring(node, b)
    await node.settled()
    expect([1, 2, 3].map((index) => verdictAt(node, a.log, index))).toEqual(['hold', 'relay', 'relay'])
    expect([1, 2, 3].map((index) => verdictAt(node, b.log, index))).toEqual(['relay', 'relay', 'hold'])
    expect([1, 2].map((index) => verdictAt(node, c.log, index))).toEqual(['nowhere', 'nowhere'])
    expect(await explained(node, a, 2)).toMatchObject({ now: { verdict: 'relay', facts: { voices: { said: 2, needed: 2 } } } })
  })

  it('TRUST-28 counts again after a restart and by other rules, and no key that is revoked where it said so', async () => {
    const node = await nodeWith(trustText({ team: [a, b] }, two))
    await bring(node, a)
    await node[Symbol.asyncDispose]()
    const again = await opened(node.root)
    await bring(again, b, 0, 2)
    await again.settled()
    expect(verdictAt(again, a.log, 2)).toBe('relay')
    writeFileSync(join(again.root, 'trust.yaml'), trustText({ team: [a, b] }, two, { version: 3, revoked: { of: b, size: 1 } }))
    again.reloadTrust()
    await again.settled()
    expect(verdictAt(again, a.log, 2)).toBe('hold')
    expect(verdictAt(again, b.log, 1)).toBe('nowhere')
  })

  it('takes a voice back that a person refuses', async () => {
    const node = await nodeWith(trustText({ team: [a, b] }, two))
    await bring(node, a)
    await bring(node, b)
    await node.settled()
    expect(verdictAt(node, a.log, 2)).toBe('relay')
    for await (const _ of runVerb(node, undefined, 'triage', { action: 'refuse', events: [`${b.log}/1`] }, never));
    await node.settled()
    expect(verdictAt(node, a.log, 2)).toBe('hold')
  })

  it('counts what this node says itself, where the file names its key', async () => {
    const node = await nodeWith(trustText({ team: [a] }, ''))
    const me = { ...b, did: node.did }
    writeFileSync(join(node.root, 'trust.yaml'), trustText({ team: [a, me] }, two, { version: 3 }))
    node.reloadTrust()
    await bring(node, a)
    await node.settled()
    expect(verdictAt(node, a.log, 2)).toBe('hold')
    const { type, subject, data } = about(2)
    const [written] = await node.writer.append([{ type, subject: subject as string, data: data ?? {} }])
    if (written === undefined) throw new Error('nothing was written')
    node.tell([{ log: node.log, index: written.index, event: written.event, withheld: undefined, verdict: 'relay', rule: 'own' }])
    await node.settled()
    expect(verdictAt(node, a.log, 2)).toBe('relay')
  })
})

const rulesets = [
  ['no rules', two, (said: number) => (said >= 2 ? 'relay' : 'hold')],
  [
    'rules that ask for a delegation',
    `${two}rules:\n  - {id: d, when: delegated, verdict: keep}\ndefault: refuse\n`,
    (said: number) => (said >= 2 ? 'keep' : 'hold')
  ],
  [
    'rules that count keys',
    'rules:\n  - {id: three, when: event.signatures >= 3.0, verdict: relay}\n  - {id: two, when: event.signatures >= 2.0, verdict: keep}\ndefault: refuse\n',
    (_: number, all: number) => (all >= 3 ? 'relay' : all >= 2 ? 'keep' : 'hold')
  ]
] as const

const names = ['a', 'b', 'c', 'x'] as const

describe.each(rulesets)('the order of arrival, with %s', (_, rest, expected) => {
  it('TRUST-29 does not matter to where every event comes to lie', async () => {
    const anyLogs = fc.tuple(...names.map(() => fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 4 })))
    await fc.assert(
      fc.asyncProperty(anyLogs, fc.integer({ min: 0, max: 5 }), fc.infiniteStream(fc.nat(99)), async (said, cut, chance) => {
        const logs = names.map((name, i) =>
          writtenLog(
            name,
            (said[i] as readonly number[]).map((n) => about(n))
          )
        )
        const [a, b, c, x] = logs as [WrittenLog, WrittenLog, WrittenLog, WrittenLog]
        const node = await nodeWith(trustText({ team: [a, b, c], other: [x] }, rest, { revoked: { of: b, size: cut } }))
        const reach = new Map(logs.map((log) => [log, 0]))
        for (let left = logs; left.length > 0; left = left.filter((log) => (reach.get(log) as number) < log.lines.length)) {
          const log = left[(chance.next().value as number) % left.length] as WrittenLog
          const from = reach.get(log) as number
          const to = Math.min(log.lines.length, from + 1 + ((chance.next().value as number) % 3))
          await bring(node, log, from, to)
          reach.set(log, to)
        }
        await node.settled()
        const isGood = (log: WrittenLog, index: number): boolean => log !== b || index < cut
        const keysOf = (n: number, of: readonly WrittenLog[]): number =>
          of.filter((log) => (said[logs.indexOf(log)] as readonly number[]).some((one, i) => one === n && isGood(log, i + 1)))
            .length
        logs.forEach((log, i) =>
          (said[i] as readonly number[]).forEach((n, at) => {
            const want = !isGood(log, at + 1)
              ? 'nowhere'
              : log === x && rest.startsWith('delegations')
                ? 'nowhere'
                : expected(keysOf(n, [a, b, c]), keysOf(n, logs))
            expect(verdictAt(node, log.log, at + 1), `${log.name}/${at + 1}`).toBe(want)
          })
        )
      }),
      { numRuns: 5 }
    )
  })
})
