import { execFileSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { readdirSync, readFileSync, statSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { utf8 } from '../../src/core/index.ts'
import { ageWriter, exportMedium, type Node } from '../../src/node/index.ts'
import { encodeAgeIndex, filledBytes, parseAgeIndex } from '../../src/replica/index.ts'
import { verifyFolder } from '../../src/store/index.ts'
import { thrownBy } from '../thrown.ts'
import { all, checked, exported, folder, imported, never, nodeNamed, type Said, say } from './media-lab.ts'

interface Key {
  readonly file: string
  readonly recipient: string
}

const keys: Key[] = []
beforeAll(async () => {
  const { generateX25519Identity, identityToRecipient } = await import('age-encryption')
  for (let i = 0; i < 3; i++) {
    const identity = await generateX25519Identity()
    keys.push({ file: `# made for a test\n${identity}\n`, recipient: await identityToRecipient(identity) })
  }
})

function keyFile(i: number): string {
  const path = join(folder(), 'key.txt')
  writeFileSync(path, keys[i]?.file ?? '')
  return path
}

async function encrypt(node: Node, dir: string, to: readonly number[] = [0, 1]): Promise<Said> {
  node.writer.sign()
  const recipients = to.map((i) => keys[i]?.recipient ?? '')
  const records = await Array.fromAsync(exportMedium(node.root, all, ageWriter(node.root, dir, recipients), never))
  return records.at(-1) as unknown as Said
}

const ages = (dir: string): readonly string[] => readdirSync(dir).filter((name) => name.endsWith('.age'))

describe('an encrypted medium', () => {
  test('is read by age -d and by whoever has one of the keys (ENCRYPTED-1, ENCRYPTED-7)', async () => {
    const a = await nodeNamed('a')
    await say(a, 'a secret text', { repository: 'secret/place' })
    await say(a, randomBytes(1_300_000), { type: 'application/octet-stream' })
    const dir = folder()
    expect(await encrypt(a, dir)).toMatchObject({ complete: true, blobs: 5 })
    for (const i of [0, 1]) {
      const identity = keyFile(i)
      expect((await checked(dir, { identity })).result).toMatchObject({ ok: true, complete: true, events: 3, blobs: 5 })
      const b = await nodeNamed('b', [a])
      expect((await imported(b, dir, { identity })).result).toMatchObject({ complete: true, events: 3, blobs: 5 })
    }
    const decrypt = (name: string): Buffer =>
      execFileSync('age', ['-d', '-i', keyFile(0), join(dir, name)], { maxBuffer: 2 ** 24 })
    const index = decrypt(ages(dir).find((name) => name.endsWith('.index.age')) ?? '')
    expect(index.length % 4096).toBe(0)
    const entries = parseAgeIndex(index)
    expect(entries).toHaveLength(ages(dir).length - 1)
    for (const { path, name, sizeBytes, sha256 } of entries) {
      const bytes = decrypt(`${name}.age`)
      expect(bytes.length).toBe(filledBytes(sizeBytes))
      expect(createHash('sha256').update(bytes.subarray(0, sizeBytes)).digest('hex')).toBe(
        sha256 ?? path.slice('blobs/sha256/'.length)
      )
    }
  })

  test('shows nothing of what is in it, neither in names nor in clear (ENCRYPTED-2, ENCRYPTED-3)', async () => {
    const a = await nodeNamed('a')
    const digest = await say(a, 'a secret text', { repository: 'secret/place' })
    const dir = folder()
    await encrypt(a, dir)
    for (const name of readdirSync(dir)) {
      expect(name).toMatch(/^(?:[0-9a-f]{32}(?:\.index)?\.age|README\.txt|rejoin-encrypted\.json)$/)
      const text = readFileSync(join(dir, name)).toString('latin1')
      for (const word of ['secret', a.log, digest.slice(7), a.did, '"lab"', 'log.opened'])
        expect([name, text.includes(word)]).toEqual([name, false])
    }
    const other = folder()
    await encrypt(a, other)
    expect(ages(dir).filter((name) => ages(other).includes(name))).toEqual([])
  })

  test('has files of few sizes only, and is read where they are not filled up, as before (ENCRYPTED-9)', async () => {
    const a = await nodeNamed('a')
    for (let i = 0; i < 6; i++) await say(a, randomBytes(100 + i * 7), { type: 'application/octet-stream' })
    for (let i = 0; i < 3; i++) await say(a, randomBytes(200_000 + i * 1000), { type: 'application/octet-stream' })
    const dir = folder()
    await encrypt(a, dir, [0])
    const sizes = new Set(
      ages(dir)
        .filter((name) => !name.endsWith('.index.age'))
        .map((name) => statSync(join(dir, name)).size)
    )
    // one of 4 KiB and less, those of SHA256SUMS and entries, and one of the three large ones
    expect(ages(dir).length).toBeGreaterThan(25)
    expect(sizes.size).toBeLessThanOrEqual(4)
    let before = 0
    for (let sizeBytes = 1; sizeBytes < 2 ** 40; sizeBytes = Math.ceil(sizeBytes * 1.37)) {
      const filled = filledBytes(sizeBytes)
      expect(filled).toBeGreaterThanOrEqual(Math.max(sizeBytes, before))
      if (sizeBytes > 4096) expect(filled).toBeLessThanOrEqual(sizeBytes * 1.0625)
      expect(filledBytes(filled)).toBe(filled)
      before = filled
    }
    // as version 1 wrote it
    const identity = keyFile(0)
    const name = ages(dir).find((one) => one.endsWith('.index.age')) ?? ''
    const decrypt = (one: string): Buffer => execFileSync('age', ['-d', '-i', identity, join(dir, one)], { maxBuffer: 2 ** 24 })
    const index = decrypt(name)
    const put = (one: string, bytes: Uint8Array): unknown =>
      execFileSync('age', ['-r', keys[0]?.recipient ?? '', '-o', join(dir, one)], { input: bytes })
    put(name, Buffer.from(index.toString().replace('"version":2}', '"version":1}')))
    for (const entry of parseAgeIndex(index).slice(-3))
      put(`${entry.name}.age`, decrypt(`${entry.name}.age`).subarray(0, entry.sizeBytes))
    const b = await nodeNamed('b', [a])
    expect((await imported(b, dir, { identity })).result).toMatchObject({ complete: true, bad: 0, missing: 0, events: 10 })
  })

  test('gets only what is new a second time, and all anew for other readers (ENCRYPTED-4, ENCRYPTED-5)', async () => {
    const a = await nodeNamed('a')
    await say(a, randomBytes(1_300_000), { type: 'application/octet-stream' })
    const dir = folder()
    await encrypt(a, dir)
    const before = ages(dir)
    expect(await encrypt(a, dir)).toMatchObject({ complete: true, bytes: 0 })
    expect(ages(dir)).toEqual(before)
    await say(a, 'more')
    const result = await encrypt(a, dir)
    expect(result['bytes']).toBeLessThan(20_000)
    const after = ages(dir)
    const large = (names: readonly string[]): readonly string[] =>
      names.filter((name) => statSync(join(dir, name)).size > 1_000_000)
    expect(large(after)).toEqual(large(before.filter((name) => after.includes(name))))
    expect(after.filter((name) => name.endsWith('.index.age'))).toHaveLength(1)
    const b = await nodeNamed('b', [a])
    expect((await imported(b, dir, { identity: keyFile(0) })).result).toMatchObject({ complete: true, events: 3, blobs: 5 })
    await encrypt(a, dir, [2])
    expect(large(ages(dir))).not.toEqual(large(after.filter((name) => ages(dir).includes(name))))
    await expect(checked(dir, { identity: keyFile(0) })).rejects.toMatchObject({ code: 'E_KEY' })
    expect((await checked(dir, { identity: keyFile(2) })).result).toMatchObject({ complete: true })
    expect(await Array.fromAsync(verifyFolder(a.root, { signal: never }))).toEqual([])
  })

  test('in volumes is one in each folder, useful alone, and any order brings all (SELECT-7, SELECT-8)', async () => {
    const a = await nodeNamed('a')
    for (let i = 0; i < 4; i++) await say(a, randomBytes(30_000 + i), { type: 'application/octet-stream' })
    a.writer.sign()
    const dir = folder()
    const writer = ageWriter(a.root, dir, [keys[0]?.recipient ?? ''])
    const options = { ...all, maxBytes: 110_000, volumes: true }
    const records = (await Array.fromAsync(exportMedium(a.root, options, writer, never))) as unknown as readonly Said[]
    const paths = records.filter(({ kind }) => kind === 'volume').map(({ path }) => String(path))
    expect(paths).toEqual(readdirSync(dir).map((name) => join(dir, name)))
    expect(paths.length).toBeGreaterThan(1)
    const identity = keyFile(0)
    const b = await nodeNamed('b', [a])
    for (const [i, path] of paths.toReversed().entries()) {
      expect(readdirSync(path).reduce((sum, name) => sum + statSync(join(path, name)).size, 0)).toBeLessThanOrEqual(110_000)
      expect((await checked(path, { identity })).result).toMatchObject({ complete: true, missing: 0, bad: 0 })
      const { result } = await imported(b, path, { identity })
      expect(result).toMatchObject({ complete: true, missing: 0, events: i === 0 ? 5 : 0 })
    }
    expect((await checked(paths[0] ?? '', { identity })).result['omitted']).toBeGreaterThan(0)
  })

  test('is refused before the first write where it can not fit, and the plan says what is there (SELECT-6, SELECT-9)', async () => {
    const a = await nodeNamed('a')
    await say(a, randomBytes(900_000), { type: 'application/octet-stream' })
    a.writer.sign()
    const dir = folder()
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=6m', 'none', dir])
    try {
      const writer = ageWriter(a.root, dir, [keys[0]?.recipient ?? ''])
      const plan = async (): Promise<Said> =>
        (await Array.fromAsync(exportMedium(a.root, { ...all, dryRun: true }, writer, never))).at(-1) as unknown as Said
      expect(await plan()).toMatchObject({ fits: true, volumes: [{ path: dir, there: 0, blobs: 3 }] })
      expect(readdirSync(dir)).toEqual([])
      await encrypt(a, dir, [0])
      expect(await plan()).toMatchObject({ fits: true, volumes: [{ there: 3, needed: 0 }] })
      await say(a, randomBytes(3_000_000), { type: 'application/octet-stream' })
      a.writer.sign()
      expect(await plan()).toMatchObject({ fits: false, left: 0, volumes: [{ there: 3, blobs: 5 }] })
      const before = readdirSync(dir)
      await expect(encrypt(a, dir, [0])).rejects.toMatchObject({ code: 'E_NO_SPACE' })
      const archive = join(dir, 'x.tar')
      await expect(exported(a, archive)).rejects.toMatchObject({ code: 'E_NO_SPACE' })
      expect(readdirSync(dir)).toEqual(before)
    } finally {
      execFileSync('umount', [dir])
    }
  })

  test('of two writers has what both wrote, one after the other (ENCRYPTED-5, STICK-17)', async () => {
    const a = await nodeNamed('a')
    const b = await nodeNamed('b')
    const dir = folder()
    await say(a, 'of a')
    const both = await Promise.allSettled([encrypt(a, dir), encrypt(a, dir)])
    const codes = both.map((one) => (one.status === 'fulfilled' ? 'done' : (one.reason as { readonly code: string }).code))
    expect(codes.toSorted()).toEqual(['E_LOCKED', 'done'])
    expect(readdirSync(dir)).not.toContain('tmp')
    await say(b, 'of b')
    await encrypt(b, dir)
    await encrypt(a, dir)
    const c = await nodeNamed('c', [a, b])
    expect((await imported(c, dir, { identity: keyFile(0) })).result).toMatchObject({ complete: true, events: 4, bad: 0 })
  })

  test('with a file missing, damaged or cut loses only that, and it is named (ENCRYPTED-6)', async () => {
    const a = await nodeNamed('a')
    for (let i = 0; i < 3; i++) await say(a, randomBytes(100_000 + i), { type: 'application/octet-stream' })
    const dir = folder()
    await encrypt(a, dir)
    const large = ages(dir).filter((name) => statSync(join(dir, name)).size > 100_000)
    expect(large).toHaveLength(3)
    const [missing = '', damaged = '', cut = ''] = large
    unlinkSync(join(dir, missing))
    const bytes = readFileSync(join(dir, damaged))
    bytes[50_000] = (bytes[50_000] as number) ^ 1
    writeFileSync(join(dir, damaged), bytes)
    writeFileSync(join(dir, cut), readFileSync(join(dir, cut)).subarray(0, 70_000))
    const identity = keyFile(0)
    const b = await nodeNamed('b', [a])
    const { result, faults } = await imported(b, dir, { identity })
    expect(result).toMatchObject({ complete: false, events: 4, blobs: 4, missing: 3 })
    expect(new Set(faults.map(({ path }) => path)).size).toBe(3)
    expect((await checked(dir, { identity })).result).toMatchObject({ ok: false, missing: 3 })
    await encrypt(a, dir)
    expect((await imported(b, dir, { identity })).result['missing']).toBeLessThan(3)
  })

  test('needs a key that fits, and an index is parsed strictly (ENCRYPTED-6, ENCRYPTED-8)', async () => {
    const a = await nodeNamed('a')
    const dir = folder()
    await encrypt(a, dir)
    await expect(imported(a, dir)).rejects.toMatchObject({ code: 'E_KEY' })
    await expect(imported(a, dir, { identity: keyFile(2) })).rejects.toMatchObject({ code: 'E_KEY' })
    const none = join(folder(), 'none')
    writeFileSync(none, '# nothing\n')
    await expect(imported(a, dir, { identity: none })).rejects.toMatchObject({ code: 'E_KEY' })
    const entry = { path: 'heads', name: 'ab'.repeat(16), sizeBytes: 5, sha256: 'cd'.repeat(32) }
    expect(parseAgeIndex(encodeAgeIndex([entry, { ...entry, path: '../x' }]))).toEqual([entry])
    const head = '{"format":"rejoin-encrypted-index","version":1}\n'
    for (const text of [
      '',
      '{}',
      head.replace('1}', '3}'),
      `${head}x`,
      `${head}{"path":"heads","name":"../x","size":1}`,
      `${head}{"path":"heads","name":"${'ab'.repeat(16)}","size":-1}`
    ])
      expect(['E_DAMAGED', 'E_VERSION']).toContain(thrownBy(() => parseAgeIndex(utf8(text))))
  })
})
