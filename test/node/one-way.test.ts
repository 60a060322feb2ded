import { appendFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { wordlist } from '@scure/bip39/wordlists/english.js'
import { describe, expect, test } from 'vitest'
import { type ErrorCode, codeOf } from '../../src/core/index.ts'
import {
  archiveWriter,
  codeWords,
  exportMedium,
  matchWords,
  type Node,
  numbersOfWords,
  OneWay,
  runVerb
} from '../../src/node/index.ts'
import { thrownBy } from '../thrown.ts'
import { all, checked, exported, folder, imported, never, nodeNamed, type Said, say } from './media-lab.ts'

async function verb(node: Node, name: string, args: object): Promise<Said> {
  const records = (await Array.fromAsync(runVerb(node, undefined, name, args, never))) as unknown as readonly Said[]
  return records.at(-1) as Said
}

/** Exports to an archive as `export --one-way` does. */
async function oneWay(node: Node, path: string, overlap?: number): Promise<Said> {
  node.writer.sign()
  const known = OneWay.open(node.root, 'default')
  const records = await Array.fromAsync(
    exportMedium(node.root, { ...all, base: known.base(overlap) }, archiveWriter(path), never, ({ plan }) =>
      known.sent(
        plan.logs.map(({ head }) => head),
        0
      )
    )
  )
  return records.at(-1) as unknown as Said
}

function hintOf(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    return codeOf(error) === 'E_CODE' ? String((error as { readonly hint?: string }).hint) : 'another error'
  }
  return 'none'
}

function rules(node: Node, text: string): void {
  appendFileSync(join(node.root, 'trust.yaml'), `${text}\n`)
  node.reloadTrust()
}

describe('one way', () => {
  test('repeats what was not confirmed, and six words confirm it (ONEWAY-1, ONEWAY-2, ONEWAY-5)', async () => {
    const a = await nodeNamed('a')
    const b = await nodeNamed('b', [a])
    const path = join(folder(), 'x.tar')
    await say(a, 'one')
    expect(await oneWay(a, path)).toMatchObject({ events: 2, artifacts: 1 })
    await say(a, 'two')
    expect(await oneWay(a, path)).toMatchObject({ events: 3, artifacts: 2 })
    expect(OneWay.list(a.root)).toMatchObject([{ target: 'default', confirmed: 0, unconfirmed: 3, exports: 2 }])
    const { result } = await imported(b, path)
    expect(result).toMatchObject({ complete: true, events: 3, code: codeWords(b) })
    expect(OneWay.open(a.root, 'default').match(codeWords(b), 0)).toBe(3)
    await say(a, 'three')
    expect(await oneWay(a, path)).toMatchObject({ events: 1, artifacts: 1, blobs: 3 })
    expect(OneWay.list(a.root)).toMatchObject([{ confirmed: 3, unconfirmed: 1, exports: 3 }])
    expect((await imported(b, path)).result).toMatchObject({ complete: true, events: 1, blobs: 2 })
    // one that was lost and started over takes all that is there as hashes, and can tell what it lacks
    const c = await nodeNamed('c', [a])
    expect((await imported(c, path)).result).toMatchObject({ bad: 0, events: 2, blobs: 3 })
    expect((await verb(a, 'status', {}))['oneWay']).toMatchObject([{ target: 'default', confirmed: 3 }])
  })

  test('with an overlap repeats only what the last exports carried (ONEWAY-1)', async () => {
    const a = await nodeNamed('a')
    const path = join(folder(), 'x.tar')
    for (let i = 0; i < 4; i++) {
      await say(a, `text ${i}`)
      await oneWay(a, path)
    }
    await say(a, 'last')
    expect(await oneWay(a, path, 2)).toMatchObject({ events: 3, artifacts: 3 })
    expect(await oneWay(a, path, 99)).toMatchObject({ events: 6, artifacts: 5 })
  })

  test('a code is found though a log was not let in, and though exports were lost (ONEWAY-5)', async () => {
    const a = await nodeNamed('a')
    const other = await nodeNamed('other')
    await say(other, 'of another writer')
    const path = join(folder(), 'x.tar')
    await exported(other, path)
    const carrier = await nodeNamed('carrier', [a, other])
    await imported(carrier, path)
    await exported(a, path)
    await imported(carrier, path)
    await oneWay(carrier, path)
    const b = await nodeNamed('b', [carrier, other])
    await imported(b, path)
    expect(OneWay.open(carrier.root, 'default').match(codeWords(b), 0)).toBe(3)
    await say(carrier, 'more')
    await oneWay(carrier, path)
    expect(OneWay.open(carrier.root, 'default').match(codeWords(b), 0)).toBe(3)
  })

  test('wrong words change nothing and are answered with the nearest (ONEWAY-6)', async () => {
    const a = await nodeNamed('a')
    const b = await nodeNamed('b', [a])
    const path = join(folder(), 'x.tar')
    await say(a, 'one')
    await oneWay(a, path)
    await imported(b, path)
    const words = codeWords(b).split(' ')
    const known = OneWay.open(a.root, 'default')
    expect(numbersOfWords(words.map((word) => word.slice(0, 4)).join('-'))).toEqual(numbersOfWords(words.join(' ')))
    const changed = words.map((word, i) => (i === 3 ? (wordlist[(wordlist.indexOf(word) + 1) % 2048] as string) : word)).join(' ')
    expect(hintOf(() => known.match(changed, 0))).toContain(`word 4 may be "${words[3]}"`)
    expect(hintOf(() => known.match(`zebrq ${words.slice(1).join(' ')}`, 0))).toBe('did you mean zebra?')
    const codes = (text: string): ErrorCode | undefined => thrownBy(() => matchWords(text, []))
    expect([codes(words.join(' ')), codes('abandon'), codes(words.slice(1).join(' ')), codes('')]).toEqual([
      'E_CODE',
      'E_CODE',
      'E_CODE',
      'E_CODE'
    ])
    expect(OneWay.list(a.root)).toMatchObject([{ confirmed: 0 }])
  })

  test('writes nothing to a medium when it imports, and tells the code (ONEWAY-3)', async () => {
    const a = await nodeNamed('a')
    await say(a, 'one')
    const dir = folder()
    await verb(a, 'export', { replica: dir })
    const state = (): readonly string[] => readdirSync(dir, { recursive: true, encoding: 'utf8' }).toSorted()
    const before = state()
    const b = await nodeNamed('b', [a])
    rules(b, 'import: {oneWay: true}')
    const result = await verb(b, 'import', { replica: dir })
    expect(result).toMatchObject({ complete: true, events: 2, oneWay: true, code: codeWords(b) })
    expect(state()).toEqual(before)
    const c = await nodeNamed('c', [a])
    await verb(c, 'import', { replica: dir })
    expect(state()).not.toEqual(before)
  })
})

describe('a seal', () => {
  test('is on every medium, and of a known identity lets an import go on (SEAL-3, SEAL-4, SEAL-5)', async () => {
    const a = await nodeNamed('a')
    await say(a, 'one')
    const dir = folder()
    await verb(a, 'export', { replica: dir })
    const path = join(folder(), 'x.tar')
    await exported(a, path)
    const b = await nodeNamed('b', [a])
    rules(b, 'import: {requireSeal: true}')
    expect((await imported(b, path)).result).toMatchObject({ complete: true, events: 2, blobs: 3 })
    const c = await nodeNamed('c', [a])
    rules(c, 'import: {requireSeal: true}')
    expect(await verb(c, 'import', { replica: dir })).toMatchObject({ complete: true, events: 2 })
    // the receipt that went back does not break it
    const d = await nodeNamed('d', [a])
    rules(d, 'import: {requireSeal: true}')
    expect(await verb(d, 'import', { replica: dir })).toMatchObject({ complete: true, events: 2 })
  })

  test('that is missing, of a stranger or of something else refuses all of it (SEAL-4, SEAL-6)', async () => {
    const a = await nodeNamed('a')
    const stranger = await nodeNamed('stranger', [a])
    await say(a, 'one')
    const b = await nodeNamed('b', [a])
    rules(b, 'import: {requireSeal: true}')
    const path = join(folder(), 'x.tar')
    await exported(a, path)
    const good = readFileSync(path)
    await imported(stranger, path)
    await exported(stranger, path)
    await expect(imported(b, path)).rejects.toMatchObject({ code: 'E_SEAL' })
    const { execFileSync } = await import('node:child_process')
    const root = folder()
    writeFileSync(path, good)
    execFileSync('tar', ['xf', path, '-C', root])
    const names = execFileSync('tar', ['tf', path], { encoding: 'utf8' }).trimEnd().split('\n')
    const packed = async (order: readonly string[]): Promise<void> => {
      execFileSync('tar', ['cf', path, '-C', root, ...order])
      await expect(imported(b, path)).rejects.toMatchObject({ code: 'E_SEAL' })
    }
    await packed(names.filter((name) => name !== 'seal'))
    await packed(names.filter((name) => name !== 'SHA256SUMS'))
    const heads = readFileSync(join(root, 'heads'))
    writeFileSync(join(root, 'heads'), heads.subarray(0, heads.indexOf(10) + 1))
    await packed(names)
    expect((await checked(path)).result).toMatchObject({ ok: false })
    writeFileSync(join(root, 'heads'), heads)
    expect(b.store.listHeads().map(({ log }) => log)).toEqual([b.log])
    const dir = folder()
    await verb(a, 'export', { replica: dir })
    appendFileSync(join(dir, 'README.txt'), 'x')
    await expect(verb(b, 'import', { replica: dir })).rejects.toMatchObject({ code: 'E_SEAL' })
    await expect(verb(b, 'import', { replica: 'https://localhost:1/x/' })).rejects.toMatchObject({ code: 'E_SEAL' })
  })
})
