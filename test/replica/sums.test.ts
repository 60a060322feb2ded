import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { digestOf, digestParts, hex, sha256, utf8 } from '../../src/core/index.ts'
import { SealedSums } from '../../src/replica/index.ts'
import { Outside, Sums } from '../../src/store/index.ts'

let root = ''
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'rejoin-sums-'))
  for (const folder of ['blobs/sha256', 'tmp']) mkdirSync(join(root, folder), { recursive: true })
})
afterEach(() => rmSync(root, { recursive: true }))

function putBlobs(sums: Sums, from: number, count: number): void {
  for (let i = from; i < from + count; i++) {
    const bytes = utf8(`blob ${i}`)
    const sum = digestParts(digestOf(bytes)).hex
    writeFileSync(join(root, 'blobs/sha256', sum), bytes)
    sums.add(`blobs/sha256/${sum}`, sum)
  }
}

function putFile(sums: Sums, name: string, text: string): void {
  writeFileSync(join(root, name), text)
  sums.addFile(name, 1000)
}

const lists = (): readonly string[] => readdirSync(root).filter((name) => name.startsWith('SHA256SUMS'))
const stamps = (): readonly (readonly [string, number, number])[] =>
  lists().map((name) => [name, statSync(join(root, name)).ino, statSync(join(root, name)).size])
const isTrue = (): string => execFileSync('sh', ['-c', 'sha256sum --quiet -c SHA256SUMS*'], { cwd: root, encoding: 'utf8' })
const countOf = (): number =>
  lists().reduce((sum, name) => sum + readFileSync(join(root, name), 'utf8').split('\n').length - 1, 0)

async function sealed(texts: readonly Uint8Array[]): Promise<string> {
  const sums = new SealedSums()
  for (const text of texts)
    await sums.read(
      (async function* () {
        yield await Promise.resolve(text)
      })()
    )
  return sums.digest
}

describe('the lists of sums', () => {
  it('are one file while they are short; then lines of blobs go to lists that stay as they are (STICK-4, STICK-19)', () => {
    const first = Sums.open(new Outside(root))
    putBlobs(first, 0, 100)
    putFile(first, 'heads', 'one')
    first.write()
    expect([lists(), countOf()]).toEqual([['SHA256SUMS'], 101])
    const second = Sums.open(new Outside(root))
    putBlobs(second, 100, 900)
    second.write()
    expect([lists(), countOf(), isTrue()]).toEqual([['SHA256SUMS', 'SHA256SUMS.0001'], 1001, ''])
    const [, before] = stamps()
    const third = Sums.open(new Outside(root))
    for (let i = 0; i < 1000; i += 333) {
      const sum = hex(sha256(utf8(`blob ${i}`)))
      expect([third.has(`blobs/sha256/${sum}`, sum), third.has(`blobs/sha256/${sum}`, '0')]).toEqual([true, false])
    }
    putBlobs(third, 1000, 20)
    third.drop((path) => path === 'heads')
    third.write()
    putFile(third, 'heads', 'two')
    third.write()
    expect([stamps()[1], countOf(), isTrue()]).toEqual([before, 1021, ''])
    expect(statSync(join(root, 'SHA256SUMS')).size).toBeLessThan(4096)
    expect(readdirSync(join(root, 'tmp'))).toEqual([])
  })

  it('of an older program, all in one file, are read, and split when something comes (STICK-19)', () => {
    const sums = Sums.open(new Outside(root))
    putBlobs(sums, 0, 500)
    const names = readdirSync(join(root, 'blobs/sha256')).toSorted()
    writeFileSync(join(root, 'SHA256SUMS'), names.map((name) => `${name}  blobs/sha256/${name}\n`).join(''))
    const again = Sums.open(new Outside(root))
    for (const name of names) expect(again.has(`blobs/sha256/${name}`, name)).toBe(true)
    again.write()
    expect(lists()).toEqual(['SHA256SUMS'])
    putBlobs(again, 500, 1)
    again.write()
    expect([lists(), countOf(), isTrue()]).toEqual([['SHA256SUMS.0001'], 501, ''])
  })

  it('lose what is taken out, wherever it stands, and what stands twice counts once (STICK-4)', () => {
    const sums = Sums.open(new Outside(root))
    putBlobs(sums, 0, 300)
    sums.write()
    const [name = ''] = readdirSync(join(root, 'blobs/sha256'))
    // as a run leaves it that was cut off between two lists
    writeFileSync(join(root, 'SHA256SUMS'), `${name}  blobs/sha256/${name}\n`)
    const next = Sums.open(new Outside(root))
    rmSync(join(root, 'blobs/sha256', name))
    next.drop((path) => path === `blobs/sha256/${name}`)
    next.write()
    expect([countOf(), isTrue()]).toEqual([299, ''])
    const last = Sums.open(new Outside(root))
    last.drop(() => true)
    last.write()
    expect(lists()).toEqual([])
  })

  it('have one digest for a seal, in however many files they stand (SEAL-1)', async () => {
    const sums = Sums.open(new Outside(root))
    putFile(sums, 'heads', 'one')
    putFile(sums, 'notes.txt', 'of a stranger')
    putBlobs(sums, 0, 300)
    sums.write()
    const texts = lists().map((name) => readFileSync(join(root, name)))
    expect(texts).toHaveLength(2)
    const all = texts
      .flatMap((text) => text.toString().trimEnd().split('\n'))
      .toSorted((a, b) => (a.slice(66) < b.slice(66) ? -1 : 1))
    const whole = utf8(`${all.join('\n')}\n`)
    // what an older program signed: the bytes of the one file
    expect(await sealed([whole])).toBe(digestOf(whole))
    expect(await sealed(texts)).toBe(digestOf(whole))
    expect(await sealed(texts.toReversed())).toBe(digestOf(whole))
    expect(await sealed([whole.subarray(0, whole.indexOf(10) + 1)])).not.toBe(digestOf(whole))
  })
})
