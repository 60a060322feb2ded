import { rmSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { servePython } from '../replica/static-servers.ts'
import { Lab, recordsOf } from './process.ts'

it('CLI-2 CLI-13 WEB-7 WEB-8: sync URL from a node that is up, from a copy of its folder with faults, and from nobody', async () => {
  await using lab = new Lab()
  const { did } = await lab.init('alice')
  await lab.init('bob')
  await lab.ask('bob', 'trust', 'add', 'alice', String(did))
  const up = lab.start([
    'up',
    '--data',
    lab.path('alice'),
    '--json',
    '--no-mdns',
    '--listen',
    '/ip4/127.0.0.1/tcp/0',
    '--http',
    '127.0.0.1:0'
  ])
  const { http } = JSON.parse(await up.line(() => true)) as { readonly http: string }
  expect(http).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/)
  writeFileSync(lab.path('doc'), 'a document')
  await lab.askOne('alice', 'publish', lab.path('doc'), '--type', 'text/plain')
  const url = `${http}/replica/`
  const first = (await lab.ask('bob', 'sync', url)).at(-1)
  expect(first).toMatchObject({ kind: 'result', replica: url, complete: true, events: 2, missing: 0, bad: 0, conflicts: 0 })
  expect((await lab.ask('bob', 'sync', url)).at(-1)).toMatchObject({ complete: true, events: 0, blobs: 0, requests: 1 })
  expect(await up.stop()).toBe(0)
  expect(await lab.askOne('alice', 'id')).toMatchObject({ http: null })

  const gone = await lab.run(['sync', url, '--data', lab.path('bob')])
  expect([gone.code, gone.stderr]).toEqual([14, expect.stringContaining('(E_UNREACHABLE)')])

  const blobs = lab.path('alice/blobs/sha256')
  const [damaged = '', removed = ''] = readdirSync(blobs)
  await using server = await servePython(lab.path('alice'))
  await lab.init('carol')
  await lab.ask('carol', 'trust', 'add', 'alice', String(did))
  const bytes = readFileSync(join(blobs, removed))
  rmSync(join(blobs, removed))
  const incomplete = await lab.run(['sync', server.url, '--data', lab.path('carol'), '--json'])
  expect(incomplete.code).toBe(10)
  expect(recordsOf(incomplete.stdout).at(-1)).toMatchObject({ kind: 'result', complete: false, missing: 1, bad: 0 })
  writeFileSync(join(blobs, removed), bytes)
  const whole = readFileSync(join(blobs, damaged))
  writeFileSync(
    join(blobs, damaged),
    whole.map((byte) => byte ^ 1)
  )
  const bad = await lab.run(['sync', server.url, '--data', lab.path('carol')])
  expect(bad.code).toBe(11)
  expect(bad.stdout).toContain(`damaged   blobs/sha256/${damaged}: `)
  expect(bad.stdout).toContain('not complete: 0 events in')
  writeFileSync(join(blobs, damaged), whole)
  expect((await lab.ask('carol', 'sync', server.url)).at(-1)).toMatchObject({ complete: true })
})
