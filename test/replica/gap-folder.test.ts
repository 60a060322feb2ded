import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, it } from 'vitest'
import { appendLines, entriesPath, hex, linesOf, narrow, Tree } from '../../src/core/index.ts'
import { FolderLog } from '../../src/replica/folder-log.ts'
import { treeOfEntries } from '../../src/replica/web-entries.ts'
import { marksOf, Outside } from '../../src/store/index.ts'
import { withhold } from '../../src/sync/delta.ts'
import { sampleSigner } from '../core/sample.ts'
import { blockOf, foreignLines, temporaryFolder } from '../store/sample-folder.ts'

const { log, lines } = foreignLines(sampleSigner('alice'), 700)
const whole = blockOf(lines, 0, new Set())
const block = narrow(whole, (_, index) => index % 100 !== 0)

function rootOf(from: number, to: number): string {
  const tree = new Tree()
  appendLines(
    tree,
    whole.lines.filter(({ index }) => index >= from && index < to)
  )
  return hex(tree.root())
}

it('LOG-16: a log with gaps is read from a folder at each run, and gives its root', () => {
  using folder = temporaryFolder()
  const path = join(folder.path, entriesPath(log, 0))
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, block.text)
  const read = new FolderLog(new Outside(folder.path), log)
  const runs = linesOf(block)
  for (const { index, size, hash } of runs) {
    const one = linesOf(read.read(index, index + size))
    expect(one.map((line) => [line.index, line.size, hex(line.hash)])).toEqual([[index, size, hex(hash)]])
    expect(linesOf(read.read(index, 700))[0]).toMatchObject({ index, size })
  }
  for (const [from, to] of [
    [0, 256],
    [256, 512],
    [0, 700]
  ] as const)
    expect(hex(read.treeOfLines(from, to).root())).toBe(rootOf(from, to))
})

it('LOG-16: a log with gaps that came over the web gives its root', () => {
  const loaded = { text: block.text, marks: marksOf(block.text, 0), base: 0 }
  for (const [from, to] of [
    [0, 256],
    [256, 512],
    [512, 700]
  ] as const)
    expect(hex(treeOfEntries(loaded, from, to).root())).toBe(rootOf(from, to))
})

it('LOG-16: what is withheld beside gaps, each entry by itself, leads to the same root', () => {
  const held = withhold(block, { from: 650, known: [1, 300, 600] } as unknown as Parameters<typeof withhold>[1])
  const tree = new Tree()
  appendLines(tree, linesOf(held))
  expect([held.count, hex(tree.root())]).toEqual([700, rootOf(0, 700)])
})
