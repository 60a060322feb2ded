import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

// The rules are in .oxlintrc.json. Here a copy of the tree is linted with faults planted in it, so that each rule is seen to fail.
const project = join(import.meta.dirname, '..')
const copy = mkdtempSync(join(tmpdir(), 'rejoin-architecture-'))
const rooms = readdirSync(join(project, 'src'))
const files = readdirSync(join(project, 'src'), { recursive: true, encoding: 'utf8' }).filter(
  (name) => name.endsWith('.ts') && !name.endsWith('.d.ts')
)
const rules = [
  'eslint(no-restricted-imports)',
  'eslint(no-restricted-globals)',
  'eslint(no-restricted-properties)',
  'oxc(no-async-await)',
  'eslint(max-lines)',
  'import(no-cycle)'
]

interface Found {
  readonly file: string
  readonly rule: string
}

/** Returns what oxlint finds in the copy, by file and rule. */
function lint(...options: readonly string[]): readonly Found[] {
  const command = join(project, 'node_modules/.bin/oxlint')
  const { stdout, stderr } = spawnSync(command, ['--format', 'json', ...options, 'src'], {
    cwd: copy,
    encoding: 'utf8',
    maxBuffer: 2 ** 28
  })
  if (!stdout.startsWith('{')) throw new Error(`oxlint did not run: ${stdout}${stderr}`)
  const { diagnostics, number_of_files: fileCount } = JSON.parse(stdout) as {
    readonly diagnostics: readonly { readonly code: string; readonly filename: string }[]
    readonly number_of_files: number
  }
  if (fileCount < files.length) throw new Error(`oxlint looked at ${fileCount} files of ${files.length}`)
  return diagnostics.map(({ filename, code }) => ({ file: filename, rule: code }))
}

const plantings: { readonly file: string; readonly text: string }[] = []
let clean: readonly Found[] = []
let plain: readonly Found[] = []
let typeAware: readonly Found[] = []

/** Returns the files of src that some files import, and what those import, all without waiting: no import() and no type. */
function loadedAtOnce(from: readonly string[]): readonly string[] {
  const loaded = new Set(from)
  for (const name of loaded)
    for (const [, target = ''] of readFileSync(join(project, 'src', name), 'utf8').matchAll(
      /^(?:import|export) (?!type )[^'"]*? from '(\.[^']+)'/gm
    ))
      loaded.add(join(dirname(name), target))
  return [...loaded]
}

/**
 * Has a file put into the copy, under a name of its own. All of them are linted at once: nothing imports them, so none has a part in what is
 * found in another.
 * @param folder where, e.g. `src/core/log`
 * @returns what gives the rules that it breaks, once it was linted; `file` is its name within the folder
 */
function plant(
  folder: string,
  text: string
): { readonly file: string; readonly rules: (found?: readonly Found[]) => readonly string[] } {
  const file = `planted-${plantings.length}.ts`
  const path = `${folder}/${file}`
  plantings.push({ file: path, text })
  return { file, rules: (found = plain) => found.filter((one) => one.file === path).map(({ rule }) => rule) }
}

beforeAll(() => {
  cpSync(join(project, 'src'), join(copy, 'src'), { recursive: true })
  for (const name of ['.oxlintrc.json', 'tsconfig.json', 'package.json']) cpSync(join(project, name), join(copy, name))
  symlinkSync(join(project, 'node_modules'), join(copy, 'node_modules'))
  // an import() is no import to the rule, so each gets one at the end of the copied file, where the line count stays as it was
  for (const name of files) {
    const text = readFileSync(join(project, 'src', name), 'utf8')
    const lazy = [...text.matchAll(/\bimport\(\s*'([^']+)'/g)].map(([, target = '']) => `import '${target}'`)
    if (lazy.length > 0) writeFileSync(join(copy, 'src', name), `${text.trimEnd()} ; ${lazy.join(' ; ')}\n`)
  }
  clean = lint()
  for (const { file, text } of plantings) {
    mkdirSync(dirname(join(copy, file)), { recursive: true })
    writeFileSync(join(copy, file), text)
  }
  plain = lint()
  typeAware = lint('--type-aware')
})
afterAll(() => rmSync(copy, { recursive: true, force: true }))

describe('the architecture', () => {
  it('holds: rooms import from the left, core is pure, files are short, nothing goes in circles', () => {
    expect(files.length).toBeGreaterThan(30)
    expect(clean.filter(({ rule }) => rules.includes(rule))).toEqual([])
  })

  it('has no file so deep that no rule is for it', () => {
    expect(files.filter((name) => name.split('/').length > 3)).toEqual([])
  })

  for (const room of rooms) {
    const right = room === 'cli' ? 'registry' : 'cli'
    const import_ = (up: string, target: string): string => `import { x } from '${up}${target}'\nexport const y: number = x\n`
    const forbidden = [
      plant(`src/${room}`, import_('../', `${right}/index.ts`)),
      plant(`src/${room}/sub`, import_('../../', `${right}/index.ts`)),
      plant(`src/${room}`, `export * from '../${right}/index.ts'\n`),
      ...(room === 'core' ? [] : [plant(`src/${room}`, import_('../', 'core/bytes.ts'))]),
      ...(room === 'cli' ? [plant('src/cli', import_('../', 'node/live.ts'))] : [])
    ]
    const allowed = room === 'core' ? [] : [plant(`src/${room}`, import_('../', 'core/index.ts'))]
    it(`a forbidden import in ${room} is found`, () => {
      for (const one of forbidden) expect(one.rules()).toEqual(['eslint(no-restricted-imports)'])
      for (const one of allowed) expect(one.rules()).toEqual([])
    })
  }

  for (const [text, rule] of [
    ['import { readFileSync } from "node:fs"\nexport const x: unknown = readFileSync\n', 'eslint(no-restricted-imports)'],
    ['import pino from "pino"\nexport const x: unknown = pino\n', 'eslint(no-restricted-imports)'],
    ['export const x: number = Date.now()\n', 'eslint(no-restricted-globals)'],
    ['export const x: unknown = new Date(0)\n', 'eslint(no-restricted-globals)'],
    ['export const x: unknown = Promise.resolve(1)\n', 'eslint(no-restricted-globals)'],
    ['export const x: number = Math.random()\n', 'eslint(no-restricted-properties)'],
    ['export async function x(): Promise<void> {}\n', 'oxc(no-async-await)']
  ] as const) {
    const planted = [plant('src/core', text), plant('src/core/log', text)]
    it(`in core ${JSON.stringify(text)} is found`, () => {
      for (const one of planted) expect(one.rules()).toContain(rule)
    })
  }

  it('a command that a running node answers loads neither the node nor all of core', () => {
    const names = ['id', 'log', 'proof', 'publish', 'show', 'status', 'triage', 'trust'].map((name) => `cli/commands/${name}.ts`)
    const loaded = loadedAtOnce(['cli/main.ts', 'cli/stop-signal.ts', ...names])
    expect(loaded).toEqual(expect.arrayContaining([...names, 'cli/ask.ts', 'core/error.ts', 'node/control.ts']))
    expect(loaded.filter((name) => !name.startsWith('cli/'))).toHaveLength(2)
    expect(loadedAtOnce(['cli/any-verb.ts'])).toContain('node/live.ts')
  })

  it('what several files of tests share registers no hook by itself, which the first of them alone would have', () => {
    const shared = readdirSync(join(project, 'test'), { recursive: true, encoding: 'utf8' }).filter((name) =>
      /(?<!\.test|^setup)\.ts$/.test(name)
    )
    expect(shared).toContain('net/hosts.ts')
    const hook = /^(?:before|after)(?:Each|All)\(/m
    expect(shared.filter((name) => hook.test(readFileSync(join(project, 'test', name), 'utf8')))).toEqual([])
    expect(hook.test(readFileSync(join(project, 'test/setup.ts'), 'utf8'))).toBe(true)
  })

  const lines = (count: number): string => `${Array.from({ length: count }, (_, i) => `export const x${i} = ${i}`).join('\n')}\n`
  const full = plant('src/store', lines(400))
  const overfull = plant('src/store', lines(401))
  it('a file of 401 lines is found, one of 400 is not', () => {
    expect(full.rules()).toEqual([])
    expect(overfull.rules()).toEqual(['eslint(max-lines)'])
  })

  const back = `planted-${plantings.length + 1}.ts`
  const there = plant('src/store', `import { b } from './${back}'\nexport const a = (): number => b()\n`)
  const circle = plant('src/store', `import { a } from './${there.file}'\nexport const b = (): number => a()\n`)
  it('a circle of imports is found', () => {
    expect(circle.file).toBe(back)
    expect(circle.rules()).toEqual(['import(no-cycle)'])
  })

  const floating = plant('src/store', 'export function x(): void {\n  Promise.resolve(1)\n}\n')
  const forgetful = plant(
    'src/store',
    "export function x(kind: 'a' | 'b'): number {\n  switch (kind) {\n    case 'a':\n      return 1\n  }\n  return 2\n}\n"
  )
  it('a promise that nobody waits for is found, and a switch that forgets a kind', () => {
    expect(floating.rules(typeAware)).toEqual(['typescript(no-floating-promises)'])
    expect(forgetful.rules(typeAware)).toEqual(['typescript(switch-exhaustiveness-check)'])
  })
})
