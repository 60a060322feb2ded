import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { execPath } from 'node:process'
import { describe, expect, it } from 'vitest'
import type { Fault } from './node.ts'
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
    for (const { eventCount, crashCount, checkCount } of lines) {
      expect(eventCount).toBeGreaterThan(1500)
      expect(crashCount).toBeGreaterThan(10)
      expect(checkCount).toBeGreaterThan(1000)
    }
    expect(lines.some(({ restoreCount }) => restoreCount > 1)).toBe(true)
  })

  it('come out the same for the same seed', () => {
    expect(runWorld(7)).toEqual(runWorld(7))
  })
})

describe('the oracle finds a planted mistake', () => {
  const faults: readonly [Fault, RegExp][] = [
    ['sign-before-fsync', /was signed where only/],
    ['sign-again-unsynced', /was signed where only/],
    ['accept-unproven', /do not give the root|does not have its hash/],
    ['keep-refused', /holds the text of entry/],
    ['serve-refused', /sends entry/],
    ['append-after-one-sync', /two trees of size|of log|have/]
  ]
  it.each(faults)('%s', (fault, message) => {
    const found = [1, 2, 3, 4, 5, 6, 7, 8].some((seed) => {
      try {
        runWorld(seed, [fault])
        return false
      } catch (error) {
        expect((error as Error).message).toMatch(message)
        return true
      }
    })
    expect(found).toBe(true)
  })
})
