import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { Verdicts } from '../../src/store/index.ts'
import { sampleLog } from '../core/sample.ts'
import { temporaryFolder } from './sample-folder.ts'

const { log } = sampleLog(1)
const line = (index: number, rule: string, count?: number): Parameters<Verdicts['note']>[1][number] => ({
  index,
  ...(count !== undefined && { count }),
  verdict: 'hold',
  rule,
  trust: 'aa',
  facts: 'bb',
  at: '2026-11-21T10:00:00.000Z'
})

it('VERDICT-18 the last line about an entry counts, over restarts and torn lines', () => {
  using folder = temporaryFolder()
  const verdicts = new Verdicts(folder.path)
  verdicts.note(log, [line(1, 'first', 10)])
  verdicts.flush()
  verdicts.note(log, [line(3, 'second')])
  const before = verdicts.latest(log, (index) => index < 5)
  verdicts.flush()
  appendFileSync(join(folder.path, 'verdicts', `${log}.ndjson`), '{"index":4,"rule":"to')
  const after = new Verdicts(folder.path).latest(log, (index) => index < 5)
  for (const latest of [before, after])
    expect([...latest].map(([index, { rule }]) => [index, rule])).toEqual([
      [1, 'first'],
      [2, 'first'],
      [3, 'second'],
      [4, 'first']
    ])
  expect(new Verdicts(folder.path).logs()).toEqual([log])
})

it('VERDICT-19 keeps what a person decided, with the reason, until it is withdrawn', () => {
  using folder = temporaryFolder()
  const verdicts = new Verdicts(folder.path)
  verdicts.decide([{ log, index: 4, verdict: 'relay', because: 'checked', at: '2026-11-21T10:00:00.000Z' }])
  const again = new Verdicts(folder.path)
  expect(again.decisionOn(log, 4)).toMatchObject({ verdict: 'relay', because: 'checked' })
  expect(again.decisionOn(log, 5)).toBe(undefined)
  again.decide([{ log, index: 4, at: '2026-11-21T11:00:00.000Z' }])
  expect(again.decisionOn(log, 4)).toBe(undefined)
  expect(new Verdicts(folder.path).standing()).toEqual([])
})
