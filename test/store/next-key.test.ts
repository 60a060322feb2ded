import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, statSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { asyncProperty, assert, integer, uint8Array } from 'fast-check'
import { describe, expect, it } from 'vitest'
import { codeOf, equal, hex, logIdOf, signerOf, textOf, utf8 } from '../../src/core/index.ts'
import {
  beginRotation,
  completeRotation,
  copiedFrom,
  createKeys,
  dropNextKey,
  exportNextKey,
  hasNextKey,
  importNextKey,
  nextDigestOf,
  nextKeyWords,
  nextSeedOfFile,
  nextSeedOfWords,
  openKeys,
  readOwnLog,
  readRotation,
  readSeed,
  wordsOfSeed
} from '../../src/store/index.ts'
import { thrownBy } from '../thrown.ts'
import { temporaryFolder } from './sample-folder.ts'

// scrypt with the usual cost takes a second or more
const passphrase = { passphrase: 'correct horse battery staple', workFactor: 4 }
const log = logIdOf(utf8('old'))
const successor = logIdOf(utf8('new'))

async function codeFrom(promise: Promise<unknown>): Promise<string | undefined> {
  try {
    await promise
    return undefined
  } catch (error) {
    const code = codeOf(error)
    if (code === undefined) throw error
    return code
  }
}

describe('the next key', () => {
  it('CLOSING-9: goes out as an age file under a passphrase, and comes in again', async () => {
    using folder = temporaryFolder()
    const { nextKey } = createKeys(folder.path)
    const seed = readSeed(folder.path, 'keys/next') as Uint8Array
    const file = await exportNextKey(folder.path, passphrase)
    expect(textOf(file)).toMatch(/^-----BEGIN AGE ENCRYPTED FILE-----\n/)
    dropNextKey(folder.path)
    expect([hasNextKey(folder.path), openKeys(folder.path).nextKey]).toEqual([false, nextKey])
    expect(await codeFrom(exportNextKey(folder.path, passphrase))).toBe('E_NOT_FOUND')
    const found = await nextSeedOfFile(file, passphrase, nextKey)
    expect(hex(found)).toBe(hex(seed))
    importNextKey(folder.path, found, nextKey)
    expect(statSync(join(folder.path, 'keys/next')).mode & 0o777).toBe(0o600)
    expect(openKeys(folder.path).nextKey).toBe(nextKey)
  })

  it('CLOSING-9: goes out for an age recipient', async () => {
    using folder = temporaryFolder()
    const { nextKey } = createKeys(folder.path)
    const { generateX25519Identity, identityToRecipient } = await import('age-encryption')
    const identity = await generateX25519Identity()
    const file = await exportNextKey(folder.path, { recipient: await identityToRecipient(identity) })
    expect(nextDigestOf(await nextSeedOfFile(file, { identity }, nextKey))).toBe(nextKey)
    expect(await codeFrom(nextSeedOfFile(file, { identity: await generateX25519Identity() }, nextKey))).toBe('E_KEY')
    expect(await codeFrom(nextSeedOfFile(file, { identity: 'AGE-SECRET-KEY-1' }, nextKey))).toBe('E_KEY')
    expect(await codeFrom(exportNextKey(folder.path, { recipient: 'age1x' }))).toBe('E_KEY')
    expect(await codeFrom(exportNextKey(folder.path, { passphrase: '' }))).toBe('E_USAGE')
  })

  it('CLOSING-9: does not come in from a file that was changed, of another key or under another passphrase', async () => {
    using folder = temporaryFolder()
    const { nextKey } = createKeys(folder.path)
    const file = await exportNextKey(folder.path, passphrase)
    expect(await codeFrom(nextSeedOfFile(file, { passphrase: 'another' }, nextKey))).toBe('E_KEY')
    expect(await codeFrom(nextSeedOfFile(file, passphrase, nextDigestOf(new Uint8Array(32))))).toBe('E_KEY')
    expect(await codeFrom(nextSeedOfFile(new Uint8Array(70_000), passphrase, nextKey))).toBe('E_TOO_LARGE')
    const text = textOf(file)
    const at = integer({ min: 36, max: text.length - 36 })
    await assert(
      asyncProperty(at, async (position) => {
        const char = text[position] === 'A' ? 'B' : 'A'
        const changed = utf8(text.slice(0, position) + char + text.slice(position + 1))
        expect(await codeFrom(nextSeedOfFile(changed, passphrase, nextKey))).toBe('E_KEY')
      }),
      { numRuns: 20 }
    )
  })

  it('CLOSING-10: is 24 words that spell it again', async () => {
    await assert(
      asyncProperty(uint8Array({ minLength: 32, maxLength: 32 }), async (seed) => {
        const words = await wordsOfSeed(seed)
        expect(words.split(' ').length).toBe(24)
        const sloppy = `  ${words.toUpperCase().replaceAll(' ', '\n ')} `
        expect(hex(await nextSeedOfWords(sloppy, nextDigestOf(seed)))).toBe(hex(seed))
      }),
      { numRuns: 20 }
    )
    using folder = temporaryFolder()
    const { nextKey } = createKeys(folder.path)
    const seed = await nextSeedOfWords(await nextKeyWords(folder.path), nextKey)
    expect(hex(seed)).toBe(hex(readSeed(folder.path, 'keys/next') ?? new Uint8Array(0)))
  })

  it('CLOSING-10: are the words of BIP-39', async () => {
    expect(await wordsOfSeed(new Uint8Array(32))).toBe(`${'abandon '.repeat(23)}art`)
    expect(await wordsOfSeed(new Uint8Array(32).fill(0x7f))).toBe(
      'legal winner thank year wave sausage worth useful legal winner thank year wave sausage worth useful legal winner thank year wave sausage worth title'
    )
  })

  it('CLOSING-10: is refused where a word is wrong, also where their own check sum passes', async () => {
    const seed = new Uint8Array(32).fill(7)
    const words = (await wordsOfSeed(seed)).split(' ')
    const digest = nextDigestOf(seed)
    const refused = async (list: readonly string[]) =>
      expect(await codeFrom(nextSeedOfWords(list.join(' '), digest))).toBe('E_KEY')
    await refused(words.slice(1))
    await refused([...words, 'abandon'])
    await refused(words.with(3, 'rejoin'))
    await refused(words.with(0, words[0] === 'zoo' ? 'zone' : 'zoo'))
    // another key's words, with a good check sum of their own
    await refused((await wordsOfSeed(new Uint8Array(32).fill(8))).split(' '))
    expect(await codeFrom(nextSeedOfWords('a '.repeat(1000), digest))).toBe('E_KEY')
  })

  it('CLOSING-9: of another log does not come in', () => {
    using folder = temporaryFolder()
    const { nextKey } = createKeys(folder.path)
    expect(thrownBy(() => importNextKey(folder.path, new Uint8Array(32), nextKey))).toBe('E_KEY')
    expect(openKeys(folder.path).nextKey).toBe(nextKey)
  })
})

describe('a change of keys', () => {
  it('CLOSING-11: makes the next key the writer and a fresh one the next', () => {
    using folder = temporaryFolder()
    const before = createKeys(folder.path)
    const nextSeed = readSeed(folder.path, 'keys/next') as Uint8Array
    dropNextKey(folder.path)
    const rotation = beginRotation(folder.path, log, nextSeed, before.nextKey)
    expect(equal(rotation.writer.publicKey, signerOf(nextSeed).publicKey)).toBe(true)
    expect([rotation.from, nextDigestOf(nextSeed)]).toEqual([log, before.nextKey])
    expect(equal(openKeys(folder.path).signer.publicKey, before.signer.publicKey)).toBe(true)
    const after = completeRotation(folder.path, successor)
    expect(equal(after.signer.publicKey, rotation.writer.publicKey)).toBe(true)
    expect([after.nextKey, readOwnLog(folder.path)]).toEqual([rotation.nextKey, successor])
    expect(after.nextKey).not.toBe(before.nextKey)
    expect([readRotation(folder.path), copiedFrom(folder.path)]).toEqual([undefined, undefined])
    expect(existsSync(join(folder.path, 'keys/next.digest'))).toBe(false)
    for (const name of ['writer', 'next']) expect(statSync(join(folder.path, 'keys', name)).mode & 0o777).toBe(0o600)
  })

  it('CLOSING-11: goes on with the same keys after a crash at any step', () => {
    using folder = temporaryFolder()
    const { nextKey } = createKeys(folder.path)
    const nextSeed = readSeed(folder.path, 'keys/next') as Uint8Array
    const begun = beginRotation(folder.path, log, nextSeed, nextKey)
    const file = join(folder.path, 'keys/rotation')
    expect(statSync(file).mode & 0o777).toBe(0o600)
    const noted = readFileSync(file)
    expect(beginRotation(folder.path, log, nextSeed, nextKey).nextKey).toBe(begun.nextKey)
    expect(readRotation(folder.path)?.nextKey).toBe(begun.nextKey)
    const [first, again] = [0, 1].map(() => {
      // as if everything but the last step had been done
      writeFileSync(file, noted)
      return completeRotation(folder.path, successor)
    })
    expect([first?.nextKey, again?.nextKey]).toEqual([begun.nextKey, begun.nextKey])
    expect(hex(again?.signer.publicKey ?? utf8(''))).toBe(hex(begun.writer.publicKey))
  })

  it('CLOSING-11: works without the old key, on a machine that has none', () => {
    using folder = temporaryFolder()
    const home = join(folder.path, 'home')
    mkdirSync(home)
    const nextSeed = new Uint8Array(32).fill(3)
    const rotation = beginRotation(home, log, nextSeed, nextDigestOf(nextSeed))
    expect(statSync(join(home, 'keys')).mode & 0o777).toBe(0o700)
    expect(completeRotation(home, successor).nextKey).toBe(rotation.nextKey)
    expect(copiedFrom(home)).toBe(undefined)
  })

  it('CLOSING-11: is not begun with another key, nor while another one is under way', () => {
    using folder = temporaryFolder()
    const { nextKey } = createKeys(folder.path)
    const nextSeed = readSeed(folder.path, 'keys/next') as Uint8Array
    const other = new Uint8Array(32)
    expect(thrownBy(() => beginRotation(folder.path, log, other, nextKey))).toBe('E_KEY')
    expect(thrownBy(() => completeRotation(folder.path, successor))).toBe('E_NOT_FOUND')
    beginRotation(folder.path, log, nextSeed, nextKey)
    expect(thrownBy(() => beginRotation(folder.path, successor, nextSeed, nextKey))).toBe('E_EXISTS')
    expect(thrownBy(() => beginRotation(folder.path, log, other, nextDigestOf(other)))).toBe('E_EXISTS')
  })

  it('CLOSING-11: is not gone on with where its file is damaged', () => {
    using folder = temporaryFolder()
    const { nextKey } = createKeys(folder.path)
    beginRotation(folder.path, log, readSeed(folder.path, 'keys/next') as Uint8Array, nextKey)
    const file = join(folder.path, 'keys/rotation')
    const text = readFileSync(file, 'utf8')
    writeFileSync(
      file,
      text.replace(/"next":"(.)/, (_, first) => `"next":"${first === 'A' ? 'B' : 'A'}`)
    )
    expect(thrownBy(() => readRotation(folder.path))).toBe('E_KEY')
    writeFileSync(file, '{')
    expect(thrownBy(() => readRotation(folder.path))).toBe('E_KEY')
    unlinkSync(file)
    expect(readRotation(folder.path)).toBe(undefined)
  })
})

it('CLOSING-9: a file for a passphrase has the header of age v1', async () => {
  using folder = temporaryFolder()
  createKeys(folder.path)
  const path = join(folder.path, 'next.age')
  writeFileSync(path, await exportNextKey(folder.path, passphrase))
  const header = execFileSync('sed', ['1d;$d', path], { encoding: 'utf8' }).replaceAll('\n', '')
  expect(Buffer.from(header, 'base64').toString('latin1')).toMatch(/^age-encryption\.org\/v1\n-> scrypt \S+ 4\n/)
})
