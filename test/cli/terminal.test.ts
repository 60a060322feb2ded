import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { string, property } from 'fast-check'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { notice, print, printable, printError, printJson, progress } from '../../src/cli/output.ts'
import { RejoinError } from '../../src/core/index.ts'
import { Node } from '../../src/node/index.ts'
import { holds } from '../property.ts'
import { main } from '../command-line.ts'

/** What a terminal obeys, what turns the order of letters, and what is not seen. */
const steering = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/
const evil = 'a\u001b]0;owned\u0007\u009b2J\u202egpj.exe\u2066\u200b\r\n\u061crejoin: ok'
let root = ''

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'rejoin-terminal-'))
  await Node.init(root, 'node', 'test')
  await using node = await Node.open(root)
  const subject = `sha256:${'ab'.repeat(32)}`
  const data = {
    repository: evil,
    tag: evil,
    title: evil,
    mediaType: evil,
    artifactType: evil,
    digest: subject,
    size: 1,
    name: evil
  }
  await node.writer.append([
    { type: 'manifest.published', subject, data },
    { type: 'document.published', subject, data: { ...data, repository: 'plain' } }
  ])
})
afterAll(() => rmSync(root, { recursive: true }))

it.each([
  ['log'],
  ['log', '--json'],
  ['show', 'me/1'],
  ['show', 'me/1', '--json'],
  ['status'],
  ['trust', 'explain', 'me/1'],
  ['get', `plain${evil}`],
  ['log', `x${evil}`]
])('CLI-20 what somebody else wrote steers no terminal: rejoin %s %s %s', (...args) => {
  const words = args.map((word) => word.replaceAll('\u0000', ''))
  const { stdout, stderr } = spawnSync(process.execPath, [main, ...words, '--data', root], { encoding: 'utf8' })
  expect(stdout.length + stderr.length).toBeGreaterThan(20)
  for (const text of [stdout, stderr]) {
    expect(steering.exec(text)).toBe(null)
    // nothing begins a line of its own
    expect(text.split('\n').filter((line) => line.startsWith('rejoin: ok'))).toEqual([])
  }
  if (args.includes('--json'))
    expect(
      stdout
        .split('\n')
        .slice(0, -1)
        .some((line) => JSON.stringify(JSON.parse(line)).includes(JSON.stringify(evil).slice(1, -1)))
    ).toBe(true)
})

it('CLI-20 whatever is printed is one line, and JSON is the same value', () => {
  const written: string[] = []
  const take = (text: unknown): boolean => written.push(String(text)) > 0
  const out = vi.spyOn(process.stdout, 'write').mockImplementation(take)
  const err = vi.spyOn(process.stderr, 'write').mockImplementation(take)
  try {
    holds(
      property(string({ unit: 'binary' }), (word) => {
        const text = evil + word
        written.length = 0
        print(text)
        notice(text)
        printJson({ kind: 'x', text })
        printError(new RejoinError('E_USAGE', text, { hint: text }), false)
        progress(text)
        expect(written.filter((line) => steering.test(line))).toEqual([])
        expect(written.every((line) => line.indexOf('\n') === line.length - 1)).toBe(true)
        expect(JSON.parse(written[2] as string)).toEqual({ kind: 'x', text })
        expect(printable(printable(text))).toBe(printable(text))
      })
    )
  } finally {
    out.mockRestore()
    err.mockRestore()
  }
})
