import { execFileSync } from 'node:child_process'
import { renameSync, statSync, writeFileSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { nextKeyDigest, equal } from '../../src/core/index.ts'
import { copiedFrom, createKeys, openKeys, writeHome } from '../../src/store/index.ts'
import { thrownBy } from '../thrown.ts'
import { temporaryFolder } from './sample-folder.ts'

it('makes keys that only their owner can read, and reads the same ones again (FOLDER-11)', () => {
  using folder = temporaryFolder()
  const made = createKeys(folder.path)
  const read = openKeys(folder.path)
  expect(equal(made.signer.publicKey, read.signer.publicKey)).toBe(true)
  expect(read.nextKey).toBe(made.nextKey)
  expect(statSync(join(folder.path, 'keys')).mode & 0o777).toBe(0o700)
  for (const name of ['writer', 'next', 'home']) expect(statSync(join(folder.path, 'keys', name)).mode & 0o777).toBe(0o600)
  expect(made.nextKey).not.toBe(nextKeyDigest(made.signer.publicKey))
})

it('lets the next key be kept elsewhere, as long as its digest is here', () => {
  using folder = temporaryFolder()
  const { nextKey } = createKeys(folder.path)
  unlinkSync(join(folder.path, 'keys/next'))
  expect(thrownBy(() => openKeys(folder.path))).toBe('E_KEY')
  writeFileSync(join(folder.path, 'keys/next.digest'), `${nextKey}\n`)
  expect(openKeys(folder.path).nextKey).toBe(nextKey)
  writeFileSync(join(folder.path, 'keys/next.digest'), 'sha256:nonsense\n')
  expect(thrownBy(() => openKeys(folder.path))).toBe('E_DIGEST')
})

it('says E_KEY for a damaged key and E_NO_DATA where there is none', () => {
  using folder = temporaryFolder()
  expect(thrownBy(() => openKeys(folder.path))).toBe('E_NO_DATA')
  createKeys(folder.path)
  writeFileSync(join(folder.path, 'keys/writer'), 'short\n')
  expect(thrownBy(() => openKeys(folder.path))).toBe('E_KEY')
})

it('notices a folder that was copied, and none that was moved (FOLDER-11)', () => {
  using folder = temporaryFolder()
  const [first, moved, copy] = ['first', 'moved', 'copy'].map((name) => join(folder.path, name)) as [string, string, string]
  createKeys(first)
  expect(copiedFrom(first)).toBe(undefined)
  renameSync(first, moved)
  expect(copiedFrom(moved)).toBe(undefined)
  execFileSync('cp', ['-a', moved, copy])
  expect(copiedFrom(copy)).toMatch(/key file/)
  expect(copiedFrom(moved)).toBe(undefined)
  writeHome(copy)
  expect(copiedFrom(copy)).toBe(undefined)
  writeFileSync(join(copy, 'keys/home'), '{')
  expect(copiedFrom(copy)).toMatch(/damaged/)
})
