import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, describe, expect, it } from 'vitest'
import { main } from './command-line.ts'
import { freePort } from './free-port.ts'

const project = resolve(import.meta.dirname, '..')
const readme = readFileSync(join(project, 'README.md'), 'utf8')
const lab = mkdtempSync(join(tmpdir(), 'rejoin-readme-'))
const environment: NodeJS.ProcessEnv = {
  ...process.env,
  XDG_RUNTIME_DIR: join(lab, 'run'),
  XDG_STATE_HOME: join(lab, 'state'),
  XDG_CACHE_HOME: join(lab, 'cache'),
  NO_COLOR: '1'
}
for (const name of ['REJOIN_DATA', 'REJOIN_LOG']) delete environment[name]
mkdirSync(join(lab, 'run'), { mode: 0o700 })
afterAll(() => rmSync(lab, { recursive: true, force: true }))

/** Returns what is under a heading of the README, up to the next one of its kind. */
function section(heading: string): string {
  const found = readme.split(/^## /m).find((part) => part.startsWith(`${heading}\n`))
  if (found === undefined) throw new Error(`README.md has no section "${heading}"`)
  return found
}

/** Returns the cells of each row of the table in a section; `\|` is a bar in a cell. */
function rows(heading: string): readonly (readonly string[])[] {
  const [, , ...found] = section(heading)
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map((line) =>
      line
        .split(/(?<!\\)\|/)
        .slice(1, -1)
        .map((cell) => cell.replaceAll('\\|', '|').trim())
    )
  expect(found.length).toBeGreaterThan(5)
  return found
}

/** Runs lines in one shell, one after the other. @returns for each its exit status and what it printed on both outputs */
async function play(lines: readonly string[]): Promise<readonly { readonly status: number; readonly output: string }[]> {
  const shell = spawn('sh', [], { cwd: project, env: environment, detached: true, stdio: ['pipe', 'pipe', 'inherit'] })
  try {
    shell.stdin.end(`exec 2>&1\n${lines.map((line) => `${line}\necho "@@end $?"\n`).join('')}`)
    const [output] = await Promise.all([text(shell.stdout), once(shell, 'close')])
    return [...output.matchAll(/([\s\S]*?)@@end ([0-9]+)\n/g)].map(([, printed = '', status]) => ({
      status: Number(status),
      output: printed
    }))
  } finally {
    endGroup(shell.pid as number)
  }
}

/** Ends what is left of a process group; most often that is nothing, as the node ended when it was asked to. */
function endGroup(group: number): void {
  try {
    process.kill(-group, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

const pages = new Map<string, string>()

/** Returns what `rejoin WORDS… --help` prints. */
function help(...words: readonly string[]): string {
  const known = pages.get(words.join(' '))
  if (known !== undefined) return known
  const { stdout, status } = spawnSync(process.execPath, [main, ...words, '--help'], {
    encoding: 'utf8',
    env: environment
  })
  expect(status).toBe(0)
  pages.set(words.join(' '), stdout)
  return stdout
}

/** Returns the names of the commands that a help text lists. */
function listed(page: string): readonly string[] {
  const commands = page.slice(page.indexOf('\nCommands:'))
  return [...commands.matchAll(/^ {2}([a-z]+)\b/gm)].flatMap(([, name = '']) => (name === 'help' ? [] : [name]))
}

describe('the README', () => {
  it('has two nodes in ten lines that work as they are printed', async () => {
    const [, block = ''] = /```sh\n([\s\S]*?)```/.exec(section('Two nodes in ten lines')) ?? []
    const lines = block.trimEnd().split('\n')
    expect(lines).toHaveLength(10)
    expect(block).toContain('4701')
    const port = String(await freePort())
    const results = await play([
      ...lines.map((line) => line.replaceAll('/tmp/', `${lab}/`).replaceAll('4701', port)),
      'kill $!; wait $!'
    ])
    const all = results.map(({ output }) => output).join('')
    expect(
      results.map(({ status }) => status),
      all
    ).toEqual(Array.from({ length: 11 }, () => 0))
    /** What the line with these words printed. */
    const printed = (words: string): string => results[lines.findIndex((line) => line.startsWith(words))]?.output ?? ''
    expect(printed('scripts/rejoin init --data /tmp/alice')).toContain(`made a node in ${lab}/alice\n`)
    expect(printed('scripts/rejoin init --data /tmp/bob')).toContain(`made a node in ${lab}/bob\n`)
    expect(printed('scripts/rejoin trust add')).toMatch(/^alice +did:key:z/)
    expect(printed('scripts/rejoin publish')).toMatch(/^sha256:[0-9a-f]{64} {2}[a-z2-7]{52}\/1 {2}.*README\.md$/m)
    expect(all).toMatch(new RegExp(`^address {4}/ip4/127\\.0\\.0\\.1/tcp/${port}/p2p/12D3KooW`, 'm'))
    expect(printed('until scripts/rejoin sync')).toMatch(/^complete: /m)
    expect(printed('scripts/rejoin log')).toMatch(/\/1 {2}alice .* artifact\.published .* docs\/readme:latest$/m)
    expect(readFileSync(join(lab, 'README.copy.md'), 'utf8')).toBe(readme)
    expect(printed('scripts/rejoin verify')).toMatch(/^good: 2 logs, 3 events, /m)
    expect(printed('scripts/rejoin proof')).toContain('entry 1 of 2 in log')
    expect(readFileSync(join(lab, 'readme.tlog-proof'), 'utf8')).toMatch(/^c2sp\.org\/tlog-proof@v1\n/)
  })

  it('lists the commands that --help lists, each with options that it has', () => {
    const table = rows('Commands').map(([spec = '', text = '']) => {
      const words = [...spec.matchAll(/`([^`]+)`/g)].map(([, word = '']) => word)
      const names = words.map((word) => word.split(' ')[0] ?? '')
      return { words, names, options: [...`${spec} ${text}`.matchAll(/`?(--[a-z][a-z-]*)/g)].map(([, option = '']) => option) }
    })
    const known = listed(help())
    expect(known.length).toBeGreaterThan(10)
    expect([...new Set(table.flatMap(({ names }) => names))].toSorted()).toEqual(known.toSorted())
    for (const { names, options, words } of table) {
      // `trust token create|list|revoke`: the commands under a command under a command
      const inner = words.flatMap((word) => {
        const [, path = '', under = ''] = /^([a-z]+ [a-z]+) ([a-z]+(?:\|[a-z]+)+)/.exec(word.replaceAll('\\', '')) ?? []
        return under.split('|').flatMap((one) => (one === '' ? [] : [help(...path.split(' '), one)]))
      })
      const text = [
        ...names.flatMap((name) => [help(name), ...listed(help(name)).map((under) => help(name, under))]),
        ...inner
      ].join('')
      for (const option of options) expect(text, `${names.join(', ')} ${option}`).toContain(option)
    }
    // `trust add|remove|show`: the commands under a command
    const words = table.flatMap((row) => row.words)
    for (const name of known) {
      const under = words.flatMap((word) => new RegExp(`^${name} ([a-z]+(?:\\|[a-z]+)+)`).exec(word)?.[1]?.split('|') ?? [])
      expect(under.toSorted(), name).toEqual(listed(help(name)).toSorted())
    }
  })

  it('names options and variables that every command has', () => {
    const { 0: text = '' } = /^Every command takes [\s\S]*?\./m.exec(section('Commands')) ?? []
    const options = [...text.matchAll(/`(--[a-z]+)/g)].map(([, option = '']) => option)
    expect(options).toEqual(['--data', '--json', '--quiet'])
    for (const name of ['init', 'publish', 'log']) for (const option of options) expect(help(name)).toContain(option)
  })

  it('has a row for each direct dependency, and none for another', () => {
    const { dependencies, devDependencies } = JSON.parse(readFileSync(join(project, 'package.json'), 'utf8')) as Readonly<
      Record<'dependencies' | 'devDependencies', Readonly<Record<string, string>>>
    >
    const named = rows('Dependencies').flatMap(([names = '']) => names.split(', '))
    expect(named.toSorted()).toEqual([...Object.keys(dependencies), ...Object.keys(devDependencies)].toSorted())
  })

  it('links to pages that exist', () => {
    const links = [...readme.matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)].map(([, link = '']) => link)
    expect(links.length).toBeGreaterThan(1)
    expect(links.filter((link) => !existsSync(join(project, link)))).toEqual([])
  })
})
