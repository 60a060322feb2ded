import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { execPath } from 'node:process'
import { describe, expect, it } from 'vitest'
import type { Fault } from './fault.ts'
import { runLongLog } from './long-log.ts'
import { Violation } from './oracle.ts'
import { type Outcome, runWorld } from './run.ts'

interface Line extends Outcome {
  readonly seed: number
  readonly ok: boolean
  readonly message?: string
  readonly replay?: string
}

async function runSeeds(from: number, to: number): Promise<readonly Line[]> {
  const script = join(import.meta.dirname, '../../scripts/sim')
  const text = await new Promise<string>((resolve, reject) => {
    execFile(execPath, [script, '--from', String(from), '--to', String(to)], { maxBuffer: 2 ** 24 }, (error, stdout) => {
      if (stdout === '' && error !== null) reject(error)
      else resolve(stdout)
    })
  })
  return text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Line)
}

const seedCount = 100

describe('simulated worlds of 30 nodes and 2,000 events', () => {
  it(`keep every rule under ${seedCount} seeds`, { timeout: 600_000 }, async () => {
    const halves = await Promise.all([runSeeds(1, seedCount / 2), runSeeds(seedCount / 2 + 1, seedCount)])
    const lines = halves.flat()
    expect(lines.filter(({ ok }) => !ok).map(({ message, replay }) => `${replay}: ${message}`)).toEqual([])
    expect(lines.length).toBe(seedCount)
    for (const { eventCount, crashCount, checkCount, takenCount, forgeryCount } of lines) {
      expect(eventCount).toBeGreaterThan(1500)
      expect(crashCount).toBeGreaterThan(10)
      expect(checkCount).toBeGreaterThan(1000)
      expect(takenCount).toBeGreaterThan(500)
      expect(forgeryCount).toBeGreaterThan(5)
    }
    expect(lines.filter(({ resumedCount }) => resumedCount > 0).length).toBe(seedCount / 25)
    expect(lines.some(({ restoreCount }) => restoreCount > 1)).toBe(true)
  })

  it('come out the same for the same seed', () => {
    expect(runWorld(7)).toEqual(runWorld(7))
  })
})

describe('the oracle finds a planted mistake', () => {
  const log = '[a-z2-7]{52}'
  // the third is the seed that showed the mistake last: it is tried first, and then the others are
  const faults: readonly [Fault, RegExp, number?][] = [
    ['sign-before-fsync', new RegExp(`^log ${log}: size \\d+ was signed where only \\d+ lines are durable$`)],
    ['sign-again-unsynced', new RegExp(`^log ${log}: size \\d+ was signed where only \\d+ lines are durable$`), 16],
    ['accept-unproven', new RegExp(`^node \\d+: \\d+ entries of log ${log} do not give the root`)],
    ['keep-refused', new RegExp(`^node \\d+ holds the text of entry \\d+ of log ${log}, which it refuses$`)],
    ['serve-refused', new RegExp(`^node \\d+ sends entry \\d+ of log ${log}, which it refuses$`)],
    ['announce-refused', new RegExp(`^node \\d+ announces entry \\d+ of log ${log}, which it refuses$`)],
    ['forward-refused', new RegExp(`^node \\d+ passes on entry \\d+ of log ${log}, which it refuses$`)],
    ['believe-unsigned', /^node \d+ answers a badly signed announcement with judge$/],
    ['append-after-one-sync', new RegExp(`^log ${log}: two trees of size \\d+ were signed$`), 24]
  ]
  it.each(faults)('%s', (fault, message, first) => {
    expect(violations((seed) => runWorld(seed, [fault]), message, first).at(-1)).toMatch(message)
  })

  const longFaults: readonly [Fault, RegExp][] = [
    ['forget-offer', new RegExp(`^node \\d goes on with 0 entries of log ${log}, where \\d+ were proven$`)],
    ['resume-unproven', new RegExp(`^node \\d keeps entry \\d+ of log ${log}, which nothing proves$`)]
  ]
  it.each(longFaults)('%s', (fault, message) => {
    expect(violations((seed) => runLongLog(seed, [fault]), message).at(-1)).toMatch(message)
  })
})

/** Returns what the oracle says under the seeds 1 to 24, from one of them on, until it says what a mistake is expected to show as. */
function violations(run: (seed: number) => unknown, message: RegExp, first = 1): readonly string[] {
  const said: string[] = []
  for (let count = 0; count < 24 && !message.test(said.at(-1) ?? ''); count++) {
    try {
      run(((first - 1 + count) % 24) + 1)
    } catch (error) {
      if (!(error instanceof Violation)) throw error
      said.push(error.message)
    }
  }
  return said
}
