import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'

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

const planted: string[] = []
/** Puts a file into the copy and returns the rules that it breaks. */
function plant(file: string, text: string, ...options: readonly string[]): readonly string[] {
  mkdirSync(dirname(join(copy, file)), { recursive: true })
  writeFileSync(join(copy, file), text)
  planted.push(file)
  return lint(...options)
    .filter((found) => found.file === file)
    .map(({ rule }) => rule)
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
})
afterEach(() => {
  for (const file of planted.splice(0)) rmSync(join(copy, file), { force: true })
})
afterAll(() => rmSync(copy, { recursive: true, force: true }))

describe('the architecture', () => {
  it('holds: rooms import from the left, core is pure, files are short, nothing goes in circles', () => {
    expect(files.length).toBeGreaterThan(30)
    expect(lint().filter(({ rule }) => rules.includes(rule))).toEqual([])
  })

  it('has no file so deep that no rule is for it', () => {
    expect(files.filter((name) => name.split('/').length > 3)).toEqual([])
  })

  it.each(rooms)('a forbidden import in %s is found', (room) => {
    const right = room === 'cli' ? 'registry' : 'cli'
    const broken = ['eslint(no-restricted-imports)']
    const import_ = (up: string, target: string) => `import { x } from '${up}${target}'\nexport const y: number = x\n`
    expect(plant(`src/${room}/planted.ts`, import_('../', `${right}/index.ts`))).toEqual(broken)
    expect(plant(`src/${room}/sub/planted.ts`, import_('../../', `${right}/index.ts`))).toEqual(broken)
    expect(plant(`src/${room}/planted.ts`, `export * from '../${right}/index.ts'\n`)).toEqual(broken)
    if (room !== 'core') expect(plant(`src/${room}/planted.ts`, import_('../', 'core/bytes.ts'))).toEqual(broken)
    if (room !== 'core') expect(plant(`src/${room}/planted.ts`, import_('../', 'core/index.ts'))).toEqual([])
  })

  it.each([
    ['import { readFileSync } from "node:fs"\nexport const x: unknown = readFileSync\n', 'eslint(no-restricted-imports)'],
    ['import pino from "pino"\nexport const x: unknown = pino\n', 'eslint(no-restricted-imports)'],
    ['export const x: number = Date.now()\n', 'eslint(no-restricted-globals)'],
    ['export const x: unknown = new Date(0)\n', 'eslint(no-restricted-globals)'],
    ['export const x: unknown = Promise.resolve(1)\n', 'eslint(no-restricted-globals)'],
    ['export const x: number = Math.random()\n', 'eslint(no-restricted-properties)'],
    ['export async function x(): Promise<void> {}\n', 'oxc(no-async-await)']
  ])('in core %j is found', (text, rule) => {
    expect(plant('src/core/planted.ts', text)).toContain(rule)
    expect(plant('src/core/log/planted.ts', text)).toContain(rule)
  })

  it('a file of 401 lines is found, one of 400 is not', () => {
    const lines = (count: number) => `${Array.from({ length: count }, (_, i) => `export const x${i} = ${i}`).join('\n')}\n`
    expect(plant('src/store/planted.ts', lines(400))).toEqual([])
    expect(plant('src/store/planted.ts', lines(401))).toEqual(['eslint(max-lines)'])
  })

  it('a circle of imports is found', () => {
    plant('src/store/planted-a.ts', "import { b } from './planted-b.ts'\nexport const a = (): number => b()\n")
    const back = "import { a } from './planted-a.ts'\nexport const b = (): number => a()\n"
    expect(plant('src/store/planted-b.ts', back)).toEqual(['import(no-cycle)'])
  })

  it('a promise that nobody waits for is found, and a switch that forgets a kind', () => {
    const floating = 'export function x(): void {\n  Promise.resolve(1)\n}\n'
    expect(plant('src/store/planted.ts', floating, '--type-aware')).toEqual(['typescript(no-floating-promises)'])
    const forgetful =
      "export function x(kind: 'a' | 'b'): number {\n  switch (kind) {\n    case 'a':\n      return 1\n  }\n  return 2\n}\n"
    expect(plant('src/store/planted.ts', forgetful, '--type-aware')).toEqual(['typescript(switch-exhaustiveness-check)'])
  })
})
