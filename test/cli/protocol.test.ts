import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { main } from '../command-line.ts'

let root = ''

function run(...args: readonly string[]): {
  readonly status: number | null
  readonly records: readonly Readonly<Record<string, unknown>>[]
  readonly stderr: string
  readonly stdout: string
} {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], {
    encoding: 'utf8',
    env: { ...process.env, REJOIN_DATA: join(root, 'node') }
  })
  const records = args.includes('--json')
    ? stdout
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>)
    : []
  return { status, records, stderr, stdout }
}

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'rejoin-cli-'))
  expect(run('init', '--name', 'node').status).toBe(0)
})
afterAll(() => rmSync(root, { recursive: true }))

describe('the command line', () => {
  it('has the commands that protocols/cli.md names', () => {
    const page = readFileSync(join(import.meta.dirname, '../../protocols/cli.md'), 'utf8')
    const { stdout } = run('--help')
    const commands = [...stdout.matchAll(/^ {2}([a-z]+) /gm)].map(([, name]) => name).filter((name) => name !== 'help')
    expect(commands.length).toBeGreaterThan(10)
    for (const name of commands) expect(page).toContain(`\`${name}`)
  })

  it('CLI-1 CLI-2 prints who the node is as one JSON object', () => {
    const [id] = run('id', '--json').records
    expect(Object.keys(id ?? {})).toEqual(
      expect.arrayContaining(['kind', 'nodeId', 'did', 'logId', 'vkey', 'publicKey', 'addresses'])
    )
  })

  it('CLI-3 CLI-4 prints a result or an error for each file', () => {
    const file = join(root, 'bom.json')
    writeFileSync(file, '{"bomFormat":"CycloneDX","specVersion":"1.5","version":1}')
    const { records, status } = run('publish', '--json', file, join(root, 'absent.json'))
    expect(records.find(({ kind }) => kind === 'result')).toMatchObject({
      file,
      artifactType: 'application/vnd.cyclonedx+json',
      index: 1
    })
    expect(records.find(({ kind }) => kind === 'error')).toMatchObject({ file: join(root, 'absent.json'), code: 'E_NOT_FOUND' })
    expect(status).toBe(1)
  })

  it('CLI-4 CLI-5 ends with the code of the error', () => {
    const missing = run('show', 'sha256:'.padEnd(71, '0'))
    expect(missing.stderr).toMatch(/^rejoin: error: .+ \(E_NOT_FOUND\)$/m)
    expect(missing.status).toBe(1)
    expect(run('nonsense').status).toBe(2)
    expect(run('trust', 'add', 'x').status).toBe(2)
  })
})
