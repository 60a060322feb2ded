import { execFileSync, spawnSync } from 'node:child_process'
import { execPath } from 'node:process'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Ended, Lab, type Printed } from '../e2e/process.ts'
import { main } from '../command-line.ts'

// What a node says about itself on standard error: JSON lines, or words where that is a terminal.
const lab = new Lab()
beforeAll(async () => void (await lab.init('node')))
afterAll(async () => await lab[Symbol.asyncDispose]())

/** Returns the path of a new copy of the node's folder: it has something to tell when it is opened. */
function copied(name: string): string {
  execFileSync('cp', ['-a', lab.path('node'), lab.path(name)])
  return lab.path(name)
}

/** Asks a peer that nobody is at, with a level. */
async function dialNobody(level: string, ...flags: readonly string[]): Promise<Ended> {
  const args = ['sync', '/ip4/127.0.0.1/tcp/1', '--data', lab.path('node'), ...flags]
  return await lab.run(args, { more: { REJOIN_LOG: level } })
}

function jsonLines({ stderr }: Ended): readonly Printed[] {
  const lines = stderr.split('\n').filter((line) => line.startsWith('{'))
  return lines.map((line) => JSON.parse(line) as Printed)
}

describe('diagnostics', () => {
  it('are lines of JSON with a level, a time and a room, where standard error is no terminal', async () => {
    const ended = await lab.run(['id', '--json', '--data', copied('for-machines')])
    expect(ended.code).toBe(0)
    expect(ended.stderr.trimEnd().split('\n')).toHaveLength(1)
    expect(JSON.parse(ended.stderr)).toEqual({
      level: 'warn',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/) as unknown,
      room: 'node',
      msg: expect.stringMatching(/^this data folder is a copy /) as unknown
    })
  })

  it('are words on a terminal', () => {
    const command = `"${execPath}" "${main}" id --data "${copied('for-people')}"`
    const { stdout, status } = spawnSync('script', ['--quiet', '--return', '--command', command, '/dev/null'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe']
    })
    expect(status, stdout).toBe(0)
    expect(stdout).toMatch(/^rejoin: this data folder is a copy /m)
    expect(stdout).not.toContain('{')
  })

  it('say nothing below a warning unless REJOIN_LOG asks for it; then libp2p is heard too', async () => {
    const usual = await dialNobody('')
    expect(usual.stderr).toMatch(/^rejoin: error: .+ \(E_UNREACHABLE\)\n/)
    expect(jsonLines(usual)).toEqual([])
    const all = await dialNobody('debug')
    expect(all.code).toBe(usual.code)
    const heard = jsonLines(all).filter(({ component }) => typeof component === 'string')
    expect(heard.length).toBeGreaterThan(5)
    for (const line of heard) expect(line).toMatchObject({ level: 'debug', room: 'net', msg: expect.any(String) as unknown })
    expect(heard.some(({ component }) => String(component).startsWith('libp2p:'))).toBe(true)
  })

  it('are errors alone with --quiet, and nothing with silent', async () => {
    expect(jsonLines(await dialNobody('debug', '--quiet'))).toEqual([])
    expect(jsonLines(await dialNobody('silent'))).toEqual([])
    const silent = await lab.run(['id', '--data', copied('silent')], { more: { REJOIN_LOG: 'silent' } })
    expect(silent).toMatchObject({ code: 0, stderr: '' })
  })

  it('refuse a level that there is not', async () => {
    const ended = await dialNobody('loud')
    expect(ended.code).toBe(2)
    expect(ended.stderr).toBe(
      'rejoin: error: REJOIN_LOG: unknown level "loud" (E_CONFIG)\nrejoin: hint: levels are debug, info, warn, error, silent\n'
    )
  })
})
