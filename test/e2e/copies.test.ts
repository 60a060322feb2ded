import { execFileSync } from 'node:child_process'
import { globSync, mkdirSync, readFileSync, renameSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { eventually, Lab, type Printed } from './process.ts'

// What happens to data folders in real life: copied, moved, restored from a backup, opened twice.
const lab = new Lab()
afterAll(async () => await lab[Symbol.asyncDispose]())

function document(name: string): string {
  const path = lab.path(`${name}.cdx.json`)
  writeFileSync(
    path,
    JSON.stringify({ bomFormat: 'CycloneDX', specVersion: '1.6', version: 1, metadata: { component: { type: 'library', name } } })
  )
  return path
}

async function logsOf(folder: string): Promise<readonly Printed[]> {
  return (await lab.askOne(folder, 'status'))['logs'] as readonly Printed[]
}

/** Puts older files back over newer ones, without making a new file of any that is there: as rsync --inplace --delete does. */
function restoreInPlace(backup: string, root: string): void {
  const files = (folder: string): readonly string[] =>
    globSync('**', { cwd: folder }).filter((path) => statSync(join(folder, path)).isFile())
  const kept = new Set(files(backup))
  for (const path of kept) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    const bytes = readFileSync(join(backup, path))
    writeFileSync(join(root, path), bytes)
    truncateSync(join(root, path), bytes.length)
  }
  for (const path of files(root)) if (!kept.has(path)) execFileSync('rm', [join(root, path)])
}

it('a copied folder goes on in a new log that names the old one, and says so; the original goes on as before', async () => {
  const id = await lab.init('original')
  await lab.ask('original', 'publish', document('one'))
  execFileSync('cp', ['-a', lab.path('original'), lab.path('copy')])
  const published = await lab.run(['publish', document('two'), '--json', '--data', lab.path('copy')])
  expect(published.code).toBe(0)
  expect(published.stderr).toContain('this data folder is a copy')
  const record = JSON.parse(published.stdout) as Printed
  expect(record['log']).not.toBe(id['logId'])
  expect(published.stderr).toContain(String(record['log']))
  const [opened] = await lab.ask('copy', 'show', `${String(record['log'])}/0`)
  const old = (await logsOf('copy')).find(({ log }) => log === id['logId'])
  expect(opened).toMatchObject({ event: { type: 'log.opened', data: { succeeds: { log: id['logId'], size: 2 } } } })
  expect(old).toMatchObject({ size: 2 })
  // said once: it is at home there now
  const again = await lab.run(['publish', document('three'), '--json', '--data', lab.path('copy')])
  expect(again.stderr).toBe('')
  expect(JSON.parse(again.stdout)).toMatchObject({ log: record['log'], index: 2 })
  expect(await lab.askOne('original', 'publish', document('four'))).toMatchObject({ log: id['logId'], index: 2 })
  expect(await logsOf('original')).toHaveLength(1)
  for (const folder of ['original', 'copy']) await lab.ask(folder, 'verify')
})

it('the two logs of a copied folder live side by side at a peer', async () => {
  await lab.init('peer')
  const id = await lab.askOne('original', 'id')
  await lab.ask('peer', 'trust', 'add', 'original', String(id['did']))
  const peer = await lab.up('peer')
  for (const folder of ['original', 'copy'])
    expect((await lab.ask(folder, 'sync', peer.address)).at(-1)).toMatchObject({ complete: true })
  const logs = await logsOf('peer')
  expect(logs.map(({ size }) => Number(size)).toSorted((x, y) => x - y)).toEqual([1, 3, 3])
  expect((await lab.askOne('peer', 'status'))['conflicts']).toEqual([])
  expect(await peer.stop()).toBe(0)
  await lab.ask('peer', 'verify')
})

it('a moved folder is the same node with the same log', async () => {
  const id = await lab.init('before')
  renameSync(lab.path('before'), lab.path('moved'))
  const moved = await lab.run(['publish', document('five'), '--json', '--data', lab.path('moved')])
  expect(moved).toMatchObject({ code: 0, stderr: '' })
  expect(JSON.parse(moved.stdout)).toMatchObject({ log: id['logId'], index: 1 })
  expect(await logsOf('moved')).toHaveLength(1)
})

it('a folder restored from an older backup takes its lost tail back from a peer before it appends', async () => {
  const id = await lab.init('restored')
  const other = await lab.init('keeper')
  await lab.ask('keeper', 'trust', 'add', 'restored', String(id['did']))
  await lab.ask('restored', 'trust', 'add', 'keeper', String(other['did']))
  await lab.ask('restored', 'publish', document('six'))
  execFileSync('cp', ['-a', lab.path('restored'), lab.path('backup')])
  const lost = await lab.ask('restored', 'publish', ...['seven', 'eight', 'nine'].map(document))
  const keeper = await lab.up('keeper')
  expect((await lab.ask('restored', 'sync', keeper.address)).at(-1)).toMatchObject({ complete: true })
  restoreInPlace(lab.path('backup'), lab.path('restored'))
  expect(await logsOf('restored')).toMatchObject([{ log: id['logId'], size: 2 }])

  const restored = await lab.up('restored', keeper.address)
  await eventually(
    async () => await logsOf('restored'),
    (logs) => logs.some(({ log, size }) => log === id['logId'] && size === 5)
  )
  const next = await lab.askOne('restored', 'publish', document('ten'))
  expect(next).toMatchObject({ log: id['logId'], index: 5 })
  const subjects = (await lab.ask('restored', 'log', String(id['logId']))).map(({ event }) => (event as Printed)['subject'])
  expect(subjects.slice(2)).toEqual([...lost.map(({ digest }) => digest), next['digest']])
  await eventually(
    async () => await logsOf('keeper'),
    (logs) => logs.some(({ log, size }) => log === id['logId'] && size === 6)
  )
  for (const folder of ['restored', 'keeper']) {
    expect((await lab.askOne(folder, 'status'))['conflicts']).toEqual([])
    await lab.ask(folder, 'verify')
  }
  // its blobs are back, too
  const got = await lab.run(['get', String(lost[1]?.['digest']), '--data', lab.path('restored')])
  expect(got).toMatchObject({ code: 0, stderr: '' })
  expect(got.stdout).toBe(readFileSync(document('eight'), 'latin1'))
  expect(restored.stderr() + keeper.stderr()).not.toMatch(/bug/)
  await Promise.all([restored.stop(), keeper.stop()])
})

it('FOLDER-15 a folder restored in place, while nobody is there who has its lost tail, appends nothing until it goes on in a new log', async () => {
  const id = await lab.init('rolled-back')
  await lab.ask('rolled-back', 'publish', document('seventeen'))
  execFileSync('cp', ['-a', lab.path('rolled-back'), lab.path('older')])
  await lab.ask('rolled-back', 'publish', document('eighteen'))
  restoreInPlace(lab.path('older'), lab.path('rolled-back'))

  const refused = await lab.run(['publish', document('nineteen'), '--json', '--data', lab.path('rolled-back')])
  expect(refused.code).toBe(10)
  expect(JSON.parse(refused.stdout)).toMatchObject({ code: 'E_INCOMPLETE', hint: expect.stringContaining('--new-log') as string })
  expect(await logsOf('rolled-back')).toMatchObject([{ log: id['logId'], size: 2 }])

  // somebody who never had the tail can't bring it back: then a new log goes on by itself
  const stranger = await lab.init('stranger')
  await lab.ask('stranger', 'trust', 'add', 'rolled-back', String(id['did']))
  await lab.ask('rolled-back', 'trust', 'add', 'stranger', String(stranger['did']))
  const other = await lab.up('stranger')
  const alone = await lab.up('rolled-back', other.address)
  const published = await lab.askOne('rolled-back', 'publish', document('nineteen'))
  expect(published['log']).not.toBe(id['logId'])
  const [opened] = await lab.ask('rolled-back', 'log', String(published['log']))
  expect(opened).toMatchObject({ event: { data: { succeeds: { log: id['logId'], size: 2 } } } })
  await Promise.all([alone.stop(), other.stop()])
  await lab.ask('rolled-back', 'verify')

  // a person can say so, too
  const before = (await lab.askOne('rolled-back', 'id'))['logId']
  const next = await lab.askOne('rolled-back', 'doctor', '--new-log')
  expect((await lab.askOne('rolled-back', 'id'))['logId']).toBe(next['log'])
  expect(next['log']).not.toBe(before)
})

it('of two processes on one folder one has it; commands go through its socket, or end with E_LOCKED where they cannot reach that', async () => {
  await lab.init('one')
  const node = await lab.up('one')
  expect(await lab.askOne('one', 'publish', document('eleven'))).toMatchObject({ index: 1 })
  const apart = await lab.run(['publish', document('twelve'), '--json', '--data', lab.path('one')], {
    more: { XDG_RUNTIME_DIR: lab.root }
  })
  expect(apart.code).toBe(1)
  expect(JSON.parse(apart.stdout)).toMatchObject({ kind: 'error', code: 'E_LOCKED', hint: expect.any(String) as string })
  const second = await lab.run(['up', '--json', '--no-mdns', '--listen', '/ip4/127.0.0.1/tcp/0', '--data', lab.path('one')])
  expect(second.code).toBe(1)
  expect(JSON.parse(second.stdout)).toMatchObject({ kind: 'error', code: 'E_LOCKED' })
  expect(await lab.askOne('one', 'publish', document('thirteen'))).toMatchObject({ index: 2 })
  await node.stop('SIGKILL')
  // a lock ends with its process, and a socket that is left over disturbs nobody
  const together = await Promise.all(
    ['fourteen', 'fifteen', 'sixteen'].map(
      async (name) => await lab.run(['publish', document(name), '--json', '--data', lab.path('one')])
    )
  )
  const done = together.filter(({ code }) => code === 0)
  expect(done.length).toBeGreaterThan(0)
  for (const { code, stdout } of together) if (code !== 0) expect(JSON.parse(stdout)).toMatchObject({ code: 'E_LOCKED' })
  expect(await logsOf('one')).toMatchObject([{ size: 3 + done.length }])
  await lab.ask('one', 'verify')
})
