import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { utf8 } from '../../src/core/index.ts'
import { replaceFileSync } from '../../src/store/index.ts'
import { thrownBy } from '../thrown.ts'
import { temporaryFolder } from './sample-folder.ts'

describe('replaceFileSync', () => {
  it('writes a file, its folder where there is none, and another one in its place', () => {
    using folder = temporaryFolder()
    const path = join(folder.path, 'a/b/file')
    replaceFileSync(path, utf8('one'), { durable: true, mode: 0o600 })
    replaceFileSync(path, utf8('two'), { durable: false, mode: 0o600 })
    expect(readFileSync(path, 'utf8')).toBe('two')
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(readdirSync(join(folder.path, 'a/b'))).toEqual(['file'])
  })

  it('leaves no .part file where the name can not be given', () => {
    using folder = temporaryFolder()
    const path = join(folder.path, 'taken')
    mkdirSync(join(path, 'by a folder'), { recursive: true })
    for (const durable of [true, false]) expect(thrownBy(() => replaceFileSync(path, utf8('x'), { durable }))).toBe('E_IO')
    expect(readdirSync(folder.path)).toEqual(['taken'])
  })

  it('leaves no .part file, and the old one as it was, where the bytes can not be written', () => {
    using folder = temporaryFolder()
    const path = join(folder.path, 'file')
    writeFileSync(path, 'old')
    // what is no bytes fails in the write itself, after the temporary file was made
    const unwritable = { length: 3 } as unknown as Uint8Array
    expect(thrownBy(() => replaceFileSync(path, unwritable, { durable: true }))).toBe('E_IO')
    expect(readdirSync(folder.path)).toEqual(['file'])
    expect(readFileSync(path, 'utf8')).toBe('old')
  })

  it('says that what should be a folder is a file', () => {
    using folder = temporaryFolder()
    const path = join(folder.path, 'file')
    writeFileSync(path, 'not a folder')
    expect(thrownBy(() => replaceFileSync(join(path, 'below'), utf8('x'), { durable: true }))).toBe('E_IO')
    expect(readdirSync(folder.path)).toEqual(['file'])
  })
})
