import { execFile } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { env, execPath } from 'node:process'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { Lab } from './process.ts'
import { main } from '../command-line.ts'

const run = promisify(execFile)

test('an archive goes through a pipe into a node that is up, and standard output has nothing else (ARCHIVE-11, CLI-30, CLI-31)', {
  timeout: 60_000
}, async () => {
  await using lab = new Lab()
  for (const name of ['a', 'b']) await lab.run(['init', '--data', lab.path(name), '--name', name, '--network', 'lab'])
  const id = JSON.parse((await lab.run(['id', '--json', '--data', lab.path('a')])).stdout) as { readonly did: string }
  await lab.run(['trust', 'add', 'a', id.did, '--data', lab.path('b')])
  writeFileSync(lab.path('x.txt'), 'hello')
  await lab.run(['publish', lab.path('x.txt'), '--type', 'text/plain', '--repo', 'apps/x', '--data', lab.path('a')])
  const up = lab.start(['up', '--json', '--no-mdns', '--listen', '/ip4/127.0.0.1/tcp/0', '--data', lab.path('b')])
  await up.line((line) => line.includes('"ready":true'))
  const words = `${execPath} ${main} export - --data ${lab.path('a')} | ${execPath} ${main} import - --json --data ${lab.path('b')}`
  const { stdout } = await run('bash', ['-o', 'pipefail', '-c', words], {
    env: { ...env, XDG_RUNTIME_DIR: lab.path('run'), XDG_STATE_HOME: lab.path('state'), NODE_OPTIONS: '' }
  })
  expect(JSON.parse(stdout.trimEnd().split('\n').at(-1) as string)).toMatchObject({
    kind: 'result',
    complete: true,
    events: 2,
    blobs: 3
  })
  await up.stop()
  const bytes = Buffer.from((await lab.run(['export', '-', '--data', lab.path('a')])).stdout, 'latin1')
  expect([bytes.length % 512, bytes.subarray(0, 12).toString()]).toEqual([0, 'replica.json'])
  writeFileSync(lab.path('y.tar'), bytes)
  const check = await lab.run(['check', lab.path('y.tar'), '--json'])
  expect([check.code, JSON.parse(check.stdout)]).toEqual([0, expect.objectContaining({ ok: true, complete: true, events: 2 })])
  const cut = await lab.run(['import', '-', '--data', lab.path('b')], { input: bytes.subarray(0, 7000) })
  expect([cut.code, cut.stdout]).toEqual([10, expect.stringContaining('all that came before is kept')])
  const none = await lab.run(['check', '-'], { input: 'no archive at all'.padEnd(4096, '.') })
  expect([none.code, none.stderr]).toEqual([11, expect.stringContaining('(E_ARCHIVE)')])
  const dry = await lab.run(['export', lab.path('z.tar'), '--dry-run', '--repo', 'apps/*', '--data', lab.path('a')])
  expect([dry.code, existsSync(lab.path('z.tar'))]).toEqual([0, false])
  expect(dry.stdout).toContain('because repository apps/x chosen')
  const planned = await lab.run([
    'export',
    lab.path('z.tar'),
    '--dry-run',
    '--json',
    '--max-bytes',
    '19000',
    '--data',
    lab.path('a')
  ])
  const records = planned.stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>)
  expect(records.map(({ kind }) => kind)).toEqual(['log', 'artifact', 'plan'])
  expect(Object.keys(records[0] ?? {})).toEqual(['kind', 'log', 'from', 'to', 'chosen', 'withheld'])
  expect(Object.keys(records[1] ?? {})).toEqual(
    expect.arrayContaining(['digest', 'name', 'type', 'why', 'fits', 'volume', 'bytes', 'blobs', 'omitted', 'missing'])
  )
  expect(Object.keys(records[2] ?? {})).toEqual(['kind', 'fits', 'artifacts', 'there', 'left', 'volumes'])
  expect(planned.code).toBe(records[2]?.['fits'] === true ? 0 : 13)
  const code = await lab.run(['status', '--code', '--json', '--data', lab.path('b')])
  const { code: six, ...kind } = JSON.parse(code.stdout) as { readonly code: string; readonly kind: string }
  expect([kind, six.split(' ').length]).toEqual([{ kind: 'code' }, 6])
  const wrong = await lab.run(['export', '--match', six, '--data', lab.path('a')])
  expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining('(E_CODE)')])
  await lab.run(['export', lab.path('w.tar'), '--one-way', '--data', lab.path('a')])
  const right = await lab.run(['export', '--match', six, '--json', '--data', lab.path('a')])
  expect([right.code, JSON.parse(right.stdout)]).toEqual([0, { kind: 'confirmed', target: 'default', events: 2 }])
  const [known] = (
    JSON.parse((await lab.run(['status', '--json', '--data', lab.path('a')])).stdout) as { readonly oneWay: readonly object[] }
  ).oneWay
  expect(known).toMatchObject({ target: 'default', exports: 1, confirmed: 2, unconfirmed: 0 })
})
