import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { expect, it } from 'vitest'

const script = join(import.meta.dirname, '../scripts/demo')
const limitMs = 60_000

it('the demo plays all its steps and ends well within a minute', async () => {
  // a process group of its own: where it takes too long, its nodes end with it
  const demo = spawn(script, [], { detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
  const timer = setTimeout(() => process.kill(-(demo.pid as number), 'SIGKILL'), limitMs)
  const [stdout, stderr, [code, signal]] = await Promise.all([text(demo.stdout), text(demo.stderr), once(demo, 'close')])
  clearTimeout(timer)
  expect({ code, signal }, `${stdout}${stderr}`).toEqual({ code: 0, signal: null })
  expect(stderr).not.toMatch(/rejoin: (error|bug)|demo: failed/)
  const steps = [...readFileSync(script, 'utf8').matchAll(/^say '(.+)'$/gm)].map(([, step]) => step)
  expect(steps.length).toBeGreaterThan(5)
  expect([...stdout.matchAll(/^== (.+)$/gm)].map(([, step]) => step)).toEqual(steps)
  // a published ten and five SBOMs, b five; c holds all of it and has never met a
  expect(stdout.match(/^sha256:[0-9a-f]{64} {2}[a-z2-7]{52}\/(10|15|5) {2}/gm)).toHaveLength(3)
  // which log is listed last depends on their IDs, which are different each time: it is that of a or b
  expect(stdout).toMatch(/\/(15 {2}a|5 {2}b) .* sbom\.published .* apart-[ab]-5\.json$/m)
  expect(stdout.match(/^good: 3 logs, 23 events, 0 withheld, \d+ blobs, \d+ bytes$/gm)).toHaveLength(3)
})
