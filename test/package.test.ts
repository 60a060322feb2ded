import { type SpawnSyncReturns, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

// The published package as a user gets it: built and packed from a copy of the sources, installed into an empty folder, run from there.
const project = resolve(import.meta.dirname, '..')
const manifest = JSON.parse(readFileSync(join(project, 'package.json'), 'utf8')) as {
  readonly version: string
  readonly dependencies: Readonly<Record<string, string>>
}
const lab = mkdtempSync(join(tmpdir(), 'rejoin-package-'))
const app = join(lab, 'app')
const data = join(lab, 'data')
const installed = join(app, 'node_modules/rejoin')

/** The environment without what `npm test` tells its own children: an npm of theirs would take this project for theirs. */
const environment: NodeJS.ProcessEnv = {
  ...Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) => !/^(npm_(package|lifecycle|command|config_local_prefix)|INIT_CWD|REJOIN_|NODE_COMPILE_CACHE$)/i.test(name)
    )
  ),
  // npm too runs on the project's own Node
  PATH: `${join(project, 'node_modules/.bin')}:${process.env['PATH'] ?? ''}`,
  NODE_OPTIONS: '',
  XDG_RUNTIME_DIR: join(lab, 'run'),
  XDG_STATE_HOME: join(lab, 'state'),
  XDG_CACHE_HOME: join(lab, 'cache')
}

function run(cwd: string, command: string, ...args: readonly string[]): SpawnSyncReturns<string> {
  return spawnSync(command, args, { cwd, encoding: 'utf8', env: environment })
}

function succeed(cwd: string, command: string, ...args: readonly string[]): string {
  const { status, stdout, stderr, error } = run(cwd, command, ...args)
  if (error !== undefined) throw error
  expect(status, `${command} ${args.join(' ')}\n${stdout}${stderr}`).toBe(0)
  return stdout
}

/** Runs the command that the package installed; returns its standard output. */
function rejoin(...args: readonly string[]): string {
  return succeed(app, join(app, 'node_modules/.bin/rejoin'), ...args)
}

function records(output: string): readonly Readonly<Record<string, unknown>>[] {
  return output
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>)
}

let packed: readonly string[] = []

beforeAll(() => {
  const tree = join(lab, 'tree')
  for (const folder of [tree, app, join(lab, 'packed')]) mkdirSync(folder)
  mkdirSync(join(lab, 'run'), { mode: 0o700 })
  for (const name of readdirSync(project))
    if (!name.startsWith('.') && !['node_modules', 'dist', 'test', 'bench-results'].includes(name))
      cpSync(join(project, name), join(tree, name), { recursive: true })
  symlinkSync(join(project, 'node_modules'), join(tree, 'node_modules'))
  const report = succeed(tree, 'npm', 'pack', '--json', '--pack-destination', join(lab, 'packed'))
  // what the build prints comes before it
  const parsed = JSON.parse(report.slice(report.search(/^[[{]/m))) as object
  const [pack] = Object.values(parsed) as readonly {
    readonly filename: string
    readonly files: readonly { readonly path: string }[]
  }[]
  packed = (pack?.files ?? []).map(({ path }) => path)
  writeFileSync(join(app, 'package.json'), '{"private":true}\n')
  succeed(
    app,
    'npm',
    'install',
    '--no-save',
    '--prefer-offline',
    '--no-audit',
    '--no-fund',
    join(lab, 'packed', pack?.filename ?? '')
  )
})
afterAll(() => rmSync(lab, { recursive: true, force: true }))

describe('the published package', () => {
  it('has what it runs, its formats and its documentation, and nothing else', () => {
    expect(packed).toEqual(
      expect.arrayContaining(['dist/cli/main.js', 'dist/cli/hash-worker.js', 'protocols/README.md', 'LICENSE'])
    )
    expect(
      packed.filter(
        (path) => !/^(dist\/cli\/[^/]+\.js|protocols\/.+|(package\.json|README\.md|CHANGELOG\.md|LICENSE))$/.test(path)
      )
    ).toEqual([])
    expect(packed.filter((path) => path.startsWith('dist/')).length).toBeLessThan(150)
  })

  it('brings every package that its code imports', () => {
    const imported = new Set<string>()
    for (const path of packed.filter((name) => name.endsWith('.js')))
      for (const [, name = ''] of readFileSync(join(installed, path), 'utf8').matchAll(
        /(?:\bfrom |\bimport |\bimport\(|\bload\()["']((?:@[^/"']+\/)?[^./"'][^/"':]*)(?:\/[^"']*)?["']/g
      ))
        imported.add(name)
    expect(imported.size).toBeGreaterThan(15)
    expect([...imported].filter((name) => !(name in manifest.dependencies))).toEqual([])
  })

  it('installs a command that knows its version', () => {
    expect(rejoin('--version')).toBe(`${manifest.version}\n`)
  })

  it('makes a node, publishes with schemas and the hashing thread, and verifies', () => {
    expect(rejoin('init', '--data', data, '--name', 'alice')).toMatch(/^made a node in .+\n {2}key +did:key:z/)
    const faulty = join(lab, 'faulty.cdx.json')
    writeFileSync(faulty, '{"bomFormat":"CycloneDX","specVersion":"1.5","version":"one"}')
    expect(records(rejoin('publish', '--data', data, '--json', faulty))).toEqual([
      expect.objectContaining({ format: 'cyclonedx', index: 1, warnings: [expect.stringContaining('/version must be integer')] })
    ])
    const csaf = join(lab, 'csaf.json')
    writeFileSync(csaf, '{"document":{"csaf_version":"2.0"}}')
    const [advisory] = records(rejoin('publish', '--data', data, '--json', csaf, '--type', 'csaf'))
    expect(advisory).toMatchObject({
      format: 'csaf',
      warnings: expect.arrayContaining([expect.stringContaining('required')]) as unknown
    })
    const large = join(lab, 'large.bin')
    writeFileSync(large, Buffer.alloc(3 * 1024 * 1024 + 1, 'rejoin'))
    const [published] = records(rejoin('publish', '--data', data, '--json', large, '--type', 'application/octet-stream'))
    rejoin('get', '--data', data, String(published?.['digest']), '-o', join(lab, 'copy.bin'))
    expect(readFileSync(join(lab, 'copy.bin')).equals(readFileSync(large))).toBe(true)
    expect(records(rejoin('verify', '--data', data, '--json')).at(-1)).toMatchObject({ ok: true, logs: 1, events: 4 })
  })

  it('loads its network, and says that nobody is there', () => {
    const { status, stderr } = run(app, join(app, 'node_modules/.bin/rejoin'), 'sync', '--data', data, '/ip4/127.0.0.1/tcp/1')
    expect({ status, stderr }).toEqual({ status: 14, stderr: expect.stringMatching(/E_UNREACHABLE/) as unknown })
  })
})
