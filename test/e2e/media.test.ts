import { linkSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { Medium } from './media.ts'

const root = mkdtempSync(join(tmpdir(), 'rejoin-media-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

const mebibyte = 1024 * 1024

describe.each(['fat32', 'exfat'] as const)('a medium of the tests with %s', (kind) => {
  it('has the rules of the real thing, keeps files over a proper removal, and is gone after a yank', async () => {
    await using medium = await Medium.make(kind, join(root, kind), 64 * mebibyte)
    const file = join(medium.path, 'a.txt')
    writeFileSync(file, 'kept')
    expect(statSync(join(medium.path, 'A.TXT')).size).toBe(4)
    expect(() => linkSync(file, join(medium.path, 'b.txt'))).toThrow(/EPERM|ENOSYS/)
    expect(() => writeFileSync(join(medium.path, 'a:b'), '')).toThrow()
    await medium.unmount()
    expect(readdirSync(medium.path)).toEqual([])
    await medium.mount({ readOnly: true })
    expect(readFileSync(file, 'utf8')).toBe('kept')
    expect(() => writeFileSync(join(medium.path, 'c.txt'), '')).toThrow()
    await medium.unmount()
    await medium.mount()
    await medium.yank()
    expect(() => readdirSync(medium.path)).toThrow(/ENOTCONN/)
    await medium.mountAgain()
    expect(readFileSync(file, 'utf8')).toBe('kept')
  })
})

it('a tmpfs of the tests is full when it is', async () => {
  await using medium = await Medium.make('tmpfs', join(root, 'small'), mebibyte)
  expect(() => writeFileSync(join(medium.path, 'large'), Buffer.alloc(2 * mebibyte))).toThrow(/ENOSPC/)
})
