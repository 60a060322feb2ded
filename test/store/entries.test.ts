import { pbkdf2 } from 'node:crypto'
import { appendFileSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { concat, hex, linesOf, logFolder, Tree, appendLines } from '../../src/core/index.ts'
import { Entries, Tiles } from '../../src/store/index.ts'
import { sampleSigner } from '../core/sample.ts'
import { thrownBy } from '../thrown.ts'
import { blockOf, foreignLines, temporaryFolder } from './sample-folder.ts'

const signer = sampleSigner('entries')
const none: ReadonlySet<number> = new Set()
const derive = promisify(pbkdf2)

function lineAt(entries: Entries, index: number): Buffer {
  return Buffer.from(entries.read(index, index + 1).text).subarray(0, -1)
}

describe('Entries', () => {
  it('splits what is appended over files of 1,024 entries (LOG-10, FOLDER-4)', async () => {
    using folder = temporaryFolder()
    const { log, lines } = foreignLines(signer, 2500)
    const entries = new Entries(folder.path, log)
    entries.append(blockOf(lines.slice(0, 700), 0, none))
    entries.append(blockOf(lines.slice(700), 700, none))
    await entries.sync()
    expect(readdirSync(join(folder.path, logFolder(log), 'entries')).toSorted()).toEqual([
      '000000.ndjson',
      '000001.ndjson',
      '000002.ndjson'
    ])
    const second = readFileSync(join(folder.path, logFolder(log), 'entries/000001.ndjson'))
    expect(second.toString().split('\n').length - 1).toBe(1024)
    await entries.close()
    const again = new Entries(folder.path, log)
    expect(again.recover()).toBe(0)
    expect(again.size).toBe(2500)
    const read = again.read(1000, 2500)
    expect([read.from, read.count]).toEqual([1000, 24])
    expect(Buffer.from(again.read(2499, 2500).text)).toEqual(Buffer.concat([lines[2499] as Uint8Array, Buffer.from('\n')]))
    await again.close()
  })

  it('keeps a file open for as long as it is synced, though it is cut or done with meanwhile (FOLDER-8)', async () => {
    using folder = temporaryFolder()
    const { log, lines } = foreignLines(signer, 1100)
    const entries = new Entries(folder.path, log)
    entries.append(blockOf(lines.slice(0, 1000), 0, none))
    // the threads are busy: what is asked of them waits
    const busy = Array.from({ length: 8 }, async () => await derive('', '', 200_000, 32, 'sha256'))
    const syncing = entries.sync()
    entries.cut(990)
    await syncing
    await Promise.all(busy)
    entries.append(blockOf(lines.slice(990), 990, none))
    await entries.sync()
    await entries.close()
  })

  it('cuts a torn last line, at every length of it (FOLDER-9)', async () => {
    using folder = temporaryFolder()
    const { log, lines } = foreignLines(signer, 3)
    const entries = new Entries(folder.path, log)
    entries.append(blockOf(lines, 0, none))
    await entries.close()
    const path = join(folder.path, logFolder(log), 'entries/000000.ndjson')
    const whole = readFileSync(path)
    const third = lines[2] as Uint8Array
    for (let torn = 1; torn <= third.length; torn += 37) {
      truncateSync(path, whole.length - third.length - 1)
      appendFileSync(path, third.subarray(0, torn))
      const again = new Entries(folder.path, log)
      expect(again.recover()).toBe(torn)
      expect(again.size).toBe(2)
      again.append({ from: 2, count: 1, text: concat([third, Uint8Array.of(10)]) })
      await again.close()
      expect(readFileSync(path).equals(whole)).toBe(true)
    }
  })

  it('that were cut off over files are found to end there, also where an earlier version left an empty file (FOLDER-9, FOLDER-10)', async () => {
    using folder = temporaryFolder()
    const { log, lines } = foreignLines(signer, 2100)
    const entries = new Entries(folder.path, log)
    entries.append(blockOf(lines, 0, none))
    entries.cut(500)
    await entries.close()
    const files = join(folder.path, logFolder(log), 'entries')
    expect(readdirSync(files)).toEqual(['000000.ndjson'])
    // killed after the cut, before anything more was written
    for (const left of [[], ['000001.ndjson'], ['000001.ndjson', '000002.ndjson']]) {
      for (const name of left) writeFileSync(join(files, name), name === left.at(-1) ? '{"torn' : '')
      const again = new Entries(folder.path, log)
      expect(again.recover()).toBe(left.length > 0 ? 6 : 0)
      expect(again.size).toBe(500)
      expect(readdirSync(files)).toEqual(['000000.ndjson'])
      await again.close()
    }
  })

  it('that a file lacks in the middle are damage, and no endless read', async () => {
    using folder = temporaryFolder()
    const { log, lines } = foreignLines(signer, 1100)
    const entries = new Entries(folder.path, log)
    entries.append(blockOf(lines, 0, none))
    await entries.close()
    truncateSync(join(folder.path, logFolder(log), 'entries/000000.ndjson'), 0)
    const again = new Entries(folder.path, log)
    again.recover()
    expect(thrownBy(() => again.read(500, 1100))).toBe('E_DAMAGED')
    await again.close()
  })

  it('cuts entries off, over files, and goes on (FOLDER-10)', async () => {
    using folder = temporaryFolder()
    const { log, lines } = foreignLines(signer, 2100)
    const entries = new Entries(folder.path, log)
    entries.append(blockOf(lines, 0, none))
    entries.cut(1000)
    expect(entries.size).toBe(1000)
    entries.append(blockOf(lines.slice(1000), 1000, none))
    await entries.close()
    const again = new Entries(folder.path, log)
    again.recover()
    expect(again.size).toBe(2100)
    for (const at of [0, 999, 1000, 1024, 2099]) expect(lineAt(again, at)).toEqual(Buffer.from(lines[at] as Uint8Array))
    await again.close()
  })

  it('reads a withheld run whole, wherever inside it one asks (LOG-12)', async () => {
    using folder = temporaryFolder()
    const { log, lines } = foreignLines(signer, 600)
    const entries = new Entries(folder.path, log)
    entries.append(blockOf(lines, 0, new Set([5]), new Set([1])))
    const read = entries.read(300, 301)
    expect([read.from, read.count]).toEqual([256, 256])
    expect(entries.read(0, 600, 10).count).toBe(1)
    await entries.close()
  })
})

describe('Tiles', () => {
  it('gives the same tree from tiles, from lines, and with tiles missing (LOG-14, FOLDER-5)', async () => {
    using folder = temporaryFolder()
    const { log, lines } = foreignLines(signer, 1300)
    const entries = new Entries(folder.path, log)
    const block = blockOf(lines, 0, new Set([3]), new Set([2]))
    entries.append(block)
    const tiles = new Tiles(folder.path, log, entries)
    const whole = new Tree()
    appendLines(whole, linesOf(block), (tile) => tiles.write(tile))
    expect(tiles.read(0, 1)?.length).toBe(8192)
    await tiles.flush()
    expect(tiles.read(0, 2)).toBe(undefined)
    expect(tiles.read(0, 1)?.length).toBe(8192)
    for (const size of [0, 1, 255, 256, 257, 768, 1024, 1300]) {
      const tree = new Tree()
      appendLines(
        tree,
        block.lines.filter(({ index }) => index < size)
      )
      expect(hex(tiles.treeAt(size).root()), String(size)).toBe(hex(tree.root()))
    }
    expect(hex(tiles.rebuild(1300).root())).toBe(hex(whole.root()))
    await entries.close()
  })
})
