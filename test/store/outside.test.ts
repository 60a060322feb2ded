import { execFileSync } from 'node:child_process'
import { mkdirSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { codeOf } from '../../src/core/index.ts'
import { Outside } from '../../src/store/index.ts'
import { thrownBy } from '../thrown.ts'
import { temporaryFolder } from './sample-folder.ts'

it('a stick: no link, folder, pipe or device is read as a file, also not through a folder that is a link', async () => {
  using folder = temporaryFolder()
  using other = temporaryFolder()
  writeFileSync(join(other.path, 'secret'), 'secret')
  mkdirSync(join(other.path, 'entries'))
  writeFileSync(join(other.path, 'entries/000000.ndjson'), 'secret')
  mkdirSync(join(folder.path, 'logs/x'), { recursive: true })
  symlinkSync(join(other.path, 'secret'), join(folder.path, 'logs/x/checkpoint'))
  symlinkSync(join(folder.path, 'nowhere'), join(folder.path, 'logs/x/dangling'))
  symlinkSync(join(other.path, 'entries'), join(folder.path, 'logs/x/entries'))
  symlinkSync(other.path, join(folder.path, 'blobs'))
  symlinkSync('/dev/zero', join(folder.path, 'zero'))
  execFileSync('mkfifo', [join(folder.path, 'pipe')])
  const files = new Outside(folder.path)
  for (const path of [
    'logs/x/checkpoint',
    'logs/x/dangling',
    'logs/x/entries/000000.ndjson',
    'blobs/secret',
    'zero',
    'pipe',
    'logs'
  ]) {
    expect([path, thrownBy(() => files.size(path))]).toEqual([path, 'E_BAD_OBJECT'])
    expect([path, thrownBy(() => files.read(path, 100))]).toEqual([path, 'E_BAD_OBJECT'])
    expect([path, thrownBy(() => files.readRange(path, 0, 100)) === undefined]).toEqual([path, false])
    const opened = await files.open(path).then(
      () => 'opened',
      (error: unknown) => codeOf(error)
    )
    expect([path, opened]).toEqual([path, 'E_BAD_OBJECT'])
  }
  for (const path of ['logs/x/entries', 'blobs'])
    expect([path, thrownBy(() => files.names(path))]).toEqual([path, 'E_BAD_OBJECT'])
})

it('a stick: a file that says that it is larger than it may be is not read', () => {
  using folder = temporaryFolder()
  writeFileSync(join(folder.path, 'heads'), '')
  truncateSync(join(folder.path, 'heads'), 2 ** 40)
  const files = new Outside(folder.path)
  expect(thrownBy(() => files.read('heads', 1024))).toBe('E_TOO_LARGE')
  expect(files.readRange('heads', 2 ** 39, 16)?.length).toBe(16)
  expect(files.read('absent/too', 16)).toBeUndefined()
})
