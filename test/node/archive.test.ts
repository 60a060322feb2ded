import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { zstdCompressSync } from 'node:zlib'
import { pack } from 'tar-stream'
import { describe, expect, test } from 'vitest'
import { encodeTarHeader, hex, utf8 } from '../../src/core/index.ts'
import type { Node } from '../../src/node/index.ts'
import { verifyFolder } from '../../src/store/index.ts'
import { checked, exported, folder, imported, never, nodeNamed, say } from './media-lab.ts'

/** Names and bytes of a tar archive, by tar itself. */
function listed(path: string): readonly string[] {
  return execFileSync('tar', ['tf', path], { encoding: 'utf8' }).trimEnd().split('\n')
}

function rootIn(node: Node, { log }: Node): string {
  const head = node.store.listHeads().find((one) => one.log === log)
  return head === undefined ? 'none' : `${head.size} ${hex(head.root)}`
}

describe('archives', () => {
  test('carry all of a node to another one, plain and compressed, and again do nothing (ARCHIVE-1, ARCHIVE-4)', async () => {
    const a = await nodeNamed('a')
    for (let i = 0; i < 3; i++) await say(a, `text ${i}`)
    const large = await say(a, randomBytes(2_500_000), { type: 'application/octet-stream' })
    await a.writer.append(Array.from({ length: 1500 }, (_, n) => ({ type: 'note.said', data: { text: `note ${n}` } })))
    for (const name of ['x.tar', 'x.tar.zst']) {
      const path = join(folder(), name)
      expect((await exported(a, path)).at(-1)).toMatchObject({ complete: true, blobs: 9, bad: 0, missing: 0 })
      expect((await checked(path)).result).toMatchObject({ ok: true, complete: true, events: 1505, blobs: 9, missing: 0 })
      const b = await nodeNamed('b', [a])
      expect((await imported(b, path)).result).toMatchObject({ complete: true, events: 1505, blobs: 9, missing: 0, bad: 0 })
      expect(b.blobs.has(large as never)).toBe(true)
      expect(rootIn(b, a)).toBe(rootIn(a, a))
      expect((await imported(b, path)).result).toMatchObject({ complete: true, events: 0, blobs: 0 })
    }
  })

  test('are the same bytes for the same content, in this order, and tar opens them as a folder that verifies (ARCHIVE-2, ARCHIVE-3)', async () => {
    const a = await nodeNamed('a')
    await say(a, 'small')
    await say(a, randomBytes(1_500_000), { type: 'application/octet-stream' })
    await a.writer.append(Array.from({ length: 2100 }, (_, n) => ({ type: 'note.said', data: { text: `note ${n}` } })))
    const [one, two] = [join(folder(), 'x.tar'), join(folder(), 'y.tar')]
    await exported(a, one)
    await exported(a, two)
    const withoutSeal = (path: string): string =>
      execFileSync('sh', ['-c', `tar xf ${path} --to-stdout --exclude seal | sha256sum`], { encoding: 'utf8' })
    expect(withoutSeal(one)).toBe(withoutSeal(two))
    const names = listed(one).map((name) => name.replace(/[a-z2-7]{52}/, 'LOG').replace(/[0-9a-f]{64}/, 'HEX'))
    expect(names.slice(0, 13)).toEqual([
      'replica.json',
      'seal',
      'SHA256SUMS',
      'heads',
      'oci-layout',
      'README.txt',
      'omitted',
      'logs/LOG/checkpoint',
      'logs/LOG/checkpoint.cose',
      'logs/LOG/tile/1/000.p/8',
      'logs/LOG/entries/000002.ndjson',
      'logs/LOG/entries/000000.ndjson',
      'logs/LOG/entries/000001.ndjson'
    ])
    const root = folder()
    execFileSync('tar', ['xf', one, '-C', root])
    expect(execFileSync('sha256sum', ['-c', '--quiet', 'SHA256SUMS'], { cwd: root, encoding: 'utf8' })).toBe('')
    expect(await Array.fromAsync(verifyFolder(root, { signal: never }))).toEqual([])
    const sizes = names.filter((name) => name.startsWith('blobs/'))
    expect(sizes).toHaveLength(5)
    const last = execFileSync('tar', ['tvf', one], { encoding: 'utf8' }).trimEnd().split('\n').at(-2)
    expect(last).toMatch(/1500000 1970-01-01/)
  })

  test('that tar made of a folder, in whatever order, are taken too (ARCHIVE-5)', async () => {
    const a = await nodeNamed('a')
    await say(a, 'small')
    await a.writer.append(Array.from({ length: 1100 }, (_, n) => ({ type: 'note.said', data: { text: `note ${n}` } })))
    const [path, root] = [join(folder(), 'x.tar'), folder()]
    await exported(a, path)
    execFileSync('tar', ['xf', path, '-C', root])
    const names = listed(path)
    const b = await nodeNamed('b', [a])
    execFileSync('tar', ['cf', path, '-C', root, ...names.toReversed()])
    expect((await imported(b, path)).result).toMatchObject({ complete: true, events: 1102, blobs: 3 })
    const c = await nodeNamed('c', [a])
    execFileSync('tar', ['cf', path, '-C', root, '.'])
    expect((await imported(c, path)).result).toMatchObject({ complete: true, events: 1102, blobs: 3 })
  })

  test('that were cut off give all that came before, and a whole copy brings the rest (ARCHIVE-8)', async () => {
    const a = await nodeNamed('a')
    for (let i = 0; i < 4; i++) await say(a, randomBytes(300_000), { type: 'application/octet-stream' })
    await a.writer.append(Array.from({ length: 2100 }, (_, n) => ({ type: 'note.said', data: { text: `note ${n}` } })))
    const path = join(folder(), 'x.tar')
    await exported(a, path)
    const bytes = readFileSync(path)
    const b = await nodeNamed('b', [a])
    let before = { events: 0, blobs: 0 }
    for (const share of [0.001, 0.2, 0.5, 0.9]) {
      const cut = join(folder(), 'cut.tar')
      writeFileSync(cut, bytes.subarray(0, Math.floor(bytes.length * share)))
      const { result } = await imported(b, cut).catch((error: unknown) => ({
        result: { complete: false, cut: true, bad: 0, events: 0, blobs: 0, error }
      }))
      expect(result).toMatchObject({ complete: false, cut: true, bad: 0 })
      before = { events: before.events + Number(result['events']), blobs: before.blobs + Number(result['blobs']) }
      expect(await Array.fromAsync(verifyFolder(b.root, { signal: never }))).toEqual([])
      const found = await checked(cut).catch(() => ({ result: { complete: false } }))
      expect(found.result).toMatchObject({ complete: false })
    }
    expect(before.blobs).toBeGreaterThan(3)
    const { result } = await imported(b, path)
    expect(result).toMatchObject({ complete: true })
    expect([before.events + Number(result['events']), before.blobs + Number(result['blobs'])]).toEqual([2105, 9])
  })

  test('what is wrong in them is named and passed over, and the rest is taken (ARCHIVE-7, ARCHIVE-10)', async () => {
    const a = await nodeNamed('a')
    await say(a, 'good')
    await say(a, 'damaged')
    const path = join(folder(), 'x.tar')
    await exported(a, path)
    const tar = readFileSync(path)
    const at = tar.indexOf('damaged', tar.indexOf('blobs/sha256/'))
    tar.write('DAMAGED', tar.lastIndexOf('damaged'))
    expect(at).toBeGreaterThan(0)
    const evil = pack()
    evil.entry({ name: '../../etc/passwd' }, 'x')
    evil.entry({ name: 'private/blobs/sha256/x' }, 'x')
    evil.entry({ name: 'logs/link', type: 'symlink', linkname: '/' })
    evil.entry({ name: 'trust.yaml' }, 'x')
    const head = Buffer.concat(await Array.fromAsync(taken(evil as unknown as Parameters<typeof taken>[0])))
    writeFileSync(path, Buffer.concat([head, tar]))
    const b = await nodeNamed('b', [a])
    const { result, faults } = await imported(b, path)
    expect(result).toMatchObject({ complete: false, events: 3, blobs: 4, missing: 1, bad: 5 })
    expect(faults.map(({ path: name }) => name)).toEqual(
      expect.arrayContaining(['../../etc/passwd', 'private/blobs/sha256/x', 'logs/link', 'trust.yaml'])
    )
    const check = await checked(path)
    expect(check.result).toMatchObject({ ok: false, bad: 5, missing: 1 })
  })

  test('that decompress to far more than they are end there (ARCHIVE-9)', async () => {
    const a = await nodeNamed('a')
    await say(a, new Uint8Array(20 * 1024 * 1024), { type: 'application/octet-stream' })
    const path = join(folder(), 'x.tar.zst')
    await exported(a, path)
    const b = await nodeNamed('b', [a])
    const { result } = await imported(b, path)
    expect(result).toMatchObject({ complete: false, cut: true, events: 2, missing: 1, bad: 1 })
    expect(result['end']).toMatch(/decompresses to more than 100 times/)
  })

  test('of lies about sizes, and what is none, are refused with one sentence (ARCHIVE-9)', async () => {
    const b = await nodeNamed('b')
    const path = join(folder(), 'x.tar')
    writeFileSync(path, 'this is no archive, but as long as a header of one is'.padEnd(2048, '.'))
    await expect(imported(b, path)).rejects.toMatchObject({ code: 'E_ARCHIVE' })
    writeFileSync(path, Buffer.concat([encodeTarHeader('replica.json', 2 ** 40), utf8('{}')]))
    await expect(imported(b, path)).rejects.toMatchObject({ code: 'E_NO_DATA' })
    writeFileSync(path, zstdCompressSync(Buffer.from('x')).subarray(0, 8))
    await expect(imported(b, path)).rejects.toMatchObject({ code: 'E_NO_DATA' })
    mkdirSync(join(folder(), 'x'))
    await expect(imported(b, join(folder(), 'none.tar'))).rejects.toMatchObject({ code: 'E_NOT_FOUND' })
  })
})

/** A pack that is not finished, so that more can follow. */
async function* taken(stream: AsyncIterable<Uint8Array> & { finalize: () => void }): AsyncGenerator<Uint8Array, void, void> {
  stream.finalize()
  const bytes = Buffer.concat(await Array.fromAsync(stream))
  yield bytes.subarray(0, bytes.length - 1024)
}
